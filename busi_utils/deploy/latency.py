"""``make latency``: milliseconds and memory of the deployed networks on this machine.

Each way of asking is timed in a process of its own (`timing`), so that one's memory and threads are
not another's, and in several rounds in changing order, so that a slow moment of the machine does
not fall on one way alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from busi_utils.deploy import tables
from busi_utils.deploy.prediction import RELEASE
from busi_utils.deploy.timing import KERAS, LITERT, ONNX, RELEASED, Job
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table
from busi_utils.study.cells import processor
from busi_utils.workspace import REPOSITORY, workspace_for

MAIN = "mobilenetv2/tuned"
MANY = 32
"""Images of the larger batch."""
ROUNDS = 3
TAIL = 100
"""Calls from which a 95th percentile is given."""
_CALLS, _FEW, _LEAST = 34, 12, 3  # a round: of `MAIN`, of other networks, of a larger batch
_OTHERS = ("onnx_fp32.onnx", "onnx_int8.onnx", "litert_fp16.tflite")
_NAMES = ["model", "recipe", "runtime", "format", "batch", "threads"]


def jobs() -> list[Job]:
    """Return what is timed, each the start of a row of `tables.FORMS` and a job of `timing`.

    MobileNetV2 in every way, the released files about a whole frame; other networks in three
    formats, one image, one thread.

    Raises
    ------
    StudyError
        If the files are not there, or a network's are not whole.
    """
    for folder in (tables.TIMED / MAIN, *sorted(tables.TIMED.glob("*/*"))):
        if not (folder / tables.LAST).is_file():
            raise StudyError(f"{folder} is missing or not whole: run 'make deployment' first.")
    main = [*_main_ways(), *((RELEASED, path, 1, 1) for path in sorted(RELEASE.glob("*.onnx")))]
    found = [_job(MAIN, *way, _CALLS if way[-1] == 1 else _LEAST) for way in main]
    for path in sorted(tables.TIMED.glob("*/*/*")):
        network = path.parent.relative_to(tables.TIMED).as_posix()
        if network != MAIN and path.name in _OTHERS:
            found.append(_job(network, _runtime(path), path, 1, 1, _FEW))
    return found


def _main_ways() -> Iterator[tuple[str, Path, int, int]]:
    """Yield the ways of asking `MAIN`: runtime, file, threads, batch."""
    ways = [(way, tables.TIMED / MAIN / tables.LAST) for way in KERAS]
    ways += [(_runtime(path), path) for path in sorted((tables.TIMED / MAIN).glob("*_*.*"))]
    for threads in sorted({1, os.cpu_count() or 1}):
        for runtime, path in ways:
            for batch in (1,) if runtime == LITERT else (1, MANY):  # its file is made for one
                yield runtime, path, threads, batch


def _job(network: str, runtime: str, path: Path, threads: int, batch: int, calls: int) -> Job:
    named = zip(_NAMES, (*network.split("/"), runtime, path.stem, batch, threads), strict=True)
    return {**dict(named), "file": str(path), "calls": calls}


def _runtime(path: Path) -> str:
    return ONNX if path.suffix == ".onnx" else LITERT


def summary(rounds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return median and 95th percentile of all calls, and the least and greatest of the medians.

    What cannot be told, a percentile of few calls or the spread of one round, is NaN.

    Parameters
    ----------
    rounds : sequence of dict
        What `timing.run_job` found in each round.
    """
    calls = np.concatenate([one["milliseconds"] for one in rounds])
    medians = [np.median(one["milliseconds"]) for one in rounds]
    low, high = (min(medians), max(medians)) if len(rounds) > 1 else (np.nan, np.nan)
    peaks = [one["peak_mb"] for one in rounds if one["peak_mb"] is not None]
    return {
        "repeats": len(calls),
        "p50_ms": float(np.median(calls)),
        "p95_ms": float(np.percentile(calls, 95)) if len(calls) >= TAIL else np.nan,
        "p50_low_ms": float(low),
        "p50_high_ms": float(high),
        "peak_mb": max(peaks, default=np.nan),
    }


def measured() -> pd.DataFrame:
    """Run every job, one after another, in rounds; see `tables.FORMS` for the columns.

    A larger batch takes long and is timed in the first round alone. ``load`` is the number of
    processes that were at work on the machine in the minute before, this command's start among
    them: times are to be trusted up to 1.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    machine = f"{processor()}, {os.cpu_count()} cores"
    todo = jobs()
    found: list[list[dict[str, Any]]] = [[] for _ in todo]
    for number in range(ROUNDS):
        places = [k for k, job in enumerate(todo) if number == 0 or job["batch"] == 1]
        for place in reversed(places) if number % 2 else places:
            found[place].append(_in_a_process(todo[place]))
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    lines = [job | summary(rounds) for job, rounds in zip(todo, found, strict=True)]
    table = pd.DataFrame(lines).assign(machine=machine, load=round(load, 2))
    return table[list(tables.FORMS["latency"].columns)]


def _in_a_process(job: Job) -> dict[str, Any]:
    command = [sys.executable, "-m", "busi_utils.deploy.timing", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    name = ", ".join(f"{job[key]}" for key in _NAMES)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise StudyError(f"{name} could not be timed: {said[-1]}")
    result = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {np.median(result['milliseconds']):.1f} ms", flush=True)
    return result


def keep_latency() -> Path:
    """Time everything and keep the table; see `jobs` for errors."""
    path = tables.folder(workspace_for("busi")) / "latency.csv"
    keep_table(path, measured(), float_format="%.5g")
    return path
