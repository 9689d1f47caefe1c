"""Notebook files: titles of cells, cleaning of executed copies, outputs, and HTML pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from busi_report.pandoc import CSS, MARKDOWN_OUTPUTS, as_url, pandoc
from busi_report.screen import for_screen
from busi_utils.audit.datasets import DATA_VARIABLES, named_folders
from busi_utils.workspace import REPOSITORY, Workspace, write_text

_CELL_FILE = re.compile(r"(?:/[\w.+-]{1,60}){0,8}/ipykernel_\d+/\d+\.py")  # bounded: linear time
_KEPT_METADATA = ("kernelspec", "language_info")
_INJECTED = "injected-parameters"


def cell_titles(notebook: NotebookNode) -> list[str]:
    """Return, for each cell, the text of the nearest heading at or above it."""
    titles, current = [], "start"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#{1,4}\s+(.+?)\s*$", cell.source, flags=re.MULTILINE)
            current = headings[-1] if headings else current
        titles.append(current)
    return titles


def clean_notebook(path: Path, folders: Mapping[str, str]) -> None:
    """Drop what changes from run to run or machine to machine.

    Times, papermill's notes and paths go; the cell that papermill adds gets its tag as identifier
    instead of a random one; and text that the kernel happened to send in several pieces is joined.

    Parameters
    ----------
    path : Path
        The executed notebook, which is rewritten.
    folders : Mapping
        Folder on this machine, and what is written in its place; see `machine_folders`.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = NotebookNode(
        {k: v for k, v in notebook.metadata.items() if k in _KEPT_METADATA}
    )
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if _INJECTED in cell.metadata.get("tags", []):
            cell.id = _INJECTED
        cell.source = _without_paths(cell.source, folders)
        if "outputs" in cell:
            cell.outputs = _without_paths(_joined(cell.outputs), folders)
    write_text(path, nbformat.writes(notebook))


def machine_folders(workspace: Workspace, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the folders of this machine that a run may mention, each with its role.

    Parameters
    ----------
    workspace : Workspace
        Of the run.
    parameters : Mapping
        Of the notebook; those that hold an absolute path stand for their name.
    """
    named = {name: os.environ.get(name, "") for name in DATA_VARIABLES}
    named |= {k: v for k, v in parameters.items() if isinstance(v, str) and k != "workspace"}
    folders = {}
    for name, value in named.items():
        for _, folder in named_folders(value):
            if Path(folder).is_absolute() and len(Path(folder).parts) > 1:
                folders[folder] = f"<{name}>"
    folders |= {str(workspace.root): "<workspace>", str(REPOSITORY): "<repository>"}
    return dict(sorted(folders.items(), key=lambda item: -len(item[0]))) | {str(Path.home()): "~"}


def _without_paths(value: Any, folders: Mapping[str, str]) -> Any:
    """Replace folders of this machine by their role, in any nesting of text."""
    if isinstance(value, dict):
        # An encoded picture is no text: its characters may look like a path by chance.
        return NotebookNode(
            {
                k: v if k.startswith("image/") else _without_paths(v, folders)
                for k, v in value.items()
            }
        )
    if isinstance(value, list):
        return [_without_paths(item, folders) for item in value]
    if not isinstance(value, str):
        return value
    for folder, role in folders.items():
        if len(folder) > 1:
            value = re.sub(re.escape(folder) + r"(?![\w-])", lambda _, role=role: role, value)
    return _CELL_FILE.sub("<cell>", value)


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbouring outputs to one stream: where they part depends on the machine's speed."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and output.get("name") == last.get("name"):
            last.text += output.text
        else:
            joined.append(output)
    return joined


def keep_outputs(executed: Path, original: Path) -> None:
    """Copy the outputs of an executed notebook into the original, cell by cell."""
    source = nbformat.read(executed, as_version=4)
    target = nbformat.read(original, as_version=4)
    ran = [c for c in source.cells if _INJECTED not in c.metadata.get("tags", [])]
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
                f"--lua-filter={MARKDOWN_OUTPUTS}",
                f"--css={as_url(CSS)}",
                f"--metadata=pagetitle:{path.stem}",
                "--metadata=lang:en-GB",
            ],
        )
        write_text(page, for_screen(html))
        pages.append(page)
    return pages


def _with_links_to_pages(text: str) -> str:
    """Lead links to where the pages stand: beside each other, below the report."""
    text = text.replace("](../report/", "](../")
    return re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", text)
