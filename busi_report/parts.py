"""What the report's template can call: figures, tables and numbered references to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from PIL import Image

from busi_utils.errors import StudyError
from busi_utils.plots.theme import PRINT_WIDTH, RASTER_DPI, read_figures
from busi_utils.record.claims import claim_table
from busi_utils.record.formats import cell
from busi_utils.record.numbers import read_table
from busi_utils.workspace import Workspace

NATURAL_WIDTH = 84
"""Characters that a line of a table may have before its cells are wrapped."""
PANDOC_COLUMNS = 200
"""Passed to pandoc: a table whose rule is longer than this takes the text width and wraps."""
_LEFT = frozenset(
    {"", "words", "hash", "recipe", "brief"}
)  # set flush left; all others are numbers


class Parts:
    """Figures and tables of one report, numbered in the order of their appearance.

    The template is rendered twice: the first time numbers are given out and `ref` answers with a
    blank, the second time every reference is known, also those that point ahead.

    Parameters
    ----------
    workspace : Workspace
        Where figures and tables lie.
    dataset : str
        Data set that every figure must come from; ``phantom`` marks the captions.
    raster : bool
        True for HTML (PNG), False for PDF (SVG).
    known : Mapping or None
        Numbers of the first pass, ``figure:<name>`` and ``table:<name>`` to number; None in it.
    """

    def __init__(
        self, workspace: Workspace, dataset: str, raster: bool, known: Mapping[str, int] | None
    ) -> None:
        self.workspace, self.dataset, self.raster = workspace, dataset, raster
        self.known, self.given = known, {}
        self.figures = read_figures(workspace)
        self.mark = " *Synthetic phantoms, no patient data.*" if dataset == "phantom" else ""

    def figure(self, name: str) -> str:
        """Place a figure of ``figures/manifest.json`` with its caption and alt text."""
        entry = self.figures.get(name)
        if entry is None:
            raise StudyError(f"figure '{name}' is not in {self.workspace.figures}: run notebooks")
        if entry["dataset"] != self.dataset:
            raise StudyError(
                f"figure '{name}' was made from '{entry['dataset']}', but this report is on "
                f"'{self.dataset}': run its notebook again"
            )
        number = self._number("figure", name)
        file = entry["raster"] if self.raster else entry["file"]
        alt = entry["alt"].replace("\\", "").replace('"', "'").replace("\n", " ")
        caption = f"**Figure {number}.** {escape(entry['caption'])}{self.mark}"
        width = self._width(entry["raster"])
        return f'\n![{caption}](figures/{file}){{#fig-{name} width={width}% alt="{alt}"}}\n'

    def table(self, name: str, *, caption: str, columns: Mapping[str, str]) -> str:
        """Place a table of ``report/tables``.

        Parameters
        ----------
        name : str
            File without ``.csv``; ``claims`` is the table of claims and verdicts.
        caption : str
            Markdown.
        columns : Mapping
            Header to ``column:format``, see `formats.cell`, in the order of the page.
        """
        is_claims = name == "claims"
        frame = claim_table(self.workspace) if is_claims else read_table(name, self.workspace)
        return self._placed(name, frame, caption, columns)

    def rows(
        self, name: str, *, caption: str, columns: Mapping[str, str], lines: list[list[str]]
    ) -> str:
        """Place a table whose text stands in the template; ``columns`` as in `table`."""
        keys = [spec.partition(":")[0] for spec in columns.values()]
        return self._placed(name, pd.DataFrame(lines, columns=keys), caption, columns, raw=True)

    def ref(self, label: str) -> str:
        """Return a linked "Figure 3" or "Table 2" for ``figure:<name>`` or ``table:<name>``."""
        kind, _, name = label.partition(":")
        if kind not in ("figure", "table"):
            raise StudyError(f"ref('{label}') must start with 'figure:' or 'table:'")
        if self.known is None:
            return ""
        if label not in self.known:
            raise StudyError(f"ref('{label}') points at a {kind} that the report does not show")
        return f"[{kind.capitalize()}\u00a0{self.known[label]}](#{kind[:3]}-{name})"

    def has(self, label: str) -> bool:
        """Say whether a figure or table has been made in this workspace."""
        kind, _, name = label.partition(":")
        if kind == "figure":
            return self.figures.get(name, {}).get("dataset") == self.dataset
        return (self.workspace.tables / f"{name}.csv").is_file()

    def _width(self, raster: str) -> int:
        """Return the share of the text width, per cent, at which type has its intended size."""
        with Image.open(self.workspace.figures / raster) as image:
            inches = image.width / RASTER_DPI
        return min(100, round(100 * inches / PRINT_WIDTH))

    def _number(self, kind: str, name: str) -> int:
        label = f"{kind}:{name}"
        if label in self.given:
            raise StudyError(f"{kind} '{name}' is placed twice: refer to it with ref('{label}')")
        self.given[label] = 1 + sum(key.startswith(f"{kind}:") for key in self.given)
        return self.given[label]

    def _placed(
        self,
        name: str,
        frame: pd.DataFrame,
        caption: str,
        columns: Mapping[str, str],
        raw: bool = False,
    ) -> str:
        number = self._number("table", name)
        write = (lambda text: text) if raw else escape
        try:
            body = [
                [write(cell(row, spec)) for spec in columns.values()]
                for row in frame.to_dict("records")
            ]
        except StudyError as error:
            raise StudyError(f"table '{name}': {error}") from error
        right = [spec.partition(":")[2] not in _LEFT for spec in columns.values()]
        text = f"**Table {number}.** {caption}{'' if raw else self.mark}"
        return f"\n{pipe_table(list(columns), body, right)}\n\n: {text} {{#tab-{name}}}\n"


def pipe_table(header: list[str], body: list[list[str]], right: list[bool]) -> str:
    """Return a pandoc pipe table; one that is too wide is wrapped to the text width."""
    lines = [header, *body]
    columns = list(zip(*lines, strict=True))
    natural = [max(len(text) for text in column) for column in columns]
    if sum(natural) + 2 * len(natural) <= NATURAL_WIDTH:
        dashes = [3] * len(natural)
    else:
        dashes = _wrapped(columns, natural, right)
    rule = [
        ("-" * (width - 1) + ":") if at_right else (":" + "-" * (width - 1))
        for width, at_right in zip(dashes, right, strict=True)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *body])


def _wrapped(columns: list[tuple[str, ...]], natural: list[int], right: list[bool]) -> list[int]:
    """Share the line: numbers and longest words keep their width, long text gets the rest."""
    words = [max(len(w) for text in column for w in text.split() or [""]) for column in columns]
    least = [
        2 + (n if at_right and n <= 24 else min(w, n))
        for w, n, at_right in zip(words, natural, right, strict=True)
    ]
    spare = max(0, 110 - sum(least))
    want = [max(0, min(n, 160) - m) for n, m in zip(natural, least, strict=True)]
    total = sum(want) or 1
    shares = [m + spare * w / total for m, w in zip(least, want, strict=True)]
    scale = 2.5 * PANDOC_COLUMNS / sum(shares)
    return [max(3, round(scale * share)) for share in shares]


def escape(text: Any) -> str:
    """Return plain text as pandoc Markdown that shows exactly this text on one line."""
    flat = re.sub(r"(?<=\d) (?=%)", "\u00a0", " ".join(str(text).split()))
    return re.sub(r"([\\`*_{}\[\]<>#$@^~|])", r"\\\1", flat)
