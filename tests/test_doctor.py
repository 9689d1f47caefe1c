"""`make doctor` tells what is there and what is not, and reads no image and no TensorFlow."""

from __future__ import annotations

import json
import shutil

import pytest

from busi_report.__main__ import main
from busi_utils.audit.datasets import DATA_VARIABLES
from busi_utils.models import MODELS
from busi_utils.workspace import REPOSITORY

ROW = "results/predictions/busi/clean/mobilenetv2/original"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A workspace with one row of the committed results, of which a fold is gone."""
    for name in DATA_VARIABLES:
        monkeypatch.setenv(name, "")
    for name in ("results/manifest_busi.csv", "results/folds_busi_clean.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copytree(REPOSITORY / ROW, tmp_path / ROW)
    (tmp_path / ROW / "seed1_fold3.json").unlink()
    return tmp_path


@pytest.fixture
def told(place, capsys):
    def doctor(*arguments: str) -> str:
        assert main(["doctor", "--workspace", str(place), *arguments]) == 0
        return capsys.readouterr().out

    return doctor


def test_stored_rows_and_what_is_missing_with_its_time(told, place):
    page = told("--seeds", "0", "1", "7")
    assert "clean: 4 of 5 rows (model, recipe, seed) whole" in page
    assert "mobilenetv2 original seed 1: fold 3 missing or out of date" in page
    assert "24 cells are up to date" in page
    assert "make study: 9 of 15 cells there" in page
    records = [json.loads(path.read_text()) for path in (place / ROW).glob("*.json")]
    times = sorted(r["seconds"] + r["seconds_frozen_part"] for r in records)
    median = (times[11] + times[12]) / 2
    assert f"clean mobilenetv2 original: 6 cells, {6 * median:.0f} s to train" in page
    assert "make report: read what is stored, train nothing" in page
    assert "no BUSI folder was named" in page


def test_weights_bear_the_name_that_their_hash_gives_them(told, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / MODELS["xception"].weights_file).write_bytes(b"another")
    page = told("--weights", str(folder))
    assert "xception: unknown weights " in page
    assert "no file for mobilenetv2," in page


def test_what_cannot_be_told_is_a_sentence_and_the_page_goes_on(told, place, monkeypatch):
    monkeypatch.setattr("busi_report.doctor.find_spec", lambda name: None)
    (place / ROW / "seed0_fold0.json").write_text("{")
    page = told("--data", "/nowhere")
    assert "The image folder /nowhere does not exist" in page
    assert "seed0_fold0.json" in page
    assert "make demo: add TensorFlow (2 GB), then train on phantoms" in page
