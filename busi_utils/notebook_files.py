"""Notebook files: titles of cells, cleaning of executed copies, outputs, and HTML pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from .fileio import write_text
from .pandoc import CSS, pandoc
from .paths import REPOSITORY, Workspace

_KEPT_METADATA = ("kernelspec", "language_info")


def cell_titles(notebook: NotebookNode) -> list[str]:
    """Return, for each cell, the text of the nearest heading at or above it."""
    titles, current = [], "start"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#{1,4}\s+(.+?)\s*$", cell.source, flags=re.MULTILINE)
            current = headings[-1] if headings else current
        titles.append(current)
    return titles


def clean_notebook(path: Path, workspace: Workspace) -> None:
    """Drop what changes from run to run or machine to machine: times, papermill notes, paths."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = NotebookNode(
        {k: v for k, v in notebook.metadata.items() if k in _KEPT_METADATA}
    )
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        cell.source = _without_paths(cell.source, workspace)
        if "outputs" in cell:
            cell.outputs = _without_paths(cell.outputs, workspace)
    write_text(path, nbformat.writes(notebook))


def _without_paths(value: Any, workspace: Workspace) -> Any:
    """Replace folders of this machine by their role, in any nesting of text."""
    if isinstance(value, dict):
        return NotebookNode({k: _without_paths(v, workspace) for k, v in value.items()})
    if isinstance(value, list):
        return [_without_paths(item, workspace) for item in value]
    if not isinstance(value, str):
        return value
    roles = [(os.environ.get(name, ""), f"${name}") for name in ("BUSI_DATA", "BUSI_WEIGHTS")]
    roles += [(str(workspace.root), "<workspace>"), (str(REPOSITORY), "<repository>")]
    if workspace.root == REPOSITORY:
        roles = roles[:2] + roles[3:]
    for folder, role in [*roles, (str(Path.home()), "~")]:
        if len(folder) > 1:
            value = re.sub(re.escape(folder) + r"(?![\w-])", role.replace("\\", ""), value)
    return value


def keep_outputs(executed: Path, original: Path) -> None:
    """Copy the outputs of an executed notebook into the original, cell by cell."""
    source = nbformat.read(executed, as_version=4)
    target = nbformat.read(original, as_version=4)
    ran = [c for c in source.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    for mine, theirs in zip(target.cells, ran, strict=True):
        if mine.cell_type == "code":
            mine.outputs, mine.execution_count = theirs.outputs, theirs.execution_count
    write_text(original, nbformat.writes(target))


def render_pages(executed: Iterable[Path], workspace: Workspace) -> list[Path]:
    """Render executed notebooks as ``report/notebooks/<name>.html``.

    Each page is one file that asks for nothing else: images and style are embedded, mathematics
    is MathML.
    """
    pages = []
    for path in executed:
        page = workspace.report / "notebooks" / f"{path.stem}.html"
        html = pandoc(
            _with_links_to_pages(path.read_text(encoding="utf-8")),
            source="ipynb",
            target="html",
            folder=path.parent,
            options=[
                "--mathml",
                "--ipynb-output=best",
                f"--css={CSS}",
                f"--metadata=pagetitle:{path.stem}",
            ],
        )
        write_text(page, html)
        pages.append(page)
    return pages


def _with_links_to_pages(text: str) -> str:
    return re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", text)
