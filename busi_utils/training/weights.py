"""Where initial weights come from; a random start happens only when it is asked for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import keras

from busi_utils.errors import StudyError
from busi_utils.mobilenetv4 import load_public_weights
from busi_utils.models import Backbone, build_backbone

_KERAS_CACHE = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


@dataclass(frozen=True)
class InitialWeights:
    """An initialisation and the file behind it.

    Attributes
    ----------
    init : str
        ``imagenet``, ``phantom`` (pretrained on synthetic images) or ``random``.
    path : Path or None
        The weights file; None for ``random``.
    sha256 : str
        Of that file; empty for ``random``.
    """

    init: str
    path: Path | None = None
    sha256: str = ""


RANDOM = InitialWeights("random")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def imagenet_weights(entry: Backbone, folder: str | Path = "") -> InitialWeights:
    """Find ImageNet weights: an explicit folder, then the Keras cache, then Keras' download.

    Parameters
    ----------
    entry : Backbone
        Of `models.MODELS`.
    folder : path
        Folder of weights files; empty: the environment variable ``BUSI_WEIGHTS``.

    Raises
    ------
    StudyError
        If none of the three has them. Never falls back to random weights.
    """
    folder = str(folder) or os.environ.get("BUSI_WEIGHTS", "")
    names = [name for name in (entry.weights_file, entry.keras_file) if name]
    places = [Path(folder).expanduser()] if folder else []
    places.append(_KERAS_CACHE)
    for path in (place / name for place in places for name in names):
        if path.is_file():
            return InitialWeights("imagenet", path, file_sha256(path))
    if not entry.keras_file:
        raise StudyError(
            f"No ImageNet weights for {entry.title} were found, and Keras has none: put "
            f"{entry.weights_file} into a folder and name it with WEIGHTS=<folder> or BUSI_WEIGHTS."
        )
    path = _download(entry, folder)
    return InitialWeights("imagenet", path, file_sha256(path))


def _download(entry: Backbone, folder: str) -> Path:
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
        If the file does not fit the network.
    """
    backbone = build_backbone(entry, size)
    if initial.path is not None:
        try:
            if initial.path.suffix == ".safetensors":
                load_public_weights(backbone, initial.path)
            else:
                backbone.load_weights(initial.path)
        except (ValueError, OSError, KeyError) as error:
            raise StudyError(
                f"{initial.path} does not fit {entry.title} "
                f"({str(error).splitlines()[0]}): download the file again."
            ) from error
    return backbone
