"""Numbers and names that a user may give: their types and ranges, checked where they come in."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from busi_utils.errors import StudyError

SCALARS = {"str": str, "int": int, "float": float, "bool": bool}
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}

LARGEST_SEED = 4_294_966  # times 1,000 and the number of a layer it must fit into 32 bits
RANGES = {
    "seeds": (0, LARGEST_SEED),
    "n_replicates": (10, 1_000_000),
    "image_size": (32, 1024),
    "jobs": (1, 1024),
    "severities": (1, 5),
    "scaling_sizes": (10, 1_000_000),
    "timeout": (1, 31_536_000),
}
"""Least and greatest value of a number, or of each number of a list, by name; ``seeds`` stand for
whatever ends so."""
_STEPS = {"image_size": 32}  # the stride of the networks
MAY_BE_EMPTY = {"variants", "tuned_trials", "scratch_models", "cohorts", "tuned_cohorts"}
MAY_BE_EMPTY |= {"unfrozen", "unfrozen_seeds", "left_out", "left_out_seeds", "travel_recipes"}
MAY_BE_EMPTY |= {"deployed_rows", "small_rows", "newer_rows", "distilled_rows", "maskless_rows"}
MAY_BE_EMPTY |= {"averaged_rows"}
"""Lists that switch a part of a notebook off."""


def check_range(name: str, value: float, what: str) -> None:
    """Stop if a number lies outside its range in `RANGES`; finite are all.

    Raises
    ------
    StudyError
        ``what`` begins its sentence.
    """
    key = "seeds" if name.endswith(("seed", "seeds")) else name
    low, high = RANGES.get(key, (-math.inf, math.inf))
    if not (math.isfinite(value) and low <= value <= high):
        limits = f"from {low} to {high}" if math.isfinite(low) else "finite"
        raise StudyError(f"{what} is {value}: give a number {limits}.")
    if name in _STEPS and value % (step := _STEPS[name]):
        raise StudyError(f"{what} is {value}: give a multiple of {step}, for instance 96 or 224.")


@dataclass(frozen=True)
class Parameter:
    """One typed line of a notebook's parameters cell, such as ``epochs: int = 25``."""

    name: str
    kind: str
    default: Any
    notebook: str

    def read(self, value: Any) -> Any:
        """Return ``value`` in the declared type (a whole number may stand for a float).

        Raises
        ------
        StudyError
            If it has another type or lies outside its range.
        """
        if self.kind.startswith("list["):
            if not isinstance(value, list):
                raise StudyError(self._complaint(value, _list_of(value)))
            values = [self._scalar(item, self.kind[5:-1]) for item in value]
            if self.name not in MAY_BE_EMPTY and not values:
                raise StudyError(f"{self._what} is an empty list: name at least one.")
            if twice := sorted({str(item) for item in values if values.count(item) > 1}):
                raise StudyError(f"{self._what} names {twice[0]} twice: leave one out.")
            return values
        return self._scalar(value, self.kind)

    def _scalar(self, value: Any, kind: str) -> Any:
        if kind == "float" and type(value) is int:
            value = float(value)
        if type(value) is SCALARS[kind]:
            if kind in ("int", "float"):
                check_range(self.name, value, self._what)
            return value
        raise StudyError(self._complaint(value, _remedy(value, kind)))

    @property
    def _what(self) -> str:
        return f"Parameter '{self.name}' of {self.notebook}"

    def _complaint(self, value: Any, remedy: str) -> str:
        return (
            f"{self._what} is declared {self.kind}, "
            f"but {_as_yaml(value)} is {_described(value)}: {remedy}."
        )


def check_given(notebook: str, values: Mapping[str, Any]) -> None:
    """Check the parameters of a notebook that is at work, however they came in.

    Parameters
    ----------
    notebook : str
        Its name.
    values : Mapping
        The names of its kernel, ``__annotations__`` of the typed parameters among them.

    Raises
    ------
    StudyError
        See `Parameter.read`.
    """
    for name, kind in values.get("__annotations__", {}).items():
        kind = kind.__name__ if isinstance(kind, type) else str(kind)
        if re.sub(r"^list\[(\w+)\]$", r"\1", kind) in SCALARS and name in values:
            Parameter(name, kind, None, notebook).read(values[name])


def _list_of(value: Any) -> str:
    if isinstance(value, str) and value.strip().startswith("["):
        return f"write {value.strip()} without quotes (papermill: -y instead of -p)"
    return f"write [{_as_yaml(value)}]"


def _as_yaml(value: Any) -> str:
    flow = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return flow.replace("...", "").strip()


def _described(value: Any) -> str:
    if value is None:
        return "empty"
    return _WORDS.get(type(value).__name__, f"a {type(value).__name__}")


def _remedy(value: Any, kind: str) -> str:
    if isinstance(value, str) and kind in ("float", "int"):
        try:
            return f"write {SCALARS[kind](float(value))!r}"  # YAML 1.1 reads 1e-4 as text
        except ValueError:
            pass
    if isinstance(value, str) and kind == "bool" and value.lower() in ("true", "false"):
        return f"write {value.lower()} without quotes"
    if kind == "str" and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if isinstance(value, float) and kind == "int" and value.is_integer():
        return f"write {int(value)}"
    return f"give {_WORDS[kind]}"
