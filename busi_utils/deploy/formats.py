"""A trained network in every format: how many bytes, and what each answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd

from busi_utils.deploy import graph
from busi_utils.deploy.runtimes import runtime_of
from busi_utils.deploy.tables import LAST, TIMED
from busi_utils.models import RAW, SIGNED, UNIT
from busi_utils.study.cell_training import is_kept, trained_networks
from busi_utils.study.cells import Cell, prediction_table
from busi_utils.study.setup import setup_of
from busi_utils.study.study import Study
from busi_utils.training.heads import Network
from busi_utils.training.inference import prepared
from busi_utils.workspace import atomic_path, require_room, temporary_folder

SUFFIXES = {"h5": ".h5", "keras": ".keras", "onnx": ".onnx", "litert": ".tflite"}
LITERT = ("litert_fp32", "litert_fp16", "litert_int8_weights", "litert_int8")
ASKED = ("onnx_fp32", "onnx_fp16", "onnx_int8", *LITERT)
"""Formats that answer. ``fp16`` stores weights in half precision and computes in single."""
EXAMPLES = 64
"""Training images from which the ranges of int8 are taken."""
KEPT = (0, 8, 16, 24)
"""Numbers of first convolutions in single precision that are tried on inner validation images."""
LARGEST_INT8 = 2_800_000  # bytes
_SCALES = {SIGNED: (1 / 127.5, -1.0), UNIT: (1 / 255, 0.0), RAW: (1.0, 0.0)}


def squares(study: Study, cell: Cell, image_ids: Sequence[str]) -> np.ndarray:
    """Return images as the deployed network wants them, float32 (n, size, size, 1), 0-255."""
    setup = setup_of(study, cell)
    files = study.bank_files(cell.cohort, image_ids)
    return prepared(files, setup.recipe, setup.size)[..., None].astype(np.float32)


def spread(values: Sequence[str], n: int) -> list[str]:
    """Return n of the values, or all if they are fewer, at equal steps."""
    steps = np.linspace(0, len(values) - 1, min(n, len(values))).round().astype(int)
    return [values[k] for k in steps]


def deployed(network: Network, input_range: str, temperature: float = 1.0) -> keras.Model:
    """Return `graph.deployed` of a network that wants a range of `models`."""
    return graph.deployed(network.full, _SCALES[input_range], temperature)


def export(
    network: Network, model: keras.Model, examples: np.ndarray, kept: int
) -> dict[str, bytes]:
    """Return a network as a file in every format.

    Parameters
    ----------
    network : Network
        Saved as H5 and .keras.
    model : keras.Model
        The same, deployed.
    examples : np.ndarray
        Training images, see `squares`.
    kept : int
        See `graph.as_int8`.
    """
    core = graph.to_onnx(model)
    int8 = graph.weights_as_fp16(graph.as_int8(core, examples, kept))
    files = {"h5": _saved(network.full, ".h5"), "keras": _saved(network.full, ".keras")}
    files["onnx_fp32"] = graph.shortened(core)
    files["onnx_fp16"] = graph.shortened(graph.weights_as_fp16(core))
    files["onnx_int8"] = graph.shortened(int8)
    litert = dict(zip(LITERT, graph.to_litert(model, examples), strict=True))
    return files | litert


def _saved(model: keras.Model, suffix: str) -> bytes:
    with temporary_folder() as place:
        path = place / f"network{suffix}"
        require_room(place, 8 * model.count_params())
        model.save(path)
        return path.read_bytes()


def one_by_one(ask: Callable[[np.ndarray], np.ndarray], grey: np.ndarray) -> np.ndarray:
    """Return the answers to images given one at a time, as a user gives them."""
    return np.concatenate([ask(one[None]) for one in grey])


def changes(p: np.ndarray, q: np.ndarray) -> dict[str, float | int]:
    """Return how far two tables of probabilities (n, 3) differ, and how many labels change."""
    changed = int((p.argmax(1) != q.argmax(1)).sum())
    return {"largest_difference": float(np.abs(p - q).max()), "labels_changed": changed}


def tried_int8(study: Study, cells: Sequence[Cell]) -> pd.DataFrame:
    """Try how many first convolutions int8 should leave as they are, on inner validation images.

    Returns
    -------
    pd.DataFrame
        ``kept, fold, images, bytes, largest_difference, labels_changed``, one row a try and fold.
    """
    rows = []
    for cell, network in trained_networks(study, cells):
        train, validation, _ = study.parts(cell)
        examples, seen = (
            squares(study, cell, ids) for ids in (spread(train, EXAMPLES), validation)
        )
        core = graph.to_onnx(deployed(network, setup_of(study, cell).input_range))
        p = one_by_one(runtime_of("onnx", graph.shortened(core)), seen)
        for kept in KEPT:
            int8 = graph.weights_as_fp16(graph.as_int8(core, examples, kept))
            file = graph.shortened(int8)
            row = {"kept": kept, "fold": cell.fold, "images": len(seen), "bytes": len(file)}
            rows.append(row | changes(p, one_by_one(runtime_of("onnx", file), seen)))
            print(f"int8: {rows[-1]}", flush=True)
    return pd.DataFrame(rows)


def chosen_kept(tried: pd.DataFrame) -> int:
    """Return the number with the fewest labels changed whose file is small enough, then the least.

    Parameters
    ----------
    tried : pd.DataFrame
        Of `tried_int8`.
    """
    by = tried.groupby("kept").agg({"bytes": "max", "labels_changed": "sum"}).reset_index()
    small = by[by["bytes"] <= LARGEST_INT8]
    return int(small.sort_values(["labels_changed", "kept"])["kept"].iloc[0])


def answers(study: Study, cells: Sequence[Cell], kept: int) -> pd.DataFrame:
    """Ask the networks of all folds, in every format, about their test images, one at a time.

    Returns
    -------
    pd.DataFrame
        ``model, recipe, seed, format, image_id, label, p_normal, p_benign, p_malignant, fold``;
        format ``reference`` is Keras.
    """
    tables = []
    for cell, network in trained_networks(study, cells):
        train, _, test = study.parts(cell)
        examples, seen = (squares(study, cell, ids) for ids in (spread(train, EXAMPLES), test))
        model = deployed(network, setup_of(study, cell).input_range)
        files = export(network, model, examples, kept)
        found = {"reference": model.predict(seen, batch_size=32, verbose=0)["p"]}
        for kind in ASKED:
            found[kind] = one_by_one(runtime_of(kind, files[kind]), seen)
            told = changes(found["reference"], found[kind])
            print(f"{cell}, {kind}: {told}", flush=True)
        labels = study.folds(cell.cohort).set_index("image_id")["label"][list(test)]
        for kind, p in found.items():
            table = prediction_table(test, labels, p)
            named = {"model": cell.model, "recipe": cell.recipe, "seed": cell.seed, "format": kind}
            for place, (name, value) in enumerate(named.items()):
                table.insert(place, name, value)
            tables.append(table.assign(fold=cell.fold))
    return pd.concat(tables, ignore_index=True)


def sizes_of(study: Study, cell: Cell, kept: int) -> pd.DataFrame:
    """Return the bytes of a network in every format, and keep the files for `latency`.

    Weights that were not kept are replaced by untrained ones: times do not depend on what they are,
    nor do sizes, except that offsets which are still alike are stored once.

    Returns
    -------
    pd.DataFrame
        ``model, recipe, parameters, weights, format, bytes``.
    """
    setup, trained = setup_of(study, cell), is_kept(study, cell)
    network = next(trained_networks(study, [cell]))[1] if trained else setup.network
    examples = squares(study, cell, spread(study.parts(cell)[0], 8))
    deployed_model = deployed(network, setup.input_range)
    files = export(network, deployed_model, examples, kept)
    folder = TIMED / cell.model / cell.recipe
    for kind, file in files.items():
        with atomic_path(folder / f"{kind}{SUFFIXES[kind.partition('_')[0]]}") as temporary:
            temporary.write_bytes(file)
    with atomic_path(folder / LAST) as temporary:
        deployed_model.save(temporary)
    told = {"model": cell.model, "recipe": cell.recipe}
    told["parameters"] = network.full.count_params()
    told["weights"] = "trained" if trained else "untrained"
    lines = [told | {"format": kind, "bytes": len(file)} for kind, file in files.items()]
    return pd.DataFrame(lines)
