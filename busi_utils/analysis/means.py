"""What the mean of several networks is worth beside one network: right, sure, and of use."""

from __future__ import annotations

import pandas as pd

from busi_utils.analysis.clinical_use import calibration_table, referral_table
from busi_utils.analysis.comparison import ENDS
from busi_utils.stats.metrics import RECALLS
from busi_utils.study.chosen_on_validation import calibrated, has_validation
from busi_utils.study.rows import Row, read_row, summarise
from busi_utils.study.study import Study

REFERRED = 0.2
_KEYS = ["cohort", "model", "recipe"]


def profile(
    study: Study, rows: pd.DataFrame, at_threshold: pd.DataFrame, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return all that a reader would ask of a few rows, one line each.

    Parameters
    ----------
    study : Study
        Holds the predictions.
    rows : pd.DataFrame
        Lines of `comparison.results`.
    at_threshold : pd.DataFrame
        See `comparison.at_threshold`; rows that it lacks have no inner validation images, hence no
        threshold and no temperature: NaN.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.

    Returns
    -------
    pd.DataFrame
        The columns of ``rows``; the three recalls; ``brier, ece, nll`` (log loss) before
        temperature scaling and ``<metric>_scaled`` after it, with the mean ``temperature``;
        ``sensitivity, specificity`` at the threshold for 90 % specificity on inner validation
        images; ``risk``, the errors among the images answered if the fifth of which the row is
        least sure goes to a reader. All with ``_low`` and ``_high``.
    """
    named = [tuple(row) for row in rows[_KEYS].to_numpy()]
    recalls = summarise(study, named, RECALLS, seed, n_replicates)
    added = [name for name in recalls if name not in rows]
    lines = pd.DataFrame([_sureness(study, row, seed, n_replicates) for row in named])
    lines = lines[[name for name in lines if name not in rows]]
    table = pd.concat([rows.reset_index(drop=True), recalls[added], lines], axis=1)
    used = [f"{name}{end}" for name in ("sensitivity", "specificity") for end in ENDS]
    return table.merge(at_threshold[[*_KEYS, *used]], on=_KEYS, how="left")


def _sureness(study: Study, row: Row, seed: int, n_replicates: int) -> dict[str, float]:
    """Return calibration before and after one temperature a fold, and the risk after referral."""
    found, chosen = read_row(study, row), has_validation(study, row)
    scaled, temperatures = calibrated(study, row) if chosen else (found, None)
    table = calibration_table(found, scaled, seed, n_replicates).set_index("metric")
    line = {f"{m}{e}": table.loc[m, f"before{e}"] for m in table.index for e in ENDS}
    if chosen:
        line |= {f"{m}_scaled{e}": table.loc[m, f"after{e}"] for m in table.index for e in ENDS}
        line["temperature"] = temperatures.mean()
    answered = referral_table(found, seed, n_replicates, [REFERRED]).iloc[0]
    return line | {f"risk{e}": answered[f"risk{e}"] for e in ENDS}
