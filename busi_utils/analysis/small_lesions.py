r"""The smallest malignant lesions, and the effect of burnt-in marks once size is held equal.

Size is the lesion's share of the image, parted at the quartiles of the malignant lesions. Marks are
put beside small lesions, so their crude effect on malignant recall mixes both. Adjusted, it is the
risk difference of Mantel and Haenszel (J Natl Cancer Inst 1959;22:719-748; weights of Greenland and
Robins, Biometrics 1985;41:55-68): in each quarter marked and unmarked lesions are compared, and

.. math:: \Delta = \frac{\sum_s w_s (r_{1s} - r_{0s})}{\sum_s w_s}, \quad
    w_s = \frac{n_{1s} n_{0s}}{n_{1s} + n_{0s}}.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from busi_utils.stats.metrics import MALIGNANT
from busi_utils.stats.resampling import as_line, replicate, summable
from busi_utils.study.predictions import OutOfFold

PARTS = 4


def small_lesions(
    found: OutOfFold, manifest: pd.DataFrame, seed: int, n_replicates: int
) -> dict[str, float]:
    """Return malignant recall by lesion size, and what marks do to it.

    Parameters
    ----------
    found : OutOfFold
        Of one network; several seeds are averaged.
    manifest : pd.DataFrame
        With ``image_id, lesion_fraction, annotated``.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.

    Returns
    -------
    dict
        ``bound`` (area share that the smallest quarter does not exceed), ``n`` and ``n_small``
        (malignant lesions); ``small, rest`` (recalls) and ``gap, marks, marks_adjusted``
        (differences of recalls in points: small less rest, marked less unmarked), each with
        ``_low`` and ``_high``.
    """
    of = found.y == MALIGNANT
    known = manifest.set_index("image_id").loc[found.images["image_id"][of]]
    area, marked = known["lesion_fraction"].to_numpy(), known["annotated"].to_numpy(bool)
    bounds = np.quantile(area, np.arange(1, PARTS) / PARTS)
    quarter = np.searchsorted(bounds, area)  # equal to a bound: below it
    right = summable(found.right.mean(axis=0)[of])
    small = quarter == 0

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        w = weights[of]
        recalls = {"small": _recall(right, small, w), "rest": _recall(right, ~small, w)}
        every = np.zeros(len(area), int)
        return recalls | {
            "gap": 100 * (recalls["small"] - recalls["rest"]),
            "marks": 100 * mantel_haenszel(right, marked, every, w),
            "marks_adjusted": 100 * mantel_haenszel(right, marked, quarter, w),
        }

    drawn = replicate(statistics, found.groups, seed, n_replicates)
    counts = {"bound": float(bounds[0]), "n": int(of.sum()), "n_small": int(small.sum())}
    return counts | as_line(drawn)


def _recall(right: np.ndarray, part: np.ndarray, weights: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((right * part) @ weights) / (part @ weights)


def mantel_haenszel(
    outcome: np.ndarray, exposed: np.ndarray, stratum: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the risk difference, exposed less others, held equal in the stratum.

    Parameters
    ----------
    outcome : np.ndarray
        Shape (n,), 0 to 1.
    exposed : np.ndarray
        Shape (n,), bool.
    stratum : np.ndarray
        Shape (n,); strata in which one side has no weight say nothing and count nothing. One
        stratum: the crude difference.
    weights : np.ndarray
        Shape (n, r).

    Returns
    -------
    np.ndarray
        Shape (r,); NaN where no stratum compares anything.
    """
    above, below = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    for one in np.unique(stratum):
        sides = [(stratum == one) & exposed, (stratum == one) & ~exposed]
        n1, n0 = (side @ weights for side in sides)
        r1, r0 = ((outcome * side) @ weights for side in sides)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = n1 * n0 / (n1 + n0)
            gain = (r1 * n0 - r0 * n1) / (n1 + n0)
        above += np.nan_to_num(gain)
        below += np.nan_to_num(size)
    with np.errstate(invalid="ignore", divide="ignore"):
        return above / below
