"""The README's headline is written from numbers, and never from those of phantoms."""

from __future__ import annotations

import pytest

from busi_report.readme import BEGIN, END, README, headline_block, update_readme
from busi_utils.errors import StudyError
from busi_utils.record.numbers import record_metrics, record_verdict
from busi_utils.workspace import REPOSITORY, Workspace

ROW = {
    "accuracy": 0.7512,
    "accuracy_low": 0.71,
    "accuracy_high": 0.79,
    "train_accuracy": 0.9,
    "seeds": 1,
}
NUMBERS = {
    "reported": {"train": 0.65, "test": 0.7},
    "written": {"raw": ROW, "clean": ROW | {"accuracy": 0.7777}},
    "tuned": ROW | {"worth_value": -5.0, "worth_low": -9.0, "worth_high": -1.0},
}


def test_the_headline_changes_between_its_markers_only(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"top\n{BEGIN}\nformer block\n{END}\nbottom\n")
    workspace = Workspace(tmp_path)
    record_metrics("baseline", NUMBERS, workspace)
    record_verdict("C4a", "size", "10 MB", "refuted", workspace)
    assert update_readme(workspace, readme)
    text = readme.read_text()
    assert text.startswith(f"top\n{BEGIN}\n")
    assert text.endswith(f"{END}\nbottom\n")
    assert "former block" not in text
    assert "| 75.1 % (95 % CI 71.0–79.0) |" in text
    assert "is worth −5.0 points (95 % CI −9.0 to −1.0) of accuracy." in text
    assert "- Of the original's claims 1 is refuted, 3 are unverifiable; the [report]" in text
    assert "not yet examined" not in text
    assert "of another hospital" not in text
    assert not update_readme(workspace, readme)
    home, away = ({"auc": v, "auc_low": v - 0.02, "auc_high": v + 0.02} for v in (0.95, 0.75))
    external = {"title": "BUS-BRA", "images": 1064, "one": away, "home": home}
    record_metrics("errors", {"external": external}, workspace)
    assert update_readme(workspace, readme)
    assert "AUC of 0.950 (95 % CI 0.930–0.970) at home and of 0.750" in readme.read_text()
    for members, is_told in ((1, False), (3, True)):
        record_metrics("comparison", {"mean": {"members": members, "plain": ROW}}, workspace)
        update_readme(workspace, readme)
        assert ("equal mean of 3 tuned networks" in readme.read_text()) == is_told


def test_missing_markers_are_told(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("no markers")
    with pytest.raises(StudyError, match="lacks the markers"):
        update_readme(Workspace(tmp_path), readme)


def test_phantom_numbers_never_reach_the_readme(tmp_path):
    workspace = Workspace(tmp_path)
    assert "has not been run" in headline_block(workspace)
    record_metrics("baseline", NUMBERS, workspace)
    record_metrics("run", {"dataset": "phantom"}, workspace)
    assert "has not been run" in headline_block(workspace)


def test_the_readme_holds_the_current_headline():
    shown = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    assert shown == headline_block(Workspace(REPOSITORY)).strip()
