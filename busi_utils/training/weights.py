"""Where initial weights come from; a random start happens only when it is asked for."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from busi_utils.errors import StudyError
from busi_utils.mobilenetv4 import load_public_weights
from busi_utils.models import Backbone, build_backbone
from busi_utils.workspace import Stamp, path_from, stamp

if TYPE_CHECKING:  # seconds; those who ask for names and hashes do without
    import keras

KNOWN_WEIGHTS = Path(__file__).parents[1] / "data" / "initial_weights.csv"
UNKNOWN = "unknown weights"
"""Start of the name of a file whose hash is not known."""
_KERAS_CACHE = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
_LARGEST = 1e6  # no weight or batch-norm statistic of the known files comes near


@dataclass(frozen=True)
class InitialWeights:
    """An initialisation and the file behind it.

    Attributes
    ----------
    init : str
        ``imagenet`` (a known file), ``unknown weights <8 digits of its hash>``, ``phantom``
        (pretrained on synthetic images) or ``random``.
    path : Path or None
        The weights file; None for ``random``.
    sha256 : str
        Of that file; empty for ``random``.
    origin : str
        Where a known file comes from.
    """

    init: str
    path: Path | None = None
    sha256: str = ""
    origin: str = ""


RANDOM = InitialWeights("random")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, from memory if it has not changed."""
    return _digests(stamp(path))[0]


@lru_cache(maxsize=64)
def _digests(file: Stamp) -> tuple[str, str]:
    """Return SHA-256 and MD5: the one is noted, by the other Keras names its files."""
    data = file[0].read_bytes()
    return hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1)
def known_weights() -> pd.DataFrame:
    """Return the files whose hashes are known, ``data/initial_weights.csv``, all as text.

    Those with a ``sha256`` are what the committed results started from. Keras names its own files
    by ``md5``; where its sources give none (MobileNet, MobileNetV2) others have published one.
    """
    return pd.read_csv(KNOWN_WEIGHTS, dtype=str, keep_default_na=False)


@lru_cache(maxsize=256)  # asked for every record
def is_usual(model: str, sha256: str) -> bool:
    """Whether the committed results of a network started from this file."""
    known = known_weights()
    return bool(((known["model"] == model) & (known["sha256"] == sha256)).any())


def named(entry: Backbone, path: Path) -> InitialWeights:
    """Return a file of weights under its name: ``imagenet`` only if its hash is known."""
    sha256, md5 = _digests(stamp(path))
    known = known_weights()
    known = known[(known["model"] == entry.name)]
    found = known[(known["sha256"] == sha256) | (known["md5"] == md5)]
    if found.empty:
        return InitialWeights(f"{UNKNOWN} {sha256[:8]}", path, sha256)
    return InitialWeights("imagenet", path, sha256, found["origin"].iloc[0])


def find_weights(entry: Backbone, folder: str | Path = "", *, cached: bool = True) -> Path | None:
    """Return the file of ImageNet weights of a folder, else of the Keras cache; None if absent.

    Parameters
    ----------
    entry : Backbone
        Of `models.MODELS`.
    folder : path
        Folder of weights files; empty: the environment variable ``BUSI_WEIGHTS``.
    cached : bool
        Whether the Keras cache counts.
    """
    folder = str(folder) or os.environ.get("BUSI_WEIGHTS", "")
    places = [path_from(folder, "folder of weights")] if folder else []
    places += [_KERAS_CACHE] if cached else []
    names = [name for name in (entry.weights_file, entry.keras_file) if name]
    return next((p for place in places for n in names if (p := place / n).is_file()), None)


def imagenet_weights(entry: Backbone, folder: str | Path = "") -> InitialWeights:
    """Find ImageNet weights: an explicit folder, then the Keras cache, then Keras' download.

    Parameters
    ----------
    entry, folder
        See `find_weights`.

    Raises
    ------
    StudyError
        If none of the three has them. Never falls back to random weights.
    """
    folder = str(folder) or os.environ.get("BUSI_WEIGHTS", "")
    if path := find_weights(entry, folder):
        return named(entry, path)
    if not entry.keras_file:
        raise StudyError(
            f"No ImageNet weights for {entry.title} were found, and Keras has none: put "
            f"{entry.weights_file} into a folder and name it with WEIGHTS=<folder> or BUSI_WEIGHTS."
        )
    return named(entry, _download(entry, folder))


def _download(entry: Backbone, folder: str) -> Path:
    import keras

    cached = _KERAS_CACHE / entry.keras_file
    try:
        build = getattr(keras.applications, entry.builder)
        build(include_top=False, weights="imagenet", input_shape=(224, 224, 3), **entry.options)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        looked = f"in {folder} " if folder else ""
        raise StudyError(
            f"No ImageNet weights for {entry.title} were found {looked}or in {cached.parent}, and "
            f"their download failed: put {entry.weights_file or entry.keras_file} into a folder "
            "and name it with WEIGHTS=<folder> or BUSI_WEIGHTS, or run where there is a network; "
            "random weights are used only by recipes that name them."
        ) from error
    if not cached.is_file():
        raise StudyError(f"Keras loaded weights for {entry.title} but left no file at {cached}.")
    return cached


def load_backbone(entry: Backbone, size: int, initial: InitialWeights) -> keras.Model:
    """Build a backbone and load its initial weights.

    Raises
    ------
    StudyError
        If the file does not fit the network, or holds what no network has learnt: values that are
        not finite or beyond all measure.
    """
    backbone = build_backbone(entry, size)
    if initial.path is not None:
        try:
            with warnings.catch_warnings(action="error", category=UserWarning):
                # A warning of Keras says what it found nothing for: that would stay random.
                if initial.path.suffix == ".safetensors":
                    load_public_weights(backbone, initial.path)
                else:
                    backbone.load_weights(initial.path)
        except (ValueError, OSError, KeyError, RuntimeError, UserWarning) as error:
            raise StudyError(
                f"{initial.path} does not fit {entry.title} "
                f"({str(error).splitlines()[0]}): download the file again."
            ) from error
        _check_values(backbone, entry, initial.path)
    return backbone


def _check_values(backbone: keras.Model, entry: Backbone, path: Path) -> None:
    for weight in backbone.weights:
        x = np.asarray(weight)
        if not (np.isfinite(x).all() and np.abs(x).max(initial=0) < _LARGEST):
            odd = "values that are not finite" if not np.isfinite(x).all() else "absurd values"
            raise StudyError(
                f"{path} holds {odd} in '{weight.path}' of {entry.title}: download the file again."
            )
