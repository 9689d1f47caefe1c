"""What a run record says of the recipe, the weights, the packages and the machine."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cells import Cell
from .recipes import Recipe

if TYPE_CHECKING:
    from .weights import InitialWeights

_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn")


def start_of_record(
    cell: Cell, recipe: Recipe, initial: InitialWeights, size: int
) -> dict[str, Any]:
    """Return the part of a run record that is known before training."""
    return {
        **asdict(cell),
        "hyper_parameters": recipe.as_dict(),
        "size": size,
        "init": initial.init,
        "weights_sha256": initial.sha256,
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
