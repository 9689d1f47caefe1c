"""Tell whether an answer is a student's own lines, or asks the checker for what it knows."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

_OF_THE_CHECKER = {"busi_lessons", "solution", "solution_of", "EXERCISES", "exercises", "accepted"}
_AROUND_IT = {"import_module", "__import__", "_getframe", "currentframe", "f_back", "f_locals"}
_GIVEN = {"scores", "KINDS"}  # of the lessons' modules: shown to students, free to use


def asks_the_checker(answer: Callable) -> bool:
    """Tell whether a function is one of the lessons' own, or mentions what only they hold.

    ``lesson.answer`` is free: an exercise may build on one that was solved before.
    """
    while hasattr(answer, "func"):  # a partial function
        answer = answer.func
    code, known = getattr(answer, "__code__", None), getattr(answer, "__globals__", {})
    named = names_in(code)
    of_lessons = {name for name in named if _is_of_a_lesson(known.get(name))} - _GIVEN
    return bool(_is_of_a_lesson(answer) or of_lessons or named & (_OF_THE_CHECKER | _AROUND_IT))


def names_in(code: CodeType | None) -> set[str]:
    """Return every name that a function's code mentions, as text too, inner functions included."""
    if not isinstance(code, CodeType):
        return set()
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    texts = {text for text in code.co_consts if isinstance(text, str) and "busi_lessons" in text}
    named = {part for name in (*code.co_names, *texts) for part in name.split(".")}
    return named.union(*(names_in(part) for part in inner))


def _is_of_a_lesson(thing: Any) -> bool:
    module = str(getattr(thing, "__module__", ""))
    given = module == "busi_lessons.material" or type(thing).__name__ == "Lesson"
    return module.startswith("busi_lessons.") and not given
