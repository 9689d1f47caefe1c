"""What the way of splitting does to accuracy: copies across a random split, and other folds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from busi_utils.analysis.comparison import title_of
from busi_utils.stats.resampling import as_line, bootstrap_means
from busi_utils.study.rows import Row, read_row
from busi_utils.study.study import Study


def leak_by_copies(
    study: Study, rows: Sequence[tuple[str, str]], seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return what the random split is worth to images with a copy across it, and to all others.

    Only the former can gain from a copy in the training set, so the contrast is what copies do;
    the rest is another assignment of folds.

    Parameters
    ----------
    study : Study
        Holds the predictions on ``raw`` and ``grouped``.
    rows : sequence of (str, str)
        Model and recipe.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.

    Returns
    -------
    pandas.DataFrame
        ``title, model, recipe, n_copied, n_others``, and ``copied, others, contrast`` with
        ``_low`` and ``_high``, in points of accuracy.
    """
    folds = study.folds("raw").set_index("image_id")
    crosses = folds.groupby("group")["fold"].transform("nunique") > 1
    lines = []
    for model, recipe in rows:
        gain = _right(study, ("raw", model, recipe)) - _right(study, ("grouped", model, recipe))
        gain = gain.dropna()
        copied = crosses[gain.index]
        parts = pd.DataFrame({"copied": gain.where(copied), "others": gain.where(~copied)})
        drawn = bootstrap_means(parts, folds.loc[gain.index, "group"], seed, n_replicates)
        drawn["contrast"] = drawn["copied"] - drawn["others"]
        line = {"title": title_of(model), "model": model, "recipe": recipe}
        line |= {"n_copied": int(copied.sum()), "n_others": int((~copied).sum())}
        lines.append(line | as_line(drawn, 100))
    return pd.DataFrame(lines)


def _right(study: Study, row: Row) -> pd.Series:
    """Return the share of a row's seeds that get each image right."""
    found = read_row(study, row)
    return pd.Series(found.right.mean(axis=0), index=found.images["image_id"])


def other_folds(study: Study, table: pd.DataFrame) -> dict[str, object]:
    """Return what another assignment of folds does to the very images of ``clean``.

    Parameters
    ----------
    study : Study
    table : pandas.DataFrame
        Rows of `summaries.summarise`, of networks and recipes on ``clean`` and other cohorts.

    Returns
    -------
    dict
        ``cohorts`` that hold the images of ``clean``, and if there are any ``least`` and ``most``:
        accuracy there less accuracy on ``clean``, over networks and recipes, in points.
    """
    images = {name: set(study.folds(name)["image_id"]) for name in table["cohort"].unique()}
    same = [name for name in images if name != "clean" and images[name] == images["clean"]]
    if not same:
        return {"cohorts": same}
    wide = 100 * table.pivot(index=["model", "recipe"], columns="cohort", values="accuracy")
    moved = wide[same].sub(wide["clean"], axis=0)
    return {"cohorts": same, "least": float(moved.min().min()), "most": float(moved.max().max())}
