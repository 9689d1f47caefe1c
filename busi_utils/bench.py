"""Benchmarks by name: each returns a table of times side by side, taken in one run."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from .bench_statistics import bench_statistics
from .bench_training import bench_fine_tuning, bench_head_training
from .costs import model_costs
from .models import MODELS

BENCHES: dict[str, Callable[[], pd.DataFrame]] = {
    "statistics": bench_statistics,
    "head_training": bench_head_training,
    "fine_tuning": bench_fine_tuning,
    "costs": lambda: model_costs(list(MODELS), size=224),
}
