"""Cells: skipped when done, resumed when killed, refused when something is missing."""

import json
import platform
import signal
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import psutil
import pytest
from short_study import CellProcess

from busi_utils import recipes, workspace
from busi_utils.audit.folds import save_folds
from busi_utils.errors import StudyError
from busi_utils.recipes import ORIGINAL
from busi_utils.study.cells import (
    Cell,
    config_hash,
    grid,
    images_text,
    prediction_table,
    save_cell,
)
from busi_utils.study.execution import run_alone, run_missing
from busi_utils.study.study import Study, jobs_of
from busi_utils.workspace import Workspace

pytestmark = pytest.mark.slow

FOLDS = pd.DataFrame(
    {"image_id": [f"benign ({k})" for k in range(10)], "label": "benign", "group": range(10)}
).assign(fold=[k % 5 for k in range(10)])
MANIFEST = FOLDS[["image_id"]].assign(sha256=[f"{k:064x}" for k in range(10)])
CELL = Cell("phantom", "clean", "mobilenetv2", "original", 0, 1)


def test_the_grid_is_every_combination():
    cells = grid("phantom", ["clean", "raw"], ["mobilenetv2"], ["original"], [0, 1])
    assert len(set(cells)) == 2 * 1 * 1 * 2 * 5


def test_cells_that_train_only_a_head_share_a_process():
    cells = grid("busi", ["clean"], ["mobilenetv2"], ["original", "original-unfrozen"], [0, 1])
    sizes = sorted(len(job) for job in jobs_of(cells))
    assert sizes == [1] * 10 + [10]


def test_the_hash_follows_what_predictions_depend_on(monkeypatch):
    images = images_text(FOLDS, MANIFEST)
    base = config_hash(CELL, images, 96)
    assert base == config_hash(
        CELL, images_text(FOLDS.sample(frac=1, random_state=0), MANIFEST), 96
    )
    other_fold = FOLDS.assign(fold=FOLDS["fold"][::-1].to_numpy())
    other_pixels = MANIFEST.assign(sha256=MANIFEST["sha256"][::-1].to_numpy())
    others = [
        config_hash(CELL, images_text(other_fold, MANIFEST), 96),
        config_hash(CELL, images_text(FOLDS, other_pixels), 96),
        config_hash(CELL, images, 224),
        config_hash(replace(CELL, seed=1), images, 96),
    ]
    monkeypatch.setitem(recipes.RECIPES, "original", replace(ORIGINAL, dropout=0.4))
    others.append(config_hash(CELL, images, 96))
    assert len({base, *others}) == 6


def test_a_record_with_another_hash_is_not_done(tmp_path):
    workspace = Workspace(tmp_path)
    save_folds(FOLDS, "phantom", "clean", workspace)
    study = Study("phantom", workspace)
    object.__setattr__(study, "manifest", MANIFEST)
    table = prediction_table(["benign (1)"], ["benign"], pd.DataFrame([[0.1, 0.7, 0.2]]).to_numpy())
    for digest, missing in ((study.config_hash(CELL, ""), []), ("abd", [CELL])):
        save_cell(CELL, table, table, {"config_hash": digest, "init": "random"}, workspace)
        assert study.missing([CELL]) == missing
    assert list(pd.read_csv(CELL.validation(workspace)).columns) == list(table.columns)
    CELL.predictions(workspace).unlink()
    assert study.missing([CELL]) == [CELL]


def test_training_without_images_is_refused(tmp_path):
    workspace = Workspace(tmp_path)
    save_folds(FOLDS, "phantom", "clean", workspace)
    MANIFEST.to_csv(workspace.manifest("phantom"), index=False)
    study = Study("phantom", workspace)
    object.__setattr__(study, "manifest", MANIFEST)
    from busi_utils.study.cell_training import train_cell

    with pytest.raises(StudyError, match=r"no images were named.*BUSI_DATA"):
        train_cell(study, CELL)


