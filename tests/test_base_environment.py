"""Reading the study needs the base environment only; what trains says that it needs more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from busi_report.runner import find_notebooks
from busi_utils.workspace import NOTEBOOKS, REPOSITORY


def in_base_environment(*arguments, **options):
    folders = os.pathsep.join([str(REPOSITORY / "tests" / "base_only"), str(REPOSITORY)])
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": folders},
        capture_output=True,
        text=True,
        **options,
    )


def test_the_notebooks_import_without_what_trains(tmp_path):
    cells = [c.source for path in find_notebooks(NOTEBOOKS) for c in nbformat.read(path, 4).cells]
    imports = [source for source in cells if "\nfrom busi_utils" in f"\n{source}"]
    assert len(imports) == len(find_notebooks(NOTEBOOKS))
    done = in_base_environment("-c", "\n".join(imports), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_report_is_built_without_what_trains(tmp_path):
    for part in ("report", "figures", "results"):
        ignored = shutil.ignore_patterns("runs", "predictions", "validation", "probes", "attention")
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=ignored)
    (tmp_path / "report" / "report.html").unlink()
    command = ["-m", "busi_report", "report", "--build-only", "--workspace", str(tmp_path)]
    done = in_base_environment(*command)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["busi_report", "pretrain"], "starting weights needs TensorFlow"),
        (["busi_report", "study", "--seeds", "77"], "Training 5 cells, the first of them"),
        (["benchmarks", "costs"], "A benchmark needs TensorFlow"),
    ],
)
def test_what_trains_says_in_one_line_what_to_install(command, what):
    done = in_base_environment("-m", *command)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Stopped: ")
    assert what in done.stderr
    assert "run 'make setup'" in done.stderr
