"""What makes a network travel better: every variant on the same external images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from busi_utils.analysis.comparison import title_of
from busi_utils.analysis.external import ExternalData, external, title_of_set
from busi_utils.analysis.external_measures import (
    RULES,
    binary_replicates,
    by_stratum,
    calibration_slope,
    carried_threshold,
    external_line,
    malignancy,
)
from busi_utils.recipe_words import brief_of
from busi_utils.stats.bootstrap import bootstrap_p
from busi_utils.stats.metrics import MALIGNANT, NORMAL
from busi_utils.stats.ranking import mean_auc
from busi_utils.stats.resampling import as_line, replicate
from busi_utils.study.cells import Cell, grid
from busi_utils.study.image_tables import Product, read_products, run_products
from busi_utils.study.predictions import PROBABILITIES
from busi_utils.study.rows import read_row
from busi_utils.study.study import Study


@dataclass(frozen=True)
class Variant:
    """One way of predicting an external set: a trained row, as it is or changed by `external`."""

    model: str
    recipe: str
    seeds: tuple[int, ...]
    adapted: bool = False
    averaged: bool = False

    @property
    def label(self) -> str:
        """Words for figures and tables."""
        parts = [title_of(self.model), *brief_of(self.recipe).removeprefix("tuned").split(", ")]
        if len(self.seeds) > 1:
            parts.append(f"{len(self.seeds)} seeds")
        if self.averaged:
            parts.append("weights of the folds averaged")
        if self.adapted:
            parts.append("statistics of the new images")
        return ", ".join(filter(None, parts))

    def trained(self, study: Study) -> list[Cell]:
        """Return the trained cells, all folds of all seeds."""
        return grid(study.dataset, ["clean"], [self.model], [self.recipe], self.seeds)

    def asked(self, study: Study) -> list[Cell]:
        """Return the cells under whose names the answers lie, one a network."""
        cells = self.trained(study)
        return [cell for cell in cells if cell.fold == 0] if self.averaged else cells

    def product(self, data: ExternalData) -> Product:
        """Return the answers' product."""
        return external(data, self.adapted, self.averaged)

    def thresholds(self, study: Study, rule: str) -> list[float]:
        """Return the threshold of each network; an averaged one has the mean of its folds'."""
        cuts = [carried_threshold(study, cell, rule) for cell in self.trained(study)]
        if self.averaged:
            return list(np.reshape(cuts, (len(self.seeds), -1)).mean(axis=1))
        return cuts


def run_external(study: Study, data: ExternalData, variants: Sequence[Variant]) -> int:
    """Predict what is missing; return how many networks were asked."""
    return sum(run_products(study, one.product(data), one.asked(study)) for one in variants)


def read_external_predictions(study: Study, data: ExternalData, variant: Variant) -> np.ndarray:
    """Return the probabilities of every network of a variant, (networks, n, 3), manifest order."""
    product, order = variant.product(data), data.manifest["image_id"]
    return np.stack(
        [
            read_products(study, product, [cell]).set_index("image_id").loc[order, PROBABILITIES]
            for cell in variant.asked(study)
        ]
    )


