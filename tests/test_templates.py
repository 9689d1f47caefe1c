"""Captions and evidence are text with placeholders."""

import pandas as pd
import pytest

from busi_utils.errors import StudyError
from busi_utils.record import templates


@pytest.fixture(autouse=True)
def captions(tmp_path, monkeypatch):
    path = tmp_path / "captions.md"
    path.write_text(
        "Preface.\n\n# 01 Part\n\n## one\n\nShare {{ x | pct }} of\n{{ what }}.\n\n"
        "Alt: Bars of\n{{ what }}.\n\n## last\n\n{% if x %}The last.{% endif %}\n\n# 02 Part\n\n"
        "## C1\n\n{% for row in rows %}{{ row.name }} {% endfor %}{{ by.a.value | decimal(1) }}.\n"
    )
    monkeypatch.setattr(templates, "CAPTIONS", path)


def test_a_section_gives_caption_and_alt_text_on_one_line_each():
    found = templates.caption("one", {"x": 0.5, "what": "BUSI"})
    assert found == ("Share 50.0\u00a0% of BUSI.", "Bars of BUSI.")


def test_the_next_chapter_is_no_part_of_a_section():
    assert templates.caption("last", {"x": 1}) == ("The last.", "")


def test_tables_are_given_as_rows_or_by_name():
    rows = pd.DataFrame({"name": ["u", "v"]})
    by = pd.DataFrame({"value": [1.25]}, index=["a"])
    assert templates.caption("C1", {"rows": rows, "by": by}) == ("u v 1.2.", "")


def test_what_lacks_is_named():
    with pytest.raises(StudyError, match=r"'one' of captions\.md .*'x' is undefined"):
        templates.caption("one", {"what": "BUSI"})
    with pytest.raises(StudyError, match="no section '## two'"):
        templates.caption("two", {})
