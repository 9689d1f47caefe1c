"""One job of `latency`, in a process of its own: how long a way of asking takes, and its memory.

The process imports little beside the runtime that it times: dozens of them are started.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from busi_utils.deploy.prediction import session
from busi_utils.deploy.runtimes import runtime_of

KERAS = ("Keras predict", "Keras call", "tf.function")
ONNX, LITERT, RELEASED = "ONNX Runtime", "LiteRT", "ONNX Runtime, released file"
FRAME = (471, 562)
"""Height and width of what the released file is asked about, typical of BUSI."""
_SECONDS = 0.3  # a timing goes on for so long, and for the calls of its job
_WARM_UP = 2

Ask = Callable[[np.ndarray], Any]
Job = dict[str, Any]
"""``file, runtime, threads, batch, calls``: what is asked, how, and at least how often."""


def run_job(job: Job) -> dict[str, Any]:
    """Time one job in this process.

    Returns
    -------
    dict
        ``milliseconds`` of each call, warm; ``peak_mb``, the memory that loading and answering take
        at most, beyond what the process had with its libraries loaded: None where the system does
        not tell.
    """
    load = _loader(job)
    before = _resident()
    ask, shape = load()
    grey = np.random.default_rng(0).integers(0, 256, (job["batch"], *shape))
    grey = grey.astype(np.float32) if len(shape) == 3 else grey[0].astype(np.uint8)
    spent = timed(ask, grey, job["calls"])
    peak = None if before is None else max(_told("VmHWM") - before, 0.0)
    return {"milliseconds": spent, "peak_mb": peak}


def timed(ask: Ask, grey: np.ndarray, calls: int) -> list[float]:
    """Return the milliseconds of each of so many calls or more, warm."""
    for _ in range(_WARM_UP):
        ask(grey)
    milliseconds, end = [], time.perf_counter() + _SECONDS
    while len(milliseconds) < calls or time.perf_counter() < end:
        begin = time.perf_counter()
        ask(grey)
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return milliseconds


def _resident() -> float | None:
    """Megabytes that this process holds, and its peak forgotten; None if the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return min(_told("VmRSS"), _told("VmHWM"))
    except (OSError, LookupError):
        return None


def _told(name: str) -> float:
    """Megabytes of this process by a name of the Linux kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines)
    return int(told[name].split()[0]) / 1024


def _loader(job: Job) -> Callable[[], tuple[Ask, tuple[int, ...]]]:
    """Import what a job needs; return what loads its file: a function of images, their shape."""
    path, threads = Path(job["file"]), job["threads"]
    if job["runtime"] in KERAS:
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return lambda: _keras_way(job["runtime"], keras.models.load_model(path))
    import_module("onnxruntime" if path.suffix == ".onnx" else "ai_edge_litert.interpreter")
    return lambda: _runtime_way(job["runtime"], path, threads)


def _runtime_way(runtime: str, path: Path, threads: int) -> tuple[Ask, tuple[int, ...]]:
    if runtime == RELEASED:
        whole = session(path.read_bytes(), threads)
        return lambda grey: whole.run(None, {"image": grey}), FRAME
    ask = runtime_of(path.stem, path.read_bytes(), threads)
    return ask, ask.shape


def _keras_way(way: str, model: Any) -> tuple[Ask, tuple[int, ...]]:
    import tensorflow as tf

    graph = tf.function(partial(model, training=False))
    ways = {
        "Keras predict": partial(model.predict, verbose=0),
        "Keras call": lambda grey: model(grey, training=False)["p"].numpy(),
        "tf.function": lambda grey: graph(tf.constant(grey))["p"].numpy(),
    }
    return ways[way], tuple(model.input.shape[1:])


if __name__ == "__main__":
    print(json.dumps(run_job(json.loads(sys.argv[1]))))
