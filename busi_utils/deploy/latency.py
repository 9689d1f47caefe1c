"""``make latency``: milliseconds and memory of the deployed networks on this machine.

Each way of asking is timed in a process of its own, so that one's memory and threads are not
another's, and in several rounds in changing order, so that a slow moment of the machine does not
fall on one way alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
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
KERAS = ("Keras predict", "Keras call", "tf.function")
ONNX, LITERT, RELEASED = "ONNX Runtime", "LiteRT", "ONNX Runtime, released file"
MANY = 32
"""Images of the larger batch; timed in the first round only, too seldom for a percentile."""
ROUNDS = 3
_OTHERS = ("onnx_fp32.onnx", "onnx_int8.onnx", "litert_fp16.tflite")
_SECONDS = 1.5  # a timing goes on for so long,
_LEAST, _MOST = 35, 200  # but asks at least and at most so often: 100 calls in all rounds
_LEAST_OF_MANY = 5
_WARM_UP = 2
_FRAME = (471, 562)  # height and width of a frame, as they are in BUSI

Ask = Callable[[np.ndarray], Any]
Job = dict[str, Any]


def jobs() -> list[Job]:
    """Return what each process times: a network, a way of asking a file, threads, a batch.

    MobileNetV2 in every way; other networks in three formats, one image, one thread.

    Raises
    ------
    StudyError
        If the files are not there.
    """
    if not (tables.TIMED / MAIN).is_dir():
        raise StudyError(f"{tables.TIMED / MAIN} is missing: run 'make deployment' first.")
    ways = [(way, "deployed.keras") for way in KERAS]
    ways += [(_runtime(path), path.name) for path in sorted((tables.TIMED / MAIN).glob("*_*.*"))]
    found = [
        _job(MAIN, way, file, threads, batch)
        for threads in sorted({1, os.cpu_count() or 1})
        for way, file in ways
        for batch in ((1,) if way == LITERT else (1, MANY))
    ]
    found += [_job(MAIN, RELEASED, str(path)) for path in sorted(RELEASE.glob("*.onnx"))]
    for path in sorted(tables.TIMED.glob("*/*/*")):
        network = path.parent.relative_to(tables.TIMED).as_posix()
        if network != MAIN and path.name in _OTHERS:
            found.append(_job(network, _runtime(path), path.name))
    return found


def _job(network: str, runtime: str, file: str, threads: int = 1, batch: int = 1) -> Job:
    named = {"network": network, "runtime": runtime, "file": file}
    return named | {"threads": threads, "batch": batch}


def _runtime(path: Path) -> str:
    return ONNX if path.suffix == ".onnx" else LITERT


def timed(ask: Ask, grey: np.ndarray, least: int) -> list[float]:
    """Return the milliseconds of each call, warm; ``least`` calls or more."""
    for _ in range(_WARM_UP):
        ask(grey)
    milliseconds, end = [], time.perf_counter() + _SECONDS
    while len(milliseconds) < least or (time.perf_counter() < end and len(milliseconds) < _MOST):
        begin = time.perf_counter()
        ask(grey)
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return milliseconds


def run_job(job: Job) -> dict[str, Any]:
    """Time one job in this process: ``milliseconds`` of its calls, ``peak_mb`` of the first ones.

    The peak is the memory that loading and answering take at most, less what the process had
    before, its libraries loaded; None where the system does not tell.
    """
    path = tables.TIMED / job["network"] / job["file"]  # an absolute file stays as it is
    load = _loader(job, path)
    before = _memory("VmRSS", forget=True)
    ask, shape = load()
    grey = np.random.default_rng(0).integers(0, 256, (job["batch"], *shape))
    grey = grey.astype(np.float32) if len(shape) == 3 else grey[0].astype(np.uint8)
    spent = timed(ask, grey, _LEAST if job["batch"] == 1 else _LEAST_OF_MANY)
    peak = _memory("VmHWM")
    return {"milliseconds": spent, "peak_mb": None if peak is None else max(peak - before, 0.0)}


def _memory(name: str, forget: bool = False) -> float | None:
    """Megabytes of this process by the kernel's name; ``forget`` the peak so far."""
    try:
        if forget:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _loader(job: Job, path: Path) -> Callable[[], tuple[Ask, tuple[int, ...]]]:
    """Import what a job needs; return what loads its file: a function of images, their shape."""
    threads = job["threads"]
    if job["runtime"] in KERAS:
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return lambda: _keras_way(job["runtime"], keras.models.load_model(path))
    import_module("onnxruntime" if path.suffix == ".onnx" else "ai_edge_litert.interpreter")
    if job["runtime"] == RELEASED:
        return lambda: (partial(_whole, session(path.read_bytes(), threads)), _FRAME)
    return lambda: _runtime_way(path, threads)


