"""The built page in real Chromium: what it answers, against Python, and how fast.

`page/check.mjs` opens it, from the disk and from a server, and notes whatever should not be.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from busi_phantom.render import render_phantoms
from busi_report.page import SOURCES, packages
from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.kept import keep_table, read_json
from busi_utils.workspace import Workspace, workspace_for

IMAGES = 20
FORMAT = "onnx_fp16"


def chromium() -> str:
    """Return the path of a Chromium, empty if there is none; CHROMIUM names another."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM", "") or next(filter(None, map(shutil.which, names)), "")


def opened(built: Path, folder: Path, pictures: str = "") -> dict[str, Any]:
    """Open a built page in headless Chromium and give it every file of a folder.

    Returns
    -------
    dict
        ``answers`` by file name, ``wrong`` (what should not be) and what `page/check.mjs` saw else.

    Raises
    ------
    StudyError
        If Chromium or Node.js is missing, or the page does not come up.
    """
    browser = chromium()
    if not browser:
        raise StudyError("No Chromium was found: install it, or name one with CHROMIUM=<path>.")
    command = ["node", SOURCES / "check.mjs", built, browser, packages(development=True), folder]
    command += [pictures] if pictures else []
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()
        raise StudyError(f"The page {built} could not be examined: {said}") from error
    return json.loads(done.stdout)


def compared(built: Path, data: str = "") -> pd.DataFrame:
    """Answer images in the page and in Python, in turns: Python, browser, Python.

    Parameters
    ----------
    built : Path
        The page.
    data : str
        Folder of BUSI; without it phantoms are answered.

    Returns
    -------
    pd.DataFrame
        One row; milliseconds are those of the network alone, batch 1, one thread, warm.

    Raises
    ------
    StudyError
        If the page shows an error, asks a server, has a violation of accessibility, refuses an
        image or gives another answer than Python.
    """
    from busi_utils.deploy.prediction import Release, read_frame
    from busi_utils.study.cells import processor

    release = Release(threads=1)
    with tempfile.TemporaryDirectory() as place:
        paths = _images(Path(place), data)
        frames = [read_frame(path) for path in paths]
        _timed(release, frames)  # the page too answers all of them once before it is timed
        p, before = _timed(release, frames)
        said = opened(built, Path(place))
        _, after = _timed(release, frames)
    answers = [said["answers"][path.name] for path in paths]
    wrong = said["wrong"] + [answer["refused"] for answer in answers if "refused" in answer]
    if wrong:
        raise StudyError(f"The page {built} does not behave: {'; '.join(wrong)}")
    q = np.array([answer["probabilities"] for answer in answers])
    milliseconds = np.array([answer["milliseconds"] for answer in answers])[
        1:
    ]  # the first warms up
    version = read_json(packages() / "onnxruntime-web" / "package.json", "run it again.")["version"]
    row = {
        "runtime": f"ONNX Runtime Web {version} (wasm), {said['chromium']}",
        "format": FORMAT,
        "batch": 1,
        "threads": 1,
        "p50_ms": np.percentile(milliseconds, 50),
        "p95_ms": np.percentile(milliseconds, 95),
        "images": len(paths),
        "python_p50_ms": np.percentile([*before, *after], 50),
        "largest_difference": np.abs(p - q).max(),
        "labels_changed": int((p.argmax(1) != q.argmax(1)).sum()),
        "machine": f"{processor()}, {os.cpu_count()} cores",
    }
    if row["labels_changed"]:
        raise StudyError(f"The page changed {row['labels_changed']} labels: compare the runtimes.")
    return pd.DataFrame([row])


def check_page(built: Path, data: str = "") -> None:
    """Print how the page compares with Python; with BUSI keep it as a result of the study."""
    table = compared(built, data)
    row = table.iloc[0]
    print(
        f"{row['images']} {'BUSI images' if data else 'phantoms'} in {row['runtime']}: no label "
        f"changed, largest difference {row['largest_difference']:.1e}, {row['p50_ms']:.0f} ms "
        f"against {row['python_p50_ms']:.0f} ms in Python; nothing went wrong."
    )
    if data:
        path = workspace_for("busi").results / "deployment" / "browser.csv"
        keep_table(path, table, float_format="%.6g")
        print(f"Kept: {path}")


def _images(folder: Path, data: str) -> list[Path]:
    """Put images into a folder: some of the cohort `clean`, evenly spread, or phantoms."""
    if not data:
        phantoms = render_phantoms([CLASSES[k % 3] for k in range(IMAGES)], seed=7)
        paths = [folder / f"{k:02}.png" for k in range(IMAGES)]
        for path, phantom in zip(paths, phantoms, strict=True):
            Image.fromarray(phantom.image).save(path)
        return paths
    files = _clean_files(workspace_for("busi"), data)
    chosen = [files[k] for k in np.linspace(0, len(files) - 1, IMAGES).round().astype(int)]
    return [Path(shutil.copy(path, folder / f"{k:02}.png")) for k, path in enumerate(chosen)]


def _clean_files(workspace: Workspace, data: str) -> list[Path]:
    from busi_utils.audit.datasets import sources_of
    from busi_utils.study.study import Study

    study = Study("busi", workspace, sources_of("busi", data))
    files = study.bank_files("clean").set_index("image_id")["path"]
    return list(files.loc[study.folds("clean")["image_id"]])


def _timed(release: Any, frames: Sequence[np.ndarray]) -> tuple[np.ndarray, list[float]]:
    """Return probabilities (n, 3) of a release and the milliseconds of each answer."""
    p, milliseconds = [], []
    for grey in frames:
        begin = time.perf_counter()
        p.append(release.ask(grey).probabilities)
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return np.array(p), milliseconds
