"""The report's sheets: typst sets the PDF, with nothing that depends on day or machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from pathlib import Path

import matplotlib
import typst
import yaml

from busi_report.pandoc import SOURCE, as_url, pandoc
from busi_utils.errors import StudyError
from busi_utils.plots.theme import read_figures
from busi_utils.workspace import REPOSITORY, Workspace

PAGE = REPOSITORY / "report" / "page.typ"
PDF_STANDARDS = ["a-2a"]


def to_pdf(text: str, options: Sequence[str], workspace: Workspace, banner: str) -> bytes:
    """Return a document as PDF/A: tagged, described, dated by its version and not by its build.

    Parameters
    ----------
    text : str
        Markdown; figures are named as ``figures/<name>.svg``.
    options : sequence of str
        Of pandoc.
    workspace : Workspace
        Holds the figures.
    banner : str
        Stands above every sheet; may be empty.

    Raises
    ------
    StudyError
        If the document cannot be set, or breaks a rule of PDF/A.
    """
    options = [*options, f"--template={as_url(PAGE)}"]
    if banner:
        options.append(f"--variable=banner:{banner}")
    document = pandoc(
        text, source=SOURCE, target="typst-citations", folder=workspace.root, options=options
    )
    alts = {name: entry["alt"] for name, entry in read_figures(workspace).items()}
    document = re.sub(r'image\("figures/(\w+)\.svg"', lambda m: _described(m, alts), document)
    # The figures are set in DejaVu Sans, which matplotlib brings along.
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    try:
        return typst.compile(
            document.encode(),
            root=str(workspace.root),
            font_paths=[str(fonts)],
            ignore_system_fonts=True,
            timestamp=int(released().timestamp()),
            pdf_standards=PDF_STANDARDS,
        )
    except Exception as error:  # typst raises its own class, RuntimeError in older versions
        raise StudyError(f"typst could not set the PDF: {error}") from error


def released() -> datetime:
    """Return the date of this version: the report's date, whenever and wherever it is built."""
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    return datetime.combine(cited["date-released"], time(), UTC)


def _described(image: re.Match[str], alts: Mapping[str, str]) -> str:
    """Give an image its alt text, which pandoc's writer of typst leaves out."""
    return f"{image[0]}, alt: {json.dumps(alts[image[1]], ensure_ascii=False)}"