def _whole(released: Any, grey: np.ndarray) -> Any:
    return released.run(None, {"image": grey})


def _runtime_way(path: Path, threads: int) -> tuple[Ask, tuple[int, ...]]:
    ask = runtime_of(path.stem, path.read_bytes(), threads)
    return ask, ask.shape


def _keras_way(way: str, model: Any) -> tuple[Ask, tuple[int, ...]]:
    import tensorflow as tf

    shape = tuple(model.input.shape[1:])
    graph = tf.function(partial(model, training=False))
    ways = {
        "Keras predict": partial(model.predict, verbose=0),
        "Keras call": lambda grey: model(grey, training=False)["p"].numpy(),
        "tf.function": lambda grey: graph(tf.constant(grey))["p"].numpy(),
    }
    return ways[way], shape


def summary(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Return the median and 95th percentile of all calls, and the extreme medians of a round."""
    calls = np.concatenate([one["milliseconds"] for one in rounds])
    medians = [np.median(one["milliseconds"]) for one in rounds]
    p95 = np.percentile(calls, 95) if len(calls) >= 100 else np.nan
    peaks = [one["peak_mb"] for one in rounds if one["peak_mb"] is not None]
    return {
        "repeats": len(calls), "p50_ms": np.median(calls), "p95_ms": p95,
        "p50_low_ms": min(medians), "p50_high_ms": max(medians),
        "peak_mb": max(peaks, default=np.nan),
    }  # fmt: skip


def measured() -> pd.DataFrame:
    """Run every job, one after another, in rounds; see `tables.FORMS` for the columns.

    ``load`` is the number of processes that were at work on the machine before it began: times are
    to be trusted where it is near 0.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    machine = f"{processor()}, {os.cpu_count()} cores"
    todo = jobs()
    found: list[list[dict[str, Any]]] = [[] for _ in todo]
    for number in range(ROUNDS):
        for place in list(range(len(todo)))[:: -1 if number % 2 else 1]:
            if number and todo[place]["batch"] > 1:
                continue
            found[place].append(_in_a_process(todo[place]))
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    lines = []
    for job, rounds in zip(todo, found, strict=True):
        model, recipe = job["network"].split("/")
        named = {"model": model, "recipe": recipe, "format": Path(job["file"]).stem, **job}
        lines.append(named | summary(rounds) | {"machine": machine, "load": round(load, 2)})
    return pd.DataFrame(lines)[list(tables.FORMS["latency"].columns)]


def _in_a_process(job: Job) -> dict[str, Any]:
    command = [sys.executable, "-m", "busi_utils.deploy.latency", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode:
        raise StudyError(f"{job} could not be timed: {done.stderr.strip().splitlines()[-1]}")
    result = json.loads(done.stdout.splitlines()[-1])
    told = f"{job['network']}, {job['runtime']} {Path(job['file']).stem}, batch {job['batch']}"
    print(
        f"{told}, {job['threads']} threads: {np.median(result['milliseconds']):.1f} ms", flush=True
    )
    return result


def keep_latency() -> Path:
    """Time everything and keep the table; see `jobs` for errors."""
    path = tables.folder(workspace_for("busi")) / "latency.csv"
    keep_table(path, measured(), float_format="%.5g")
    return path


if __name__ == "__main__":  # a process of its own for one job
    print(json.dumps(run_job(json.loads(sys.argv[1]))))
