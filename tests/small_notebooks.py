"""Small notebooks for the tests of the runner."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from busi_report.runner import Run
from busi_utils.workspace import Workspace

PARAMETERS = """\
dataset: str = "phantom"  # data set
workspace: str = ""  # folder
epochs: int = 3  # number
rate: float = 0.1  # step
flag: bool = True  # switch
seeds: list[int] = [0, 1]  # several"""


def write_notebook(path: Path, *codes: str, parameters: str = PARAMETERS) -> Path:
    """Write a notebook: title, parameters cell, then each code under its own heading."""
    cells = [new_markdown_cell("# Title\n\n$x^2$ and [next](02_next.ipynb)")]
    cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    for number, code in enumerate(codes, start=1):
        cells += [new_markdown_cell(f"## Section {number}"), new_code_cell(code)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell{number}"
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def a_run(tmp_path, values=None, **options):
    return Run(Workspace(tmp_path / "out"), values or {}, "SET", tmp_path / "nb", **options)
