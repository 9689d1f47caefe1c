"""pyproject.toml, requirements.lock and environment.yml name the same packages."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires

import pytest
import yaml
from packaging.requirements import Requirement

from busi_utils import __version__
from busi_utils.workspace import REPOSITORY

BUILD_ONLY = {"python", "pip", "make"}
PACKAGES = {"busi_utils", "busi_phantom", "busi_report", "benchmarks"}
# Parts of a named package: keras of tensorflow, requests of pooch, the others of jupyterlab.
COMES_ALONG = {"flatbuffers", "keras", "requests", "jupyter-client", "ipython"}


def normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement.strip()).group(0)
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def direct(project):
    groups = project["optional-dependencies"]
    assert list(groups) == ["train", "deploy"]
    extra = [item for group in groups.values() for item in group]
    return {normal(re.split("[<>=]", item)[0]) for item in [*project["dependencies"], *extra]}


@pytest.fixture(scope="module")
def pinned():
    lines = (REPOSITORY / "requirements.lock").read_text().split("\n")
    lines = [line for line in lines if line.strip()]
    assert all(re.match(r"[\w.-]+==[\w.]+( ;|$)", line) for line in lines)
    return {normal(line) for line in lines}


@pytest.fixture(scope="module")
def conda():
    return yaml.safe_load((REPOSITORY / "environment.yml").read_text())


def test_the_conda_environment_names_every_dependency_and_no_other(direct, conda):
    plain = [item for item in conda["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in conda["dependencies"] if isinstance(item, dict)]
    from_pip = [item for item in pip if not item.startswith("-")]
    assert conda["name"] == "busi"
    assert "--editable ." in pip
    named = [normal(re.split("[<>=]", item)[0]) for item in [*plain, *from_pip]]
    assert len(named) == len(set(named))
    assert set(named) - BUILD_ONLY == direct


def test_the_conda_python_suits_the_package(project, conda):
    (python,) = [d for d in conda["dependencies"] if isinstance(d, str) and d.startswith("python")]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert re.fullmatch(r"python\s*(=\s*3\.11|>=3\.11,<3\.14)", python)


def test_the_lock_pins_every_dependency_and_what_those_need(direct, pinned):
    assert "setuptools" in pinned  # the Makefile builds without isolation
    found, todo = set(), [*direct]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if name in ("ai-edge-litert", "backports-strenum"):
            continue  # installed for exporting alone
        for requirement in map(Requirement, requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(normal(requirement.name))
    assert found <= pinned


def test_every_import_is_a_direct_dependency(direct):
    owners = packages_distributions()
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                roots = {name.partition(".")[0] for name in names}
                for name in roots - set(sys.stdlib_module_names) - PACKAGES:
                    if path.name == "download.py" and name == "kagglehub":
                        continue  # an optional second way
                    assert {
                        normal(owner) for owner in owners.get(name, [name.replace("_", "-")])
                    } & (direct | COMES_ALONG), (
                        f"{path.name} imports {name}: name it in pyproject.toml"
                    )


def test_one_version_is_named_everywhere(project):
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) \((\S+)\)$", changes, flags=re.MULTILINE)
    assert project["version"] == cited["version"] == newest[1] == __version__
    assert str(cited["date-released"]) == newest[2]
