"""Robustness, shortcuts, attention and external validation, against plain computations."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from busi_utils.analysis import attention, robustness
from busi_utils.analysis import attention_measures as attention_analysis
from busi_utils.analysis.damage import CORRUPTIONS
from busi_utils.analysis.external_measures import (
    binary_replicates,
    by_stratum,
    calibration_slope,
    external_line,
    malignancy,
    readers_auc,
)
from busi_utils.stats.bootstrap import percentile_intervals
from busi_utils.stats.resampling import bootstrap_means

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)


def test_means_of_a_subset_leave_the_others_out():
    values = pd.DataFrame({"all": [1.0, 0, 1, 1], "some": [1.0, 0, np.nan, np.nan]})
    drawn = bootstrap_means(values, np.array(list("aabc")), seed=0, n_replicates=400)
    assert list(drawn.iloc[0]) == [0.75, 0.5]
    assert set(drawn["some"].dropna()) == {0.5}, "its two images share a group"
    assert drawn["some"].isna().any(), "a replicate may hold neither"
    assert drawn["all"].std() > 0


def test_means_have_the_interval_of_the_ordinary_bootstrap():
    x = RNG.random(60)
    drawn = bootstrap_means(pd.DataFrame({"x": x}), np.arange(60), seed=1, n_replicates=4000)
    low, high = percentile_intervals(drawn)[["low", "high"]].iloc[0]
    rows = RNG.integers(0, 60, (4000, 60))
    np.testing.assert_allclose((low, high), np.quantile(x[rows].mean(1), [0.025, 0.975]), atol=0.01)


def _probed(loss: float) -> pd.DataFrame:
    """Forty images, all right by themselves; damage turns a share of them wrong."""
    names = [f"malignant ({k})" for k in range(20)] + [f"benign ({k})" for k in range(20)]
    lines = []
    for probe, severity in [("none", 0)] + [(c, s) for c in CORRUPTIONS for s in (1, 5)]:
        wrong = 0 if probe == "none" else round(loss * severity * 20 / 5)
        for k, name in enumerate(names):
            lines.append((probe, severity, name, name.split()[0], name, (k % 20) >= wrong))
    columns = ["probe", "severity", "image_id", "label", "group", "right"]
    return pd.DataFrame(lines, columns=columns)


def test_robustness_reports_what_each_severity_leaves():
    table = robustness.robustness_table({"mobilenetv2": _probed(0.5)}, 0, 200)
    line = table[(table["corruption"] == "blur") & (table["severity"] == 5)].iloc[0]
    assert line["accuracy"] == line["recall_malignant"] == 0.5
    assert line["accuracy_low"] < 0.5 < line["accuracy_high"]
    assert (table.loc[table["severity"] == 0, "accuracy"] == 1).all()
    assert len(table) == len(CORRUPTIONS) * 3


def test_degradation_is_the_mean_loss_and_models_are_paired():
    found = {"mobilenetv2": _probed(0.5), "mobilenetv1": _probed(1.0)}
    costs, paired = robustness.degradation(found, 0, 200)
    cost = costs.set_index(["model", "corruption"])["value"]
    assert cost["mobilenetv2", "all"] == pytest.approx(100 * (2 / 20 + 10 / 20) / 2)
    assert paired["value"].item() == pytest.approx(
        cost["mobilenetv1", "all"] - cost["mobilenetv2", "all"]
    )


def test_a_damage_leads_by_the_difference_of_the_costs():
    table = _probed(0.5)
    speckle = (table["probe"] == "speckle") & (table["severity"] == 5)
    table.loc[speckle, "right"] = False  # all 40 wrong instead of 20
    ahead = robustness.leads(table, "speckle", 0, 200).set_index("corruption")
    assert set(ahead.index) == set(CORRUPTIONS) - {"speckle"}
    np.testing.assert_allclose(ahead["value"], 100 * (20 / 40) / 2)
    assert (ahead["low"] > 0).all()
    assert (robustness.leads(_probed(0.5), "speckle", 0, 50)[["value", "low", "high"]] == 0).all(
        axis=None
    )


def test_localisation_counts_heat_and_its_maximum():
    mask = np.zeros((56, 56), bool)
    mask[:28, :28] = True
    heat = np.zeros((7, 7))
    heat[1, 1] = 1
    inside = np.ones_like(mask)
    found = attention.localisation(heat, mask, inside)
    assert (found["hit"], found["energy"], found["area"]) == (1, pytest.approx(1), 0.25)
    assert attention.localisation(heat.T[::-1], mask, inside)["hit"] == 0
    even = attention.localisation(np.ones((7, 7)), mask, inside)
    assert even["energy"] == pytest.approx(even["area"]), "a map without knowledge is at chance"
    assert attention.localisation(np.zeros((7, 7)), mask, inside)["energy"] == 0


def test_localisation_ignores_the_padding():
    mask = np.zeros((56, 56), bool)
    mask[20:30, 20:30] = True
    inside = np.zeros_like(mask)
    inside[14:42] = True
    heat = np.zeros((7, 7))
    heat[0, 0] = 5  # in the padding
    heat[3, 3] = 1
    assert attention.localisation(heat, mask, inside)["hit"] == 1


def _attended() -> pd.DataFrame:
    frames = []
    maps = RNG.integers(0, 255, (30, 49))
    for method in attention.METHODS:
        own = (
            maps
            if method in ("gradcam", "gradcam_random_head")
            else RNG.integers(0, 255, maps.shape)
        )
        frame = pd.DataFrame(own, columns=[f"m{i}" for i in range(49)])
        frame["method"], frame["image_id"] = method, [f"benign ({k})" for k in range(30)]
        frame["label"], frame["group"] = "benign", frame["image_id"]
        frame["hit"], frame["energy"], frame["area"] = np.arange(30) % 2, 0.4, 0.1
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def test_the_sanity_check_tells_a_map_that_stays_from_one_that_changes():
    found = attention_analysis.sanity_table(_attended(), 0, 200).set_index("method")["value"]
    assert found["gradcam_random_head"] == pytest.approx(1)
    assert abs(found["gradcam_random_top"]) < 0.15


def test_localisation_table_holds_chance_beside_the_methods():
    table = attention_analysis.localisation_table(_attended(), 0, 200)
    rows = table.set_index(["measure", "method"])["value"]
    assert rows["hit", "gradcam"] == 0.5
    assert rows["energy", "chance"] == rows["hit", "chance"] == pytest.approx(0.1)


def _scores(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    y = RNG.random(n) < 0.35
    p = RNG.dirichlet([1, 2, 1.0], size=(3, n))
    p[:, y, 2] += 0.6
    return y, p / p.sum(axis=-1, keepdims=True)


def test_measures_of_malignancy_agree_with_scikit_learn():
    y, p = _scores()
    score = malignancy(p[0], "lesions")
    np.testing.assert_allclose(score, p[0, :, 2] / (p[0, :, 2] + p[0, :, 1]))
    drawn = binary_replicates(y, score, score >= 0.4, np.arange(len(y)), 0, 50)
    itself = drawn.iloc[0]
    assert itself["auc"] == pytest.approx(roc_auc_score(y, score))
    assert itself["brier"] == pytest.approx(brier_score_loss(y, score))
    assert itself["sensitivity"] == pytest.approx((score[y] >= 0.4).mean())
    assert itself["specificity"] == pytest.approx((score[~y] < 0.4).mean())
    assert itself["expected_over_observed"] == pytest.approx(score.sum() / y.sum())


def test_patients_with_several_views_are_drawn_together():
    y, p = _scores(200)
    y, score = np.repeat(y[:100], 2), np.repeat(malignancy(p[0, :100], "as_given"), 2)
    spread = [
        binary_replicates(y, score, score > 0.3, patients, 0, 800)["auc"].iloc[1:].std()
        for patients in (np.repeat(np.arange(100), 2), np.arange(200))
    ]
    assert spread[0] > 1.2 * spread[1], "copies must not pass for independent images"


def test_one_network_is_the_mean_of_their_measures_and_the_ensemble_is_not():
    y, p = _scores()
    cuts = {"lesions": [0.4, 0.5, 0.6], "as_given": [0.3, 0.3, 0.3]}
    lines = pd.DataFrame(external_line(y, p, cuts, np.arange(len(y)), 0, 50))
    lines = lines.set_index(["rule", "networks"])
    each = [roc_auc_score(y, malignancy(q, "lesions")) for q in p]
    assert lines.loc[("lesions", "one"), "auc"] == pytest.approx(np.mean(each))
    mean = malignancy(p.mean(0), "lesions")
    assert lines.loc[("lesions", "mean of 3"), "auc"] == pytest.approx(roc_auc_score(y, mean))
    assert lines.loc[("lesions", "mean of 3"), "sensitivity"] == pytest.approx(
        (mean[y] >= 0.5).mean()
    )


def test_the_readers_category_is_judged_like_a_score():
    birads = ["2", "3", "4", "4", "4", "5"]
    labels = ["benign", "benign", "benign", "malignant", "malignant", "malignant"]
    manifest = pd.DataFrame({"label": labels, "birads": birads, "patient": list("abcdef")})
    line = readers_auc(manifest, 0, 200)
    truth = np.array(labels) == "malignant"
    assert line["auc"] == pytest.approx(roc_auc_score(truth, np.array(birads, float)))
    assert line["auc_low"] < line["auc"] <= line["auc_high"]
    assert readers_auc(manifest.assign(birads=["", *birads[1:]]), 0, 200) == {}


def test_the_calibration_slope_is_that_of_a_logistic_regression():
    logit = RNG.normal(0, 2, 4000)
    truth = RNG.random(4000) < 1 / (1 + np.exp(-0.5 * logit))
    score = 1 / (1 + np.exp(-logit))
    assert calibration_slope(truth, score) == pytest.approx(0.5, abs=0.07)
    own = LogisticRegression(C=1e9).fit(logit[:, None], truth).coef_[0, 0]
    assert calibration_slope(truth, score) == pytest.approx(own, rel=1e-3)


def test_small_strata_are_put_together_and_one_class_has_no_auc():
    y, p = _scores()
    kind = np.where(np.arange(len(y)) < 5, "rare", np.where(y, "cancer", "cyst"))
    manifest = pd.DataFrame({"label": np.where(y, "malignant", "benign"), "histology": kind})
    manifest["patient"] = np.arange(len(y))
    score = malignancy(p[0], "lesions")
    table = by_stratum(manifest, score, score > 0.5, "histology", 0, 50).set_index("stratum")
    assert list(table.index) == ["cancer", "cyst", "other"]
    assert table["auc"][["cancer", "cyst"]].isna().all()
    assert table.loc["cancer", "sensitivity"] == pytest.approx(
        (score[kind == "cancer"] > 0.5).mean()
    )
    assert np.isnan(table.loc["cyst", "sensitivity"])
    assert table.loc["cyst", "specificity"] == pytest.approx((score[kind == "cyst"] <= 0.5).mean())
    few = manifest.assign(histology=np.where(y & (np.cumsum(y) > 9), "", "mixed"))  # 9 cancers left
    mixed = by_stratum(few, score, score > 0.5, "histology", 0, 50).iloc[0]
    assert mixed["malignant"] == 9
    assert mixed[["auc", "sensitivity"]].isna().all()
    assert mixed["specificity"] == pytest.approx((score[~y] <= 0.5).mean())
