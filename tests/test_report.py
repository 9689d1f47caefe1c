"""The report: numbers from files, parts numbered, nothing from elsewhere, the same twice."""

from __future__ import annotations

import json
import re

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from busi_report import sheets
from busi_report.pandoc import check_offline
from busi_report.parts import Document, _cells
from busi_report.pipe_tables import PANDOC_COLUMNS, escape, pipe_table
from busi_report.report import BANNER, DOCUMENTS, build_report, fill
from busi_utils.errors import StudyError
from busi_utils.plots.theme import save_figure, use_theme
from busi_utils.record.claims import CLAIMS, OPEN, claim_table
from busi_utils.record.numbers import read_metrics, record_metrics, record_verdict, save_table
from busi_utils.workspace import NOTEBOOKS, REPOSITORY, Workspace

SMALL = """---
title: A small report
---

Accuracy {{ part.accuracy | pct }}, in full {{ part | ci("accuracy") }},
of {{ part.n | count }} images [@sandler2018]. See {{ ref("table:sizes") }}. $a^2$
{{ ref("figure:second") }} comes after {{ ref("figure:first") }}.

{{ figure("first") }}

{{ figure("second") }}

{{ table("sizes", caption="Sizes.", columns={"Name": "name", "Share, %": "share:pct"}) }}

::: {#refs}
:::
"""


def workspace_with_parts(root, dataset):
    workspace = Workspace(root)
    with mpl.rc_context():
        use_theme()
        for name in ("first", "second"):
            fig, ax = plt.subplots(figsize=(3, 2))
            ax.plot([0, 1], [0, 1])
            save_figure(
                fig,
                name,
                caption=f"The {name} *figure*.",
                alt=f'A "{name}" line.',
                notebook="00_test",
                dataset=dataset,
                parameters={},
                workspace=workspace,
            )
            plt.close(fig)
    save_table("sizes", pd.DataFrame({"name": ["a_b"], "share": [0.256]}), workspace)
    numbers = {"accuracy": 0.7512, "accuracy_low": 0.71, "accuracy_high": 0.79, "n": 1578}
    record_metrics("part", numbers, workspace)
    return workspace


def written(root, text=SMALL):
    path = root / "small.md"
    path.write_text(text, encoding="utf-8")
    return [Document("small", path)]


def filled(documents, metrics, workspace, dataset="busi", raster=True):
    texts, _ = fill(documents, metrics, workspace, dataset, raster)
    return "\n".join(texts.values())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    workspace = workspace_with_parts(root, "busi")
    (html, pdf), _ = build_report(workspace, "busi", written(root))
    return workspace, html, pdf


def test_parts_are_numbered_and_references_point_ahead(built):
    workspace, _, _ = built
    text = filled(written(workspace.root), read_metrics(workspace), workspace)
    assert "[Figure\u00a02](#fig-second) comes after [Figure\u00a01](#fig-first)" in text
    assert "[Table\u00a01](#tab-sizes)" in text
    assert text.index("**Figure 1.**") < text.index("**Figure 2.**") < text.index("**Table 1.**")
    assert "75.1\u00a0%, in full 75.1\u00a0% (95\u00a0% CI 71.0–79.0),\nof 1,578 images" in text
    assert "| a\\_b | 25.6 |" in text


def test_the_page_is_whole_and_asks_no_server(built):
    _, html, _ = built
    page = html.read_text(encoding="utf-8")
    check_offline(page)
    loaded = re.findall(r"<(?:img|script|link|iframe)\b[^>]*\b(?:src|href)=\"([^\"]*)\"", page)
    assert loaded
    assert all(source.startswith("data:") for source in loaded)
    assert "<math" in page
    assert 'href="#fig-second"' in page
    assert 'id="fig-second"' in page
    assert 'id="tab-sizes"' in page
    assert "Sandler" in page
    assert "The first *figure*" in page
    assert BANNER not in page


def test_an_external_resource_is_refused():
    with pytest.raises(StudyError, match="ask a server"):
        check_offline('<img alt="x" src="https://example.org/x.png">')


def test_both_files_are_the_same_twice(built):
    workspace, html, pdf = built
    before = html.read_bytes(), pdf.read_bytes()
    build_report(workspace, "busi", written(workspace.root))
    assert (html.read_bytes(), pdf.read_bytes()) == before
    assert before[1].startswith(b"%PDF-")


