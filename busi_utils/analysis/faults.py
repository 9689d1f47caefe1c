"""What preprocessing and cleaning change, each fault against the same network without it."""

from __future__ import annotations

import pandas as pd

from busi_utils.analysis.comparison import differences
from busi_utils.recipe_words import brief_of
from busi_utils.recipes import LOGISTIC
from busi_utils.study.predictions import available_seeds, predictions_folder
from busi_utils.study.study import Study

PREPROCESSING, BUG = "preprocessing", "bug"
"""A choice of preprocessing, and what no one would choose."""
LEARNT, TOLD = "learnt", "told"
"""What a network learns from uncleaned data, and what a test on uncleaned data says."""
_CHANGES = {
    "unit_range": (BUG, "pixels in [0, 1], not [-1, 1]"),
    "raw_range": (BUG, "pixels 0-255, not [-1, 1]"),
    "squeeze": (PREPROCESSING, "aspect ratio squeezed away"),
}


def preprocessing_changes(study: Study, model: str, seed: int, n_replicates: int) -> pd.DataFrame:
    """Return what each fault of preprocessing or cleaning changes, paired, in points of accuracy.

    Rows that the study did not train are left out. Rows of one cohort are compared over the seeds
    that both have.

    Returns
    -------
    pd.DataFrame
        See `comparison.differences`; ``kind`` is one of the four above.
    """
    written, raw, grouped = ((cohort, model, "original") for cohort in ("clean", "raw", "grouped"))
    pairs = [
        (kind, label, ("clean", model, f"original-{change}"), written)
        for change, (kind, label) in _CHANGES.items()
    ]
    pairs += [
        (LEARNT, f"copies and axillae in training, {brief_of(recipe)}", *both)
        for recipe in ("original", LOGISTIC, "tuned")
        for both in [(("grouped", model, recipe), ("clean", model, recipe))]
    ]
    marked = [("clean", model, name) for name in (LOGISTIC, f"{LOGISTIC}-marks_inpainted")]
    pairs += [
        (LEARNT, "masks left in as images", ("raw_with_masks", model, "original"), raw),
        (LEARNT, "burnt-in marks left in (logistic regression)", *marked),
        (TOLD, "random split, copies parted", raw, grouped),
    ]
    frames = []
    for pair in pairs:
        of_each = [
            available_seeds(predictions_folder(study.workspace, study.dataset, *row))
            for row in pair[2:]
        ]
        if all(of_each):
            both = [s for s in of_each[0] if s in of_each[1]]
            frames.append(differences(study, [pair], "accuracy", seed, n_replicates, both))
    return pd.concat(frames, ignore_index=True)
