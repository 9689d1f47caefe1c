"""The Makefile tells its tasks, and reaches the right command with the right data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from busi_utils.workspace import REPOSITORY

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
TASKS = """
setup report demo notebooks outputs test bench study pretrain lint format lock download lab
exercises site check-site clean help
"""


def make(*arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(*arguments, **variables):
    """What a task would run once everything is installed."""
    old = [f"--assume-old=.venv/{stamp}" for stamp in (".base", ".train")]
    return make("--dry-run", *old, *arguments, **variables)


def installs_tensorflow(*arguments, **variables):
    return "Adding TensorFlow" in make("--dry-run", "--always-make", *arguments, **variables)


def test_help_lists_every_task():
    text = make("help")
    assert make() == text
    listed = re.findall(r"^  make (\S+) +\S", text, flags=re.MULTILINE)
    source = (REPOSITORY / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", source, flags=re.MULTILINE).group(1).split()
    assert sorted(listed) == sorted(phony) == sorted(TASKS.split())


def test_options_reach_the_command():
    text = commands("report", "DATA=a b", "WEIGHTS=w", "SET=seeds=[0, 1] n=3", "ONLY=02")
    assert '--data "a b" --weights "w"' in text
    assert '--set "seeds=[0, 1] n=3" --only "02"' in text
    assert '--parameters "busi"' in commands("report", "DATASET=busi")
    assert '--parameters "demo"' in commands("report", "DATASET=phantom")
    assert commands("demo") == commands("report", "DATASET=phantom")
    assert commands("demo", "PARAMETERS=busi") == commands("demo")
    assert '--parameters ""' in commands("report")
    text = commands("study", "CELLS=--recipes tuned", "JOBS=2", "SCHEDULER=tcp://h:1")
    assert all(part in text for part in ('--jobs "2"', '--scheduler "tcp://h:1" --recipes tuned'))


def test_a_variable_that_happens_to_be_set_changes_nothing():
    assert commands("report", WORKSPACE="/somewhere", SET="x=1") == commands("report")


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
