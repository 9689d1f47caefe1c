"""Every exercise three ways: master passes, stub is not tried, misconceptions get reasons."""

import sys
from functools import partial
from importlib import import_module
from unittest.mock import Mock

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from busi_lessons import LESSONS
from busi_lessons.__main__ import main
from busi_lessons.calibration import ece as yardstick
from busi_lessons.exercises import Lesson, NotYet, open_lesson, slip
from busi_lessons.masters import (
    STUDENT,
    exercise_cell,
    read_master,
    solved,
    stub,
    student_version,
    write_exercises,
)
from busi_utils.errors import StudyError

ALL = [
    (lesson, exercise)
    for lesson in LESSONS
    for exercise in import_module(f"busi_lessons.{lesson}").EXERCISES
]
SLOW = {"repair", "occlusion_map", "find_twins"}  # seconds for ten students
each = pytest.mark.parametrize(("lesson", "exercise"), ALL)


def defined(lesson, source, name):
    """Run an exercise's cell as its notebook would, and return the function that it defines."""
    space = {"np": np, "pd": pd, "plt": plt}
    for cell in read_master(lesson).cells:
        if cell.cell_type == "code" and cell.source.startswith("import "):
            exec(cell.source.split("\nlesson")[0], space)
            break
    exec(source, space)
    return space[name]


@pytest.fixture(autouse=True)
def _fewer_draws(monkeypatch):
    monkeypatch.setattr("busi_lessons.intervals.DRAWS", 30)


def opened(lesson, student) -> Lesson:
    return open_lesson(lesson, student)


@each
def test_the_master_passes_for_several_students(lesson, exercise):
    answer = defined(lesson, solved(exercise_cell(lesson, exercise)), exercise)
    for student in range(4 if exercise in SLOW else 10):
        outcome = opened(lesson, student).check(exercise, answer)
        assert outcome.state == "right", (student, outcome.text)


@each
def test_the_stub_is_not_tried_and_says_what_to_do(lesson, exercise):
    answer = defined(lesson, stub(exercise_cell(lesson, exercise)), exercise)
    outcome = opened(lesson, 1).check(exercise, answer)
    task = import_module(f"busi_lessons.{lesson}").EXERCISES[exercise].task
    assert outcome.state == "not tried"
    assert task in outcome.text


@each
def test_each_misconception_gets_its_own_reason_for_several_students(lesson, exercise):
    wrong = import_module(f"busi_lessons.{lesson}").EXERCISES[exercise].wrong
    assert len(wrong) >= 2
    assert len({words for _, words in wrong.values()}) == len(wrong)
    for name, (answer, words) in wrong.items():
        for student in range(2 if lesson == "intervals" else 4):
            outcome = opened(lesson, student).check(exercise, lambda *a, own=answer: own(*a))
            assert outcome.state == "wrong", (name, student)
            assert words in outcome.text, (name, student, outcome.text)


@each
def test_what_is_no_answer_gets_a_sentence(lesson, exercise):
    checked = opened(lesson, 3)
    own = import_module(f"busi_lessons.{lesson}").EXERCISES[exercise].wrong
    bad = {
        "not tried": [None, ..., lambda *a: None, lambda *a: ...],
        "wrong": [
            3.5,
            "text",
            np.zeros(3),
            lambda: 1,
            lambda *a: 1 / 0,
            lambda *a: "a word",
            lambda *a: object(),
            lambda *a: {"a": 1},
            lambda *a: np.full((2, 2), np.nan),
            lambda *a: [[1, 2], [3]],
            lambda *a: -1,
            next(iter(own.values()))[0],  # a function of the checker itself
            lambda *a: checked.solution(exercise),
            lambda *a: import_module("busi_lessons.leak"),
            lambda *a: yardstick(*a),
            lambda *a: sys._getframe(2).f_locals,
            lambda *a: "0.5",
            partial(next(iter(own.values()))[0]),
            lambda *a: sys.exit(3),
            Mock(side_effect=KeyboardInterrupt),
        ],
    }
    for state, answers in bad.items():
        for answer in answers:
            outcome = checked.check(exercise, answer)
            assert outcome.state == state, (answer, outcome.text)
            assert outcome.text.endswith((".", "?"))
    with pytest.raises(NotYet, match="not right yet") as told:
        checked.answer(exercise)
    assert told.value._render_traceback_() == [str(told.value)]


def test_an_answer_may_not_change_what_it_is_judged_by():
    def spoils(fold, scan):
        scan[:] = 0
        fold[:] = 0
        return 0.0

    assert opened("leak", 1).check("share_exposed", spoils).state == "wrong"


