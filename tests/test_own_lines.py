"""An answer that asks the checker for what it knows is told so, by whichever way it asks."""

import pytest

from busi_lessons import material, scanner
from busi_lessons.calibration import ece
from busi_lessons.leak_sheet import KINDS
from busi_lessons.own_lines import asks_the_checker

COPIED = scanner._TRUTH
TWINS = material.TWINS


def by_a_helper(y, p):
    return ece(y, p)


def own_helper(values):
    return sum(values) / len(values)


@pytest.mark.parametrize(
    "answer",
    [
        lambda y, p: by_a_helper(y, p),
        lambda: {kind: found for kind, (found, _) in COPIED.items()},
        lambda: {kind: found for kind, (found, _) in scanner._TRUTH.items()},
    ],
)
def test_helpers_modules_and_tables_of_the_checker_are_seen(answer):
    assert asks_the_checker(answer)


def test_own_helpers_and_what_is_given_are_free():
    assert not asks_the_checker(lambda values: own_helper(values))
    assert not asks_the_checker(lambda: dict.fromkeys(KINDS, "no"))
    assert not asks_the_checker(lambda: list(TWINS))
    assert not asks_the_checker(lambda: list(material.TWINS))
