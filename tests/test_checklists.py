"""Checklists and cards: complete, in the published order, and pointing at what exists."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from busi_report import checklists
from busi_report.checklists import CHECKLISTS, STATUSES, read_checklist
from busi_report.parts import Document
from busi_report.report import DOCUMENTS, fill
from busi_utils.errors import StudyError
from busi_utils.record.formats import cell
from busi_utils.record.numbers import read_metrics, read_table, save_table
from busi_utils.workspace import NOTEBOOKS, REPOSITORY, Workspace

TRIPOD = """
    1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 16
    17 18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c
"""
STARD = """
    1 2 3 4 5 6 7 8 9 10 11 12 13 14 15a 15b 15c 15d 16a 16b 16c 17a 17b 18 19 20 21 22 23 24 25
    26a 26b 27 28 29 30 31 32 33 34 35 36 37 38 39 40a 40b
"""
PUBLISHED = {
    "claim_2024": [str(k) for k in range(1, 45)],
    "tripod_ai": TRIPOD.split(),
    "stard_ai": STARD.split(),
}
ITEM = {"item": 1, "topic": "Title", "status": "partly", "where": "Abstract", "note": "Half."}
CARDS = """---
title: Cards
---

{% include 'model_card.md' %}

{% include 'data_card.md' %}

# References

