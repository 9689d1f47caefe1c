"""What faults of preprocessing and of cleaning change, each against the same network without it."""

from __future__ import annotations

import pandas as pd

from busi_utils.analysis.comparison import differences
from busi_utils.recipes import LOGISTIC
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
