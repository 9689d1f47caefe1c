"""The README's example runs and prints what stands below it; the paths that texts name exist."""

from __future__ import annotations

import importlib
import io
import re
from contextlib import redirect_stdout

import pytest

from busi_report.readme import README
from busi_utils.workspace import REPOSITORY

TEXTS = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "report").glob("*.md")),
    *sorted((REPOSITORY / "report" / "checklists").glob("*.yaml")),
    *sorted((REPOSITORY / "notebooks").glob("*.ipynb")),
]
FOLDERS = "benchmarks|busi_phantom|busi_report|busi_utils|figures|notebooks|report|results|tests"


def blocks(language):
    """Return the code blocks of a language in the README."""
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_readme_shows():
    (code,), (shown,) = blocks("python"), blocks("text")
    assert len(code.splitlines()) <= 22
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(code, README.name, "exec"), {})
    assert out.getvalue() == shown


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_that_a_text_names_exist(path):
    text = path.read_text(encoding="utf-8")
    for name in re.findall(rf"(?<![\w/.-])(?:{FOLDERS})/[\w/.-]*\w", text):
        if "report/runs" not in name and "bench_" not in name:
            assert list(REPOSITORY.glob(name + "*")), name


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_modules_that_a_text_names_can_be_imported(path):
    text = path.read_text(encoding="utf-8")
    for name in set(re.findall(r"\bbusi_(?:utils|phantom|report)(?:\.[a-z_0-9]+)+", text)):
        module, found = name, None
        while found is None:
            try:
                found = importlib.import_module(module)
            except ModuleNotFoundError:
                module = module.rpartition(".")[0]
        for part in name[len(module) :].split(".")[1:]:
            assert hasattr(found, part), name
            found = getattr(found, part)