::: {#refs}
:::
"""


def missing_places(template_text: str) -> list[str]:
    """Return every place that a checklist names and that does not exist, with list and item.

    A place is a heading of the report's template, a file of the repository, or a heading within
    one: ``notebook 03, <heading>`` or ``README.md, <heading>``. Several are separated by ``; ``.
    """
    own = _headings(template_text)
    return [
        f"{name}, item {row.item}: {place}"
        for name in checklists.CHECKLISTS
        for row in read_checklist(name).itertuples()
        for place in filter(None, row.where.split("; "))
        if place not in own and not _exists(place)
    ]


def _exists(place: str) -> bool:
    document, _, heading = place.partition(", ")
    if number := re.fullmatch(r"notebook (\d\d)", document):
        files = list(NOTEBOOKS.glob(f"{number[1]}_*.ipynb"))
        cells = [cell for path in files for cell in json.loads(path.read_bytes())["cells"]]
        text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    else:
        files = [path for path in [REPOSITORY / document] if path.is_file()]
        text = "".join(path.read_text(encoding="utf-8") for path in files)
    return bool(files) and (not heading or heading in _headings(text))


def _headings(markdown: str) -> set[str]:
    return set(re.findall(r"^#+ (.+?)(?: \{[^}]*\})?$", markdown, flags=re.MULTILINE))


@pytest.mark.parametrize("name", CHECKLISTS)
def test_items_stand_in_the_published_order(name):
    assert read_checklist(name)["item"].tolist() == PUBLISHED[name]


@pytest.mark.parametrize("name", CHECKLISTS)
def test_topics_and_notes_are_short(name):
    table = read_checklist(name)
    assert table["topic"].str.split().str.len().between(2, 14).all()
    assert table["note"].str.split().str.len().max() <= 16
    assert table["topic"].is_unique


def test_every_place_exists():
    templates = "".join(one.template.read_text(encoding="utf-8") for one in DOCUMENTS)
    assert missing_places(templates) == []


def written(tmp_path, monkeypatch, *items):
    monkeypatch.setattr(checklists, "FOLDER", tmp_path)
    monkeypatch.setattr(checklists, "CHECKLISTS", {"small": "SMALL"})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(list(items)), encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "exists"),
    [
        ("Statistics", True),
        ("Shown {.unnumbered}", False),
        ("Shown", True),
        ("Statistic", False),
        ("README.md", True),
        ("README.md, Commands", True),
        ("README.md, Three commands", False),
        ("REAMDE.md", False),
        ("notebook 01, Duplicates", True),
        ("notebook 01, Statistics", False),
        ("notebook 99, Duplicates", False),
        ("report", False),
    ],
)
def test_a_place_that_does_not_exist_is_told(tmp_path, monkeypatch, place, exists):
    written(tmp_path, monkeypatch, ITEM | {"where": f"Statistics; {place}"})
    told = missing_places("# Shown {.unnumbered}\n\nStatistic\n\n## Statistics\n")
    assert told == ([] if exists else [f"small, item 1: {place}"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "done"}, "status other than"),
        ({"status": None}, "status other than"),
        ({"where": ""}, "does not say where"),
        ({"status": "reported", "where": None}, "does not say where"),
        ({"note": ""}, "no note that says why"),
        ({"status": "not done", "where": "", "note": None}, "no note that says why"),
        ({"topic": ""}, "no topic"),
        ({"item": 7}, "used twice"),
        ({"page": 3}, "entry 2 has not exactly the keys"),
    ],
)
def test_a_faulty_item_is_named_in_one_sentence(tmp_path, monkeypatch, change, told):
    written(tmp_path, monkeypatch, ITEM | {"item": 7}, ITEM | {"item": "8b"} | change)
    with pytest.raises(StudyError) as error:
        read_checklist("small")
    text = str(error.value)
    assert told in text
    assert "small.yaml" in text
    assert text.endswith(".")
    assert len(text.splitlines()) == 1
    assert "entry 2" in text or f"item {change.get('item', '8b')} " in text


@pytest.mark.parametrize("text", ["- {item: 1,", "item: 1", "- one", "", "[]"])
def test_a_file_that_is_no_list_of_items_is_told_in_one_sentence(tmp_path, monkeypatch, text):
    written(tmp_path, monkeypatch)
    (tmp_path / "small.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"small\.yaml.*\.$") as error:
        read_checklist("small")
    assert "\n" not in str(error.value)
    with pytest.raises(StudyError, match="restore or correct"):
        read_checklist("absent")


def test_the_tables_of_the_report_hold_every_item(tmp_path):
    workspace = Workspace(tmp_path)
    tables = checklists.tables()
    assert list(tables) == list(CHECKLISTS)
    assert [len(table) for table in tables.values()] == [len(items) for items in PUBLISHED.values()]
    for name in CHECKLISTS:
        items = read_checklist(name)
        assert tables[name]["status"].isin(STATUSES).all()
        save_table(f"checklist_{name}", tables[name], workspace)
        table = read_table(f"checklist_{name}", workspace)
        shown = [cell(line, "evidence") for line in table.to_dict("records")]
        for text, item in zip(shown, items.itertuples(), strict=True):
            assert text.startswith(item.where)
            assert text.endswith(item.note)
            assert (" – " in text) == bool(item.where and item.note)


@pytest.fixture
def cards(tmp_path):
    for name in ("model_card.md", "data_card.md"):
        source = (REPOSITORY / "report" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(source, encoding="utf-8")
    (tmp_path / "cards.md").write_text(CARDS, encoding="utf-8")
    return tmp_path / "cards.md"


def filled(cards, metrics, dataset):
    texts, _ = fill([Document("cards", cards)], metrics, Workspace(cards.parent), dataset, True)
    return texts["cards"]


def test_cards_hold_no_typed_results(cards):
    for name in ("model_card.md", "data_card.md"):
        text = (cards.parent / name).read_text(encoding="utf-8")
        prose = re.sub(r"{[{%].*?[%}]}", "", text, flags=re.DOTALL)
        assert set(re.findall(r"[\d.]+ %", prose)) <= {"95 %", "15 %"}


@pytest.mark.parametrize("dataset", ["phantom", "busi"])
def test_cards_need_no_notebook_and_never_pass_phantoms_off_as_patients(cards, dataset):
    text = filled(cards, {}, dataset)
    assert ("The data of this demonstration are synthetic" in text) == (dataset == "phantom")
    assert "Not a medical device" in text
    assert "no numbers yet" in text


def test_cards_show_the_numbers_of_the_study_and_their_headings_nest(cards):
    metrics = read_metrics(Workspace(REPOSITORY))
    if not {"audit", "baseline"} <= metrics.keys():
        pytest.skip("the study on BUSI has not been committed yet")
    metrics.pop("comparison", None)  # its table stands in the report, not in the cards
    text = filled(cards, metrics, "busi")
    assert f"{metrics['audit']['images']:,} images" in text
    assert f"{100 * metrics['baseline']['tuned']['accuracy']:.1f}\u00a0%" in text
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]
    assert levels.count(2) == 2
    assert set(levels[:-1]) == {2, 3}
    assert not re.search(r"\S\n#", text)  # Markdown takes a heading right below text for text
