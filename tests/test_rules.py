"""The rules of the verdicts on plain numbers, and how a page shows what they decide."""

import pytest

from busi_utils.errors import StudyError
from busi_utils.notebook import Page
from busi_utils.record import numbers, rules, templates


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (rules.reported_test(0.07, 0.04), "confirmed"),
        (rules.reported_test(-0.09, 0.04), "refuted"),
        (rules.reported_training(0.05, 0.9), "confirmed"),
        (rules.reported_training(0.06, 0.02), "partly confirmed"),
        (rules.reported_training(0.06, 0.06), "refuted"),
        (rules.underfits(["no dropout"]), "confirmed"),
        (rules.underfits([]), "refuted"),
        (rules.shallower(105, {"x": 81, "b3": 210}), "partly confirmed"),
        (rules.shallower(105, {"x": 181, "b3": 210}), "confirmed"),
        (rules.shallower(105, {"x": 81, "b3": 90}), "refuted"),
        (rules.too_weak(7.6, 0), "refuted"),
        (rules.too_weak(7.6, 2), "partly confirmed"),
        (rules.too_weak(-1.0, 0), "unverifiable"),
        (rules.too_weak(-1.0, 1), "confirmed"),
        (rules.costliest(9, {"blur": 4}, {"blur": 0.1}), "partly confirmed"),
        (rules.costliest(9, {"blur": 4}, {"blur": -0.1}), "unverifiable"),
        (rules.costliest(3, {"blur": 4}, {"blur": -2.0}), "refuted"),
        (rules.more_data(True), "confirmed"),
        (rules.more_data(False), "unverifiable"),
        (rules.superior(0, 0, 0), "unverifiable"),  # never compared from pretrained weights
        (rules.superior(3, 0, 3), "refuted"),
        (rules.superior(3, 0, 2), "unverifiable"),  # not shown is not refuted
        (rules.superior(3, 1, 2), "partly confirmed"),
        (rules.superior(3, 3, 0), "confirmed"),
        (rules.as_good(0, 0, 0), "unverifiable"),
        (rules.as_good(2, 2, 0), "refuted"),
        (rules.as_good(2, 1, 0), "unverifiable"),  # one is not shown to lose
        (rules.as_good(2, 1, 1), "confirmed"),
        (rules.file_size({"h5": 9.8, "keras": 3.9}, 3.4), "confirmed"),
        (rules.file_size({"h5": 9.8, "keras": 9.9}, 3.4), "refuted"),
        (rules.least(18, {"x": 81, "b3": 52}), "confirmed"),
        (rules.least(60, {"x": 81, "b3": 52}), "partly confirmed"),
        (rules.least(90, {"x": 81, "b3": 52}), "refuted"),
        (rules.least(18, {}), "unverifiable"),
        (rules.counted(760, [780, 761], 0), "unverifiable"),
        (rules.counted(45.5, [45.34, 45.46], 1), "confirmed"),  # 45.46 rounds to it
        (rules.counted(46.1, [100 * 6 / 13], 1), "unverifiable"),  # 0.05 off, but it rounds up
        (rules.preprocessing(1, [9.0]), "confirmed"),
        (rules.preprocessing(0, [2.9]), "refuted"),
        (rules.preprocessing(0, [2.9, 3.1]), "unverifiable"),
        (rules.preprocessing(0, []), "unverifiable"),
        (rules.cleaning(0, 2), "partly confirmed"),
        (rules.cleaning(1, 0), "confirmed"),
        (rules.cleaning(0, 0), "unverifiable"),
        (rules.heavily([2.6], 5), "partly confirmed"),
        (rules.heavily([2.6, 5.0], 5), "confirmed"),
        (rules.heavily([], 5), "unverifiable"),
        (rules.shifted(0.76, 0.73), "partly confirmed"),
        (rules.shifted(0.72, 0.73), "unverifiable"),
        (rules.proposal(3, 0), "unverifiable"),  # not shown is not refuted
        (rules.proposal(3, 1), "partly confirmed"),
        (rules.proposal(3, 3), "confirmed"),
        (rules.needed(9, 0, 9), "refuted"),
        (rules.needed(9, 0, 8), "unverifiable"),
        (rules.needed(0, 0, 0), "unverifiable"),
        (rules.needed(9, 1, 8), "confirmed"),
        (rules.jagged([0.97, 0.79]), "partly confirmed"),
        (rules.jagged([0.97, 0.49]), "unverifiable"),
        (rules.is_above(0.1, 0.0), "confirmed"),
        (rules.is_above(0.0, 0.0), "refuted"),
        (rules.real_time({"fp16": 39, "int8": 40}, 40), "confirmed"),
        (rules.real_time({"fp16": 39, "int8": 41}, 40), "partly confirmed"),
        (rules.real_time({"int8": 41}, 40), "refuted"),
        (rules.real_time({}, 40), "unverifiable"),
        (rules.runs_there({"browser": True, "phone": None}), "partly confirmed"),
        (rules.runs_there({"browser": True, "phone": True}), "confirmed"),
        (rules.runs_there({"browser": False, "phone": None}), "refuted"),
        (rules.runs_there({"browser": None, "phone": None}), "unverifiable"),
    ],
)
def test_a_rule_decides(found, expected):
    assert found == expected


