"""A third hospital, whose images show normal tissue too: the whole task, three classes, away.

Stated before any network was asked: the frames that `external_sets` leaves out; the class of
highest probability, no threshold; intervals over patients; every variant is shown and none chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.analysis.external import ExternalData, prepare_external, title_of_set
from busi_utils.analysis.external_measures import malignancy
from busi_utils.analysis.external_variants import (
    Variant,
    read_external_predictions,
    run_external,
)
from busi_utils.analysis.ruler import BesideReaders, beside_the_readers
from busi_utils.errors import StudyError
from busi_utils.stats.bootstrap import bootstrap_replicates
from busi_utils.stats.metrics import MALIGNANT, NORMAL, RECALLS, encode
from busi_utils.stats.ranking import mean_auc
from busi_utils.stats.resampling import as_line, replicate
from busi_utils.study.rows import read_row
from busi_utils.study.study import Study

METRICS = (
    *("balanced_accuracy", "accuracy", "macro_auc", "auc_normal", "auc_malignant"),
    *RECALLS,
    *("ece", "brier"),
)


@dataclass(frozen=True)
class ThreeClasses:
    """Networks in a hospital that has normal images.

    Attributes
    ----------
    title : str
        Name of the data set in texts.
    hospital : ExternalData
    table : pd.DataFrame
        Home first, then every variant: ``variant, networks, n``, `METRICS` and ``auc_lesions``
        (malignant against benign), each with ``_low`` and ``_high``.
    called : pd.DataFrame
        Truth (rows) by class called (columns), images, mean of the first variant's networks.
    beside : BesideReaders
        The ruler on the lesions; see `ruler.beside_the_readers`.
    """

    title: str
    hospital: ExternalData
    table: pd.DataFrame
    called: pd.DataFrame
    beside: BesideReaders

    @property
    def lines(self) -> dict[str, pd.Series]:
        """Lines of the table that texts name: home, one network, mean, adapted mean."""
        away = self.table.iloc[1:]
        mean = away[away["networks"] != "one"]
        adapted = mean["variant"].str.contains("statistics of the new images")
        named = {"home": self.table.iloc[0], "one": away.iloc[0], "mean": mean.iloc[0]}
        return named | {"adapted": mean[adapted].iloc[0]}


def three_classes(
    study: Study, name: str, model: str, recipe: str, seeds: Sequence[int], draw: tuple[int, int]
) -> ThreeClasses:
    """Ask a network's folds about another hospital where that is missing; judge all three classes.

    Parameters
    ----------
    study : Study
    name : str
        In `external_sets.EXTERNAL_SETS`, with normal images.
    model, recipe : str
        Row of cohort ``clean``; asked as it is, with the batch statistics of the new images, and
        with the weights of its folds averaged.
    seeds : sequence of int
    draw : (int, int)
        Seed and number of replicates of the bootstrap over patients.

    Raises
    ------
    StudyError
        If a class has no image that is used.
    """
    kinds = [(adapted, averaged) for averaged in (False, True) for adapted in (False, True)]
    variants = [Variant(model, recipe, tuple(seeds), *kind) for kind in kinds]
    hospital = prepare_external(name, study.dataset, study.workspace)
    images = hospital.manifest
    if lacking := [label for label in CLASSES if label not in set(images["label"])]:
        raise StudyError(
            f"No {lacking[0]} image of {title_of_set(name, study.dataset)} is left to be used: "
            "name a folder in which every class has frames without Doppler and single views."
        )
    run_external(study, hospital, variants)
    y, patients = encode(images["label"].to_numpy()), images["patient"].to_numpy()
    home = read_row(study, ("clean", model, recipe), seeds)
    lines = [
        {"variant": "at home, out of fold", "networks": "one"}
        | measures(home.y, home.p, home.groups, draw)
    ]
    asked = {one: read_external_predictions(study, hospital, one) for one in variants}
    for one, p in asked.items():
        several = {"one": p} | ({f"mean of {len(p)}": p.mean(axis=0)[None]} if len(p) > 1 else {})
        for networks, q in several.items():
            line = {"variant": one.label, "networks": networks}
            lines.append(line | measures(y, q, patients, draw))
    means = {"networks": asked[variants[0]], "networks, adapted": asked[variants[1]]}
    called = np.array(CLASSES)[means["networks"].mean(axis=0).argmax(axis=1)]
    lesion = (images["label"] != "normal").to_numpy()
    lesions = replace(hospital, manifest=images[lesion].reset_index(drop=True))
    of_lesions = {key: p.mean(axis=0)[lesion] for key, p in means.items()}
    return ThreeClasses(
        title_of_set(name, study.dataset),
        hospital,
        pd.DataFrame(lines),
        pd.crosstab(images["label"], called).reindex(CLASSES, columns=CLASSES, fill_value=0),
        beside_the_readers(study, lesions, of_lesions, *draw),
    )


def measures(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, draw: tuple[int, int]
) -> dict[str, float]:
    """Return `METRICS` and ``auc_lesions`` of one network, averaged over several.

    Parameters
    ----------
    y : np.ndarray
        Shape (n,), positions in ``CLASSES``.
    p : np.ndarray
        Shape (networks, n, 3).
    groups : np.ndarray
        Shape (n,): what the bootstrap draws.
    draw : (int, int)
        Its seed and number of replicates.
    """
    drawn = bootstrap_replicates(y, {"it": p}, groups, *draw, wanted=METRICS)["it"]
    lesion = y != NORMAL
    pairs = y[lesion] == MALIGNANT, malignancy(p[:, lesion], "lesions"), groups[lesion]
    auc = mean_auc(*pairs)
    # The patients are drawn as for the other columns, those without a lesion too.
    alone = replicate(lambda weights: {"auc_lesions": auc(weights[lesion])}, groups, *draw)
    return {"n": len(y)} | as_line(drawn[list(METRICS)]) | as_line(alone)
