"""Exercises and their checks: right, wrong because, not tried; a hint; the solution."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from busi_lessons import LESSONS
from busi_lessons.masters import solution_of
from busi_lessons.own_lines import asks_the_checker
from busi_utils.errors import StudyError

MIME = "application/vnd.busi-lessons+json"
_WORDS = {"right": "Right.", "wrong": "Wrong:", "not tried": "Not tried:"}


class Wrong(Exception):
    """What is wrong with an answer, in one sentence."""


class NotTried(Exception):
    """There is no answer yet."""


class NotYet(StudyError):
    """A cell builds on an exercise that is not right yet."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone: the way to it would tell a student nothing."""
        return [str(self)]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    task : str
        What the function does, as the end of the sentence "Write ... so that it".
    examine : callable
        Takes the answer and a random generator of the student's own; raises `Wrong`.
    hint, right : str
        A push in the right direction; what a right answer has shown.
    wrong : mapping of str to (callable, str)
        Known misconceptions: name -> the answer that it leads to, words of the reason it gets.
    """

    task: str
    examine: Callable[[Callable, np.random.Generator], None]
    hint: str
    right: str
    wrong: Mapping[str, tuple[Callable, str]]


@dataclass(frozen=True)
class Outcome:
    """What a check found: ``state`` is ``right``, ``wrong`` or ``not tried``."""

    exercise: str
    state: str
    text: str

    def __repr__(self) -> str:
        return f"{self.exercise}: {_WORDS[self.state]} {self.text}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            "text/plain": repr(self),
            "text/markdown": f"`{self.exercise}`: **{_WORDS[self.state]}** {self.text}",
            MIME: {"exercise": self.exercise, "state": self.state},
        }


@dataclass
class Lesson:
    """The exercises of one lesson for one student, whose number changes all hidden data."""

    name: str
    student: int
    exercises: Mapping[str, Exercise]
    accepted: dict[str, Callable] = field(default_factory=dict, repr=False)
    outcomes: dict[str, Outcome] = field(default_factory=dict, repr=False)

    def _exercise(self, name: str) -> Exercise:
        if name not in self.exercises:
            known = ", ".join(self.exercises)
            raise StudyError(f"This lesson has no exercise {name!r}: its exercises are {known}.")
        return self.exercises[name]

    def check(self, name: str, answer: Any = None) -> Outcome:
        """Try an answer on hidden data and say what was found; never raises for a bad answer."""
        exercise = self._exercise(name)
        place = list(self.exercises).index(name)
        rng = np.random.default_rng([self.student, place, len(self.name)])
        self.accepted.pop(name, None)
        try:
            _refuse_what_is_no_answer(name, exercise, answer)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exercise.examine(answer, rng)
            state, text = "right", exercise.right
            self.accepted[name] = answer
        except NotTried as reason:
            state, text = "not tried", str(reason) or _untried(name, exercise)
        except Wrong as reason:
            state, text = "wrong", str(reason)
        except Exception as error:  # whatever a student returns, a sentence comes back
            state = "wrong"
            text = (
                f"what it returned could not be read ({type(error).__name__}: {error}); "
                "compare it with the docstring."
            )
        self.outcomes[name] = Outcome(name, state, text)
        return self.outcomes[name]

    def answer(self, name: str) -> Callable:
        """Return the accepted answer of an exercise, for the cells that build on it.

        Raises
        ------
        NotYet
            If it has not been checked, or is not right yet.
        """
        self._exercise(name)
        if name not in self.accepted:
            raise NotYet(
                f"This cell builds on the exercise {name!r}, which is not right yet: solve and "
                f"check it first, or copy what lesson.solution({name!r}) shows."
            )
        return self.accepted[name]

    def hint(self, name: str) -> None:
        """Print a hint."""
        print(self._exercise(name).hint)

    def solution(self, name: str) -> None:
        """Print the solution, where the instructor's version lies beside the student's."""
        self._exercise(name)
        print(solution_of(self.name, name))

    def progress(self) -> None:
        """Print the state of every exercise of the lesson."""
        for name in self.exercises:
            outcome = self.outcomes.get(name)
            print(f"{name:24} {outcome.state if outcome else 'not checked'}")


def open_lesson(name: str, student: int) -> Lesson:
    """Open a lesson for one student.

    Parameters
    ----------
    name : str
        One of ``LESSONS``.
    student : int
        The student's number, 0 or more: it changes every number of the lesson, not its point.

    Raises
    ------
    StudyError
        If there is no such lesson, or the number is none.
    """
    if name not in LESSONS:
        raise StudyError(f"There is no lesson {name!r}: choose among {', '.join(LESSONS)}.")
    if isinstance(student, bool) or not isinstance(student, int | np.integer) or student < 0:
        raise StudyError(f"The student's number is {student!r}: it must be a whole number from 0.")
    return Lesson(name, int(student), import_module(f"busi_lessons.{name}").EXERCISES)


def ask(answer: Callable, *arguments: Any) -> Any:
    """Call a student's function on copies of the arguments; every failure becomes a sentence."""
    try:
        value = answer(*copy.deepcopy(arguments))
        if isinstance(value, Iterator):  # a generator runs the student's lines only now
            value = list(value)
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": .")
        raise Wrong(f"your function stopped with {said}.") from error
    except KeyboardInterrupt:  # by the student, or by grading after its limit of time
        raise Wrong(
            "your function was stopped before it had an answer: look for a loop that never ends, "
            "or takes one pixel at a time."
        ) from None
    if value is None or value is Ellipsis:
        raise NotTried
    return value


def numbers(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Return an answer as finite floats of a shape, or say in which way it is none."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "US":
            raise Wrong(f"{what} should be numbers, not text.")
        array = array.astype(float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be numbers, not {type(value).__name__}.") from None
    if array.shape != shape:
        wanted = "one number" if shape == () else f"of shape {shape}"
        raise Wrong(f"{what} should be {wanted}, not of shape {array.shape}.")
    if not np.isfinite(array).all():
        raise Wrong(f"{what}: there is a value that is not finite; was something empty divided?")
    return array


def close(a: Any, b: Any, within: float = 1e-6) -> bool:
    """Tell whether two numbers or arrays agree."""
    return bool(np.allclose(a, b, rtol=0, atol=within))


def slip(found: Any, right: Any) -> str | None:
    """Name what was done to right values on their way out, or return None."""
    found, right = np.asarray(found), np.asarray(right)
    if found.ndim and close(np.sort(found), np.sort(right)):
        return "the values are right, but not in the order of the docstring."
    done = {
        "per cent: return shares, not per cent": 100 * right,
        "1 less what is asked for": 1 - right,
    }
    done["what is asked for with its sign turned"] = -right
    for words, value in done.items():
        if close(found, value):
            return f"that is {words}."
    if any(close(found, right.round(digits), 1e-12) for digits in range(1, 6)):
        return "that is rounded: return the value as it is."
    return None


def _untried(name: str, exercise: Exercise) -> str:
    return f"`{name}` returns None so far. Write it so that it {exercise.task}, and return that."


def _refuse_what_is_no_answer(name: str, exercise: Exercise, answer: Any) -> None:
    if answer is None or answer is Ellipsis:
        raise NotTried(_untried(name, exercise))
    if not callable(answer):
        raise Wrong(
            f"hand over the function itself, check({name!r}, {name}), "
            f"not {type(answer).__name__} {str(answer)[:30]!r}."
        )
    if asks_the_checker(answer):
        raise Wrong("this asks the checker for its own answer; write the lines yourself.")
