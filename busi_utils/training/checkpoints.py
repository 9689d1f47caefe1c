"""The state of a training run on disk: written after every epoch, read by the run that goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np

from busi_utils.workspace import atomic_path

_PROGRESS = "progress"


@dataclass
class Progress:
    """Where a run stands; saved after every epoch.

    Attributes
    ----------
    epoch : int
        Epochs completed.
    best_loss : float
        Lowest validation loss so far.
    best_epoch : int
        When it was reached (1-based).
    history : list of dict
        Losses and accuracies per epoch.
    seconds : float
        Time that the epochs took, those before an interruption too.
    """

    epoch: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def save_state(
    path: Path, progress: dict[str, Any], groups: dict[str, Sequence[np.ndarray]]
) -> None:
    """Write groups of arrays and the progress of a run atomically, as ``.npz``.

    Parameters
    ----------
    path : Path
        Its folder is made if it does not exist.
    progress : dict
        Whatever JSON holds.
    groups : dict of str to sequence of np.ndarray
        Arrays by group, in order.
    """
    arrays = {
        f"{name}{i}": value for name, group in groups.items() for i, value in enumerate(group)
    }
    arrays[_PROGRESS] = np.array(json.dumps(progress))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, **arrays)


def load_state(path: Path) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]] | None:
    """Return what `save_state` wrote, or None if there is no whole file."""
    if not is_zipfile(path):
        return None  # none yet, or one cut short by a power failure: the run starts again
    groups: dict[str, list[np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as saved:
            for name in saved.files:  # in the order of writing
                if name != _PROGRESS:
                    groups.setdefault(name.rstrip("0123456789"), []).append(saved[name])
            return json.loads(str(saved[_PROGRESS])), groups
    except (BadZipFile, ValueError, KeyError, EOFError, NotImplementedError):
        return None  # a byte of it has changed: its checksums tell


def values_of(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return the values of Keras variables."""
    return [variable.numpy() for variable in variables]


def assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Put values into Keras variables of the same number and shapes."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
