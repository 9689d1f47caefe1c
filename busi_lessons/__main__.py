"""``python -m busi_lessons``: make students' notebooks, grade hand-ins, read a leak sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from busi_lessons.grading import grade
from busi_lessons.leak_sheet import FOUND, read_leak_sheet
from busi_lessons.masters import STUDENT, write_exercises
from busi_utils.errors import told
from busi_utils.workspace import write_csv


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m busi_lessons", description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("exercises", help=f"write {STUDENT} from the masters")
    marks = tasks.add_parser("grade", help="run handed-in notebooks with a number of your own")
    marks.add_argument("folder", type=Path, help="holds the notebooks, in sub-folders or not")
    marks.add_argument("--student", type=int, default=90_001, help="number to run them with")
    sheet = tasks.add_parser("sheet", help="read a leak sheet, and say what it leaves open")
    sheet.add_argument("file", type=Path)
    return told(lambda: _run(parser.parse_args(arguments)))


def _run(chosen: argparse.Namespace) -> None:
    if chosen.task == "exercises":
        print(f"{len(write_exercises())} lessons in {STUDENT}")
    elif chosen.task == "sheet":
        answers = read_leak_sheet(chosen.file)
        for row in answers.itertuples():
            print(f"{row.kind}: {row.found}. {row.evidence} {row.remedy}".rstrip())
        counts = answers["found"].value_counts()
        print(", ".join(f"{counts.get(found, 0)} {found}" for found in FOUND))
    else:
        table = grade(chosen.folder, chosen.student)
        write_csv(chosen.folder / "grades.csv", table)
        print(table.to_string(index=False))


if __name__ == "__main__":
    sys.exit(main())
