"""The smallest lesions and the adjusted effect of marks, against other code."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from busi_utils import CLASSES
from busi_utils.analysis.small_lesions import mantel_haenszel, small_lesions
from busi_utils.analysis.subgroups import quarters
from busi_utils.study.predictions import OutOfFold

RNG = np.random.default_rng(5)
N = 400


@pytest.fixture(scope="module")
def cohort():
    """Marks stand at small lesions; small lesions are missed, marks by themselves do nothing."""
    y = RNG.permutation(np.repeat([1, 2], [160, 240]))
    area = RNG.uniform(0.01, 0.6, N)
    marked = RNG.random(N) < np.where(area < 0.2, 0.8, 0.1)
    hit = RNG.random(N) < np.where(area < 0.15, 0.4, 0.95)
    p = np.where(hit[:, None], np.eye(3)[y], np.eye(3)[3 - y])
    names = [f"i{k}" for k in range(N)]
    images = pd.DataFrame({"image_id": names, "label": np.take(CLASSES, y)})
    images["group"], images["fold"] = [f"g{k // 2}" for k in range(N)], np.arange(N) % 5
    manifest = pd.DataFrame({"image_id": names, "lesion_fraction": area, "annotated": marked})
    return OutOfFold(images, (0,), p[None]), manifest, (y == 2, area, marked, hit)


def test_recalls_are_those_of_the_quarter_and_the_rest(cohort):
    found, manifest, (malignant, area, _, hit) = cohort
    told = small_lesions(found, manifest, 0, 500)
    small = malignant & (area <= np.quantile(area[malignant], 0.25))
    assert (told["n"], told["n_small"]) == (240, small.sum())
    assert told["small"] == pytest.approx(hit[small].mean())
    assert told["rest"] == pytest.approx(hit[malignant & ~small].mean())
    assert told["gap"] == pytest.approx(100 * (told["small"] - told["rest"]))
    assert told["gap_low"] < told["gap"] < told["gap_high"] < 0


def test_marks_lose_their_effect_once_size_is_held_equal(cohort):
    told = small_lesions(*cohort[:2], 0, 2000)
    assert told["marks_high"] < 0
    assert told["marks_adjusted"] > told["marks"] / 2
    assert told["marks_adjusted_low"] < 0 < told["marks_adjusted_high"]


def test_the_adjusted_difference_is_that_of_greenland_and_robins(cohort):
    _, _, (malignant, area, marked, hit) = cohort
    area, marked, hit = area[malignant], marked[malignant], hit[malignant]
    quarter = np.searchsorted(np.quantile(area, [0.25, 0.5, 0.75]), area)
    ours = mantel_haenszel(hit.astype(float), marked, quarter, np.ones((len(hit), 1)))[0]
    tables = [pd.crosstab(~marked[quarter == s], ~hit[quarter == s]).to_numpy() for s in range(4)]
    assert [table.shape for table in tables] == [(2, 2)] * 4
    n1, n0 = (np.array([table[k].sum() for table in tables]) for k in (0, 1))
    risks = np.array([[table[k, 0] / table[k].sum() for table in tables] for k in (0, 1)])
    size = n1 * n0 / (n1 + n0)
    assert ours == pytest.approx((size * (risks[0] - risks[1])).sum() / size.sum())
    odds = StratifiedTable([table.astype(float) for table in tables]).oddsratio_pooled
    assert np.sign(np.log(odds)) == np.sign(ours)  # another measure, the same direction


def test_a_stratum_without_one_side_counts_nothing():
    outcome, exposed = np.array([1.0, 0, 1, 1]), np.array([True, False, True, True])
    ours = mantel_haenszel(outcome, exposed, np.array([0, 0, 1, 1]), np.ones((4, 1)))
    assert ours == pytest.approx(1)
    nothing = mantel_haenszel(outcome, np.ones(4, bool), np.zeros(4, int), np.ones((4, 1)))
    assert np.isnan(nothing).all()


def test_quarters_hold_a_quarter_of_those_named():
    values, of = pd.Series(np.arange(1.0, 13)), np.arange(12) >= 4
    parts = quarters(values, of, "%")
    assert parts[of].value_counts(sort=False).tolist() == [2, 2, 2, 2]
    assert list(parts.cat.categories) == ["≤ 6.8 %", "6.8–8.5 %", "8.5–10 %", "> 10 %"]
