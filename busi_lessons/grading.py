"""Grade by seed: run what students hand in with another number, and collect what was right.

The code of students runs with the rights of whoever grades: use a machine made for that.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from busi_lessons.exercises import MIME
from busi_utils.errors import StudyError
from busi_utils.workspace import NOTEBOOKS, require_room, temporary_folder

CELL_SECONDS = 120


def grade(folder: Path, student: int) -> pd.DataFrame:
    """Run every notebook below a folder and return what its checks said.

    Parameters
    ----------
    folder : Path
    student : int
        The number they are run with, other than the students' own, so that numbers copied from an
        output are wrong.

    Returns
    -------
    pandas.DataFrame
        Columns ``notebook, exercise, state``; a notebook without any check has one row with the
        state ``no check ran``.

    Raises
    ------
    StudyError
        If there is no notebook, or no room on the disk for a kernel.
    """
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise StudyError(f"There is no notebook below {folder}: name the folder of hand-ins.")
    rows = []
    for path in paths:
        states = _states(path, student) or {"": "no check ran"}
        name = path.relative_to(folder).as_posix()
        rows += [(name, exercise, state) for exercise, state in states.items()]
    return pd.DataFrame(rows, columns=["notebook", "exercise", "state"])


def _states(path: Path, student: int) -> dict[str, str]:
    """Return the last state of each exercise that a notebook checks."""
    with temporary_folder() as place:
        require_room(place, 0)  # without it no kernel starts, which is not the student's fault
        try:
            notebook = parameterize_notebook(load_notebook_node(str(path)), {"student": student})
            where = {"metadata": {"path": str(NOTEBOOKS)}}
            NotebookClient(
                notebook,
                timeout=CELL_SECONDS,
                interrupt_on_timeout=True,
                allow_errors=True,
                kernel_name="python3",
                resources=where,
            ).execute(env=os.environ | {"IPYTHONDIR": str(place)})
        except Exception as error:  # one damaged notebook must not stop the others
            require_room(place, 0)
            return {"": f"could not be run ({type(error).__name__})"}
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    found = (output.get("data", {}).get(MIME) for output in outputs)
    return {one["exercise"]: one["state"] for one in found if one}
