"""Notebook 03: its numbers for the report, and the findings and evidence that follow them."""

import pandas as pd
import pytest

from busi_utils.analysis import comparison
from busi_utils.record import comparison_numbers
from busi_utils.record.templates import caption

ENDS = ("", "_low", "_high")


def _worth(kind: str, model: str, recipe: str, low: float, high: float) -> dict:
    line = {
        "kind": kind,
        "label": comparison.title_of(model) if model != "x" else model,
        "model": model,
        "recipe": recipe,
    }
    p = 0.001 if low > 0 or high < 0 else 0.6
    return line | {"worth_low": low, "worth_high": high, "worth_value": (low + high) / 2, "p": p}


def test_the_headline_says_which_tuned_networks_differ_and_which_were_not_tuned(monkeypatch):
    table = pd.DataFrame(
        [
            {"model": model, "recipe": recipe, "init": "imagenet", "seeds": 1, "title": model}
            | dict.fromkeys([m + e for m in comparison.METRICS for e in ("", "_low", "_high")], 0.5)
            for model, recipe in (
                ("mobilenetv2", "original"),
                ("mobilenetv2", "tuned"),
                ("xception", "original"),
                ("mobilenetv1", "tuned"),
            )
        ]
    )
    worth = pd.DataFrame(
        [
            _worth("fault of the data", "mobilenetv2", "tuned", 6, 8),
            _worth("training", "mobilenetv2", "tuned", 5, 9),
            _worth("network", "mobilenetv1", "tuned", 1, 3),
            _worth("network", "mobilenetv3_small", "tuned", -2, 1),
            _worth("network", "xception", "original", 2, 4),
            _worth("network", "efficientnetb3", "scratch", -9, -5),
        ]
    )
    pairs = pd.DataFrame(
        {
            "family": "original",
            "model_a": ["mobilenetv2", "mobilenetv2"],
            "model_b": ["xception", "mobilenetv1"],
            "accuracy_difference": [0.01, -0.04],
            "p_mcnemar_holm": [0.5, 0.01],
            "p_delong_holm": [0.03, 0.2],
        }
    )
    different = comparison.different_pairs(pairs.assign(auc_difference=[0.02, -0.01]))
    assert different[["better", "worse"]].to_numpy().tolist() == [
        ["MobileNetV2", "Xception"],
        ["MobileNetV1", "MobileNetV2"],
    ]
    assert different["accuracy_difference"].tolist() == [0.01, 0.04]
    assert different["auc_difference"].tolist() == [0.02, 0.01]
    doubling = pd.DataFrame({"worth_value": [2.0, 4.0], "p": [0.2, 0.01]})
    copied = pd.DataFrame(
        {
            "recipe": ["original", "logistic", "logistic"],
            "n_copied": 4,
            **{f"{name}{end}": [1.0, 2.0, 3.0] for name in ("copied", "others") for end in ENDS},
            **{f"contrast{end}": [1.0, 2.0, -3.0] for end in ENDS},
        }
    )
    monkeypatch.setattr(comparison_numbers, "other_folds", lambda study, rows: {"cohorts": []})
    monkeypatch.setattr(comparison_numbers, "accuracy_by_seed", lambda study, row: [0.8])
    found = comparison_numbers.headline(
        None,
        "mobilenetv2",
        {"ways": 6},
        clean=table,
        pairs=pairs,
        worth=worth,
        doubling=doubling,
        leak=worth,
        copied=copied,
        on_cohorts=table.assign(cohort="clean"),
        reached=table.iloc[1:2],
    )
    assert (found["cohorts"], found["tuned_by_seed"]) == (["clean"], [0.8])
    assert (found["picked"]["ways"], found["picked"]["title"]) == (6, "mobilenetv2")
    assert found["copied"]["trained"]["original"]["contrast"] == 1.0
    assert found["leak"]["tuned"]["worth_value"] == 7.0
    assert found["copied"]["least"]["contrast"] == -3.0
    assert found["copied"]["most"]["copied"] == 3.0
    assert (found["copied"]["stand"], found["copied"]["networks"]) == (1, 2)
    assert [(r["label"], r["shown"]) for r in found["tuned_others"]] == [
        ("MobileNetV3-Small", False),
        ("MobileNetV1", True),
    ]
    assert [r["label"] for r in found["scratch_others"]] == ["EfficientNetB3"]
    assert found["untuned"] == ["Xception"]
    assert found["pairs"] == {"n": 2, "mcnemar": 1, "delong": 1}
    assert found["doubling"] == {"mean": 0.03, "least": 0.02, "n": 2, "shown": 1}
    assert found["network_gains"] == {"n": 3, "shown": 2}
    assert found["best_network_change"]["label"] == "Xception"


