"""``make latency``: milliseconds and memory of the deployed networks on this machine.

Each runtime is timed in a process of its own, so that one's memory and threads are not another's.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from busi_utils.deploy import tables
from busi_utils.deploy.prediction import RELEASE, session
from busi_utils.deploy.runtimes import runtime_of
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table
from busi_utils.study.cells import processor
from busi_utils.workspace import REPOSITORY, workspace_for

MAIN = "mobilenetv2/tuned"
BATCHES = (1, 32)
_SECONDS = 1.5  # a timing goes on for so long,
_LEAST, _MOST = 5, 200  # but asks at least and at most so often
_WARM_UP = 2
_FRAME = (471, 562)  # height and width of a frame, as they are in BUSI

Ask = Callable[[np.ndarray], Any]


def jobs() -> Iterator[dict[str, Any]]:
    """Yield what each process times: a network, a runtime, formats, a number of threads.

    MobileNetV2 in every runtime and format; every other network in ONNX Runtime alone, one thread.

    Raises
    ------
    StudyError
        If the files are not there.
    """
    if not (tables.TIMED / MAIN).is_dir():
        raise StudyError(f"{tables.TIMED / MAIN} is missing: run 'make deployment' first.")
    for threads in sorted({1, os.cpu_count() or 1}):
        yield {"network": MAIN, "runtime": "Keras", "file": "deployed.keras", "threads": threads}
        for path in sorted((tables.TIMED / MAIN).glob("*_*.*")):
            runtime = "ONNX Runtime" if path.suffix == ".onnx" else "LiteRT"
            job = {"network": MAIN, "runtime": runtime, "file": path.name}
            yield job | {"threads": threads}
    for path in sorted(tables.TIMED.glob("*/*/onnx_fp32.onnx")):
        network = path.parent.relative_to(tables.TIMED).as_posix()
        if network != MAIN:
            job = {"network": network, "runtime": "ONNX Runtime", "file": path.name}
            yield job | {"threads": 1}
    released = {"network": MAIN, "runtime": "ONNX Runtime, any image", "threads": 1}
    for path in sorted(RELEASE.glob("*.onnx")):
        yield released | {"file": str(path)}


def timed(ask: Ask, grey: np.ndarray) -> tuple[float, float, int]:
    """Return median and 95th percentile of the milliseconds of a call, warm, and their number."""
    for _ in range(_WARM_UP):
        ask(grey)
    milliseconds, end = [], time.perf_counter() + _SECONDS
    while len(milliseconds) < _LEAST or (time.perf_counter() < end and len(milliseconds) < _MOST):
        begin = time.perf_counter()
        ask(grey)
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return (*np.percentile(milliseconds, [50, 95]), len(milliseconds))


def run_job(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Time one job in this process; one row a way of asking and batch."""
    path = tables.TIMED / job["network"] / job["file"]  # an absolute file stays as it is
    before = _peak_megabytes()
    rows = []
    for name, ask, shape in _ways(job, path):
        for batch in BATCHES if job["network"] == MAIN and len(shape) == 3 else (1,):
            grey = np.random.default_rng(0).integers(0, 256, (batch, *shape))
            grey = grey.astype(np.float32) if len(shape) == 3 else grey[0].astype(np.uint8)
            p50, p95, repeats = timed(ask, grey)
            row = {"runtime": name, "format": path.stem, "batch": batch}
            rows.append(row | {"repeats": repeats, "p50_ms": p50, "p95_ms": p95})
            if batch == 1:
                peak = _peak_megabytes() - before
            rows[-1]["peak_mb"] = peak
    return rows


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ways(job: dict[str, Any], path: Path) -> Iterator[tuple[str, Ask, tuple[int, ...]]]:
    """Yield the ways of asking a file: name, function of grey images, shape of one image."""
    threads = job["threads"]
    if job["runtime"] == "Keras":
        yield from _keras_ways(path, threads)
    elif path.is_relative_to(RELEASE):
        whole = session(path.read_bytes(), threads)
        yield job["runtime"], lambda grey: whole.run(None, {"image": grey}), _FRAME
    else:
        ask = runtime_of(path.stem, path.read_bytes(), threads)
        yield job["runtime"], ask, ask.shape


def _keras_ways(path: Path, threads: int) -> Iterator[tuple[str, Ask, tuple[int, ...]]]:
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = keras.models.load_model(path)
    shape = tuple(model.input.shape[1:])
    graph = tf.function(partial(model, training=False))
    yield "Keras predict", partial(model.predict, verbose=0), shape
    yield "Keras call", lambda grey: model(grey, training=False)["p"].numpy(), shape
    yield "tf.function", lambda grey: graph(tf.constant(grey))["p"].numpy(), shape


def measured() -> pd.DataFrame:
    """Run every job, one after another; see `tables.FORMS` for the columns.

    ``load`` is the number of processes that were at work on the machine before it began: times are
    to be trusted where it is near 0.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    machine = f"{processor()}, {os.cpu_count()} cores"
    lines = []
    for job in jobs():
        command = [sys.executable, "-m", "busi_utils.deploy.latency", json.dumps(job)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
        if done.returncode:
            raise StudyError(f"{job} could not be timed: {done.stderr.strip().splitlines()[-1]}")
        model, recipe = job["network"].split("/")
        for row in json.loads(done.stdout.splitlines()[-1]):
            told = {"model": model, "recipe": recipe, **row, "threads": job["threads"]}
            lines.append(told | {"machine": machine, "load": round(load, 2)})
            print(f"{model} {recipe}, {row['runtime']} {row['format']}, batch {row['batch']}, "
                  f"{job['threads']} threads: {row['p50_ms']:.1f} ms", flush=True)  # fmt: skip
    return pd.DataFrame(lines)[list(tables.FORMS["latency"].columns)]


def keep_latency() -> Path:
    """Time everything and keep the table; see `jobs` for errors."""
    path = tables.folder(workspace_for("busi")) / "latency.csv"
    keep_table(path, measured(), float_format="%.5g")
    return path


if __name__ == "__main__":  # a process of its own for one job
    print(json.dumps(run_job(json.loads(sys.argv[1]))))
