"""The rules of the verdicts on plain numbers, and how a page shows what they decide."""

import pytest

from busi_utils.errors import StudyError
from busi_utils.notebook import Page
from busi_utils.record import numbers, rules, templates


@pytest.mark.parametrize(
    ("images", "per_cent", "verdict"),
    [
        (7, 46.2, "confirmed"),  # 6 / 13 = 46.15 % rounds to 46.2 %
        (7, 45.5, "partly confirmed"),
        (6, 46.2, "partly confirmed"),
        (6, 46.1, "refuted"),  # 0.05 off, but it rounds up
    ],
)
def test_account_of_the_data(images, per_cent, verdict):
    assert rules.account_of_data(images, [5, 7], per_cent, [100 * 6 / 13, 50.0]) == verdict


@pytest.mark.parametrize(
    ("test", "train", "expected"),
    [
        (0.00, 0.00, "confirmed"),
        (0.07, 0.17, "partly confirmed"),
        (0.10, 0.05, "partly confirmed"),
        (-0.10, 0.06, "refuted"),
    ],
)
def test_the_reported_accuracies(test, train, expected):
    assert rules.reported_accuracies(test, 0.04, train) == expected


@pytest.mark.parametrize(
    ("fits", "best", "expected"),
    [
        ([], 0.90, "unverifiable"),
        ([], 0.98, "refuted"),
        (["no dropout"], 0.98, "partly confirmed"),
        (["no dropout"], 0.90, "confirmed"),
    ],
)
def test_underfitting_is_parted_from_a_weak_network(fits, best, expected):
    assert rules.underfitting(fits, best) == expected


def test_a_file_size_may_be_off_by_half_a_megabyte():
    assert rules.file_size({"h5": 9.8, "keras": 3.9}, 3.4) == "confirmed"
    assert rules.file_size({"h5": 9.8, "keras": 9.9}, 3.4) == "refuted"


@pytest.mark.parametrize(
    ("gains", "lacking", "expected"),
    [
        (5, [], "confirmed"),
        (1, [], "partly confirmed"),
        (0, [], "refuted"),
        (5, ["EfficientNetB3"], "unverifiable"),  # never compared from pretrained weights
    ],
)
def test_networks_said_to_be_superior(gains, lacking, expected):
    assert rules.superior(5, gains, lacking) == expected
    assert rules.superior(0, 0, []) == "unverifiable"


@pytest.mark.parametrize(
    ("faults", "gains", "expected"),
    [
        (2, 1, "confirmed"),
        (2, 0, "partly confirmed"),
        (0, 3, "partly confirmed"),
        (0, 0, "refuted"),
    ],
)
def test_data_and_networks_are_judged_apart(faults, gains, expected):
    assert rules.needed(faults, gains) == expected


@pytest.mark.parametrize(
    ("preprocessing", "cleaning", "expected"),
    [
        (2, 1, "confirmed"),
        (1, 0, "partly confirmed"),
        (0, 3, "partly confirmed"),
        (0, 0, "refuted"),
    ],
)
def test_both_kinds_of_fault_must_matter(preprocessing, cleaning, expected):
    assert rules.faults_matter(preprocessing, cleaning) == expected


@pytest.fixture
def page(tmp_path, monkeypatch):
    captions = tmp_path / "captions.md"
    captions.write_text("## C4\n\nSaved it takes {{ megabytes.h5 | decimal(1) }} MB.\n")
    monkeypatch.setattr(templates, "CAPTIONS", captions)
    return lambda dataset: Page("02_x", dataset, str(tmp_path))


def test_a_verdict_is_shown_with_its_rule_numbers_and_evidence(page, monkeypatch):
    shown = []
    monkeypatch.setattr("busi_utils.notebook._show", shown.append)
    inputs = {"megabytes": {"h5": 9.8}, "claimed": 3.4}
    page("busi").record_verdict("C4", rules.file_size, inputs)
    for words in ("“Small model size", "within 0.5 MB", "h5: 9.8", "takes 9.8 MB", "**refuted**"):
        assert words in shown[0]
    (row,) = numbers.read_verdicts(page("busi").place).to_dict("records")
    assert (row["claim_id"], row["verdict"]) == ("C4", "refuted")
    assert row["evidence"] == "Saved it takes 9.8 MB."
    page("phantom").record_verdict("C4", rules.file_size, inputs)
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