def test_the_report_finds_each_recipe_on_each_cohort_with_its_seeds():
    table = pd.DataFrame(
        [("clean", "logistic", 0.7, 1), ("raw", "logistic", 0.8, 1), ("clean", "tuned", 0.9, 3)],
        columns=["cohort", "recipe", "accuracy", "seeds"],
    ).assign(model="mobilenetv2")
    table = table.assign(accuracy_low=table["accuracy"], accuracy_high=table["accuracy"])
    other = table.assign(model="xception", accuracy=0.1)
    found = comparison_numbers.cohort_numbers(pd.concat([table, other]), "mobilenetv2")
    assert found["logistic"]["raw"]["accuracy"] == 0.8
    assert found["tuned"] == {
        "clean": {"accuracy": 0.9, "accuracy_low": 0.9, "accuracy_high": 0.9, "seeds": 3}
    }


@pytest.mark.parametrize(
    ("by_training", "without_written", "networks", "words"),
    [
        ([20, 20], [1, 1], 2, "The recipe as written holds every network back: over three ways"),
        ([19, 20], [18, 20], 2, "No way of training stands out: over three ways"),
        ([1, 2], [1, 1], 1, "Too few networks"),
    ],
)
def test_the_forest_sets_training_against_network(by_training, without_written, networks, words):
    best = {"title": "Xception", "recipe": "tuned", "balanced_accuracy": 0.8}
    values = {"by_training": by_training, "by_network": [1, 2], "networks": networks}
    values["without_written"] = without_written
    finding, alt = caption("comparison_forest", values | {"best": best})
    assert words in finding
    assert ("each of 2 networks" in finding) == (networks == 2)
    assert finding.endswith("reaches 80.0\u00a0%.")
    assert alt


def test_the_costs_name_two_networks_or_one():
    small = {"model": "a", "title": "A", "parameters": 2e6, "balanced_accuracy": 0.7}
    large = small | {"model": "b", "title": "B", "parameters": 2e7, "recipe": "logistic"}
    finding, _ = caption("comparison_pareto", {"largest": large, "best": large})
    assert finding.startswith("The largest network is the best.")
    assert finding.count("million") == 1
    finding, _ = caption("comparison_pareto", {"largest": large, "best": small | large | small})
    assert "is not the best. With logistic regression" in finding
    assert "B (20.0 million parameters) reaches 70.0\u00a0%, A (2.0 million) 70.0" in finding


@pytest.mark.parametrize(
    ("balanced", "steps", "words"),
    [
        ([0.8, 0.9], [0.07, 0.03], "Averaging networks helps, the second one most: over all"),
        ([0.8, 0.9], [0.03, 0.07], "Averaging networks helps: over all"),
        ([0.9, 0.8], [-0.1], "Averaging networks does not help: over all"),
        ([0.9, 0.9], [], "With one tuned network there is no mean to take."),
    ],
)
def test_the_members_figure_says_whether_averaging_helps(balanced, steps, words):
    values = {"n": 3, "aims": [], "accuracy": [0.8, 0.9], "balanced": balanced, "steps": steps}
    finding, alt = caption("comparison_members", values)
    assert finding.startswith(words)
    assert "aims" not in finding
    assert ("does not rise with every network" in alt) == (bool(steps) and min(steps) <= 0)


@pytest.mark.parametrize(
    ("gains", "words"),
    [(3, "More data would help every"), (2, "help some networks"), (0, "would help is not shown")],
)
def test_the_learning_curve_says_what_is_shown(gains, words):
    values = {"gains": gains, "n": 3, "least": -4.0, "most": 3.0, "title": "X"}
    finding, rising = caption("comparison_learning_curve", values | {"rises": True})
    assert words in finding
    assert f"−4.0 to +3.0 points, a gain that stands Holm's correction in {gains} of 3" in finding
    assert "rises with the number of training groups" in rising
    assert "not every line rises" in caption("comparison_learning_curve", values | {"rises": 0})[1]


def test_evidence_lists_every_comparison_and_what_was_not_compared():
    rows = [_worth("network", "xception", "tuned", 1, 2), _worth("network", "x", "scratch", 3, 4)]
    for row in rows:
        row |= {"label": "Xception", "finding": "no difference shown"}
    counts = {"comparisons": 2, "gains": 0, "excluded": 2}
    counts |= {"commonest": 0.56}
    evidence, _ = caption("C3a", counts | {"rows": rows, "scratch": []})
    assert evidence.count("; ") == 1
    assert evidence.count("(no difference shown)") == 2
    absent, _ = caption(
        "C3a", counts | {"rows": [], "scratch": [rows[1] | {"train_accuracy": 0.6}]}
    )
    assert absent.startswith(
        "ImageNet weights not to be had; from random weights it fits 60.0\u00a0% of its training"
    )
    values = {"comparisons": 5, "gains": 1, "excluded": 3, "best": rows[0]}
    evidence, _ = caption("C9b", values)
    assert evidence.startswith("1 gain in 5 comparisons; a gain of 3 points is excluded in 3;")
    assert evidence.endswith("Xception, +1.5\u00a0points (+1.0\u00a0to\u00a0+2.0)")