def test_a_long_training_says_now_and_then_where_it_is(short_study, monkeypatch, capsys, tmp_path):
    from busi_utils.study import cell_training

    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(cell_training.time, "perf_counter", lambda: next(clock))
    told = cell_training.NowAndThen("cell")
    for epoch in range(1, 8):
        told(f"epoch {epoch}/9: loss 0.5")
    assert capsys.readouterr().out.splitlines() == [
        "cell: epoch 3/9: loss 0.5, at most 2 min left",
        "cell: epoch 6/9: loss 0.5, at most 75 s left",
    ]
    monkeypatch.undo()
    monkeypatch.setattr(cell_training, "_QUIET_S", -1.0)
    for module in (cell_training, workspace):
        monkeypatch.setattr(module, "CACHE", tmp_path)
    cell_training.train_cell(short_study(), Cell("phantom", "clean", "small", "short", 0, 0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("clean small short seed 0 fold 0: frozen part, view ")
    assert "epoch 2/6: loss " in lines[-5]
    assert lines[-2].endswith(" s left")


def test_a_killed_run_goes_on_and_predicts_the_same(tmp_path, short_study):
    from busi_utils.training.checkpoints import load_state, save_state

    cell = Cell("phantom", "clean", "small", "short-upper_blocks", 3, 1)
    undisturbed, disturbed = studies = short_study(), short_study()
    whole = CellProcess(undisturbed, cell, tmp_path / "cache_whole")
    killed = CellProcess(disturbed, cell, tmp_path / "cache", waits_at=4)
    killed.read("epoch 2")
    killed.kill()  # in its third or fourth epoch, or when it waits after that
    assert killed.exitcode() == -signal.SIGKILL
    assert not cell.predictions(disturbed.workspace).exists()
    [checkpoint] = (tmp_path / "cache" / "checkpoints").glob("[!.]*.npz")
    progress, state = load_state(checkpoint)
    assert progress["epoch"] in (2, 3, 4)
    assert progress["seconds"] > 0
    save_state(checkpoint, progress | {"seconds": 1000.0}, state)
    again = CellProcess(disturbed, cell, tmp_path / "cache")
    for run in (again, whole):
        run.read()
        assert run.exitcode() == 0
    assert again.lines[0].startswith(f"epoch {progress['epoch'] + 1}/")
    # Either of the first two may have filled the frozen part that they share, and said so.
    epochs = [line for line in whole.lines if line.startswith("epoch")]
    assert len(epochs) >= 6  # the undisturbed run really trains
    for study in studies:
        record = json.loads(cell.record(study.workspace).read_text())
        assert record["init"] == "random"
        assert record["epochs_run"] == len(record["history"]) == len(epochs)
    assert 1000 < record["seconds"] < 2000, "the epochs before the kill count too"
    first, second = (cell.predictions(study.workspace).read_bytes() for study in studies)
    assert first == second


def test_a_training_process_starts_with_tensorflow():
    """Else every job would import it, seconds each, instead of the server they are forked from."""
    assert run_alone(eval, "'tensorflow' in __import__('sys').modules")


def _faults_of_a_second_block():
    """Return how many pages the system had to give for 64 MB that were held and freed before."""
    from resource import RUSAGE_SELF, getrusage

    counted = []
    for _ in range(2):
        before = getrusage(RUSAGE_SELF).ru_minflt
        b"x" * (64 << 20)
        counted.append(getrusage(RUSAGE_SELF).ru_minflt - before)
    return counted[1]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_a_training_process_keeps_freed_memory_for_the_next_step():
    assert run_alone(_faults_of_a_second_block) < 100  # else 16,384 pages anew


def test_two_runs_in_one_workspace_are_refused(tmp_path, monkeypatch):
    from busi_utils.locks import locked

    workspace = Workspace(tmp_path)
    study = Study("phantom", workspace)
    monkeypatch.setattr(Study, "missing", lambda self, cells: list(cells))
    monkeypatch.setattr(Study, "require_images", lambda self, cell: None)
    with locked(workspace, "study"), pytest.raises(StudyError, match="Another run"):
        run_missing(study, [CELL], say=lambda line: None)


def test_the_plan_tells_the_time_of_cells_alike(tmp_path):
    from busi_utils.study.study import plan

    workspace = Workspace(tmp_path)
    table = prediction_table(["benign (1)"], ["benign"], pd.DataFrame([[0.1, 0.7, 0.2]]).to_numpy())
    for fold, seconds in enumerate((100, 110, 900)):  # the median is told, on whatever cohort
        record = {"seconds": seconds, "seconds_frozen_part": 10.0}
        save_cell(replace(CELL, cohort="raw", fold=fold), table, None, record, workspace)
    wanted = grid("phantom", ["clean"], ["mobilenetv2", "xception"], ["original"], [0])
    assert plan(wanted, 2, "phantom", workspace) == [
        "  clean mobilenetv2 original: 5 cells, 5 min",
        "  clean xception original: 5 cells, no earlier run to judge by",
    ]


def test_nothing_to_train_starts_no_process(tmp_path, monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(Study, "missing", lambda self, cells: [])
    assert run_missing(Study("phantom", Workspace(tmp_path)), [CELL], say=lines.append) == 0
    assert lines == ["1 cells wanted, 1 there, 0 to train"]


ORPHAN = """
import os
from busi_utils.study.execution import run_alone
run_alone(os.system, "echo $PPID; exec sleep 120")  # the shell's parent is the training process
"""


def test_a_training_process_ends_with_a_killed_parent():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    worker = psutil.Process(int(parent.stdout.readline()))
    assert worker.pid != parent.pid
    parent.kill()
    parent.wait()
    psutil.wait_procs([worker], timeout=60)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_without_images_no_process_starts_to_look_for_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("busi_utils.study.execution.run_alone", lambda *_: pytest.fail("started"))
    study = Study("busi", Workspace(tmp_path), {})
    cells = grid("busi", ["clean"], ["mobilenetv2"], ["original"], [0], [0])
    with pytest.raises(StudyError, match="no images were named to train it"):
        run_missing(study, cells, say=lambda line: None)