def test_phantoms_are_announced_on_page_and_sheets(tmp_path, monkeypatch):
    workspace = workspace_with_parts(tmp_path, "phantom")
    documents = []
    compile_pdf = sheets.typst.compile
    monkeypatch.setattr(
        sheets.typst, "compile", lambda text, **o: documents.append(text) or compile_pdf(text, **o)
    )
    (html, _), _ = build_report(workspace, "phantom", written(tmp_path))
    page = html.read_text(encoding="utf-8")
    assert page.index(BANNER) < page.index("A small report</h1>")
    assert page.count("Synthetic phantoms, no patient data.") == 3  # two figures, one table
    assert "header: align(center, block(\n" in documents[0].decode()
    assert BANNER in documents[0].decode()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{{ part.balanced | pct }}", r"line 3: .*part\.balanced.*balanced"),
        ("{{ nothing.here }}", r"line 3: .*nothing\.here.*nothing"),
        ('{{ part | ci("recall") }}', "line 3: .*recall"),
        ('{{ figure("third") }}', "line 3: .*third"),
        ('{{ ref("table:third") }}', "line 3: .*third"),
        ('{{ table("third", caption="x", columns={"a": "a"}) }}', "line 3: .*third"),
        ('{{ table("sizes", caption="x", columns={"a": "absent"}) }}', "line 3: .*absent"),
        ("{% if part %}", "line 3: "),
    ],
)
def test_what_cannot_be_filled_is_named_with_its_line(built, line, named):
    workspace, _, _ = built
    template = written(workspace.root.parent / workspace.root.name, f"one\n\nsee {line} x\n")
    with pytest.raises(StudyError, match=named):
        filled(template, read_metrics(workspace), workspace)
    written(workspace.root)


def test_numbers_and_figures_of_another_data_set_are_refused(tmp_path):
    workspace = workspace_with_parts(tmp_path, "phantom")
    with pytest.raises(StudyError, match="was made from 'phantom'"):
        build_report(workspace, "busi", written(tmp_path))
    record_metrics("run", {"dataset": "phantom"}, workspace)
    with pytest.raises(StudyError, match="come from 'phantom'"):
        build_report(workspace, "busi", written(tmp_path))


def test_an_unknown_citation_stops_the_build(tmp_path):
    workspace = workspace_with_parts(tmp_path, "busi")
    with pytest.raises(StudyError, match="nobody1900"):
        build_report(workspace, "busi", written(tmp_path, "Said [@nobody1900].\n"))


def test_text_stays_text():
    assert escape("a_b *c* [d] $e$ f|g") == r"a\_b \*c\* \[d\] \$e\$ f\|g"
    assert escape("two\nlines, 95 % CI") == "two lines, 95\u00a0% CI"


def test_wide_tables_are_wrapped_and_narrow_ones_are_not():
    narrow = pipe_table(["a", "b"], [["x", "1"]], [False, True]).splitlines()[1]
    assert narrow == "| :-- | --: |"
    wide = pipe_table(["a", "b"], [["word " * 40, "1"]], [False, True]).splitlines()[1]
    assert len(wide) > PANDOC_COLUMNS


def test_every_claim_has_a_row(tmp_path):
    workspace = Workspace(tmp_path)
    record_verdict("C4a", "size", "10 MB", "refuted", workspace)
    table = claim_table(workspace).set_index("claim_id")
    assert list(table.index) == [c.claim_id for c in CLAIMS]
    assert {int(re.search(r"\d+", name)[0]) for name in table.index} == set(range(1, 14))
    assert table.at["C4a", "verdict"] == "refuted"
    unread = ["C3c", "C6b", "C8"]  # rest on reading, not on a run
    assert (table.loc[unread, "verdict"] == "unverifiable").all()
    assert (table.drop(["C4a", *unread])["verdict"] == OPEN).all()


def test_the_template_needs_no_notebook(tmp_path):
    workspace = Workspace(tmp_path)
    for dataset in ("phantom", "busi"):
        text = filled(DOCUMENTS, {}, workspace, dataset)
        assert "has not been run in this workspace" in text
        assert "not yet examined" in text


def test_the_committed_report_can_be_filled():
    workspace = Workspace(REPOSITORY)
    metrics = read_metrics(workspace)
    if not {"audit", "baseline"} <= metrics.keys():
        pytest.skip("the study on BUSI has not been committed yet")
    text = filled(DOCUMENTS, metrics, workspace, raster=False)
    assert "{{" not in text
    assert "has not been run in this workspace" not in text


def test_a_table_leads_to_the_cell_that_keeps_it_not_to_a_later_one_that_names_it():
    notebook, cell = _cells()["weights"]
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = next("".join(one["source"]) for one in cells if one["id"] == cell)
    assert 'save_table("weights"' in source
