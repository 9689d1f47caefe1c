"""The Makefile tells its tasks, and reaches the right command with the right data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise

import pytest

from busi_utils.workspace import REPOSITORY

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
TASKS = """
setup audit report demo notebooks outputs doctor test bench study pretrain lint format lock download
lab
exercises site check-site deployment latency release page check-page clean help
"""


def make(*arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


OLD = [f"--assume-old=.venv/{stamp}" for stamp in (".base", ".train")]


def commands(*arguments, **variables):
    """What a task would run once everything is installed."""
    return make("--dry-run", *OLD, *arguments, **variables)


@pytest.fixture
def arguments_of(tmp_path):
    """What a task's one command is really given, by way of make and shell."""
    shown = tmp_path / "show"
    shown.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    shown.chmod(0o755)

    def ask(*arguments, **variables):
        given = json.loads(make(*OLD, *arguments, f"PY={shown}", **variables))
        assert given[0] == "-m"
        return given[2:3] + [f"{name} {value}" for name, value in pairwise(given)]

    return ask


def installs_tensorflow(*arguments, **variables):
    return "install.sh train" in make("--dry-run", "--always-make", *arguments, **variables)


def test_help_lists_every_task():
    text = make("help")
    assert make() == text
    listed = re.findall(r"^  make (\S+) +\S", text, flags=re.MULTILINE)
    source = (REPOSITORY / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", source, flags=re.MULTILINE).group(1).split()
    assert sorted(listed) == sorted(phony) == sorted(TASKS.split())


@pytest.mark.parametrize("task", TASKS.split())
def test_the_lines_of_every_task_are_lines_of_a_shell(task):
    for line in commands(task, "DATA=x").replace("\\\n", " ").splitlines():
        read = subprocess.run(["sh", "-n"], input=line, capture_output=True, text=True)
        assert read.returncode == 0, (line, read.stderr)


def test_options_reach_the_command(arguments_of):
    given = arguments_of("report", "WEIGHTS=w", "SET=seeds=[0, 1] n=3", "ONLY=02")
    assert {"--weights w", "--set seeds=[0, 1] n=3", "--only 02", "--parameters "} <= set(given)
    assert "--parameters busi" in arguments_of("report", "DATASET=busi")
    assert "--parameters phantom" in arguments_of("report", "DATASET=phantom")
    assert "--parameters demo" in arguments_of("demo", "PARAMETERS=busi")
    given = arguments_of(
        "study", "CELLS=--recipes tuned --seeds 0 1", "JOBS=2", "SCHEDULER=tcp://h:1"
    )
    wanted = {"--jobs 2", "--scheduler tcp://h:1", "--recipes tuned", "--seeds 0", "--dataset busi"}
    assert wanted <= set(given)


def test_a_folder_of_any_name_reaches_the_command_and_runs_nothing(arguments_of, tmp_path):
    mark = tmp_path / "mark"
    odd = f"/a b, c=d `touch {mark}` 'f' \"g\" $HOME $(shell touch {mark}) ${{PY}} # ; & é"
    for task in ("report", "notebooks", "study"):
        given = arguments_of(task, f"DATA={odd}", f"WEIGHTS={odd}", f"WORKSPACE={odd}")
        assert {f"--data {odd}", f"--weights {odd}", f"--workspace {odd}"} <= set(given)
    assert arguments_of("download", f"DATA={odd}")[1:] == [
        "-m busi_report",
        "busi_report download",
        f"download {odd}",
    ]
    assert not mark.exists()


def test_a_variable_that_happens_to_be_set_changes_nothing(arguments_of):
    assert arguments_of("report", WORKSPACE="/somewhere", SET="x=1") == arguments_of("report")


@pytest.fixture
def checkout(tmp_path):
    """A checkout of nothing but what installs, with an interpreter that is too old."""
    for name in ("Makefile", "install.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.4\nexit 1\n')
    old.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("{}/python3.10", "PYTHON={}/python3.10 is Python 3.10.4: pass the path of a Python 3.11"),
        ("python9", "PYTHON=python9 names no program: pass the path of a Python 3.11"),
    ],
)
def test_an_interpreter_that_does_not_suit_is_told(checkout, python, sentence):
    done = subprocess.run(
        ["sh", "install.sh", "base"],
        cwd=checkout,
        env=os.environ | {"PYTHON": python.format(checkout)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(sentence.format(checkout))
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_one_installation_at_a_time(checkout):
    def install():
        command = ["sh", "install.sh", "base"]
        environment = os.environ | {"PYTHON": str(checkout / "python3.10")}
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True
        )
        return done.stderr

    lock = checkout / ".venv.lock"
    lock.symlink_to(str(os.getpid()))
    assert install().startswith("Another make is installing")
    assert lock.is_symlink()
    lock.unlink()
    lock.symlink_to("999999999")  # of one that was killed
    assert "is Python 3.10.4" in install()
    assert not lock.is_symlink()


def test_tensorflow_is_installed_only_where_something_may_be_trained():
    reading = (["report"], ["notebooks"], ["outputs"], ["lab"], ["report", "DATASET=busi"])
    for arguments in reading:
        assert not installs_tensorflow(*arguments, BUSI_DATA=""), arguments
    training = (["demo"], ["study"], ["test"], ["bench"], ["setup"], ["report", "DATA=x"])
    for arguments in (*training, ["report", "DATASET=phantom"], ["report", "PARAMETERS=my.yaml"]):
        assert installs_tensorflow(*arguments, BUSI_DATA=""), arguments
    assert installs_tensorflow("report", BUSI_DATA="x")


def test_the_tests_never_see_the_readers_data():
    text = commands("test").replace("\\\n", "")
    steps = [line for line in text.splitlines() if " -m " in line]
    assert len(steps) == 4
    hidden = "-u BUSI_DATA -u BUSI_WEIGHTS -u BUSBRA_DATA -u BUSUCLM_DATA"
    assert all(hidden in step for step in steps)
    assert "pytest" in steps[-1]  # its verdict is the last line
    assert "--nbval-lax" in commands("test")
