"""What accuracy is left when the lesion, or everything else, is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from busi_utils.analysis.comparison import TRAINING, differences
from busi_utils.analysis.damage import NONE
from busi_utils.analysis.external_measures import auc_line, binary_replicates, malignancy
from busi_utils.analysis.subgroups import shapes_of
from busi_utils.recipe_words import label_of
from busi_utils.recipes import CHANGES, LOGISTIC, REFERENCE
from busi_utils.stats.bootstrap import bootstrap_difference, bootstrap_replicates
from busi_utils.stats.metrics import MALIGNANT, NORMAL, encode
from busi_utils.stats.resampling import as_line
from busi_utils.study.baselines import run_references
from busi_utils.study.cells import grid
from busi_utils.study.predictions import PROBABILITIES, OutOfFold
from busi_utils.study.rows import Row, read_row
from busi_utils.study.study import Study
from busi_utils.training.hidden_lesions import INPAINTED, SHORTCUTS

METRICS = ("accuracy", "balanced_accuracy")
INPUTS = {
    NONE: "whole image",
    INPAINTED: "burnt-in marks inpainted",
    "lesion_only": "square about the lesion",
    "background_only": "all but that square",
    "border_only": "edges only",
    "outline_only": "drawn outline only",
    "metadata": "no pixels: size and marks only",
    "majority": "nothing: commonest class",
}
SEEN, TAUGHT = "network, whole images learnt", "logistic regression, taught on such images"


@dataclass(frozen=True)
class WhatIsLeft:
    """What a network and a logistic regression can do without the lesion, or with nothing else.

    Attributes
    ----------
    table : pd.DataFrame
        See `shortcut_table`.
    marks : dict
        See `marks_effect`.
    solidity : dict
        See `solidity_auc`.
    retrained : pd.DataFrame
        What further ways of training are worth against the network: `comparison.differences`; no
        rows if there are none.
    """

    table: pd.DataFrame
    marks: dict[str, float]
    solidity: dict[str, float]
    retrained: pd.DataFrame

    @property
    def seen(self) -> pd.DataFrame:
        """Rows of the network that learnt from whole images, by ``input``."""
        return self.table[self.table["classifier"] == SEEN].set_index("input")

    @property
    def taught(self) -> pd.DataFrame:
        """Rows of what was taught on inputs of the kind, and of the commonest class, likewise."""
        return self.table[self.table["classifier"] != SEEN].set_index("input")

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report, by name."""
        tables = {"shortcuts": self.table}
        return tables if self.retrained.empty else tables | {"retrained": self.retrained}


def what_is_left(
    study: Study,
    row: Row,
    probed: pd.DataFrame,
    recipes: Sequence[str],
    seed: int,
    n_replicates: int,
) -> WhatIsLeft:
    """Fit what is missing of the regressions; return all that hiding and retraining show.

    Parameters
    ----------
    study : Study
    row : Row
        Of cohort ``clean``.
    probed : pd.DataFrame
        Its answers, see `robustness.read_probes`.
    recipes : sequence of str
        Further ways of training its network.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    """
    cohort, model, _ = row
    run_references(study, grid(study.dataset, [cohort], [model], list(CHANGES), [0]))
    again = [(TRAINING, label_of(name), (cohort, model, name), row) for name in recipes]
    return WhatIsLeft(
        shortcut_table(study, probed, model, seed, n_replicates),
        marks_effect(probed, seed, n_replicates),
        solidity_auc(read_row(study, row), shapes_of(study), seed, n_replicates),
        differences(study, again, "accuracy", seed, n_replicates),
    )


