"""The report: one template, filled with recorded numbers, as a web page and as a PDF."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from busi_report.pandoc import CSS, SOURCE, as_url, pandoc
from busi_report.parts import Document, Parts
from busi_report.pipe_tables import PANDOC_COLUMNS
from busi_report.screen import for_screen, with_script
from busi_report.sheets import released, to_pdf
from busi_utils import __version__
from busi_utils.errors import StudyError
from busi_utils.plots.summary import draw_summary
from busi_utils.recipes import RECIPES
from busi_utils.record import templates
from busi_utils.record.claims import CLAIMS, claim_table, verdict_counts
from busi_utils.record.numbers import read_metrics, record_metrics
from busi_utils.study.predictions import read_run_record, record_files
from busi_utils.study.rows import unknown_starts
from busi_utils.workspace import REPOSITORY, Workspace, atomic_path, write_text

DOCUMENTS = (
    Document("report", REPOSITORY / "report" / "report.md"),
    Document("supplement", REPOSITORY / "report" / "supplement.md", "supplement", "S"),
)
BIBLIOGRAPHY = REPOSITORY / "report" / "references.bib"
BANNER = "Demonstration on synthetic phantoms: no number here says anything about patients."
_TRAINED = ("init", "seconds", "seconds_frozen_part", "processor", "python", "versions")


def build_report(
    workspace: Workspace, dataset: str, documents: Sequence[Document] = DOCUMENTS
) -> tuple[list[Path], list[str]]:
    """Fill the templates and write each document under ``report/`` as HTML and PDF.

    The page holds its images, style and formulas itself; the PDF embeds its fonts, and both are
    byte-identical when nothing has changed.

    Parameters
    ----------
    workspace : Workspace
        Whose metrics, tables and figures are shown, and which receives the report.
    dataset : str
        ``phantom`` puts a banner on the page and on every sheet.
    documents : sequence of Document
        They refer to each other's figures and tables.

    Returns
    -------
    list of Path
        HTML and PDF of each document.
    list of str
        What the texts leave to be stated by a person.

    Raises
    ------
    StudyError
        If a placeholder cannot be filled (it is named, with its line), a figure, table or citation
        is missing, or the numbers come from another data set.
    """
    _check_origin(read_metrics(workspace), dataset, workspace)
    if trained := training_summary(dataset, workspace):
        record_metrics("training", trained, workspace)
    metrics = read_metrics(workspace)
    draw_summary(metrics, workspace, dataset)
    banner = _banner(workspace, dataset)
    pages, gaps = fill(documents, metrics, workspace, dataset, raster=True)
    sheets, _ = fill(documents, metrics, workspace, dataset, raster=False)
    written = []
    for document in documents:
        folder = workspace.report / document.folder
        html, pdf = folder / f"{document.name}.html", folder / f"{document.name}.pdf"
        write_text(html, _to_html(pages[document.name], workspace, banner))
        data = to_pdf(sheets[document.name], _options(), workspace, banner)
        with atomic_path(pdf) as path:
            path.write_bytes(data)
        written += [html, pdf]
    return written, gaps


def fill(
    documents: Sequence[Document],
    metrics: dict[str, Any],
    workspace: Workspace,
    dataset: str,
    raster: bool,
) -> tuple[dict[str, str], list[str]]:
    """Fill the templates' placeholders and number their parts.

    Returns
    -------
    dict
        Markdown by the document's name.
    list of str
        What the texts leave to be stated by a person.

    Raises
    ------
    StudyError
        Names the placeholder and the line of the template.
    """
    known = None
    for _ in range(2):
        parts = [Parts(workspace, dataset, raster, document, known) for document in documents]
        texts = {p.document.name: _render(p.document.template, metrics, p) for p in parts}
        known = {label: place for p in parts for label, place in p.given.items()}
    return texts, [gap for p in parts for gap in p.to_be_stated]


def _render(template: Path, metrics: dict[str, Any], parts: Parts) -> str:
    environment = templates.environment(jinja2.FileSystemLoader(template.parent))
    environment.globals |= {
        "figure": parts.figure,
        "table": parts.table,
        "rows": parts.rows,
        "ref": parts.ref,
        "has": parts.has,
        "claim_rows": parts.claim_rows,
        "data_files": parts.data_files,
        "numbers": parts.numbers,
        "to_state": parts.to_state,
        "claims": CLAIMS,
        "verdicts": verdict_counts(parts.workspace),
        "verdict_of": claim_table(parts.workspace).set_index("claim_id")["verdict"].to_dict(),
        "supplement": "supplement/supplement.html" if parts.raster else "supplement/supplement.pdf",
        "dataset": parts.dataset,
        "phantom": parts.dataset == "phantom",
        "version": __version__,
        "date": f"{released():%-d %B %Y}",
    }
    try:
        return environment.get_template(template.name).render(metrics)
    except jinja2.TemplateSyntaxError as error:
        raise StudyError(f"{template.name}, line {error.lineno}: {error.message}.") from error
    except (jinja2.UndefinedError, StudyError, TypeError, ValueError) as error:
        raise StudyError(_where(template, error)) from error


def _where(template: Path, error: Exception) -> str:
    """Say which placeholder of which line could not be filled, and why."""
    frames = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == template
    ]
    line = frames[-1] if frames else 0
    source = template.read_text(encoding="utf-8").splitlines()
    shown = source[line - 1].strip() if line else ""
    holders = re.findall(r"{[{%].*?[%}]}", shown) or [shown]
    missing = re.search(r"'([^']+)'(?: is undefined)?$", str(error).rstrip("."))
    named = [text for text in holders if missing and missing.group(1) in text] or holders
    return (
        f"{template.name}, line {line}: the placeholder {named[0]} cannot be filled "
        f"({str(error).rstrip('.')}); run the notebook that records it or correct the template."
    )


def _check_origin(metrics: dict[str, Any], dataset: str, workspace: Workspace) -> None:
    origin = metrics.get("run", {}).get("dataset", dataset)
    if origin != dataset:
        raise StudyError(
            f"The numbers in {workspace.metrics} come from '{origin}', not from '{dataset}': run "
            "the notebooks again or name another WORKSPACE."
        )


def _options() -> list[str]:
    return [
        "--citeproc",
        f"--bibliography={as_url(BIBLIOGRAPHY)}",
        "--metadata=link-citations:true",
        "--metadata=lang:en-GB",
        f"--columns={PANDOC_COLUMNS}",
    ]


def _banner(workspace: Workspace, dataset: str) -> str:
    """Return what stands above every page of a report on phantoms, or from unknown weights."""
    if dataset == "phantom":
        return BANNER
    if starts := unknown_starts(workspace, dataset):
        return f"Where ImageNet weights are named, networks started from {', '.join(starts)}."
    return ""


def _to_html(text: str, workspace: Workspace, banner: str) -> str:
    options = [*_options(), "--mathml", "--toc", "--toc-depth=2", f"--css={as_url(CSS)}"]
    if banner:
        options.append(f'--variable=include-before:<div class="banner" role="note">{banner}</div>')
    page = pandoc(text, source=SOURCE, target="html", folder=workspace.root, options=options)
    return with_script(for_screen(page))


def training_summary(dataset: str, workspace: Workspace) -> dict[str, Any]:
    """Summarise the run records of every network trained on a data set, for the report.

    Returns
    -------
    dict
        ``cells`` (networks trained), ``minutes`` (sum over cells, frozen parts included), and as
        comma-separated text ``processors``, ``inits`` and the versions ``python``, ``tensorflow``,
        ``keras``. Empty if nothing has been trained.
    """
    paths = record_files(workspace, dataset)
    trained = [p for p in paths if read_run_record(p, ("recipe",))["recipe"] in RECIPES]
    records = [read_run_record(path, _TRAINED) for path in trained]
    if not records:
        return {}

    def every(values: Any) -> str:
        return ", ".join(sorted({str(value) for value in values}))

    return {
        "cells": len(records),
        "minutes": sum(r["seconds"] + r["seconds_frozen_part"] for r in records) / 60,
        "processors": every(record["processor"] for record in records),
        "inits": every(record["init"] for record in records),
        "python": every(record["python"] for record in records),
        "tensorflow": every(record["versions"]["tensorflow"] for record in records),
        "keras": every(record["versions"]["keras"] for record in records),
    }
