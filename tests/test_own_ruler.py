"""The drawn ruler: what it is fitted on, and gains against scikit-learn's AUC."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from busi_utils.analysis import own_ruler
from busi_utils.analysis.masks import Rule, mean_dice
from busi_utils.stats.resampling import auc_gains

RNG = np.random.default_rng(8)
RULE = Rule(0.5, "largest")


def _drawn(n: int = 100) -> pd.DataFrame:
    """Five folds of lesions; each image is tested once and validates the next fold's network."""
    malignant = RNG.random(n) < 0.4
    fold = np.arange(n) % 5
    table = pd.DataFrame({"image_id": [f"x{k}" for k in range(n)], "fold": fold})
    table["label"] = np.where(malignant, "malignant", "benign")
    table = table.assign(threshold=RULE.threshold, component=RULE.component, dice=0.8)
    table["share"] = np.exp(RNG.normal(-2 + malignant, 0.5))
    table["elongation"] = np.exp(RNG.normal(-0.4 + 0.3 * malignant, 0.2))
    p = np.clip(0.3 + 0.4 * malignant + RNG.normal(0, 0.1, n), 0.02, 0.98)
    table = table.assign(p_normal=0.0, p_benign=1 - p, p_malignant=p)
    inner = table.assign(part="validation", fold=(fold + 1) % 5)
    return pd.concat([table.assign(part="test"), inner], ignore_index=True)


def _home(every: pd.DataFrame) -> own_ruler.AtHome:
    test = every[every["part"] == "test"].reset_index(drop=True)
    empty = pd.DataFrame()
    return own_ruler.AtHome(every, mean_dice(every), RULE, test, empty, empty)


def test_no_image_of_a_test_fold_enters_the_fit_that_judges_it():
    every = _drawn()
    before = own_ruler.home_scores(_home(every))
    tested = every.loc[(every["part"] == "test") & (every["fold"] == 2), "image_id"]
    changed = (every["part"] == "validation") & every["image_id"].isin(tested)
    for name, value in {"label": "benign", "share": 0.9, "dice": 0.0}.items():
        every.loc[changed, name] = value
    after = own_ruler.home_scores(_home(every))
    here = (_home(every).test["fold"] == 2).to_numpy()
    for name in before:
        np.testing.assert_array_equal(before[name][here], after[name][here])
    assert not np.array_equal(before["own box"][~here], after["own box"][~here])


def test_labels_of_the_other_hospital_change_no_score():
    home, away = _home(_drawn()), _drawn(60).query("part == 'test'")
    networks = pd.concat([away.assign(fold=k) for k in range(3)], ignore_index=True)
    first, lesions = own_ruler.scores_away(home, networks)
    again, _ = own_ruler.scores_away(home, networks.assign(label="benign"))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert len(lesions) == 60
    np.testing.assert_allclose(lesions["share"], away["share"])


def test_gains_are_differences_of_aucs():
    positive, groups = np.arange(90) % 3 == 0, np.arange(90) // 2
    scores = {"a": RNG.normal(positive), "b": RNG.normal(2.0 * positive)}
    table = auc_gains(positive, scores, dict.fromkeys("ab", "a"), groups, 0, 200).set_index("score")
    for name, score in scores.items():
        assert table.at[name, "auc"] == pytest.approx(roc_auc_score(positive, score))
    assert table.at["b", "gain"] == pytest.approx(
        100 * (table.at["b", "auc"] - table.at["a", "auc"])
    )
    assert table.loc["a", ["gain", "gain_low", "gain_high"]].eq(0).all()
    assert table.at["b", "gain_low"] < table.at["b", "gain"] < table.at["b", "gain_high"]
