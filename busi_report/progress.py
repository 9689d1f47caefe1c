"""The lines that a run prints: notebook, cell, seconds, and what a long cell says."""

from __future__ import annotations

import time
from typing import Any, TextIO

from nbformat import NotebookNode

from busi_report.notebook_files import cell_titles

_LONG_S = 60.0


class Progress:
    """Prints one line for each code cell, under the title of the heading above it.

    The line is begun before the cell, so that a reader sees what is at work; side by side, where
    lines would mix, it is printed whole after the cell, behind the label of its notebook. What a
    cell says after its first minute is passed on: hours of training must not look like a hang.
    """

    def __init__(self, out: TextIO, log: TextIO, label: str = "") -> None:
        self._out, self._log, self._label = out, log, label
        self._begun = ""
        self._titles: list[str] = []
        self._order: dict[int, int] = {}
        self._start = 0.0
        self._open, self._told = False, False
        self.place = "before its first cell"

    def begin(self, notebook: NotebookNode) -> None:
        self._titles = cell_titles(notebook)
        runs = [k for k, c in enumerate(notebook.cells) if c.cell_type == "code" and c.source]
        self._order = {index: number for number, index in enumerate(runs, start=1)}

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        number = f"{self._order[cell_index]}/{len(self._order)}"
        title = self._titles[cell_index]
        self.place = f"in cell {number}, '{title}'"
        self._start, self._open, self._told = time.perf_counter(), True, False
        self._begun = f"{self._label}{number:>7}  {title} ... "
        if not self._label:
            print(self._begun, end="", file=self._out, flush=True)
        print(f"\n--- cell {number}: {title}", file=self._log, flush=True)

    def write(self, text: str) -> None:
        """Take what the cell at work prints, as a file would."""
        self._log.write(text)
        if text.strip() and time.perf_counter() - self._start > _LONG_S:
            line = text.strip().splitlines()[-1]
            self._end_line()
            print(f"{self._label}{'':>7}  {line}", file=self._out, flush=True)

    def flush(self) -> None:
        self._log.flush()

    def end(self, cell: NotebookNode, cell_index: int, execute_reply: Any) -> None:
        if execute_reply["content"]["status"] == "ok":
            self.stop(f"{time.perf_counter() - self._start:.1f} s")

    def _end_line(self) -> None:
        if not self._told:
            print("" if not self._label else self._begun, file=self._out)
            self._told = True

    def stop(self, how: str) -> None:
        if self._open:
            begun = self._begun if self._label or self._told else ""
            print(f"{begun}{how}", file=self._out, flush=True)
            print(f"--- {how}", file=self._log, flush=True)
            self._open = False
