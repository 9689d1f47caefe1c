"""Every file that is read back is checked: columns, values, rows, and its checksum."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from two_networks import two_networks

from busi_utils import forms
from busi_utils.audit.folds import read_folds
from busi_utils.audit.manifest import read_duplicates, read_manifest
from busi_utils.errors import StudyError
from busi_utils.kept import CHECKSUMS, keep_table, read_kept
from busi_utils.plots.theme import read_figures
from busi_utils.record.numbers import read_metrics, read_table, read_verdicts, save_table
from busi_utils.study.cells import grid, read_record
from busi_utils.study.predictions import read_cell_table, read_prediction_file
from busi_utils.study.study import plan
from busi_utils.study.trials import best_trial
from busi_utils.training.checkpoints import load_state, save_state
from busi_utils.workspace import REPOSITORY, Workspace

STORED = Workspace(REPOSITORY)
CELL = grid("busi", ["clean"], ["mobilenetv2"], ["tuned"], [0])[0]


def _exchanged(data: bytes) -> bytes:
    """Give the first two images of a table each other's values."""
    lines = data.split(b"\n")
    (a, *x), (b, *y) = (line.split(b",") for line in lines[1:3])
    return b"\n".join([lines[0], b",".join([a, *y]), b",".join([b, *x]), *lines[3:]])


DAMAGE = {
    "empty": lambda data: b"",
    "binary": lambda data: b"\xff\xfe\x00\x01" + data[:300],
    "half": lambda data: data[: len(data) // 2],
    "half its rows": lambda data: b"\n".join(data.split(b"\n")[: data.count(b"\n") // 2]) + b"\n",
    "a row twice": lambda data: data + data.rstrip(b"\n").split(b"\n")[-1] + b"\n",
    "blank": lambda data: b"\n".join(
        [*data.split(b"\n")[:1], *(b"," * row.count(b",") for row in data.split(b"\n")[1:] if row)]
    ),
    "exchanged": _exchanged,
    "header alone": lambda data: data.split(b"\n")[0] + b"\n",
}
READERS = {
    "predictions": lambda w: read_prediction_file(CELL.predictions(w)),
    "validation": lambda w: read_prediction_file(CELL.validation(w)),
    "probes": lambda w: read_cell_table(CELL.file(w, "probes", ".csv"), forms.PROBES),
    "attention": lambda w: read_cell_table(CELL.file(w, "attention", ".csv"), forms.ATTENTION),
    "manifest_busi": lambda w: read_manifest("busi", w),
    "duplicates_busi": lambda w: read_duplicates("busi", w),
    "folds_busi_clean": lambda w: read_folds("busi", "clean", w),
    "lesions_busi": lambda w: read_kept(w.results / "lesions_busi.csv", forms.LESIONS),
    "calibration": lambda w: read_table("calibration", w),
    "verdicts": read_verdicts,
}


def _file(kind: str, workspace: Workspace):
    if kind in ("predictions", "validation", "probes", "attention"):
        return CELL.file(workspace, kind, ".csv")
    top = workspace.results / f"{kind}.csv"
    return top if (STORED.results / top.name).exists() else workspace.tables / top.name


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_table_is_named_whatever_its_kind(kind, damage, tmp_path):
    place = Workspace(tmp_path)
    file, stored = _file(kind, place), _file(kind, STORED)
    beside = [stored.with_suffix(".json"), CELL.record(STORED), stored.parent / CHECKSUMS]
    for path in (stored, *(path for path in beside if path.exists())):
        copy = place.root / path.relative_to(STORED.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    assert len(READERS[kind](place))
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(StudyError) as told:
        READERS[kind](place)
    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)


def test_every_committed_table_has_its_checksum():
    for record in STORED.results.rglob("seed*.json"):
        kinds = json.loads(record.read_text())["sha256"]
        assert record.relative_to(STORED.results).parts[0] in kinds, record
    for folder in (STORED.results, STORED.tables):
        names = {path.name for path in folder.glob("*.csv")}
        assert names <= set(json.loads((folder / CHECKSUMS).read_text()))


def test_a_table_and_its_checksum_are_replaced_as_one(tmp_path, monkeypatch):
    path, first, second = tmp_path / "t.csv", pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})
    keep_table(path, first)
    write = "busi_utils.kept.write_text"
    for stop_before in (True, False):  # a run that is killed beside the replacement of the table

        def killed(path, text, stop=stop_before):
            if not stop:
                path.write_text(text)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(write, killed)
            with pytest.raises(KeyboardInterrupt):
                keep_table(path, second)
        assert read_kept(path, forms.ANY)["a"].tolist() == ([1] if stop_before else [2])
    keep_table(path, first)
    assert len(json.loads((tmp_path / CHECKSUMS).read_text())["t.csv"]) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b'{"init": ', b"[1, 2]", b"\xff\xfe", b"{}", b"[" * 100_000, b'{"init": null}'],
)
def test_a_damaged_record_is_named_and_stops_no_other_plan(tmp_path, content):
    study = two_networks(tmp_path)
    row = (["clean"], ["mobilenetv2"], ["tuned"])
    cell = grid("phantom", *row, [0])[0]
    cell.record(study.workspace).write_bytes(content)
    with pytest.raises(StudyError, match=r"seed0_fold0\.json"):
        read_record(cell, study.workspace)
    assert "clean mobilenetv2 tuned: 1 cells" in plan([cell], 1, "phantom", study.workspace)[0]


def test_damaged_json_of_the_report_is_named(tmp_path):
    place = Workspace(tmp_path)
    save_table("some", pd.DataFrame({"a": [1]}), place)
    place.figures.mkdir()
    for text in ("", '{"a": 1}', '{"a": {}}', "[]"):
        (place.figures / "manifest.json").write_text(text)
        with pytest.raises(StudyError, match=r"manifest\.json"):
            read_figures(place)
    for text in ("", '{"run": 1}', "[]", '{"run": {"accuracy": NaN}}'):
        place.metrics.write_text(text)
        with pytest.raises(StudyError, match=r"metrics\.json"):
            read_metrics(place)


def test_a_record_of_another_cell_is_no_record(tmp_path):
    place = Workspace(tmp_path)
    other = replace(CELL, model="mobilenetv1")  # the same images, with a checksum that fits
    for file, stored in ((CELL.predictions, other.predictions), (CELL.record, other.record)):
        file(place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stored(STORED), file(place))
    with pytest.raises(StudyError, match=r"fold0\.json is the record of another cell"):
        read_prediction_file(CELL.predictions(place))


def test_a_fold_that_lacks_its_validation_images_stops_the_choice(tmp_path):
    study = two_networks(tmp_path)
    grid("phantom", ["clean"], ["mobilenetv2"], ["tuned"], [0])[3].validation(
        study.workspace
    ).unlink()
    with pytest.raises(StudyError, match=r"tuned/seed0_fold3\.csv are missing"):
        best_trial(study, "clean", "mobilenetv2", ["original", "tuned"])


@pytest.mark.parametrize("at", [0.2, 0.5, 0.9])
def test_a_changed_byte_of_a_kept_network_is_noticed(tmp_path, at):
    path = tmp_path / "network.npz"
    save_state(path, {"epoch": 3}, {"top": [np.arange(5000.0), np.ones(3)]})
    assert load_state(path)[0] == {"epoch": 3}
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1
    path.write_bytes(data)
    assert load_state(path) is None
