"""Better, worse, equivalent, or undecided: what a paired difference of networks allows to be said.

The primary measure is balanced accuracy; accuracy and macro AUC stand beside it. The margin of
equivalence, 3 points, is that of the study's plan; it was fixed when first results had been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
from scipy.stats import norm

from busi_utils.stats.bootstrap import bootstrap_p, percentile_intervals
from busi_utils.stats.paired_tests import holm
from busi_utils.study.rows import Row, read_row, row_replicates
from busi_utils.study.study import Study

PRIMARY, BESIDE = "balanced_accuracy", ("accuracy", "macro_auc")
MARGIN = 3.0
_POWER = 0.8
_INNER = 0.9  # an interval of 90 % inside the margin is two one-sided tests at 5 %


def network_differences(
    study: Study,
    pairs: Sequence[tuple[str, str, Row, Row]],
    seed: int,
    n_replicates: int,
    margin: float = MARGIN,
) -> pd.DataFrame:
    r"""Return paired differences of rows of one cohort, and what each allows to be said.

    Every seed that is there is averaged within its row; ``p_holm`` is corrected over all lines.
    Equivalence is asked by two one-sided tests at 5 %: the 90 % interval lies inside the margin.
    The smallest difference that would have been seen with a power of 80 % at the first of Holm's
    m steps is :math:`(z_{1 - 0.05 / 2m} + z_{0.8})\,s`, with s the standard error of the paired
    bootstrap.

    Parameters
    ----------
    study : Study
    pairs : sequence of (kind, label, row, reference)
        See `comparison.differences`.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    margin : float
        In points.

    Returns
    -------
    pd.DataFrame
        ``label, model, recipe, seeds, reference_seeds``; of the primary measure, in points,
        ``worth_value, worth_low, worth_high`` (95 %), ``inner_low, inner_high`` (90 %), ``p,
        p_holm, error`` (s), ``seen`` (as above), ``finding`` (see `finding`); ``accuracy`` and
        ``macro_auc``, in points, with ``_low``, ``_high`` and ``_p_holm`` (each corrected over the
        lines by itself).

    References
    ----------
    Schuirmann, J Pharmacokinet Biopharm 1987;15:657-680. Altman & Bland, BMJ 1995;311:485.
    """
    found = {row: read_row(study, row) for row in chain.from_iterable(pair[2:] for pair in pairs)}
    drawn = row_replicates(found, [PRIMARY, *BESIDE], seed, n_replicates)
    lines = []
    for _, label, row, reference in pairs:
        gain = 100 * (drawn[row] - drawn[reference])
        outer = percentile_intervals(gain).set_index("metric")
        inner = percentile_intervals(gain[[PRIMARY]], _INNER).iloc[0]
        error = float(gain[PRIMARY].iloc[1:].std())
        line = {"label": label, "model": row[1], "recipe": row[2]}
        line |= {"seeds": len(found[row].seeds), "reference_seeds": len(found[reference].seeds)}
        line |= {f"worth_{end}": outer.at[PRIMARY, end] for end in ("value", "low", "high")}
        line |= {"inner_low": inner["low"], "inner_high": inner["high"]}
        line |= {"p": bootstrap_p(gain[PRIMARY]), "error": error}
        for name in BESIDE:
            value, low, high = outer.loc[name]
            line |= {name: value, f"{name}_low": low, f"{name}_high": high}
            line[f"{name}_p_holm"] = bootstrap_p(gain[name])
        lines.append(line)
    table = pd.DataFrame(lines)
    table["p_holm"] = holm(table["p"])
    for name in BESIDE:
        table[f"{name}_p_holm"] = holm(table[f"{name}_p_holm"])
    table["seen"] = table["error"] * (norm.isf(0.025 / len(table)) + norm.ppf(_POWER))
    table["finding"] = [finding(row, margin) for row in table.to_dict("records")]
    return table


def finding(row: dict[str, float], margin: float = MARGIN) -> str:
    """Return ``better`` or ``worse`` where a difference is shown, else ``equivalent`` where it is
    shown to be smaller than the margin, else ``no difference shown``.
    """
    if row["p_holm"] < 0.05:
        return "better" if row["worth_value"] > 0 else "worse"
    inside = -margin < row["inner_low"] and row["inner_high"] < margin
    return "equivalent" if inside else "no difference shown"


def judged(table: pd.DataFrame, margin: float = MARGIN) -> dict[str, int]:
    """Return what the rules of the verdicts ask of lines of `network_differences`.

    Returns
    -------
    dict
        ``comparisons``; ``gains`` and ``losses``, shown; ``excluded``: in how many a gain of the
        margin is excluded (one-sided test at 5 %).
    """
    return {
        "comparisons": len(table),
        "gains": int((table["finding"] == "better").sum()),
        "losses": int((table["finding"] == "worse").sum()),
        "excluded": int(np.sum(table["inner_high"] < margin)),
    }
