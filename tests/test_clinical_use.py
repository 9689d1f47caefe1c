"""Choices made on validation images, referral and net benefit, against literal computations."""

from dataclasses import replace

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss
from two_networks import rewrite

from busi_utils import CLASSES
from busi_utils.analysis.clinical_use import (
    calibration_table,
    decision_curves,
    ece_if_calibrated,
    referral_table,
)
from busi_utils.analysis.mistakes import confusion_table
from busi_utils.analysis.subgroups import EVERY
from busi_utils.audit.folds import save_folds
from busi_utils.errors import StudyError
from busi_utils.plots import errors as error_figures
from busi_utils.plots.theme import save_figure, use_theme
from busi_utils.stats.bootstrap import resampled_weights
from busi_utils.stats.calibration import SMALLEST, risk_coverage
from busi_utils.stats.metrics import MALIGNANT, metrics
from busi_utils.study.cells import Cell, grid, prediction_table, save_cell
from busi_utils.study.chosen_on_validation import (
    calibrated,
    has_validation,
    sensitivity_at_validated_threshold,
)
from busi_utils.study.predictions import OutOfFold, read_prediction_file
from busi_utils.study.rows import read_row
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

N = 400
ROW = ("clean", "mobilenetv2", "tuned")
TEMPERATURES = (1.0, 2.0, 4.0, 0.5, 3.0)  # by which each fold's probabilities were spoiled


