"""Masters and what is made of them: the student's notebooks, and the text of a solution.

A master holds the solutions between nbgrader's marks, so that nbgrader can read it as it is. The
student's version is the master without those lines, without the cells tagged ``instructor``, and
without outputs.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

from busi_lessons import LESSONS
from busi_utils.errors import StudyError
from busi_utils.workspace import NOTEBOOKS, write_text

MASTERS = NOTEBOOKS / "lessons"
STUDENT = MASTERS / "student"
_SOLVED = re.compile(
    r"^(?P<indent>[ ]*)### BEGIN SOLUTION\n.*?^[ ]*### END SOLUTION(?:\n|\Z)", re.M | re.S
)

_TO_OTHER_FOLDERS = re.compile(r"\]\((?!https?:|#|L\d_)")  # links; lessons lie beside each other


def read_master(lesson: str, folder: Path = MASTERS) -> nbformat.NotebookNode:
    """Read a lesson's master.

    Raises
    ------
    StudyError
        If it is absent: students may have been given a copy without it.
    """
    path = folder / LESSONS[lesson]
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise StudyError(
            f"{path} is not here: the solutions are with whoever teaches this lesson."
        ) from error


def stub(source: str) -> str:
    """Replace the lines of a solution by three dots."""
    return _SOLVED.sub(r"\g<indent>...  # your lines\n", source).rstrip("\n")


def solved(source: str) -> str:
    """Return the cell with its solution, without the marks."""
    return re.sub(r"^[ ]*### (BEGIN|END) SOLUTION(\n|\Z)", "", source, flags=re.M)


def student_version(master: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook that a student receives."""
    notebook = nbformat.from_dict(master)
    tags = [set(cell.metadata.get("tags", ())) for cell in notebook.cells]
    pairs = zip(notebook.cells, tags, strict=True)
    notebook.cells = [cell for cell, own in pairs if "instructor" not in own]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source, cell.outputs, cell.execution_count = stub(cell.source), [], None
            cell.metadata.pop("execution", None)
        cell.source = _TO_OTHER_FOLDERS.sub("](../", cell.source)
    return notebook


def exercise_cell(lesson: str, exercise: str, folder: Path = MASTERS) -> str:
    """Return the source of the master's cell that defines an exercise's function.

    Raises
    ------
    StudyError
        If no cell of the master defines it, or the master is absent.
    """
    for cell in read_master(lesson, folder).cells:
        if "### BEGIN SOLUTION" in cell.source and f"def {exercise}(" in cell.source:
            return cell.source
    raise StudyError(f"{LESSONS[lesson]} has no cell that solves {exercise!r}: add one.")


def solution_of(lesson: str, exercise: str) -> str:
    """Return the solution of an exercise as its master holds it."""
    return solved(exercise_cell(lesson, exercise))


def write_exercises(folder: Path = STUDENT) -> list[Path]:
    """Write the student's version of every master that there is; return their paths."""
    written = []
    for lesson, name in LESSONS.items():
        notebook = student_version(read_master(lesson))
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, nbformat.writes(notebook) + "\n")
        written.append(folder / name)
    return written
