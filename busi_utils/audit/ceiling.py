"""How often an honest test can be right at most, by what copies say of the labels."""

from __future__ import annotations

import pandas as pd
from statsmodels.stats.proportion import proportion_confint


def label_ceiling(manifest: pd.DataFrame) -> dict[str, float]:
    r"""Return what contradicting copies say of the labels, and the accuracy it leaves.

    Copies show one acquisition, so of a group's labels no more can be right than agree:

    .. math:: k = \sum_g \big(n_g - \max_c n_{gc}\big)

    images of groups of two or more are mislabelled at least. If the other images are labelled as
    badly, a network that is always right agrees with about the share 1 - k/n of the labels.

    Returns
    -------
    dict
        ``images`` (n, those that have a copy), ``mislabelled`` (k); ``share`` k/n and ``ceiling``
        1 - k/n, each with ``_low`` and ``_high`` (95 % Wilson). Without copies nothing is known:
        0 (0 to 1) and 1 (0 to 1).
    """
    tally = pd.crosstab(manifest["duplicate_group"], manifest["label"])
    tally = tally[tally.sum(axis=1) > 1]
    n = int(tally.to_numpy().sum())
    k = n - int(tally.max(axis=1).sum())
    share, low, high = 0.0, 0.0, 1.0
    if n:
        share, (low, high) = k / n, proportion_confint(k, n, method="wilson")
    return {
        "images": n,
        "mislabelled": k,
        **{"share": share, "share_low": float(low), "share_high": float(high)},
        **{"ceiling": 1 - share, "ceiling_low": float(1 - high), "ceiling_high": float(1 - low)},
    }
