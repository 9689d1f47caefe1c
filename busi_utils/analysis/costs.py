"""What a network costs: parameters, operations, size and time per image."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from busi_utils.forms import ANY
from busi_utils.kept import keep_table, read_kept
from busi_utils.models import backbone_of, build_backbone
from busi_utils.study.execution import run_alone
from busi_utils.study.study import Study

_WARM_UP, _RUNS = 5, 30
COSTS_TABLE = "bench_costs"  # `make bench` writes it


def model_costs(models: Sequence[str], size: int) -> pd.DataFrame:
    """Measure networks with the original report's head, each in a process of its own.

    Needs neither images nor trained weights: none of the four depends on them.

    Parameters
    ----------
    models : sequence of str
        Names in `models.MODELS`.
    size : int
        Side of the input in pixels.

    Returns
    -------
    pd.DataFrame
        Columns ``model, title, size, parameters, gflops`` (10^9 floating-point operations for one
        image, two per multiply-add), ``megabytes`` (float32 parameters, 10^6 bytes),
        ``milliseconds`` (median time of one image, TensorFlow, all cores of this machine).
    """
    return pd.DataFrame([run_alone(_costs_of, model, size) for model in models])


def costs_of(study: Study, models: Sequence[str], size: int | None = None) -> pd.DataFrame:
    """Return parameters, operations and time per image, measured once and kept.

    Times depend on the machine and on what else it does, so what stands in ``report/tables`` is
    used as it is; ``make bench`` takes it anew. ``size`` is the study's unless one is given.
    """
    path, size = study.workspace.tables / f"{COSTS_TABLE}.csv", size or study.size
    kept = read_kept(path, ANY) if path.exists() else pd.DataFrame(columns=["model", "size"])
    found = kept[kept["model"].isin(models) & (kept["size"] == size)]
    if set(models) <= set(found["model"]):
        return found.reset_index(drop=True)
    measured = model_costs(models, size)
    others = kept.drop(found.index)
    keep_table(path, pd.concat([others, measured]) if len(others) else measured)
    return measured


def _costs_of(model: str, size: int) -> dict[str, float | int | str]:
    import tensorflow as tf

    from busi_utils.recipes import ORIGINAL
    from busi_utils.training.heads import build_network

    entry = backbone_of(model)
    network = build_network(entry, build_backbone(entry, size), ORIGINAL).full
    spec = tf.TensorSpec([1, size, size, 3], tf.float32)
    call = tf.function(lambda x: network(x, training=False), input_signature=[spec])
    concrete = call.get_concrete_function()
    parameters = int(network.count_params())
    return {
        "model": model,
        "title": entry.title,
        "size": size,
        "parameters": parameters,
        "gflops": _operations(concrete.graph) / 1e9,
        "megabytes": 4 * parameters / 1e6,
        "milliseconds": _median_milliseconds(call, size),
    }


def _operations(graph) -> int:  # graph: tf.Graph
    from tensorflow.compat.v1 import profiler

    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    return profiler.profile(graph, options=options.with_empty_output().build()).total_float_ops


def _median_milliseconds(call, size: int) -> float:  # call: tf.function
    import tensorflow as tf

    x = tf.zeros([1, size, size, 3])
    times = []
    for _ in range(_WARM_UP + _RUNS):
        started = time.perf_counter()
        call(x).numpy()
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times[_WARM_UP:]))
