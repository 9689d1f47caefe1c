"""What was measured of deployed networks: the tables in ``results/deployment``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from busi_utils.forms import PREDICTIONS, Column, Form
from busi_utils.kept import read_kept
from busi_utils.workspace import CACHE, Workspace

TIMED = CACHE / "deployed"
"""Holds the files that are timed: a folder a model, in it one a recipe."""
LAST = "deployed.keras"
"""Written last into such a folder: where it is, the others are."""

_COUNT, _SIZE = Column("whole", low=0), Column("whole", low=1)
_TIME, _UNTOLD = Column("number", low=0), Column("number", low=0, empty=True)
FORMS = {
    "int8": Form(
        {
            "kept": _COUNT,
            "fold": _COUNT,
            "images": _SIZE,
            "bytes": _SIZE,
            "largest_difference": Column("number", 0, 1),
            "labels_changed": _COUNT,
        },
        key=("kept", "fold"),
    ),
    "answers": Form(
        {
            "model": Column(),
            "recipe": Column(),
            "seed": _COUNT,
            "format": Column(),
            **PREDICTIONS.columns,
            "fold": _COUNT,
        },
        key=("model", "recipe", "format", "image_id"),  # in 8 bits they need not sum to 1
    ),
    "sizes": Form(
        {
            "model": Column(),
            "recipe": Column(),
            "parameters": _SIZE,
            "weights": Column(among=("trained", "untrained")),
            "format": Column(),
            "bytes": _SIZE,
        },
        key=("model", "recipe", "format"),
    ),
    "latency": Form(
        {
            "model": Column(),
            "recipe": Column(),
            "runtime": Column(),
            "format": Column(),
            "batch": _SIZE,
            "threads": _SIZE,
            "repeats": _SIZE,
            "p50_ms": _TIME,
            "p95_ms": _UNTOLD,
            "p50_low_ms": _UNTOLD,
            "p50_high_ms": _UNTOLD,
            "peak_mb": _UNTOLD,
            "machine": Column(),
            "load": _TIME,
        },
        key=("model", "recipe", "runtime", "format", "batch", "threads"),
    ),
    "browser": Form(
        {
            "runtime": Column(),
            "format": Column(),
            "batch": _SIZE,
            "threads": _SIZE,
            "p50_ms": _TIME,
            "p95_ms": _TIME,
            "images": _SIZE,
            "python_p50_ms": _TIME,
            "largest_difference": Column("number", 0, 1),
            "labels_changed": _COUNT,
            "machine": Column(),
        }
    ),
}
"""The form of each table, by name; `latency` has ``load``, the processes at work beside it."""


def folder(workspace: Workspace) -> Path:
    """Return where they lie."""
    return workspace.results / "deployment"


def read(name: str, workspace: Workspace) -> pd.DataFrame:
    """Return a table, without rows if it was not measured; see `kept.read_kept` for errors."""
    path = folder(workspace) / f"{name}.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(FORMS[name].columns))
    return read_kept(path, FORMS[name])
