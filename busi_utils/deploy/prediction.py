"""Ask the released network about files, without TensorFlow: what the command and the page do."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from busi_utils.audit.images import RULES, decode, refuse
from busi_utils.errors import StudyError
from busi_utils.kept import read_bytes, read_json
from busi_utils.workspace import REPOSITORY

RELEASE = REPOSITORY / "release"
NETWORK = "mobilenetv2_fp16.onnx"
RESTORE = "restore it from the repository."
_DICOM = slice(128, 132)


def read_frame(path: str | Path) -> np.ndarray:
    """Return a file's grey frame, or stop with the sentence of the rule that it breaks.

    Size and depth are judged by the header, before anything is decoded.

    Returns
    -------
    np.ndarray
        Shape (height, width), uint8.

    Raises
    ------
    StudyError
        If the file is missing, no image, damaged, too large or small, of more than 8 bits, or does
        not look like B-mode.
    """
    path = Path(path)
    start = _start(path)
    if not start:
        refuse(path, "empty")
    if start[_DICOM] == b"DICM":
        refuse(path, "dicom")
    pixels = decode(path, RULES["min_side"])
    grey = np.array(pixels.convert("L"))
    _judge_pixels(path, pixels, grey)
    return grey


def _start(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise StudyError(f"{path} is no ordinary file: name an image file.")
        with open(path, "rb") as file:
            return file.read(_DICOM.stop)
    except (OSError, ValueError) as error:  # also a name that no file can have
        reason = getattr(error, "strerror", "") or error
        raise StudyError(f"{path} cannot be read ({reason}): name an image file.") from error


def _judge_pixels(path: Path, image: Image.Image, grey: np.ndarray) -> None:
    if image.mode == "RGB":
        colours = np.asarray(image)
        spread = colours.max(axis=2) - colours.min(axis=2)
        if (spread > RULES["coloured"]).mean() > RULES["photograph"]:
            refuse(path, "photograph")
        saturated = (spread > RULES["saturated"]).astype(np.uint8)
        if cv2.erode(saturated, np.ones((3, 3), np.uint8)).mean() > RULES["flow"]:
            refuse(path, "doppler")
    if grey.std() < RULES["flat"]:
        refuse(path, "uniform")
    extreme = (grey < RULES["dark_below"]) | (grey >= RULES["bright_from"])
    if extreme.mean() > RULES["extreme"]:
        refuse(path, "mask")


@dataclass(frozen=True)
class Answer:
    """What the network says of a frame.

    Attributes
    ----------
    probabilities : np.ndarray
        Calibrated, (3,), in the order of the classes.
    mask : np.ndarray
        (size, size), 0-1: the share of lesion seen at each place of the letterboxed frame.
    """

    probabilities: np.ndarray
    mask: np.ndarray

    def within(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the mask without what lies beside a frame of this (height, width)."""
        size = len(self.mask)
        scale = size / max(shape)
        height, width = (max(1, round(side * scale)) for side in shape)
        top, left = (size - height) // 2, (size - width) // 2
        return self.mask[top : top + height, left : left + width]

    def over(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the mask over a frame of this (height, width), float32."""
        return cv2.resize(self.within(shape), shape[::-1], interpolation=cv2.INTER_LINEAR)


def read_release(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Return what ``release.json`` says and the network, if it is the one that was released."""
    keys = ("classes", "refer_below", "size", "files")
    facts = read_json(folder / "release.json", RESTORE, keys)
    network = read_bytes(folder / NETWORK, RESTORE)
    listed = facts["files"].get(NETWORK, {}).get("sha256")
    if hashlib.sha256(network).hexdigest() != listed:
        raise StudyError(f"{folder / NETWORK} is not the file that was released: {RESTORE}")
    return facts, network


class Release:
    """The released network in ONNX Runtime.

    Parameters
    ----------
    threads : int
        Threads of the runtime; 0 leaves the choice to it.
    folder : Path
        Holds ``release.json`` and the network.

    Raises
    ------
    StudyError
        If a file is missing or is not the one that was released.
    """

    def __init__(self, threads: int = 0, folder: Path = RELEASE) -> None:
        self.facts, self._network = read_release(folder)
        self._threads = threads

    @cached_property
    def _session(self) -> Any:
        return session(self._network, self._threads)

    def ask(self, grey: np.ndarray) -> Answer:
        """Return what the network says of a frame, uint8 (height, width).

        Raises
        ------
        StudyError
            If it gives no number.
        """
        found = self._session.run(["probabilities", "mask"], {"image": grey})
        if not all(np.isfinite(part).all() for part in found):
            raise StudyError("The network gave no number for this image: report it with the file.")
        return Answer(*found)

    def verdict(self, answer: Answer, shape: tuple[int, int]) -> dict[str, Any]:
        """Return label, probabilities by class, confidence, whether the image is referred, and
        which share of the frame, of this (height, width), is seen as lesion.
        """
        p = answer.probabilities.astype(float)
        best = int(p.argmax())
        return {
            "label": self.facts["classes"][best],
            "probabilities": dict(zip(self.facts["classes"], p.round(6).tolist(), strict=True)),
            "confidence": round(float(p[best]), 6),
            "referred": bool(p[best] < self.facts["refer_below"]),
            "lesion_share": round(float((answer.within(shape) > 0.5).mean()), 6),
        }


def session(network: bytes, threads: int = 0) -> Any:
    """Return a session of ONNX Runtime on the processor.

    Parameters
    ----------
    network : bytes
        An ONNX file.
    threads : int
        0: one for each core that this process may use; more would wait for each other, at work.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    options.intra_op_num_threads = threads or allowed or 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