def _calibrated(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities themselves."""
    p = softmax(1.5 * rng.normal(size=(n, 3)), axis=1)
    return (rng.random((n, 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1), p


def _table(names: list[str], y: np.ndarray, p: np.ndarray, temperature: float) -> pd.DataFrame:
    spoiled = softmax(temperature * np.log(p), axis=1)
    return prediction_table(names, np.take(CLASSES, y), spoiled)


@pytest.fixture
def study(tmp_path) -> Study:
    rng = np.random.default_rng(0)
    y, _ = _calibrated(N, rng)
    names = [f"image ({k})" for k in range(N)]
    folds = pd.DataFrame({"image_id": names, "label": np.take(CLASSES, y), "group": names})
    folds["fold"] = np.arange(N) % 5
    study = Study("phantom", Workspace(tmp_path))
    save_folds(folds, "phantom", "clean", study.workspace)
    for cell in grid("phantom", *([name] for name in ROW), [0, 1]):
        inside = np.flatnonzero(folds["fold"] == cell.fold)
        logits = 1.5 * rng.normal(size=(len(inside), 3)) + 1.5 * np.eye(3)[y[inside]]
        spoil = TEMPERATURES[cell.fold]
        test = _table([names[k] for k in inside], y[inside], softmax(logits, axis=1), spoil)
        inner = _calibrated(3000, rng)
        validation = _table([f"inner ({k})" for k in range(3000)], *inner, spoil)
        save_cell(cell, test, validation, {}, study.workspace)
    return study


def _rewrite(study: Study, kind: str, change) -> None:
    for cell in grid("phantom", *([name] for name in ROW), [0, 1]):
        rewrite(study, cell, kind, change)


def test_temperatures_are_fitted_per_fold_on_validation_images_alone(study):
    found, temperatures = calibrated(study, ROW)
    np.testing.assert_allclose(temperatures, [TEMPERATURES] * 2, rtol=0.1)
    before = read_row(study, ROW)
    assert (found.p.argmax(axis=2) == before.p.argmax(axis=2)).all()
    fold = found.images["fold"].to_numpy()
    for s, i in ((0, 3), (1, 7)):
        logits = np.log(np.maximum(before.p[s, i], SMALLEST))
        scaled = softmax(logits / temperatures[s, fold[i]])
        np.testing.assert_allclose(found.p[s, i], scaled, atol=1e-6)
    swap = {"p_benign": "p_normal", "p_normal": "p_benign"}
    columns = ["image_id", "label", *(f"p_{name}" for name in CLASSES)]
    _rewrite(study, "predictions", lambda table: table.rename(columns=swap)[columns])
    np.testing.assert_array_equal(calibrated(study, ROW)[1], temperatures)


def test_thresholds_come_from_validation_and_intervals_from_the_test_folds(study):
    table = sensitivity_at_validated_threshold(study, [ROW], 3, 400).iloc[0]
    found = read_row(study, ROW)
    flagged, thresholds = np.zeros((2, N), bool), []
    for cell in grid("phantom", *([name] for name in ROW), [0, 1]):
        inner = read_prediction_file(cell.validation(study.workspace))
        rest = np.sort(inner.loc[inner["label"] != "malignant", "p_malignant"].to_numpy())
        threshold = rest[int(np.ceil(0.9 * len(rest))) - 1]  # the next value up lets 10 % through
        thresholds.append(threshold)
        inside = (found.images["fold"] == cell.fold).to_numpy()
        flagged[cell.seed, inside] = found.p[cell.seed, inside, MALIGNANT] > threshold
    called, sick = flagged.mean(axis=0), found.y == MALIGNANT
    weights = [np.ones((N, 1)), *resampled_weights(found.groups, 3, 400)]
    for name, of, right in (("sensitivity", sick, called), ("specificity", ~sick, 1 - called)):
        drawn = np.concatenate([(right * of) @ w / (of @ w) for w in weights])
        low, high = np.percentile(drawn[1:], [2.5, 97.5])
        ours = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, [drawn[0], low, high])
    assert table["threshold_least"] == pytest.approx(min(thresholds), abs=0.01)
    assert table["threshold_most"] == pytest.approx(max(thresholds), abs=0.01)
    assert (table["seeds"], table["n"]) == (2, N)


def test_a_row_without_validation_images_is_not_judged(study):
    assert has_validation(study, ROW)
    Cell("phantom", *ROW, 1, 2).validation(study.workspace).unlink()
    assert not has_validation(study, ROW)
    with pytest.raises(StudyError, match=r"seed1_fold2.csv does not exist.*leave clean"):
        sensitivity_at_validated_threshold(study, [ROW], 0, 50)


def test_the_table_of_calibration_agrees_with_the_metrics(study):
    before, (after, _) = read_row(study, ROW), calibrated(study, ROW)
    table = calibration_table(before, after, 0, 300).set_index("metric")
    for name, found in (("before", before), ("after", after)):
        for metric in ("ece", "brier"):
            expected = np.mean([metrics(found.y, p)[metric] for p in found.p])
            assert table.loc[metric, name] == pytest.approx(expected)
        finite = np.maximum(found.p, SMALLEST)
        finite /= finite.sum(axis=2, keepdims=True)
        expected = np.mean([log_loss(found.y, p, labels=[0, 1, 2]) for p in finite])
        assert table.loc["nll", name] == pytest.approx(expected, rel=1e-4)
    gap = table["after"] - table["before"]
    np.testing.assert_allclose(table["difference"], gap, atol=1e-12)
    assert table.loc["nll", "difference_high"] < 0  # the folds were spoiled on purpose


def test_a_calibrated_network_shows_the_error_expected_of_it(study):
    found = read_row(study, ROW)
    expected = ece_if_calibrated(found, 0, 1000)
    y, p = found.y, found.p[0]
    single = type(found)(found.images, (0,), p[None])
    rng, top, confidence = np.random.default_rng(1), p.argmax(axis=1), p.max(axis=1)
    drawn = []
    for _ in range(300):
        right = rng.random(N) < confidence
        drawn.append(metrics(np.where(right, top, (top + 1) % 3), p)["ece"])
    ours = ece_if_calibrated(single, 0, 2000)
    assert ours["value"] == pytest.approx(np.mean(drawn), abs=0.002)
    assert [ours["low"], ours["high"]] == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.005
    )
    assert expected["low"] < expected["value"] < expected["high"]
    assert metrics(y, p)["ece"] > expected["high"]  # these were spoiled


def test_referral_follows_the_risk_coverage_curve(study):
    found = read_row(study, ROW)
    table = referral_table(found, 0, 200, (0.0, 0.25, 0.5)).set_index("referred")
    for referred, answered in ((0.0, 400), (0.25, 300), (0.5, 200)):
        curves = [risk_coverage(found.y, p)["risk"][answered - 1] for p in found.p]
        row = table.loc[referred]
        assert row["risk"] == pytest.approx(np.mean(curves))
        missed, of_all = [], []
        for p in found.p:
            kept = np.argsort(-p.max(axis=1), kind="stable")[:answered]
            malignant = kept[found.y[kept] == MALIGNANT]
            wrong = p[malignant].argmax(axis=1) != MALIGNANT
            missed.append(wrong.mean())
            of_all.append(wrong.sum() / (found.y == MALIGNANT).sum())
        assert row["missed"] == pytest.approx(np.mean(missed), abs=0.01)  # ties enter in part
        assert row["missed_of_all"] == pytest.approx(np.mean(of_all), abs=0.01)
        for name in ("risk", "missed", "missed_of_all"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    with pytest.raises(ValueError, match="workload"):
        referral_table(found, 0, 10, (1.0,))


def test_net_benefit_by_hand():
    labels, malignant = np.take(CLASSES, [2, 2, 1, 0, 1]), np.array([0.9, 0.3, 0.4, 0.1, 0.2])
    p = np.stack([(1 - malignant) / 2, (1 - malignant) / 2, malignant], axis=1)
    images = pd.DataFrame({"image_id": range(5), "label": labels, "group": range(5), "fold": 0})
    table = decision_curves(OutOfFold(images, (0,), p[None]), 0, 10, [0.2, 0.35])
    by_hand = [2 / 5 - 2 / 5 * 0.25, 1 / 5 - 1 / 5 * 0.35 / 0.65]
    np.testing.assert_allclose(table["net_benefit"], by_hand)
    assert table["act_on_all"][0] == pytest.approx(2 / 5 - 3 / 5 * 0.25)


def test_net_benefit_is_averaged_over_seeds(study):
    found, t = calibrated(study, ROW)[0], [0.05, 0.2, 0.5]
    table = decision_curves(found, 0, 200, t)
    each = [decision_curves(replace(found, seeds=(0,), p=p[None]), 0, 5, t) for p in found.p]
    for name in ("net_benefit", "act_on_all"):
        np.testing.assert_allclose(table[name], np.mean([one[name] for one in each], axis=0))
    better = np.maximum(table["act_on_all"], 0)
    np.testing.assert_allclose(table["gain"], table["net_benefit"] - better)
    assert (table["gain_low"] <= table["gain_high"]).all()


def _subgroups() -> pd.DataFrame:
    rows = []
    for attribute, groups in ((EVERY, [EVERY]), ("burnt-in marks", ["none", "present"])):
        for k, group in enumerate(groups):
            row = {"attribute": attribute, "group": group, "images": 50}
            for metric in ("accuracy", "recall_benign", "recall_malignant"):
                value = np.nan if k and metric == "recall_benign" else 0.8
                row |= {metric: value, f"{metric}_low": value - 0.1, f"{metric}_high": value + 0.1}
            rows.append(row)
    return pd.DataFrame(rows)


def test_figures_show_the_numbers_and_print_legibly(study, tmp_path):
    before, (after, _) = read_row(study, ROW), calibrated(study, ROW)
    shares = confusion_table(before, 0, 50)
    precision = pd.DataFrame({"k": [10, 20], "value": [0.3, 0.2], "kind": "any", "images": 9})
    precision = precision.assign(measure="precision", value_low=0.1, value_high=0.4, chance=0.1)
    curves = referral_table(after, 0, 50, np.linspace(0, 0.9, 10)), decision_curves(after, 0, 50)
    with mpl.rc_context():
        use_theme()
        figures = {
            "confusion": error_figures.confusion_intervals(shares),
            "forest": error_figures.subgroup_forest(_subgroups(), 0.98),
            "clinical": error_figures.clinical_panels(before, after, *curves),
            "labels": error_figures.doubtful_labels(precision),
        }
        for name, fig in figures.items():
            words = {"caption": "c", "alt": "a", "notebook": "04", "dataset": "busi"}
            save_figure(fig, name, **words, parameters={}, workspace=Workspace(tmp_path))
    written = " ".join(text.get_text() for text in figures["confusion"].axes[0].texts)
    for value in shares["share"]:
        assert f"{100 * value:.0f} %" in written
    forest = figures["forest"].axes
    assert [ax.lines[0].get_xdata().tolist() for ax in forest[:3]] == [[0.8]] * 3
    marked = [text.get_text() for ax in forest for text in ax.texts]
    assert marked == ["fewer than 20"]
    risk = figures["clinical"].axes[1].lines[0]
    np.testing.assert_allclose(risk.get_ydata(), curves[0]["risk"])
    plt.close("all")
