"""The rule by which notebook 04 judges claim C7: preprocessing and cleaning affect accuracy."""

from __future__ import annotations

import pandas as pd

from busi_utils.analysis.comparison import differences, shown
from busi_utils.recipes import LOGISTIC
from busi_utils.record.claims import judged
from busi_utils.record.formats import points_ci
from busi_utils.study.predictions import available_seeds, predictions_folder
from busi_utils.study.study import Study

PREPROCESSING, CLEANING = "preprocessing", "cleaning"
_PREPROCESSING = {
    "unit_range": "pixels in [0, 1], not [-1, 1]",
    "raw_range": "pixels 0-255, not [-1, 1]",
    "squeeze": "aspect ratio squeezed away",
    "no_augmentation": "no augmentation",
}


def preprocessing_changes(study: Study, model: str, seed: int, n_replicates: int) -> pd.DataFrame:
    """Return what each fault of preprocessing or cleaning changes, paired, in points of accuracy.

    Rows that the study did not train are left out.

    Returns
    -------
    pd.DataFrame
        See `comparison.differences`; ``kind`` is `PREPROCESSING` or `CLEANING`.
    """
    written, raw, grouped = ((cohort, model, "original") for cohort in ("clean", "raw", "grouped"))
    pairs = [
        (PREPROCESSING, label, ("clean", model, f"original-{change}"), written)
        for change, label in _PREPROCESSING.items()
    ]
    marked = [("clean", model, name) for name in (LOGISTIC, f"{LOGISTIC}-marks_inpainted")]
    pairs += [
        (CLEANING, "masks left in as images", ("raw_with_masks", model, "original"), raw),
        (CLEANING, "random split, copies parted", raw, grouped),
        (CLEANING, "burnt-in marks left in (logistic regression)", *marked),
    ]
    trained = [
        pair
        for pair in pairs
        if all(
            available_seeds(predictions_folder(study.workspace, study.dataset, *row))
            for row in pair[2:]
        )
    ]
    return differences(study, trained, "accuracy", seed, n_replicates)


def verdicts(changes: pd.DataFrame, dataset: str) -> list[tuple[str, str, str, str]]:
    """Return ``(claim, text, evidence, verdict)`` for the claim that notebook 04 decides.

    Rule. A fault affects accuracy if its paired difference is shown: bootstrap p-value below 0.05
    after Holm's correction for all faults. C7 is confirmed if some fault of preprocessing and some
    fault of cleaning do, partly confirmed if only one of the two kinds does, refuted if neither
    does. On phantoms nothing is judged.

    Parameters
    ----------
    changes : pd.DataFrame
        See `preprocessing_changes`.
    dataset : str
    """
    affects = shown(changes)
    kinds = [bool(affects[changes["kind"] == kind].any()) for kind in (PREPROCESSING, CLEANING)]
    evidence = "Change of accuracy on the same images. " + "; ".join(
        f"{row['label']}: {points_ci(row, 'worth', 1)}" for row in changes.to_dict("records")
    )
    verdict = ("refuted", "partly confirmed", "confirmed")[sum(kinds)]
    return [judged("C7", evidence + ".", verdict, dataset)]