@pytest.fixture
def page(tmp_path, monkeypatch):
    captions = tmp_path / "captions.md"
    captions.write_text("## C4a\n\nSaved it takes {{ megabytes.h5 | decimal(1) }} MB.\n")
    monkeypatch.setattr(templates, "CAPTIONS", captions)
    return lambda dataset: Page("02_x", dataset, str(tmp_path))


def test_a_verdict_is_shown_with_its_rule_numbers_and_evidence(page, monkeypatch):
    shown = []
    monkeypatch.setattr("busi_utils.notebook._show", shown.append)
    inputs = {"megabytes": {"h5": 9.8}, "claimed": 3.4}
    page("busi").record_verdict("C4a", "file_size", inputs)
    for words in ("“3.4 MB", "within 0.5 MB", "h5: 9.8", "takes 9.8 MB", "**refuted**"):
        assert words in shown[0]
    (row,) = numbers.read_verdicts(page("busi").place).to_dict("records")
    assert (row["claim_id"], row["verdict"]) == ("C4a", "refuted")
    assert row["evidence"] == "Saved it takes 9.8 MB."
    page("phantom").record_verdict("C4a", "file_size", inputs)
    (row,) = numbers.read_verdicts(page("busi").place).to_dict("records")
    assert row["verdict"] == "unverifiable"
    assert row["evidence"].startswith("Synthetic data say nothing")


def test_a_kept_table_is_computed_once(page):
    import pandas as pd

    calls = []

    def compute():
        calls.append(1)
        return pd.DataFrame({"x": [1.5]})

    found = [page("busi").kept_table("some", compute) for _ in range(2)]
    assert len(calls) == 1
    assert found[0].equals(found[1])


def test_a_figure_without_images_is_said_to_be_absent(page, monkeypatch):
    shown = []
    monkeypatch.setattr("busi_utils.notebook._show", shown.append)
    page("busi").save_figure(None, "gallery")
    assert "needs the images" in shown[0]


def test_an_unfilled_placeholder_names_the_notebook(page):
    with pytest.raises(StudyError, match="02_x cannot be filled"):
        page("busi").say("{{ x | pct }}")


def test_every_rule_states_itself_and_returns_a_known_verdict():
    decided = [
        rule
        for name, rule in vars(rules).items()
        if getattr(rule, "__module__", "") == rules.__name__
    ]
    assert len(decided) > 10
    for rule in decided:
        stated = rule.__doc__.split("Parameters")[0]
        assert any(verdict in stated.lower() for verdict in numbers.VERDICTS), rule.__name__
