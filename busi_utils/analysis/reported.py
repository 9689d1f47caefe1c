"""What notebook 02 computes: the reported numbers and what comes nearest, file sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score, roc_curve

from busi_utils.errors import StudyError
from busi_utils.forms import ANY, AVERAGES
from busi_utils.kept import read_kept
from busi_utils.recipe_words import label_of
from busi_utils.recipes import ORIGINAL
from busi_utils.stats.metrics import MALIGNANT
from busi_utils.stats.paired_tests import holm, wilson
from busi_utils.study.cells import Cell
from busi_utils.study.execution import run_alone
from busi_utils.study.predictions import RETRAIN, OutOfFold
from busi_utils.study.rows import Row
from busi_utils.study.study import Study
from busi_utils.workspace import require_room, temporary_folder

REPORTED_TRAIN, REPORTED_TEST = 0.65, 0.70
REPORTED_MEGABYTES = 3.4
MOMENTUM = 0.999  # of every batch normalisation in the MobileNetV2 of keras.applications
SIZES_TABLE = "baseline_file_sizes"
# No readings of the recipe: two bugs (see `faults`), and a start that the original rules out.
FAULTS = ("original-unit_range", "original-raw_range", "original-random_frozen")
TEST_IMAGES = 152  # a fifth of the 760 images that the original counts
REPORTED_INTERVAL = wilson(round(REPORTED_TEST * TEST_IMAGES), TEST_IMAGES)


def malignant_roc(found: OutOfFold) -> tuple[np.ndarray, np.ndarray, float]:
    """Return 1 - specificity and sensitivity of the first seed, malignant against the rest, and
    the AUC averaged over seeds.
    """
    positive, scores = found.y == MALIGNANT, found.p[:, :, MALIGNANT]
    fpr, tpr, _ = roc_curve(positive, scores[0])
    return fpr, tpr, float(np.mean([roc_auc_score(positive, score) for score in scores]))


def nearest_to_reported(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by how far they are from 65 % training and 70 % test accuracy.

    Training accuracy is read both ways, as a log prints it and in inference mode; the nearer
    counts, since the original does not say how it was read.

    Returns
    -------
    pd.DataFrame
        The rows with a column ``points_off``: the larger of the two distances, in points.
    """
    train = rows[["logged_accuracy", "train_accuracy"]].sub(REPORTED_TRAIN).abs().min(axis=1)
    test = (rows["accuracy"] - REPORTED_TEST).abs()
    off = 100 * np.maximum(train, test)
    return rows.assign(points_off=off).sort_values("points_off", kind="stable", ignore_index=True)


def nearest_numbers(nearest: pd.DataFrame) -> dict[str, Any]:
    """Return what the report says of the row nearest to the reported accuracies."""
    row = nearest.iloc[0]
    columns = ("cohort", "logged_accuracy", "train_accuracy", "accuracy", "points_off")
    return {"recipe": label_of(row["recipe"]), **row[list(columns)].to_dict()}


def stale_statistics(table: pd.DataFrame) -> dict[str, float]:
    """Return how far the batch-norm statistics of a wholly trained MobileNetV2 lag behind.

    Parameters
    ----------
    table : pd.DataFrame
        Run records of one row, see `summaries.records`.

    Returns
    -------
    dict
        ``updates`` up to the epoch whose weights are kept, the share ``kept`` of the initial
        statistics that is left after them, and the training accuracy ``logged_then``, as the log
        prints it for that epoch; means over cells.
    """
    batches = np.ceil(table["n_train"] / ORIGINAL.batch_size)
    updates = batches * table["best_epoch"]
    logged = [
        history[best - 1]["accuracy_while_training"]
        for history, best in zip(table["history"], table["best_epoch"], strict=True)
    ]
    return {
        "updates": float(updates.mean()),
        "kept": float((MOMENTUM**updates).mean()),
        "logged_then": float(np.mean(logged)),
    }


def saved_sizes(study: Study, cell: Cell) -> pd.DataFrame:
    """Train a cell, save its network as ``.keras`` and H5, read both back, and weigh them.

    Where the images are not at hand, the table of the last run that had them is returned.

    Returns
    -------
    pd.DataFrame
        Columns ``format, parameters, bytes, megabytes`` (10^6 bytes).

    Raises
    ------
    StudyError
        If a model that was read back predicts otherwise, or there are neither images nor a table.
    """
    kept = study.workspace.tables / f"{SIZES_TABLE}.csv"
    if study.sources:
        return run_alone(_train_and_weigh, study, cell)
    if kept.exists():
        return read_kept(kept, ANY)
    raise StudyError("The saved model's size needs the images: pass DATA=<folder>.")


