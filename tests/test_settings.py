"""Which study a command line means, and what it says when that cannot be known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.__main__ import main as run_benchmarks
from busi_report.__main__ import _parser, main
from busi_report.notebook_files import machine_folders
from busi_report.settings import settings_from
from busi_utils.audit.datasets import DATA_VARIABLES, sources_of
from busi_utils.errors import StudyError
from busi_utils.workspace import REPOSITORY, Workspace, workspace_for


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in DATA_VARIABLES:
        monkeypatch.setenv(name, "x")  # so that what settings_from does to it is undone
        monkeypatch.delenv(name)


@pytest.fixture
def busi(tmp_path):
    for name in ("benign", "malignant", "normal"):
        (tmp_path / "busi" / name).mkdir(parents=True)
    return tmp_path / "busi"


def settings(*arguments):
    return settings_from(_parser().parse_args(["run", *arguments]))


def test_without_arguments_the_real_study_is_read_from_its_committed_results():
    found = settings()
    assert found.dataset == "busi"
    assert found.workspace.root == REPOSITORY
    assert "committed results" in found.headline
    assert "nothing is trained" in found.headline
    assert found.at_once == min(2, os.cpu_count())


def test_the_demonstration_runs_apart_and_never_sees_the_data(monkeypatch):
    for name in DATA_VARIABLES:
        monkeypatch.setenv(name, "/nowhere")
    found = settings("--parameters", "demo")
    assert found.dataset == "phantom"
    assert found.workspace.root == REPOSITORY / "demo"
    assert found.headline.startswith("Demonstration on synthetic phantoms;")
    assert not set(DATA_VARIABLES) & set(os.environ)


def test_data_mean_the_real_study_and_become_absolute(busi, monkeypatch):
    monkeypatch.chdir(busi.parent)
    found = settings("--data", "busi", "--weights", ".")
    assert found.dataset == "busi"
    assert found.workspace.root == REPOSITORY
    assert "what is missing is trained" in found.headline
    assert found.at_once == 1
    assert os.environ["BUSI_DATA"] == str(busi)
    assert os.environ["BUSI_WEIGHTS"] == str(busi.parent)
    settings("--data", "busi=busi,local=busi")
    assert os.environ["BUSI_DATA"] == f"busi={busi},local={busi}"


def test_the_variable_does_the_same(busi, monkeypatch):
    monkeypatch.setenv("BUSI_DATA", str(busi))
    assert "what is missing is trained" in settings().headline


def test_overrides_and_workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = settings("--set", "seed=5", "--workspace", "mine")
    assert found.values["seed"] == 5
    assert found.workspace.root == tmp_path / "mine"
    assert found.values["workspace"] == str(tmp_path / "mine")


ODD = "a b, c=d `e` 'f' \"g\" $HOME"


def test_a_folder_of_any_name_is_one_folder(busi):
    odd = busi.rename(busi.parent / f"x={ODD}")
    settings("--data", str(odd))
    assert os.environ["BUSI_DATA"] == str(odd)
    assert sources_of("busi") == {"busi": odd}
    folders = machine_folders(Workspace(busi.parent / "ws"), {})
    assert folders[str(odd)] == "<BUSI_DATA>"
    comma = odd.rename(busi.parent / "a, b")
    settings("--data", f"busi={comma}, local={comma.parent}")
    assert sources_of("busi") == {"busi": comma, "local": comma.parent}


def test_a_parameter_file_says_how_it_is_to_be_written(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_bytes("# für mich\ndataset: busi\n".encode("latin-1"))
    assert main(["run", "--parameters", str(path)]) == 2
    assert "is not UTF-8 (byte 4): save it as UTF-8" in capsys.readouterr().err
    path.write_bytes("\ufeffdataset: busi\n".encode())  # as some editors of Windows begin it
    assert settings("--parameters", str(path)).dataset == "busi"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--data", "/nowhere/busi"], "/nowhere/busi does not exist"),
        (["--data", "~nosuch"], "'~nosuch' is no path"),
        (["--data", "x" * 999], "does not exist"),
        (["--data", __file__], "is a file, not a folder"),
        (["--workspace", "~nosuch/x"], "'~nosuch/x' is no path"),
        (["--workspace", __file__], "is a file"),
        (["--weights", "/nowhere"], "pass DATA="),
        (["--parameters", "demo", "--data", "x"], "DATA .* leave one of them out"),
        (["--parameters", "demo", "--weights", "x"], "WEIGHTS .* leave one of them out"),
        (["--parameters", "dmeo"], "there are: busi, demo"),
        (["--set", "dataset=''"], "names no data set"),
    ],
)
def test_contradictions_are_told(arguments, complaint):
    with pytest.raises(StudyError, match=complaint):
        settings(*arguments)


def test_a_mendable_problem_is_one_line_and_exit_2(capsys):
    assert main(["run", "--data", str(Path("/nowhere"))]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Stopped: ")
    assert captured.err.count("\n") == 1


def test_an_unknown_benchmark_is_answered_with_those_that_there_are(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks", "absent"])
    assert run_benchmarks() == 2
    assert "there are:" in capsys.readouterr().err


def test_a_package_without_its_repository_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr("busi_utils.workspace.NOTEBOOKS", tmp_path / "notebooks")
    with pytest.raises(StudyError, match="--editable"):
        workspace_for("busi")
    assert workspace_for("busi", tmp_path).root == tmp_path


def test_a_folder_named_for_phantoms_is_not_passed_over(tmp_path):
    with pytest.raises(StudyError, match="is generated"):
        sources_of("phantom", str(tmp_path))
