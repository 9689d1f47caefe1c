"""The form of every table that is read back: its columns, what may stand in them, its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils import CLASSES, SUM_TOLERANCE
from busi_utils.errors import StudyError
from busi_utils.recipes import ONE_TRAINING


@dataclass(frozen=True)
class Column:
    """What may stand in a column.

    Attributes
    ----------
    kind : str
        ``text``, ``number``, ``whole`` (an integer) or ``truth`` (True or False).
    low, high : float
        Least and greatest number.
    among : tuple of str
        The only texts allowed; none: any.
    empty : bool
        Whether a field may be empty.
    """

    kind: str = "text"
    low: float = -np.inf
    high: float = np.inf
    among: tuple[str, ...] = ()
    empty: bool = False

    def wrong(self, values: pd.Series) -> tuple[np.ndarray, str]:
        """Return which fields (n,) are wrong, and what is wrong with them."""
        if self.kind == "text":
            if self.among:
                return ~values.isin(self.among).to_numpy(), f"is none of {', '.join(self.among)}"
            empty = np.full(len(values), False) if self.empty else (values == "").to_numpy()
            return empty, "is empty"
        if self.kind == "truth":
            return ~values.astype(str).isin(["True", "False"]).to_numpy(), "is not True or False"
        numbers = values if values.dtype.kind in "iuf" else pd.to_numeric(values, errors="coerce")
        x = numbers.to_numpy(float)
        good = (x >= self.low) & (x <= self.high) & np.isfinite(x)  # NaN is not good
        if self.kind == "whole":
            good &= x == np.round(x)
        if self.empty:
            good |= np.isnan(x) & values.isna().to_numpy()
        return ~good, f"is no {self._name}"

    @property
    def _name(self) -> str:
        name = "whole number" if self.kind == "whole" else "number"
        if np.isinf(self.low) and np.isinf(self.high):
            return name
        if np.isinf(self.high):
            return f"{name} of at least {self.low:g}"
        return f"{name} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Form:
    """One kind of table.

    Attributes
    ----------
    columns : mapping of str to Column
        In order; none: any columns.
    key : tuple of str
        No two rows agree in these.
    one : tuple of str
        Columns whose values add to 1 in each row.
    more : bool
        Whether further columns may follow.
    may_be_empty : bool
        Whether the table may have no rows.
    """

    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    one: tuple[str, ...] = ()
    more: bool = False
    may_be_empty: bool = False

    def parse(self, data: bytes) -> pd.DataFrame:
        """Return the table in a file's bytes; text stays text, even ``NA``."""
        if not self.columns:
            return pd.read_csv(BytesIO(data), keep_default_na=False, na_values=[""])
        text = {name: str for name, column in self.columns.items() if column.kind == "text"}
        gaps = {n: [""] for n, c in self.columns.items() if c.empty and c.kind != "text"}
        return pd.read_csv(BytesIO(data), dtype=text, keep_default_na=False, na_values=gaps)

    def check(self, table: pd.DataFrame, path: Path, advice: str) -> None:
        """Stop at the first fault of a table, with one sentence that names file and row."""
        found, wanted = list(table.columns), list(self.columns)
        if self.columns and not (found[: len(wanted)] if self.more else found) == wanted:
            raise StudyError(f"{path} has columns {_some(found)}, not {_some(wanted)}: {advice}")
        if table.empty and not self.may_be_empty:
            raise StudyError(f"{path} has no rows: {advice}")
        for name, column in self.columns.items():
            wrong, what = column.wrong(table[name])
            if wrong.any():
                row = int(wrong.argmax())
                value = table[name].iloc[row]
                raise StudyError(f"{path}, row {row + 2}: {name} '{value}' {what}; {advice}")
        if self.one:
            sums = table[list(self.one)].to_numpy(float).sum(axis=1)
            if (wrong := np.abs(sums - 1) > SUM_TOLERANCE).any():
                row = int(wrong.argmax())
                raise StudyError(
                    f"{path}, row {row + 2}: the probabilities sum to {sums[row]:g}, not to 1; "
                    f"{advice}"
                )
        if self.key and (twice := table.duplicated(list(self.key)).to_numpy()).any():
            row = int(twice.argmax())
            value = ", ".join(str(table[name].iloc[row]) for name in self.key)
            raise StudyError(f"{path}, row {row + 2}: {value!r} stands there twice; {advice}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names).replace("\0", "?")
    return shown if len(shown) <= 150 else f"{shown[:150]} ..."


_TEXT, _ANY_TEXT, _TRUTH = Column(), Column(empty=True), Column("truth")
_COUNT, _LABEL = Column("whole", low=0), Column(among=CLASSES)
_SHARE, _SIZE, _SCORE = Column("number", 0, 1), Column("number", low=0), Column("number")
_P = {f"p_{name}": _SHARE for name in CLASSES}
_NAMED = {"image_id": _TEXT, "label": _LABEL}

ANY = Form({})
"""A table of whatever columns."""
PREDICTIONS = Form({**_NAMED, **_P}, ("image_id",), tuple(_P))
FOLDS = Form({**_NAMED, "group": _TEXT, "fold": Column("whole", 0, 4)}, ("image_id",))
MANIFEST = Form(
    {
        **_NAMED,
        **dict.fromkeys(("source", "path", "sha256"), _TEXT),
        **dict.fromkeys(("width", "height"), Column("whole", low=1)),
        "n_masks": _COUNT,
        "lesion_fraction": _SHARE,
        "duplicate_group": _TEXT,
        **dict.fromkeys(("cross_class", "annotated"), _TRUTH),
        "excluded_because": _ANY_TEXT,
    },
    ("image_id",),
    more=True,
)
EXTERNAL_MANIFEST = Form(
    {
        **_NAMED,
        **dict.fromkeys(("patient", "sha256"), _TEXT),
        **dict.fromkeys(("birads", "histology", "device"), _ANY_TEXT),
        "annotated": _TRUTH,
        "excluded_because": _ANY_TEXT,
    },
    ("image_id",),
    more=True,
)
_PAIR = ("image_id_a", "image_id_b")
DUPLICATES = Form(
    {**dict.fromkeys((*_PAIR, "kind"), _TEXT), "score": _SCORE}, _PAIR, more=True, may_be_empty=True
)
LEDGER = Form(
    {"image_id": _TEXT, "label": _LABEL, "fault": _ANY_TEXT, "twin_of": _ANY_TEXT},
    more=True,
    may_be_empty=True,
)
SCALING = Form(
    {"images": Column("whole", low=1), "cpu_seconds": _SIZE}
    | dict.fromkeys(("planted", "found", "false"), _COUNT),
    ("images",),
)
LESIONS = Form(
    {"image_id": _TEXT, "width_px": _COUNT, "height_px": _COUNT, "taller": _TRUTH}
    | {"solidity": _SHARE},
    ("image_id",),
)
_SHARE_OR_NONE = Column("number", 0, 1, empty=True)
LESIONS_AWAY = Form(
    {"image_id": _TEXT, "share": _SHARE_OR_NONE}
    | {"elongation": Column("number", low=0, empty=True), "solidity": _SHARE_OR_NONE},
    ("image_id",),
)
WITHIN = Form({"image_id": _TEXT, "within": _SHARE, "from_home": _SHARE}, ("image_id",))
PROBES = Form(
    {"probe": _TEXT, "severity": _COUNT, **_NAMED, **_P},
    ("probe", "severity", "image_id"),
    tuple(_P),
)
ATTENTION = Form(
    {"method": _TEXT, **_NAMED}
    | dict.fromkeys(("hit", "energy", "area"), Column("number", 0, 1, empty=True))
    | {f"m{k}": Column("whole", 0, 255) for k in range(49)},
    ("method", "image_id"),
)
_BOX = {"left": _COUNT, "top": _COUNT, "width": _COUNT, "height": _COUNT}
MASKS = Form(
    {"part": Column(among=("validation", "test", "away")), "threshold": _SHARE}
    | {"component": Column(among=("largest", "strongest")), **_NAMED, **_P}
    | {"dice": Column("number", 0, 1, empty=True), "share": _SHARE, "elongation": _SIZE, **_BOX},
    ("threshold", "component", "image_id"),
    tuple(_P),
)
SECOND_LOOKS = Form(
    {"part": Column(among=("validation", "test")), "margin": _SIZE, **_NAMED, **_P},
    ("margin", "image_id"),
    tuple(_P),
)
_AS_WRITTEN, _QUICK, _, _REMEASURED = ONE_TRAINING
_VALIDATED = (("val_loss", _SIZE), ("val_accuracy", _SHARE))
AVERAGES = Form(
    {"epoch": Column("whole", low=1), "loss": _SIZE, "accuracy_while_training": _SHARE}
    | {f"{name} {_AS_WRITTEN}": column for name, column in _VALIDATED}
    | {f"train_accuracy {_AS_WRITTEN}": _SHARE, f"distance {_AS_WRITTEN}": _SIZE}
    | {f"{name} {_QUICK}": column for name, column in _VALIDATED}
    | {f"distance {_QUICK}": _SIZE}
    | {f"{name} {_REMEASURED}": column for name, column in _VALIDATED},
    ("epoch",),
)
_WORDS = ("confirmed", "partly confirmed", "refuted", "unverifiable")
VERDICTS = Form(
    {**dict.fromkeys(("claim_id", "claim", "evidence"), _TEXT), "verdict": Column(among=_WORDS)},
    ("claim_id",),
)
