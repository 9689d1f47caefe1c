"""What the lessons give to students: phantoms of their number, features, a small network."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, display
from matplotlib.figure import Figure

from busi_phantom.in_memory import PhantomSet, phantom_set
from busi_utils.audit.images import letterbox

SIDE = 64
TWINS = ("exact", "rescaled", "brightness")  # a crop needs alignment, which notebook 01 has


def phantoms(
    student: int,
    each: int = 60,
    twins: float = 0.0,
    text: Mapping[str, float] | None = None,
    scanner: str = "A",
    counts: Mapping[str, int] | None = None,
) -> PhantomSet:
    """Make a student's phantoms: synthetic images, which say nothing about patients.

    Parameters
    ----------
    student : int
        Seed of everything.
    each : int
        Images of each class, twins not counted; ``counts`` names them class by class instead.
    twins : float
        Share of the images that get a twin, 0 to 1.
    text : mapping of str to float, optional
        Share of each class' images with a label burnt in.
    scanner : {"A", "B"}
    counts : mapping of str to int, optional
    """
    counts = counts or {"normal": each, "benign": each, "malignant": each}
    return phantom_set(counts, student, scanner, twins, TWINS, text)


def squares(images: Sequence[np.ndarray]) -> np.ndarray:
    """Letterbox images of any size to uint8 (n, 64, 64)."""
    return np.stack([letterbox(image, SIDE) for image in images])


def tile_features(pictures: np.ndarray) -> np.ndarray:
    """Describe pictures by 64 tiles of 8 x 8 pixels with four numbers each.

    Parameters
    ----------
    pictures : numpy.ndarray
        Shape (n, 64, 64), grey levels.

    Returns
    -------
    numpy.ndarray
        Shape (n, 256), float: mean, spread, and mean step down and across of each tile.
    """
    grey = np.asarray(pictures, float)
    down = np.abs(np.diff(grey, axis=1, append=0))
    across = np.abs(np.diff(grey, axis=2, append=0))
    tiles = [part.reshape(-1, 8, 8, 8, 8).swapaxes(2, 3) for part in (grey, down, across)]
    numbers = [tiles[0].mean((3, 4)), tiles[0].std((3, 4))]
    numbers += [part.mean((3, 4)) for part in tiles[1:]]
    return np.concatenate([part.reshape(len(grey), -1) for part in numbers], axis=1)


def small_network(rng: np.random.Generator, inputs: int = 12, hidden: int = 32) -> dict:
    """Draw a network of one hidden layer: weights ``W1, b1, W2, b2`` and ``dropout`` 0.5."""
    return {
        "W1": rng.normal(0, 1 / np.sqrt(inputs), (inputs, hidden)),
        "b1": rng.normal(0, 0.3, hidden),
        "W2": rng.normal(0, 1 / np.sqrt(hidden), (hidden, 3)),
        "b2": rng.normal(0, 0.6, 3),
        "dropout": 0.5,
    }


def scores(net: dict, X: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Return the scores (n, 3) of a network; with a generator dropout is on, as while training."""
    hidden = np.maximum(X @ net["W1"] + net["b1"], 0)
    if rng is not None:
        kept = rng.random(hidden.shape) >= net["dropout"]
        hidden = hidden * kept / (1 - net["dropout"])
    return hidden @ net["W2"] + net["b2"]


def labelled(net: dict, rng: np.random.Generator, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Draw inputs (n, k), and labels that the network gets right in nine of ten cases."""
    X = rng.normal(size=(n, len(net["W1"])))
    y = scores(net, X).argmax(axis=1)
    return X, np.where(rng.random(n) < 0.1, rng.integers(0, 3, n), y)


def show(fig: Figure, alt: str) -> None:
    """Show a figure with an alt text, so that the lesson can be read without seeing it."""
    stored = io.BytesIO()
    fig.savefig(stored, format="png", dpi=110, bbox_inches="tight")
    plt.close(fig)
    display(Image(stored.getvalue(), width=round(110 * fig.get_figwidth()), alt=alt))
