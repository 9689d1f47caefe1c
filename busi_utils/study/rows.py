"""Tables of results: one row per (cohort, model, recipe), with intervals and initialisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.models import MODELS
from busi_utils.stats.bootstrap import (
    bootstrap_difference,
    bootstrap_p,
    bootstrap_replicates,
    percentile_intervals,
)
from busi_utils.stats.resampling import as_line
from busi_utils.study.cells import grid, read_record
from busi_utils.study.predictions import (
    OutOfFold,
    available_seeds,
    out_of_fold,
    predictions_folder,
    read_run_record,
    record_files,
)
from busi_utils.study.study import Study
from busi_utils.training.weights import UNKNOWN, known_weights
from busi_utils.workspace import Workspace

_TOLD = ("init", "history", "train_accuracy", "epochs_run")
Row = tuple[str, str, str]
"""(cohort, model, recipe)"""


def read_row(study: Study, row: Row, seeds: Sequence[int] | None = None) -> OutOfFold:
    """Return the out-of-fold predictions of one row, all its seeds unless some are named."""
    return out_of_fold(study.workspace, study.dataset, *row, seeds)


def accuracy_by_seed(study: Study, row: Row) -> list[float]:
    """Return the out-of-fold accuracy of each seed of one row."""
    return read_row(study, row).right.mean(axis=-1).tolist()


def records(study: Study, row: Row, seeds: Sequence[int]) -> pd.DataFrame:
    """Return the run records of one row, one line per seed and fold.

    Raises
    ------
    StudyError
        If its cells started from different initialisations or files, which no row may hide.
    """
    cells = grid(study.dataset, *([name] for name in row), seeds)
    table = pd.DataFrame([read_record(cell, study.workspace, _TOLD) for cell in cells])
    for name in {"init", "weights_sha256"} & set(table):
        kinds = table[name].dropna().unique()  # older records of frozen features name no file
        if len(kinds) > 1:
            first = cells[int((table[name] == kinds[1]).argmax())].record(study.workspace)
            raise StudyError(
                f"{' '.join(row)} mixes initialisations ({', '.join(map(str, kinds))}; {first}): "
                "delete the results of one kind and run the study for the row again."
            )
    return table


def initial_weights_of(study: Study, models: Sequence[str]) -> pd.DataFrame:
    """Return what is known of the weights that each network started from.

    A run record names its weights file by hash; `data/initial_weights.csv` describes the files that
    the study used, and knows Keras' own. Another file is said to be another.

    Returns
    -------
    pd.DataFrame
        Columns ``model, title, init, sha256, origin, precision, licence, changed,
        consequence``; one line a network and file.
    """
    known = known_weights()
    known = known[known["sha256"] != ""].drop(columns=["model", "file", "md5"])
    paths = record_files(study.workspace, study.dataset)
    found = pd.DataFrame([read_run_record(path) for path in paths])
    found = found.reindex(columns=["model", "init", "weights_sha256", "weights_origin"])
    found = found.dropna(subset=["model", "init", "weights_sha256"])
    found = found[found["model"].isin(models) & (found["weights_sha256"] != "")]
    # Records older than `weights_origin` lack it; a file is one line all the same.
    found = found.rename(columns={"weights_sha256": "sha256"}).sort_values("weights_origin")
    found = found.drop_duplicates(["model", "init", "sha256"])
    found["model"] = pd.Categorical(found["model"], list(models))
    table = found.sort_values(["model", "sha256"]).merge(known, on="sha256", how="left")
    table["origin"] = table["origin"].fillna(table.pop("weights_origin"))
    table.loc[table["init"] == "phantom", "origin"] = "learnt from phantoms"
    table = table.astype({"model": str}).fillna("not described here")
    table.insert(1, "title", [MODELS[model].title for model in table["model"]])
    return table


def unknown_starts(workspace: Workspace, dataset: str) -> list[str]:
    """Return the names of unknown weights that stored cells of a data set started from, if any."""
    paths = record_files(workspace, dataset)
    starts = {str(read_run_record(path).get("init")) for path in paths}
    return sorted(start for start in starts if start.startswith(UNKNOWN))


def summarise(
    study: Study,
    rows: Sequence[Row],
    metrics: Sequence[str],
    seed: int,
    n_replicates: int,
    reference: Row | None = None,
) -> pd.DataFrame:
    """Return metrics with 95 % group-bootstrap intervals, averaged over seeds.

    Parameters
    ----------
    study : Study
        Holds the predictions.
    rows : sequence of Row
        Lines of the table.
    metrics : sequence of str
        Names in `metrics.metrics`.
    seed, n_replicates : int
        Of the bootstrap.
    reference : Row, optional
        One of ``rows``, of the same cohort as all of them; adds each row's ``worth``.

    Returns
    -------
    pd.DataFrame
        Columns ``cohort, model, recipe, init, seeds, n``, ``train_accuracy`` (inference mode) and
        ``logged_accuracy`` (last epoch, dropout and augmentation on), both means over cells,
        ``epochs``, and for each metric ``<metric>, <metric>_low, <metric>_high``. With a reference
        also ``worth_value, worth_low, worth_high, worth_p``: the first metric minus that of the
        reference, in points, from the same resamples (paired), and `bootstrap.bootstrap_p`.
    """
    found = {row: read_row(study, row) for row in rows}
    replicates = row_replicates(found, metrics, seed, n_replicates)
    lines = []
    for row in rows:
        line = dict(zip(("cohort", "model", "recipe"), row, strict=True))
        line |= {"seeds": len(found[row].seeds), "n": len(found[row].y)}
        line |= _of_records(records(study, row, found[row].seeds))
        line |= as_line(replicates[row][list(metrics)], trials=_trials(found[row].y))
        if reference is not None:
            gain = 100 * (replicates[row] - replicates[reference])[[metrics[0]]]
            value, low, high = percentile_intervals(gain).set_index("metric").iloc[0]
            line |= {"worth_value": value, "worth_low": low, "worth_high": high}
            line["worth_p"] = bootstrap_p(gain[metrics[0]])
        lines.append(line)
    return pd.DataFrame(lines)


def _trials(y: np.ndarray) -> dict[str, int]:
    """Return how many images each proportion of a row rests on."""
    return {f"recall_{name}": int((y == k).sum()) for k, name in enumerate(CLASSES)}


def row_replicates(
    found: Mapping[Row, OutOfFold], metrics: Sequence[str], seed: int, n_replicates: int
) -> dict[Row, pd.DataFrame]:
    """Return `bootstrap.bootstrap_replicates` of rows; those of one cohort share their resamples.

    Parameters
    ----------
    found : mapping of Row to OutOfFold
        See `read_row`.
    metrics : sequence of str
        Names in `metrics.metrics`.
    seed, n_replicates : int
        Of the bootstrap.
    """
    replicates = {}
    for cohort in dict.fromkeys(row[0] for row in found):
        rows = {row: one for row, one in found.items() if row[0] == cohort}
        images = next(iter(rows.values()))
        replicates |= bootstrap_replicates(
            images.y,
            {row: one.p for row, one in rows.items()},
            images.groups,
            seed,
            n_replicates,
            wanted=metrics,
        )
    return replicates


def _of_records(table: pd.DataFrame) -> dict[str, float | str]:
    """Return what run records say of a row: its start, and means over its cells."""
    logged = [h[-1]["accuracy_while_training"] if h else np.nan for h in table["history"]]
    return {
        "init": table["init"].iloc[0],
        "train_accuracy": table["train_accuracy"].mean(),
        "logged_accuracy": float(np.mean(logged)),
        "epochs": table["epochs_run"].mean(),
    }


def difference(
    study: Study,
    row: Row,
    reference: Row,
    metric: str,
    seed: int,
    n_replicates: int,
    seeds: Sequence[int] | None = None,
) -> dict[str, float]:
    """Return metric(row) - metric(reference), paired by image, on the images that both hold.

    Where the two cohorts differ, the smaller is compared; groups are those of ``reference``. Each
    side is the mean over its seeds: all, or those named.

    Returns
    -------
    dict
        ``n, value, low, high`` and ``p``, see `bootstrap.bootstrap_p`.
    """
    ours, theirs = read_row(study, row, seeds), read_row(study, reference, seeds)
    a, b = (pd.Index(found.images["image_id"]) for found in (ours, theirs))
    shared = b.intersection(a, sort=False)
    at_a, at_b = a.get_indexer(shared), b.get_indexer(shared)
    table = bootstrap_difference(
        theirs.y[at_b], ours.p[:, at_a], theirs.p[:, at_b], theirs.groups[at_b],
        seed, n_replicates, [metric],
    )  # fmt: skip
    return {"n": len(shared)} | table.drop(columns="metric").iloc[0].to_dict()


def histories(study: Study, rows: Sequence[Row]) -> pd.DataFrame:
    """Return the learning curves of rows: one line per (row, seed, fold, epoch)."""
    frames = []
    for row in rows:
        folder = predictions_folder(study.workspace, study.dataset, *row)
        for record in records(study, row, available_seeds(folder)).to_dict("records"):
            frame = pd.DataFrame(record["history"])
            keys = {key: record[key] for key in ("cohort", "model", "recipe", "seed", "fold")}
            frames.append(frame.assign(**keys))
    return pd.concat(frames, ignore_index=True)


def confusion(found: OutOfFold) -> np.ndarray:
    """Return the mean confusion matrix over seeds, (3, 3): rows are the truth, counts of images."""
    total = np.zeros((3, 3))
    for p in found.p:
        np.add.at(total, (found.y, p.argmax(axis=1)), 1)
    return total / len(found.seeds)
