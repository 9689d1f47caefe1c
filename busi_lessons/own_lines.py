"""Tell whether an answer is a student's own lines, or asks the checker for what it knows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import CodeType, ModuleType
from typing import Any

_OF_THE_CHECKER = {"busi_lessons", "solution", "solution_of", "EXERCISES", "exercises", "accepted"}
_AROUND_IT = {"import_module", "__import__", "_getframe", "currentframe", "f_back", "f_locals"}
_MATERIAL = "busi_lessons.material"
_GIVEN = {"KINDS", "VIGNETTE"}  # of the lessons' modules: shown to students, free to use


def asks_the_checker(answer: Callable) -> bool:
    """Tell whether a function is one of the lessons' own, or mentions what only they hold.

    ``lesson.answer`` is free: an exercise may build on one that was solved before.
    """
    while isinstance(answer, partial):
        answer = answer.func
    seen, ahead = set(), [answer]
    while ahead:  # the function, and the functions of the student's own that it calls
        one = ahead.pop()
        code, known = getattr(one, "__code__", None), getattr(one, "__globals__", {})
        if id(one) in seen:
            continue
        seen.add(id(one))
        named = names_in(code)
        of_lessons = {name for name in named if _is_of_a_lesson(known.get(name))} - _GIVEN
        if _is_of_a_lesson(one) or of_lessons or named & (_OF_THE_CHECKER | _AROUND_IT):
            return True
        used = (known.get(name) for name in named)
        ahead += [f for f in used if getattr(f, "__globals__", None) is known]
    return False


def names_in(code: CodeType | None) -> set[str]:
    """Return every name that a function's code mentions, as text too, inner functions included."""
    if not isinstance(code, CodeType):
        return set()
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    texts = {text for text in code.co_consts if isinstance(text, str) and "busi_lessons" in text}
    named = {part for name in (*code.co_names, *texts) for part in name.split(".")}
    return named.union(*(names_in(part) for part in inner))


def _is_of_a_lesson(thing: Any) -> bool:
    if isinstance(thing, dict | list | tuple | set):  # a table of answers has no module
        return bool(thing) and any(thing is held for held in _held_by_lessons())
    module = str(thing.__name__ if isinstance(thing, ModuleType) else _module_of(thing))
    given = module == _MATERIAL or type(thing).__name__ == "Lesson"
    return module.startswith("busi_lessons.") and not given


def _module_of(thing: Any) -> str:
    return getattr(thing, "__module__", "") or ""


def _held_by_lessons() -> list[Any]:
    """Return what the modules of the lessons hold, apart from what is given to students."""
    ours = (name for name in list(sys.modules) if name.startswith("busi_lessons."))
    modules = (sys.modules[name] for name in ours if name != _MATERIAL)
    return [held for m in modules for name, held in vars(m).items() if name not in _GIVEN]