def external_table(
    study: Study, data: ExternalData, variants: Sequence[Variant], seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return the measures of every variant, and of the mean of all their networks.

    Every variant stands in the table, none is chosen by it; thresholds come from the inner
    validation images of each network's training set.

    Returns
    -------
    pd.DataFrame
        ``variant``, then the columns of `external_measures.external_line`.
    """
    patients = data.manifest["patient"].to_numpy()
    lines, every, every_cut = [], [], {rule: [] for rule in RULES}
    for variant in variants:
        p = read_external_predictions(study, data, variant)
        cuts = {rule: variant.thresholds(study, rule) for rule in RULES}
        found = external_line(data.malignant, p, cuts, patients, seed, n_replicates)
        lines += [{"variant": variant.label} | line for line in found]
        if not (variant.adapted or variant.averaged):
            every.append(p)
            every_cut = {rule: every_cut[rule] + cuts[rule] for rule in RULES}
    if len(every) > 1:
        p = np.concatenate(every)
        found = external_line(data.malignant, p, every_cut, patients, seed, n_replicates, ["mean"])
        lines += [{"variant": "all networks together"} | line for line in found]
    return pd.DataFrame(lines)


def paired_differences(
    study: Study, data: ExternalData, variants: Sequence[Variant], seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return how the AUC of one network of each variant differs from that of the first variant.

    Returns
    -------
    pd.DataFrame
        ``variant, worth_value, worth_low, worth_high``: in points, paired by patient, the mean over
        the networks of each variant; rule ``lesions``. ``p``: see `bootstrap.bootstrap_p`.
    """
    patients = data.manifest["patient"].to_numpy()

    aucs = {}
    for one in variants:
        scores = malignancy(read_external_predictions(study, data, one), "lesions")
        aucs[one.label] = mean_auc(data.malignant, scores, patients)

    def every(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {label: auc(weights) for label, auc in aucs.items()}

    drawn = replicate(every, patients, seed, n_replicates)
    gains = {one.label: drawn[one.label] - drawn[variants[0].label] for one in variants[1:]}
    lines = [
        {"variant": label} | as_line(gain.to_frame("worth"), 100) | {"p": bootstrap_p(gain)}
        for label, gain in gains.items()
    ]
    columns = ["variant", "worth", "worth_low", "worth_high", "p"]
    return pd.DataFrame(lines, columns=columns).rename(columns={"worth": "worth_value"})


def at_home(
    study: Study, variant: Variant, rule: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the same question asked of the study's own lesions, out of fold.

    Returns
    -------
    tuple of np.ndarray
        Malignant (n,) bool, scores (seeds, n), verdicts at the thresholds (seeds, n) bool, and
        duplicate groups (n,).
    """
    found = read_row(study, ("clean", variant.model, variant.recipe))
    lesion = found.y != NORMAL
    cuts = np.reshape(variant.thresholds(study, rule), (len(variant.seeds), -1))
    cuts = cuts[:, found.images["fold"]]
    chosen = [found.seeds.index(seed) for seed in variant.seeds]
    scores = malignancy(found.p[chosen], rule)
    flagged = scores >= cuts
    return (
        found.y[lesion] == MALIGNANT,
        scores[:, lesion],
        flagged[:, lesion],
        found.groups[lesion],
    )


def home_line(
    study: Study, variant: Variant, rule: str, seed: int, n_replicates: int
) -> dict[str, object]:
    """Return the measures of `at_home` with intervals over duplicate groups, one network each."""
    truth, scores, flagged, groups = at_home(study, variant, rule)
    drawn = binary_replicates(truth, scores, flagged, groups, seed, n_replicates)
    slope = float(np.mean([calibration_slope(truth, score) for score in scores]))
    line = {"rule": rule, "networks": "one", "n": len(truth), "calibration_slope": slope}
    return line | as_line(drawn)


def strata(
    study: Study, data: ExternalData, variant: Variant, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return the mean network of a variant by BI-RADS category, histology and device.

    Returns
    -------
    pd.DataFrame
        See `external_measures.by_stratum`; rule ``lesions``.
    """
    p = read_external_predictions(study, data, variant).mean(axis=0)
    score = malignancy(p, "lesions")
    flagged = score >= np.mean(variant.thresholds(study, "lesions"))
    tables = [
        by_stratum(data.manifest, score, flagged, column, seed, n_replicates)
        for column in ("birads", "histology", "device")
        if (data.manifest[column] != "").any()
    ]
    return pd.concat(tables, ignore_index=True)


def calibration_parts(
    study: Study, data: ExternalData, variant: Variant
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return truth and score at home (one network an image) and away (the first network).

    The scores follow rule ``lesions``. One network of several is shown away as at home, since a
    mean of networks is less sure than each of them.
    """
    truth, scores, *_ = at_home(study, variant, "lesions")
    p = read_external_predictions(study, data, variant)[0]
    title = title_of_set(data.name, study.dataset)
    return {
        "at home, out of fold": (truth, scores[0]),
        f"{title}, one network": (data.malignant, malignancy(p, "lesions")),
    }
