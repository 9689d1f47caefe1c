"""README, environment, lock and Makefile agree with the package."""

from __future__ import annotations

import re
import tomllib

import yaml

from busi_utils.paths import REPOSITORY

README = REPOSITORY / "README.md"


def test_the_readme_names_only_files_and_tasks_that_exist():
    text = README.read_text(encoding="utf-8")
    tasks = re.findall(r"^([a-z]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for task in re.findall(r"`?make ([a-z]+)", text):
        assert task in tasks
    for target in re.findall(r"\]\(((?!http|#)[^)]+)\)", text):
        made_by_the_real_run = target.startswith("report/report.")
        assert made_by_the_real_run or (REPOSITORY / target).exists(), target


def names(requirements):
    return {re.match(r"[\w.-]+", line).group(0).lower() for line in requirements}


def declared():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return project["requires-python"], names(project["dependencies"])


def test_environment_agrees_with_the_package():
    python, packages = declared()
    entries = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    conda = [entry for entry in entries if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    found = names(conda) | names(line for line in pip if not line.startswith("-"))
    assert found - {"python", "pip", "make"} == packages
    assert (
        next(entry for entry in conda if entry.startswith("python ")).split()[1].startswith(python)
    )
    assert "--editable ." in pip


def test_the_lock_pins_every_package():
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    assert all("==" in line for line in lines)
    assert declared()[1] <= names(lines)
