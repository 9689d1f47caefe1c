"""The leak sheet is read by a program, and says in a sentence what it lacks."""

import pytest
import yaml

from busi_lessons.__main__ import main
from busi_lessons.leak_sheet import KINDS, read_leak_sheet
from busi_lessons.masters import MASTERS
from busi_utils.errors import StudyError

OURS = MASTERS / "leak_sheet_busi.yaml"


def test_the_studys_own_sheet_is_complete():
    sheet = read_leak_sheet(OURS)
    assert sheet["kind"].tolist() == list(KINDS)
    assert set(sheet["found"]) == {"yes", "no", "unknown"}
    assert (sheet.loc[sheet["found"] != "no", "remedy"] != "").all()


def test_the_command_prints_answers_and_counts(capsys):
    assert main(["sheet", str(OURS)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == list(KINDS)
    assert lines[-1] == "3 yes, 3 no, 2 unknown"


def test_the_empty_form_names_every_kind_and_is_no_answer():
    assert list(yaml.safe_load((MASTERS / "leak_sheet.yaml").read_text())["answers"]) == list(KINDS)
    with pytest.raises(StudyError, match="write yes, no or unknown"):
        read_leak_sheet(MASTERS / "leak_sheet.yaml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("temporal"), "'temporal' is not answered"),
        (lambda a: a.update(tempral={}), "'tempral' is no kind of leak"),
        (lambda a: a.update(temporal="no"), "write yes, no or unknown"),
        (lambda a: a["temporal"].update(found="maybe"), "'maybe'"),
        (lambda a: a["temporal"].update(evidence=""), "without evidence"),
        (lambda a: a["temporal"].update(found="yes", remedy="None."), "without remedy"),
    ],
)
def test_what_is_missing_gets_a_sentence(tmp_path, capsys, change, words):
    sheet = yaml.safe_load(OURS.read_text())
    change(sheet["answers"])
    path = tmp_path / "sheet.yaml"
    path.write_text(yaml.safe_dump(sheet))
    assert main(["sheet", str(path)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "answers: 3", "a: [", "answers:\n - x"])
def test_a_file_that_is_no_sheet_gets_a_sentence(tmp_path, text):
    path = tmp_path / "sheet.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match="cannot be read"):
        read_leak_sheet(path)
    with pytest.raises(StudyError, match="cannot be read"):
        read_leak_sheet(tmp_path)
