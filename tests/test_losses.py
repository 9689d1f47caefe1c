"""A full disk, a killed process, a folder that is none: a sentence, and nothing is lost."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from small_notebooks import write_notebook

from busi_report.__main__ import main
from busi_report.kernels import own_kernel
from busi_report.runner import CellFailure, Run, run_notebooks
from busi_utils.audit.images import pixel_sha256
from busi_utils.errors import StudyError
from busi_utils.locks import locked
from busi_utils.recipes import ORIGINAL
from busi_utils.record.numbers import read_table, save_table
from busi_utils.study.execution import run_alone
from busi_utils.training.bank import Bank
from busi_utils.workspace import REPOSITORY, Workspace, temporary_folder, workspace_for


def _full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_under_a_notebook_is_told_as_such(tmp_path, monkeypatch):
    write_notebook(tmp_path / "nb" / "01_a.ipynb", "1")
    run = Run(Workspace(tmp_path / "out"), {}, folder=tmp_path / "nb")

    def half(path, target, *_, **__):
        target.write_text('{"cells": [')
        _full()

    monkeypatch.setattr("papermill.execute_notebook", half)
    with pytest.raises(StudyError, match=r"could not be written \(No space left on device\)"):
        run_notebooks(run, out=io.StringIO())
    monkeypatch.undo()
    code = "raise OSError(28, 'No space left on device', '/x/y.csv')"
    write_notebook(tmp_path / "nb" / "01_a.ipynb", code)
    with pytest.raises(CellFailure) as told:
        run_notebooks(run, out=io.StringIO())
    assert "No space left on device: '/x/y.csv': free space" in str(told.value)
    assert "Traceback" not in str(told.value)


def test_a_workspace_that_is_a_file_or_takes_nothing_is_a_sentence(tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StudyError, match="is a file: name a folder"):
        workspace_for("busi", file)
    with pytest.raises(StudyError, match="could not be written"), locked(Workspace(file), "run"):
        pass
    monkeypatch.setattr("busi_report.__main__._download", _full)
    assert main(["download", str(tmp_path)]) == 2
    assert (
        "Stopped: A file or standard output could not be read or written (No space left"
        in capsys.readouterr().err
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("buffered", [(), ("-u",)])
def test_a_full_disk_under_standard_output_is_one_sentence(buffered):
    code = "import sys; from busi_utils.errors import told; sys.exit(told(lambda: print(1)))"
    with open("/dev/full", "w") as full:
        command = [sys.executable, *buffered, "-c", code]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
    assert done.returncode == 2
    assert re.fullmatch(
        r"Stopped: .*standard output .*\(No space left on device\).*\n", done.stderr
    )


@pytest.mark.slow
def test_a_killed_process_or_fork_server_is_told(monkeypatch):
    with pytest.raises(StudyError, match="process was killed"):
        run_alone(_die)

    def no_server(*_):
        raise EOFError

    monkeypatch.setattr("multiprocessing.context.ForkServerProcess._Popen", no_server)
    with pytest.raises(StudyError, match="process was killed"):
        run_alone(os.getpid)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_power_cut_between_outputs_and_their_mark_leaves_no_zeros(tmp_path, monkeypatch):
    monkeypatch.setattr("busi_utils.workspace.CACHE", tmp_path / "cache")
    grey = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    files = pd.DataFrame({"image_id": ["a"], "path": [str(tmp_path / "a.png")]})
    files["sha256"] = pixel_sha256(grey)
    bank = Bank(files, replace(ORIGINAL, cut="pixels"), "raw", 32, None, "none")

    def power_cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np.memmap, "flush", power_cut)
        with pytest.raises(KeyboardInterrupt):
            bank.require([0], [0])
    assert not bank.done.any()
    assert bank.require([0], [0]) == 1
    assert bank.done[0, 0]
    assert bank.values[0, 0].any()
    Path(f"{bank._stem}.values").unlink()  # its mark survives it
    bank = Bank(files, replace(ORIGINAL, cut="pixels"), "raw", 32, None, "none")
    assert bank.require([0], [0]) == 1
    assert bank.values[0, 0].any()


def test_two_writers_of_one_folders_tables_lose_none(tmp_path):
    place = Workspace(tmp_path)
    names = [f"t{k}" for k in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: save_table(name, pd.DataFrame({"a": [1]}), place), names))
    assert all(read_table(name, place)["a"].tolist() == [1] for name in names)


def test_a_full_disk_under_temporary_files_is_told_of_their_place():
    lines = "Can't close file (errno = 28,\n 'No space left on device')"  # as h5py words it
    with pytest.raises(StudyError) as told, temporary_folder() as folder:
        raise OSError(lines)
    assert str(told.value).startswith(f"{folder.parent} could not be written (Can't close file")
    assert "\n" not in str(told.value)
    assert not folder.exists()


def test_a_full_disk_under_the_kernels_folder_is_told_of_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr("busi_report.kernels._short_place", lambda: str(tmp_path))
    monkeypatch.setattr("pathlib.Path.write_text", _full)
    with pytest.raises(StudyError, match=rf"^{tmp_path}.*kernel\.json could not"), own_kernel():
        pass
