"""Build the lab book: ``python -m labbook.build <target>`` (packages: labbook/requirements.txt).

Notebooks are copied first and made fit for a page: solutions fold away, figures carry their alt
texts, and links to files that the site does not hold become text.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from busi_utils.errors import StudyError, told

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
MATHJAX = "mathjax@3.2.2"
PAGES = ("README", "glossary", "leak_sheet", "own_folder")
_SOLUTION = re.compile(
    r"^(?P<indent>[ ]*)### BEGIN SOLUTION\n(?P<lines>.*?)^[ ]*### END SOLUTION(?:\n|\Z)",
    re.M | re.S,
)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def fit_links(text: str, source: Path, kept: set[Path]) -> str:
    """Turn links to files outside of the site into text."""

    def fit(match: re.Match) -> str:
        target = (source.parent / match[2]).resolve()
        return match[0] if target in kept else match[1]

    return _LINK.sub(fit, text)


def with_folded_solutions(cells: list) -> list:
    """Put each solution into a cell of its own that is folded."""
    parts = []
    for cell in cells:
        found = _SOLUTION.search(cell.source) if cell.cell_type == "code" else None
        if found:
            solution = new_code_cell(_SOLUTION.sub(r"\g<lines>", cell.source).rstrip("\n"))
            solution.metadata = {
                "tags": ["hide-input"],
                "mystnb": {"code_prompt_show": "Show a solution", "code_prompt_hide": "Fold"},
            }
            cell.source = _SOLUTION.sub(r"\g<indent>...  # your lines\n", cell.source).rstrip("\n")
            parts += [cell, solution]
        else:
            parts.append(cell)
    return parts


def with_alt_texts(cell) -> None:
    """Hand the alt text of a figure to the page."""
    for output in cell.get("outputs", ()):
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alt:
            cell.metadata.setdefault("mystnb", {})["image"] = {"alt": alt.replace("\n", " ")}
        output.get("data", {}).pop("application/vnd.busi-lessons+json", None)


def copy_notebook(source: Path, target: Path, kept: set[Path]) -> None:
    notebook = nbformat.read(source, as_version=4)
    notebook.cells = with_folded_solutions(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = fit_links(cell.source, source, kept)
            if "instructor" in cell.metadata.get("tags", ()):
                words = cell.source.removeprefix("**For the instructor.**").strip()
                folded = f"<details><summary>For the instructor</summary>\n\n{words}\n\n</details>"
                cell.source = folded
        else:
            with_alt_texts(cell)
    nbformat.write(notebook, target)


def write_sources(folder: Path) -> None:
    """Write what Sphinx reads."""
    notebooks, lessons = REPOSITORY / "notebooks", REPOSITORY / "notebooks" / "lessons"
    study = sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))
    masters = sorted(lessons.glob("L[0-9]_*.ipynb"))
    pages = [lessons / f"{name}.md" for name in PAGES]
    kept = {*study, *masters, *pages}
    (folder / "lessons").mkdir(parents=True)
    for source in (*study, *masters):
        copy_notebook(source, folder / source.relative_to(notebooks), kept)
    for source in pages:
        text = fit_links(source.read_text(encoding="utf-8"), source, kept)
        (folder / "lessons" / source.name).write_text(text, encoding="utf-8")
    index = (HERE / "index.md").read_text(encoding="utf-8")
    trees = {
        "STUDY": [path.stem for path in study],
        "LESSONS": [f"lessons/{path.stem}" for path in (lessons / "README.md", *masters)],
        "PAGES": [f"lessons/{name}" for name in PAGES[1:]],
    }
    for word, names in trees.items():
        index = index.replace(word, "\n".join(names))
    (folder / "index.md").write_text(index, encoding="utf-8")
    shutil.copy(HERE / "conf.py", folder)
    (folder / "_static").mkdir()
    shutil.copy(HERE / "lab.css", folder / "_static")


def fetch_mathjax(cache: Path, target: Path) -> None:
    """Take MathJax from the npm registry, once, and put what the pages need beside them."""
    archive = cache / f"{MATHJAX.replace('@', '-')}.tgz"
    if not archive.is_file():
        half = cache / "half"  # npm leaves what it has of an archive when the disk is full
        half.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["npm", "pack", "--silent", MATHJAX], cwd=half, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise StudyError(
                f"MathJax could not be fetched into {half} ({error}): install npm, check its "
                "registry or free space, then run make site again."
            ) from error
        (half / archive.name).replace(archive)
    target.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        for name in ("tex-svg.js", "../LICENSE"):
            member = "package/LICENSE" if name.endswith("LICENSE") else f"package/es5/{name}"
            (target / Path(name).name).write_bytes(packed.extractfile(member).read())


def finish(site: Path) -> None:
    """Mend in the pages what a screen reader stumbles over, and links between notebooks."""
    mended = (
        (
            r"<th([^>]*)>(<p></p>)?</th>",
            r"<td\1></td>",
        ),  # the empty corner of a table heads nothing
        (r' aria-label="Toggle hidden content"', ""),  # the words beside it say what it does
        (r'href="(?!https?:)([^"#]+)\.ipynb', r'href="\1.html'),
    )
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for pattern, better in mended:
            text = re.sub(pattern, better, text)
        page.write_text(text, encoding="utf-8")


def main(site: Path) -> int:
    """Build all pages anew; return the exit code of Sphinx."""
    try:
        return _build(site)
    except OSError as error:
        raise StudyError(
            f"{site} could not be written ({error.strerror or error}): free space or correct its "
            "permissions, then run make site again."
        ) from error


def _build(site: Path) -> int:
    work = site.parent / f".{site.name}.sources"
    for folder in (work, site):
        shutil.rmtree(folder, ignore_errors=True)
    write_sources(work)
    fetch_mathjax(site.parent / "npm", work / "_static" / "mathjax")
    options = ["-q", "-b", "html", "-W", "--keep-going"]
    command = [sys.executable, "-m", "sphinx", *options, work, site]
    built = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
    if os.strerror(errno.ENOSPC) in built.stderr:  # Sphinx tells it in many lines
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sys.stderr.write(built.stderr)
    shutil.rmtree(site / ".doctrees", ignore_errors=True)
    if not built.returncode:
        finish(site)
        print(f"Lab book: {site / 'index.html'}")
    return built.returncode


if __name__ == "__main__":
    sys.exit(told(lambda: main(Path(sys.argv[1]).resolve())))
