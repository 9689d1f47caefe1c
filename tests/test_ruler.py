"""The ruler on made lesions, and operating points against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from busi_utils.analysis import ruler

RNG = np.random.default_rng(6)


def _lesions(n: int) -> pd.DataFrame:
    malignant = np.arange(n) % 3 == 0
    return pd.DataFrame(
        {
            "image_id": [f"x ({k})" for k in range(n)],
            "label": np.where(malignant, "malignant", "benign"),
            "group": [f"g{k // 2}" for k in range(n)],
            "share": np.exp(RNG.normal(-2 + malignant, 0.5)),
            "elongation": np.exp(RNG.normal(-0.4 + 0.3 * malignant, 0.2)),
            "solidity": RNG.uniform(0.8, 1, n),
        }
    )


def test_the_ruler_is_fitted_at_home_alone():
    home, away = _lesions(150), _lesions(90)
    _, first = ruler.ruler(home, away)
    _, again = ruler.ruler(home, away.assign(label="benign"))
    np.testing.assert_array_equal(first, again)
    assert roc_auc_score(away["label"] == "malignant", first) > 0.8


def test_the_ruler_at_home_never_sees_the_group_that_it_judges():
    home = _lesions(150)
    flipped = home.assign(
        label=home["label"].where(home["group"] != "g0", "malignant"),
    )
    one, other = ruler.ruler(home, home)[0], ruler.ruler(flipped, home)[0]
    fold = np.flatnonzero(home["group"] == "g0")
    np.testing.assert_allclose(one[fold], other[fold])


def test_operating_points_are_those_of_the_roc_curve():
    malignant = np.arange(120) % 3 == 0
    score = np.round(RNG.normal(malignant, 1), 1)
    at = {"sensitivity": 0.9, "specificity": 0.8}
    row = ruler.score_table(malignant, {"s": score}, np.arange(120), at, 0, 50).iloc[0]
    fpr, tpr, _ = roc_curve(malignant, score, drop_intermediate=False)
    assert row["auc"] == pytest.approx(roc_auc_score(malignant, score))
    assert row["sensitivity"] == pytest.approx(tpr[1 - fpr >= 0.8 - 1e-9].max())
    assert row["specificity"] == pytest.approx((1 - fpr)[tpr >= 0.9 - 1e-9].max())


def test_a_gain_is_what_the_auc_has_over_the_networks_on_the_same_patients():
    malignant = np.arange(120) % 3 == 0
    scores = {
        name: RNG.normal(malignant, spread) for name, spread in (("networks", 2), ("ruler", 1))
    }
    at, patients = {"sensitivity": 0.9, "specificity": 0.8}, np.arange(120) // 2
    table = ruler.score_table(malignant, scores, patients, at, 0, 200).set_index("score")
    assert (table.loc["networks", ["gain", "gain_low", "gain_high"]] == 0).all()
    aucs = [roc_auc_score(malignant, scores[name]) for name in ("ruler", "networks")]
    assert table.at["ruler", "gain"] == pytest.approx(100 * (aucs[0] - aucs[1]))
    alike = {"networks": scores["networks"], "ruler": scores["networks"]}
    alike = ruler.score_table(malignant, alike, patients, at, 0, 50).set_index("score")
    assert (alike.loc["ruler", ["gain", "gain_low", "gain_high"]] == 0).all()  # same resamples


def test_the_network_only_breaks_the_readers_ties():
    away = _lesions(40)
    birads = pd.Series(RNG.integers(2, 6, 40)).astype(str)
    p = RNG.dirichlet([1, 1, 1], 40)
    networks = {"network": p, "adapted": RNG.dirichlet([1, 1, 1], 40)}
    scores = ruler.scores_away(away, np.zeros(40), birads, networks)
    assert (
        np.argsort(scores["readers and adapted"]).tolist()
        != np.argsort(scores["readers and network"]).tolist()
    )  # each network breaks them its own way
    joined = scores["readers and network"]
    assert (np.diff(joined[np.argsort(scores["readers: BI-RADS"], kind="stable")]) > -1).all()
    order = np.argsort(joined)
    assert (np.diff(birads.astype(int).to_numpy()[order]) >= 0).all()


def test_without_categories_there_are_no_readers():
    scores = ruler.scores_away(
        _lesions(10), np.zeros(10), pd.Series([""] * 10), {"network": np.full((10, 3), 1 / 3)}
    )
    assert not [name for name in scores if name.startswith("readers")]


def test_readers_call_four_and_above_suspicious():
    found = ruler.readers_point(np.array([True, True, False, False]), pd.Series(list("4325")))
    assert found == {"sensitivity": 0.5, "specificity": 0.5}
