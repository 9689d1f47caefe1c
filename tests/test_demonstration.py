"""What the demonstration left in ``demo/``; `make test` runs it just before."""

import json
import re

import pytest

from busi_utils.study.predictions import out_of_fold, predictions_folder
from busi_utils.workspace import REPOSITORY, workspace_for

DEMO = workspace_for("phantom")


@pytest.fixture(scope="module")
def metrics() -> dict:
    if not DEMO.metrics.exists():
        pytest.fail("run the demonstration first: make demo")
    return json.loads(DEMO.metrics.read_text(encoding="utf-8"))


def test_mobilenetv2_learns_the_phantoms(metrics):
    """Held-out groups, all three classes: chance is a third, the largest class scores no more."""
    assert metrics["baseline"]["tuned"]["balanced_accuracy_low"] > 1 / 3 + 0.1
    found = out_of_fold(DEMO, "phantom", "clean", "mobilenetv2", "tuned")
    largest = found.images["label"].value_counts(normalize=True).max()
    assert metrics["baseline"]["tuned"]["accuracy"] > largest


def test_every_planted_twin_is_found(metrics):
    pairs = metrics["audit"]["pairs"]
    assert pairs["reference"] > 20
    assert (pairs["precision"], pairs["recall"]) == (1.0, 1.0)


def test_records_name_the_synthetic_start():
    folder = predictions_folder(DEMO, "phantom", "clean", "mobilenetv2", "original")
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert {record["init"] for record in records} == {"phantom"}


def test_report_pages_and_figures_say_that_they_are_synthetic():
    page = (DEMO.report / "report.html").read_text(encoding="utf-8")
    assert re.search("synthetic phantoms", page, re.IGNORECASE)
    assert not re.search(r'(src|<link[^>]*href)="https?:', page)
    assert (DEMO.report / "report.pdf").read_bytes().startswith(b"%PDF")
    for name in json.loads((DEMO.figures / "manifest.json").read_text()):
        stem = name.removesuffix(".svg")
        assert "synthetic phantoms" in (DEMO.figures / f"{stem}.svg").read_text(encoding="utf-8")


def test_nothing_of_the_demonstration_is_in_the_published_results():
    published = REPOSITORY / "results"
    assert not list(published.glob("*phantom*"))
    assert not (published / "predictions" / "phantom").exists()