def test_what_was_done_to_right_values_is_named():
    right = np.array([0.91234, 0.61234, 0.31234])
    for found, words in (
        (right[[0, 2, 1]], "order"),
        (100 * right, "per cent"),
        (1 - right, "1 less"),
        (-right, "sign"),
        (right.round(2), "rounded"),
    ):
        assert words in slip(found, right)
    assert slip(right + 0.1, right) is None


solved_before = open_lesson("intervals", 1)


def test_an_exercise_may_build_on_one_that_was_solved():
    solution = solved(exercise_cell("intervals", "group_interval"))
    assert solved_before.check("group_interval", defined("intervals", solution, "group_interval"))

    def paired(a, b, group, rng):
        return solved_before.answer("group_interval")(a - b, group, rng)

    assert solved_before.check("paired_interval", paired).state == "right"


def test_a_generator_that_stops_is_the_students_own_stop():
    def late(X, y, scan):
        yield 1 / 0

    outcome = opened("leak", 1).check("honest_splits", late)
    assert "your function stopped with ZeroDivisionError" in outcome.text


def test_names_and_numbers_that_do_not_exist_get_a_sentence():
    for name, student in (("leaks", 1), ("leak", -1), ("leak", "seven"), ("leak", True)):
        with pytest.raises(StudyError):
            open_lesson(name, student)
    with pytest.raises(StudyError, match="no exercise 'other'"):
        opened("leak", 1).check("other", print)


def test_hint_solution_and_progress_are_shown(capsys):
    lesson = opened("leak", 1)
    lesson.hint("honest_splits")
    assert "StratifiedGroupKFold" in capsys.readouterr().out
    lesson.solution("honest_splits")
    shown = capsys.readouterr().out
    assert "splitter.split(X, y, scan)" in shown
    assert "###" not in shown
    lesson.check("share_exposed", None)
    lesson.progress()
    assert capsys.readouterr().out.split()[:4] == ["share_exposed", "not", "tried", "honest_splits"]


def test_students_receive_what_the_masters_make(tmp_path):
    names = [path.name for path in write_exercises(tmp_path)]
    assert names == list(LESSONS.values())
    for name in names:
        message = f"{STUDENT / name} is not what its master makes: run `make exercises`"
        assert (tmp_path / name).read_bytes() == (STUDENT / name).read_bytes(), message


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_students_version_holds_no_answer(lesson):
    master = read_master(lesson)
    version = student_version(master)
    text = "\n".join(cell.source for cell in version.cells)
    solutions = text.count("...  # your lines")
    assert solutions == len(import_module(f"busi_lessons.{lesson}").EXERCISES)
    assert "SOLUTION" not in text
    assert "For the instructor" not in text
    assert not any(cell.get("outputs") for cell in version.cells)
    nbformat.validate(version)
    assert text.count("<details>") == 5


@pytest.mark.slow
def test_grading_runs_what_was_handed_in_with_another_number(tmp_path):
    half_done = student_version(read_master("leak"))
    for cell in half_done.cells:
        if "def share_exposed" in cell.source:
            cell.source = solved(exercise_cell("leak", "share_exposed"))
        if "def honest_splits" in cell.source:
            cell.source = "def honest_splits(X, y, scan):\n    return 1 / 0"
    stop = next(k for k, cell in enumerate(half_done.cells) if "find_twins" in cell.source)
    half_done.cells = [c for c in half_done.cells[:stop] if "lesson.answer" not in c.source]
    (tmp_path / "ada").mkdir()
    nbformat.write(half_done, tmp_path / "ada" / "L1.ipynb")
    (tmp_path / "bob.ipynb").write_text("no notebook")
    assert main(["grade", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "grades.csv", keep_default_na=False)
    states = {(row.notebook, row.exercise): row.state for row in table.itertuples()}
    assert states["ada/L1.ipynb", "share_exposed"] == "right"
    assert states["ada/L1.ipynb", "honest_splits"] == "wrong"
    assert ("ada/L1.ipynb", "find_twins") not in states
    assert states["bob.ipynb", ""].startswith("could not be run")
    assert main(["grade", str(tmp_path / "ada" / "none")]) == 2


@pytest.mark.parametrize("free", [[0], [2**30, 0]])
def test_a_full_disk_is_not_graded(tmp_path, monkeypatch, capsys, free):
    client = Mock(**{"return_value.execute.side_effect": RuntimeError("Kernel died")})
    usage = [Mock(free=size) for size in free]
    monkeypatch.setattr("busi_lessons.grading.NotebookClient", client)
    monkeypatch.setattr("shutil.disk_usage", Mock(side_effect=usage))
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "ada.ipynb")
    assert main(["grade", str(tmp_path)]) == 2
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    assert not (tmp_path / "grades.csv").exists()
