"""What the report's templates can call: figures, tables and numbered references to them."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from PIL import Image

from busi_report.pipe_tables import escape, pipe_table
from busi_utils.errors import StudyError
from busi_utils.kept import RESTORE, read_json
from busi_utils.plots.theme import PRINT_WIDTH, RASTER_DPI, read_figures
from busi_utils.record.claims import claim_table
from busi_utils.record.formats import cell
from busi_utils.record.numbers import read_table
from busi_utils.workspace import NOTEBOOKS, Workspace

_LEFT = frozenset({"", "words", "hash", "recipe", "brief", "file", "network"})  # others: numbers
_KEEPS = re.compile("save_figure|save_table|kept_table|record_verdict")


@dataclass(frozen=True)
class Document:
    """A text made from a template; its folder is under ``report/``, its numbers have a prefix."""

    name: str
    template: Path
    folder: str = "."
    prefix: str = ""


@dataclass(frozen=True)
class Place:
    """Where a figure or table stands: its document and its number there, such as ``S3``."""

    document: Document
    number: str


class Parts:
    """Figures and tables of one document, numbered in the order of their appearance.

    Templates are rendered twice: the first time numbers are given out and `ref` answers with a
    blank, the second time every reference is known, also those ahead or in the other document.

    Parameters
    ----------
    workspace : Workspace
        Where figures and tables lie.
    dataset : str
        Data set that every figure must come from; ``phantom`` marks the captions.
    raster : bool
        True for HTML (PNG), False for PDF (SVG).
    document : Document
        The one that is written.
    known : Mapping or None
        Places of the first pass, by ``figure:<name>`` and ``table:<name>``; None in it.
    """

    def __init__(
        self,
        workspace: Workspace,
        dataset: str,
        raster: bool,
        document: Document,
        known: Mapping[str, Place] | None,
    ) -> None:
        self.workspace, self.dataset, self.raster = workspace, dataset, raster
        self.document, self.known = document, known
        self.given: dict[str, Place] = {}
        self.to_be_stated: list[str] = []
        self.figures = read_figures(workspace)
        self.mark = " *Synthetic phantoms, no patient data.*" if dataset == "phantom" else ""

    def figure(self, name: str) -> str:
        """Place a figure of ``figures/manifest.json`` with its caption, source and alt text."""
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
        caption = f"**Figure {number}.** {escape(entry['caption'])}{self.mark}{self._source(name)}"
        width = self._width(entry["raster"])
        return f'\n![{caption}](figures/{file}){{#fig-{name} width={width}% alt="{alt}"}}\n'

    def table(self, name: str, *, caption: str, columns: Mapping[str, str]) -> str:
        """Place a table of ``report/tables``.

        Parameters
        ----------
        name : str
            File without ``.csv``.
        caption : str
            Markdown.
        columns : Mapping
            Header to ``column:format``, see `formats.cell`, in the order of the page.
        """
        frame = read_table(name, self.workspace)
        return self._placed(name, frame, f"{caption}{self.mark}{self._source(name, name)}", columns)

    def claim_rows(self, caption: str) -> str:
        """Place the table of claims; a claim's number leads to the cell that judges it."""
        frame = claim_table(self.workspace)
        lines = frame[["claim", "evidence", "verdict"]].map(escape)
        lines.insert(0, "claim_id", [self._link(name) or name for name in frame["claim_id"]])
        columns = {"No.": "claim_id", "Claim": "claim", "Number": "evidence", "Verdict": "verdict"}
        text = f"{caption}{self.mark}{self._source('', 'verdicts')}"
        return self._placed("claims", lines, text, columns, raw=True, shares=(6, 27, 54, 13))

    def rows(
        self, name: str, *, caption: str, columns: Mapping[str, str], lines: list[list[str]]
    ) -> str:
        """Place a table whose text stands in the template; ``columns`` as in `table`."""
        keys = [spec.partition(":")[0] for spec in columns.values()]
        return self._placed(name, pd.DataFrame(lines, columns=keys), caption, columns, raw=True)

    def data_files(self, caption: str) -> str:
        """Place the list of every table of numbers, each linked to its file and its cell."""
        files = sorted(self.workspace.tables.glob("*.csv"))
        lines = [
            {
                "file": f"[{path.stem}]({self._path(f'tables/{path.name}')})",
                "lines": f"{len(read_table(path.stem, self.workspace)):,}",
                "cell": self._link(path.stem, "notebook\u00a0{}"),
            }
            for path in files
        ]
        columns = {"File": "file", "Lines": "lines:number", "Written by": "cell"}
        frame = pd.DataFrame(lines, columns=["file", "lines", "cell"])
        return self._placed("data_files", frame, caption, columns, raw=True)

    def ref(self, label: str) -> str:
        """Return a linked "Figure 3" or "Table S2" for ``figure:<name>`` or ``table:<name>``."""
        kind, _, name = label.partition(":")
        if kind not in ("figure", "table"):
            raise StudyError(f"ref('{label}') must start with 'figure:' or 'table:'")
        if self.known is None:
            return ""
        if label not in self.known:
            raise StudyError(f"ref('{label}') points at a {kind} that the report does not show")
        place = self.known[label]
        shown = f"{kind.capitalize()}\u00a0{place.number}"
        return f"[{shown}]({self._address(place.document)}#{kind[:3]}-{name})"

    def numbers(self, notebook: str) -> str:
        """Link to the notebook, named by its two digits, that found a section's numbers."""
        stem = next(NOTEBOOKS.glob(f"{notebook}_*.ipynb")).stem
        page = self._path(f"notebooks/{stem}.html")
        return f"[numbers: [notebook\u00a0{notebook}]({page})]{{.source}}"

    def has(self, label: str) -> bool:
        """Say whether a figure or table has been made in this workspace."""
        kind, _, name = label.partition(":")
        if kind == "figure":
            return self.figures.get(name, {}).get("dataset") == self.dataset
        return (self.workspace.tables / f"{name}.csv").is_file()

    def to_state(self, what: str) -> str:
        """Leave a named gap for what only a person can say; the build lists them."""
        self.to_be_stated.append(what)
        return f"[{what}: to be stated by the authors]{{.gap}}"

    def _address(self, document: Document) -> str:
        if document == self.document:
            return ""
        name = f"{document.name}.{'html' if self.raster else 'pdf'}"
        return self._path(f"{document.folder}/{name}")

    def _path(self, below_report: str) -> str:
        """Return a file under ``report/`` as this document links to it."""
        return os.path.relpath(below_report, self.document.folder).replace(os.sep, "/")

    def _source(self, name: str, table: str = "") -> str:
        """Return the links to the notebook's cell that made a part and to a table's file."""
        links = [self._link(name, "notebook\u00a0{}")]
        if table:
            links.append(f"[data]({self._path(f'tables/{table}.csv')})")
        return f" [{', '.join(filter(None, links))}]{{.source}}" if any(links) else ""

    def _link(self, name: str, text: str = "") -> str:
        """Return a link to the cell of a figure, table or claim, or nothing if no cell names it."""
        if name not in _cells():
            return ""
        notebook, cell_id = _cells()[name]
        shown = text.format(notebook[:2]) or name
        return f"[{shown}]({self._path(f'notebooks/{notebook}.html')}#{cell_id})"

    def _width(self, raster: str) -> int:
        """Return the share of the text width, per cent, at which type has its intended size."""
        with Image.open(self.workspace.figures / raster) as image:
            inches = image.width / RASTER_DPI
        return min(100, round(100 * inches / PRINT_WIDTH))

    def _number(self, kind: str, name: str) -> str:
        label = f"{kind}:{name}"
        if label in self.given:
            raise StudyError(f"{kind} '{name}' is placed twice: refer to it with ref('{label}')")
        before = sum(key.startswith(f"{kind}:") for key in self.given)
        place = Place(self.document, f"{self.document.prefix}{before + 1}")
        self.given[label] = place
        return place.number

    def _placed(
        self,
        name: str,
        frame: pd.DataFrame,
        caption: str,
        columns: Mapping[str, str],
        raw: bool = False,
        shares: Sequence[int] = (),
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
        text = f"**Table {number}.** {caption}"
        return f"\n{pipe_table(list(columns), body, right, shares)}\n\n: {text} {{#tab-{name}}}\n"


@cache
def _cells() -> dict[str, tuple[str, str]]:
    """Return notebook and cell that first keep a figure, table or claim, by its name."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        for one in read_json(path, RESTORE, ["cells"])["cells"]:
            source = "".join(one["source"])
            if one["cell_type"] == "code" and _KEEPS.search(source):
                for name in re.findall(r'"([A-Za-z0-9_]+)"', source):
                    found.setdefault(name, (path.stem, one["id"]))
    return found
