"""How numbers look in the report's tables."""

import pytest

from busi_utils.errors import StudyError
from busi_utils.record.formats import cell


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (0.0004, "p", "< 0.001"),
        (0.0333, "p", "0.033"),
        (-0.0683, "points", "−6.8"),
        (0.0001, "points", "0.0"),
        (1578, "int", "1,578"),
        (0.7512, "pct", "75.1"),
        ("tuned-inpainted", "recipe", "tuned, marks inpainted"),
        ("tuned", "brief", "tuned"),
        ("logistic", "brief", "logistic regression"),
        (float("nan"), "p", "–"),
    ],
)
def test_a_cell_follows_its_format(value, kind, shown):
    assert cell({"x": value}, f"x:{kind}") == shown


def test_a_cell_without_column_or_format_is_told():
    with pytest.raises(StudyError, match="no column 'y'"):
        cell({"x": 1}, "y")
    with pytest.raises(StudyError, match="'percent' is no format"):
        cell({"x": 1}, "x:percent")