def _train_and_weigh(study: Study, cell: Cell) -> pd.DataFrame:
    import keras

    from busi_utils.study.cell_training import train_cell

    network = train_cell(study, cell).trainer.network.full
    x = np.zeros((1, study.size, study.size, 3), np.float32)
    expected = network(x, training=False)
    rows = []
    with temporary_folder() as folder:
        for suffix in ("keras", "h5"):
            path = folder / f"model.{suffix}"
            require_room(folder, 8 * network.count_params())
            network.save(path)
            again = keras.models.load_model(path, compile=False, safe_mode=True)
            if not np.allclose(again(x, training=False), expected, atol=1e-6):
                raise StudyError(f"The model read back from .{suffix} predicts otherwise.")
            size = path.stat().st_size
            rows.append((f".{suffix}", network.count_params(), size, size / 1e6))
    return pd.DataFrame(rows, columns=["format", "parameters", "bytes", "megabytes"])


def averages_traces(study: Study, row: Row) -> pd.DataFrame:
    """Return how each epoch of one training read through several running averages.

    Returns
    -------
    pd.DataFrame
        Columns of `forms.AVERAGES` and ``run``; empty if none is stored. Their meaning:
        `average_readings.AverageReadings`, ``distance``: `averages.distance`.
    """
    cohort, model, recipe = row
    folder = study.workspace.results / "averages" / study.dataset / cohort / model / recipe
    frames = [
        read_kept(path, AVERAGES, RETRAIN).assign(run=path.stem)
        for path in sorted(folder.glob("seed*_fold*.csv"))
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def statistics_at_start(study: Study, cell: Cell) -> pd.DataFrame:
    """Return `average_readings.statistics_at_start`, computed in a process of its own."""
    return run_alone(_at_start, study, cell)


def _at_start(study: Study, cell: Cell) -> pd.DataFrame:
    from busi_utils.study import average_readings  # needs TensorFlow

    return average_readings.statistics_at_start(study, cell)


def headline(
    as_written: pd.DataFrame,
    changes: pd.DataFrame,
    fit: pd.DataFrame,
    leak: Mapping[str, float],
    masks: Mapping[str, float],
    sizes: pd.DataFrame,
    tuned: Sequence[str],
) -> dict[str, Any]:
    """Return the numbers of the notebook that the report's prose names."""
    rows = changes.set_index("recipe")
    single = rows.drop(index=["original", *tuned])
    # A random start contradicts what the original states; every other change is a reading of it.
    readings = single[single["init"] != "random"]
    fits = readings["train_accuracy"] >= rows.loc["original", "train_accuracy"] + 0.02
    shown = holm(readings["worth_p"]) < 0.05
    better = readings[fits & shown & (readings["worth_value"] > 0)]
    span = rows.drop(index=[*tuned, *FAULTS], errors="ignore")["accuracy"]
    out: dict[str, Any] = {
        "reported": {
            "train": REPORTED_TRAIN,
            "test": REPORTED_TEST,
            "test_low": REPORTED_INTERVAL[0],
            "test_high": REPORTED_INTERVAL[1],
            "n": TEST_IMAGES,
        },
        "written": {row["cohort"]: _numbers(row) for row in as_written.to_dict("records")},
        "changes": {change_key(row["recipe"]): _numbers(row) for row in changes.to_dict("records")},
        "fit": {cohort: dict(row) for cohort, row in fit.iterrows()},
        "leak": dict(leak),
        "masks": dict(masks),
        "worst_change": label_of(span.idxmin()),
        "worst_change_accuracy": float(span.min()),
        "worst_change_seeds": int(rows.loc[span.idxmin(), "seeds"]),
        "best_change": label_of(span.idxmax()),
        "best_change_accuracy": float(span.max()),
        "best_change_seeds": int(rows.loc[span.idxmax(), "seeds"]),
        "better_fits": [label_of(name) for name in better.index],
        "better_fits_before_holm": int((fits & (readings["worth_low"] > 0)).sum()),
        "best_train": label_of(rows["train_accuracy"].idxmax()),
        "best_train_accuracy": float(rows["train_accuracy"].max()),
        "parameters": int(sizes["parameters"].iloc[0]),
        "megabytes": {row.format.strip("."): float(row.megabytes) for row in sizes.itertuples()},
    }
    if len(tuned):
        out["tuned"] = _numbers(rows.loc[tuned[0]].to_dict())
    return out


def change_key(recipe: str) -> str:
    """Return the name under which a recipe's row stands among the recorded ``changes``."""
    return recipe.removeprefix("original-").replace("-", "_")


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    skipped = ("cohort", "model", "recipe")
    return {key: value for key, value in row.items() if key not in skipped}
