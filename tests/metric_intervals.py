"""All metrics of one model with their intervals, as the study composes them for several at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from busi_utils.stats.bootstrap import bootstrap_replicates, percentile_intervals


def bootstrap_metrics(
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    """Columns ``metric, value, low, high``; parameters as in `bootstrap_replicates`."""
    replicates = bootstrap_replicates(y, {"": p}, groups, seed, n_replicates)
    return percentile_intervals(replicates[""])