def shortcut_table(
    study: Study, probed: pd.DataFrame, model: str, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return what each kind of input is worth to two classifiers on cohort ``clean``.

    The trained network has learnt from whole images and meets changed ones only at test, so what it
    says of them mixes missing information with surprise. A logistic regression on frozen features
    that learnt from images changed alike has no surprise: its accuracy is what the input tells.

    Parameters
    ----------
    study : Study
    probed : pd.DataFrame
        See `robustness.read_probes`.
    model : str
        Whose frozen features the regression reads.
    seed, n_replicates : int
        Of the group bootstrap.

    Returns
    -------
    pd.DataFrame
        Columns ``input, label, classifier, n`` and for each of `METRICS` and ``auc_lesions``
        (malignant against benign) value, ``_low``, ``_high``.
    """
    lines = []
    for probe in (NONE, INPAINTED, *SHORTCUTS):
        part = probed[probed["probe"] == probe]
        y, p = encode(part["label"].to_numpy()), part[PROBABILITIES].to_numpy()
        measured = _measured(y, p, part["group"].to_numpy(), seed, n_replicates)
        lines.append({"input": probe, "classifier": SEEN} | measured)
    rows = {NONE: (model, LOGISTIC)} | {change: (model, name) for name, change in CHANGES.items()}
    rows |= {name: (name, REFERENCE) for name in ("metadata", "majority")}
    for probe, row in rows.items():
        found = read_row(study, ("clean", *row))
        classifier = {"metadata": "gradient boosting", "majority": ""}.get(probe, TAUGHT)
        measured = _measured(found.y, found.p, found.groups, seed, n_replicates)
        lines.append({"input": probe, "classifier": classifier} | measured)
    table = pd.DataFrame(lines)
    return table.assign(label=table["input"].map(INPUTS))


def _measured(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, seed: int, n_replicates: int
) -> dict[str, float]:
    """Return metrics of all images, and the AUC of malignant against benign lesions alone."""
    drawn = bootstrap_replicates(y, {"": p}, groups, seed, n_replicates, wanted=METRICS)[""]
    lesion = y != NORMAL
    scores = malignancy(p, "lesions")[..., lesion]
    own = (y == MALIGNANT)[lesion], scores, scores > 0.5, groups[lesion]
    lesions = binary_replicates(*own, seed, n_replicates)[["auc"]]
    named = lesions.rename(columns={"auc": "auc_lesions"})
    return {"n": len(y)} | as_line(drawn) | as_line(named)


def solidity_auc(
    found: OutOfFold, shapes: pd.DataFrame, seed: int, n_replicates: int
) -> dict[str, float]:
    """Return how well one number of the drawn outline tells malignant from benign lesions.

    Parameters
    ----------
    found : OutOfFold
        Names the images, their classes and groups; its predictions are not read.
    shapes : pd.DataFrame
        See `subgroups.lesion_shapes`: the less solid the more jagged, hence the more suspect.
    seed, n_replicates : int

    Returns
    -------
    dict
        ``auc, auc_low, auc_high``.
    """
    solidity = shapes.set_index("image_id")["solidity"].reindex(found.images["image_id"]).to_numpy()
    lesion = ~np.isnan(solidity)
    groups = found.groups[lesion]
    return auc_line(found.y[lesion] == MALIGNANT, -solidity[lesion], groups, seed, n_replicates)


def marks_effect(probed: pd.DataFrame, seed: int, n_replicates: int) -> dict[str, float]:
    """Return how inpainting the marks at test changes accuracy, in points, paired by image.

    Returns
    -------
    dict
        ``n, worth_value, worth_low, worth_high``.
    """
    whole, without = (
        probed[probed["probe"] == probe].sort_values("image_id") for probe in (NONE, INPAINTED)
    )
    table = bootstrap_difference(
        encode(whole["label"].to_numpy()),
        without[PROBABILITIES].to_numpy(),
        whole[PROBABILITIES].to_numpy(),
        whole["group"].to_numpy(),
        seed,
        n_replicates,
        ["accuracy"],
    )
    value, low, high = 100 * table.set_index("metric").loc["accuracy", ["value", "low", "high"]]
    return {"n": len(whole), "worth_value": value, "worth_low": low, "worth_high": high}
