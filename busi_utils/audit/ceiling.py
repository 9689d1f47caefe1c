"""How often an honest test can be right at most, by what copies say of the labels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from busi_utils.stats.resampling import as_line, bootstrap_ratios

_SEED, _REPLICATES = 0, 10_000  # of the bootstrap over groups: labels of one depend on each other


def label_ceiling(manifest: pd.DataFrame) -> dict[str, float]:
    r"""Return what contradicting copies say of the labels, and the accuracy it leaves.

    Copies show one acquisition, so of a group's labels no more can be right than agree:

    .. math:: k = \sum_g \big(n_g - \max_c n_{gc}\big)

    images of groups of two or more are mislabelled at least. If the other images are labelled as
    badly, a network that is always right agrees with about the share 1 - k/n of the labels.

    Parameters
    ----------
    manifest : pd.DataFrame
        With ``duplicate_group, label``.

    Returns
    -------
    dict
        ``images`` (n, those that have a copy), ``groups`` (in which they lie), ``mislabelled`` (k);
        ``share`` k/n and ``ceiling`` 1 - k/n, each with ``_low`` and ``_high`` (95 %;
        where no group contradicts itself, Wilson's with the groups as trials). Without copies
        nothing is known: 0 (0 to 1) and 1 (0 to 1).
    """
    tally = pd.crosstab(manifest["duplicate_group"], manifest["label"])
    tally = tally[tally.sum(axis=1) > 1]
    of_group = tally.sum(axis=1).to_numpy()
    wrong = of_group - tally.max(axis=1).to_numpy()
    line = {"share": 0.0, "share_low": 0.0, "share_high": 1.0}
    if len(tally):
        rate = {"share": (wrong, of_group)}
        drawn = bootstrap_ratios(rate, np.arange(len(tally)), _SEED, _REPLICATES)
        line = as_line(drawn, trials={"share": len(tally)})
    share, low, high = (float(line[name]) for name in ("share", "share_low", "share_high"))
    return {
        **{"images": int(of_group.sum()), "groups": len(tally), "mislabelled": int(wrong.sum())},
        **{"share": share, "share_low": low, "share_high": high},
        **{"ceiling": 1 - share, "ceiling_low": 1 - high, "ceiling_high": 1 - low},
    }
