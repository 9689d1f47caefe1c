"""What accuracy is left when the lesion, or everything else, is taken away."""

from __future__ import annotations

import pandas as pd

from .bootstrap import bootstrap_difference, bootstrap_metrics
from .metrics import encode
from .predictions import PROBABILITIES
from .probes import NONE
from .recipes import CHANGES, LOGISTIC, REFERENCE
from .shortcuts import INPAINTED, SHORTCUTS
from .study import Study
from .summaries import read_row

METRICS = ("accuracy", "balanced_accuracy", "auc_malignant")
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
        Columns ``input, label, classifier, n`` and for each of `METRICS` value, ``_low``,
        ``_high``.
    """
    lines = []
    for probe in (NONE, INPAINTED, *SHORTCUTS):
        part = probed[probed["probe"] == probe]
        y, p = encode(part["label"].to_numpy()), part[PROBABILITIES].to_numpy()
        found = bootstrap_metrics(y, p, part["group"].to_numpy(), seed, n_replicates)
        lines.append(_line(probe, SEEN, len(y), found))
    rows = {NONE: (model, LOGISTIC)} | {change: (model, name) for name, change in CHANGES.items()}
    rows |= {name: (name, REFERENCE) for name in ("metadata", "majority")}
    for probe, row in rows.items():
        found = read_row(study, ("clean", *row))
        table = bootstrap_metrics(found.y, found.p, found.groups, seed, n_replicates)
        classifier = "gradient boosting" if probe == "metadata" else TAUGHT
        lines.append(_line(probe, "" if probe == "majority" else classifier, len(found.y), table))
    return pd.DataFrame(lines)


def _line(probe: str, classifier: str, n: int, table: pd.DataFrame) -> dict[str, object]:
    line = {"input": probe, "label": INPUTS[probe], "classifier": classifier, "n": n}
    for metric in METRICS:
        value, low, high = table.set_index("metric").loc[metric]
        line |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
    return line


def marks_effect(
    probed: pd.DataFrame, seed: int, n_replicates: int, metric: str = "accuracy"
) -> dict[str, float]:
    """Return what inpainting the marks at test changes, in points, paired by image.

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
    )
    value, low, high = 100 * table.set_index("metric").loc[metric, ["value", "low", "high"]]
    return {"n": len(whole), "worth_value": value, "worth_low": low, "worth_high": high}
