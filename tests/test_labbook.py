"""What the lab book is built from: folded solutions, alt texts, no link that leads nowhere."""

import importlib.util
import re
import subprocess

import nbformat
import pytest

from busi_lessons import LESSONS
from busi_lessons.masters import MASTERS, STUDENT, read_master
from busi_utils.errors import StudyError
from busi_utils.workspace import REPOSITORY


def build_module():
    spec = importlib.util.spec_from_file_location("build", REPOSITORY / "labbook" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return build


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labbook") / "sources"
    build_module().write_sources(folder)
    return folder


def test_every_page_is_in_the_index(sources):
    index = (sources / "index.md").read_text()
    for page in sources.rglob("*.*"):
        name = page.relative_to(sources).with_suffix("").as_posix()
        if page.suffix in (".ipynb", ".md") and name != "index":
            assert f"\n{name}\n" in index


def test_solutions_fold_and_figures_have_alt_texts(sources):
    for name in LESSONS.values():
        cells = nbformat.read(sources / "lessons" / name, as_version=4).cells
        folded = [c for c in cells if "hide-input" in c.metadata.get("tags", ())]
        shown = [c for c in cells if "...  # your lines" in c.source]
        assert len(folded) == len(shown) >= 3
        assert not any("### " in c.source for c in cells if c.cell_type == "code")
        for cell in cells:
            if any("image/png" in o.get("data", {}) for o in cell.get("outputs", ())):
                assert cell.metadata["mystnb"]["image"]["alt"]


def test_links_stay_within_the_site(sources):
    for page in [*sources.rglob("*.ipynb"), *sources.rglob("*.md")]:
        text = page.read_text()
        if page.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        for target in re.findall(r"(?<!!)\[[^\]]+\]\((?!https?:|#)([^)#\s]+)", text):
            assert (page.parent / target).is_file(), (page.name, target)


def test_half_an_archive_is_never_taken_for_whole(tmp_path, monkeypatch):
    def full(command, cwd, **_):
        (cwd / "mathjax-3.2.2.tgz").write_bytes(b"half")  # as npm leaves it
        raise subprocess.CalledProcessError(228, command)

    build = build_module()
    monkeypatch.setattr(build.subprocess, "run", full)
    for _ in range(2):
        with pytest.raises(StudyError, match="run make site again"):
            build.fetch_mathjax(tmp_path / "npm", tmp_path / "target")


def linked(text):
    return re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", text)


def test_links_lead_somewhere_and_every_word_of_the_glossary_is_linked():
    pages = {path: path.read_text() for path in MASTERS.glob("*.md")}
    for folder in (MASTERS, STUDENT):
        for name in LESSONS.values():
            cells = nbformat.read(folder / name, as_version=4).cells
            pages[folder / name] = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    used = set()
    words = {
        w.lower().replace(" ", "-")
        for w in re.findall("^### (.*)$", pages[MASTERS / "glossary.md"], re.M)
    }
    assert len(words) >= 40
    for page, text in pages.items():
        for file, anchor in linked(text):
            assert (page.parent / file).exists(), (page.name, file)
            if file.endswith("glossary.md") and anchor:
                used.add(anchor)
    assert used == words


def test_a_lesson_fills_ninety_minutes():
    for lesson in LESSONS:
        text = read_master(lesson).cells[0].source
        assert sum(map(int, re.findall(r"^\| (\d+) \|", text, re.M))) == 90, lesson
