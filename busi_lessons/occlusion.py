"""Lesson 4, exercise 1: a map of occlusion, judged by where it is highest and by its values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers
from busi_lessons.material import SIDE

_SIZE, _STRIDE = 10, 3


def _box_model(top: int, left: int) -> Callable:
    """Return a model that looks at one box of 8 x 8 pixels alone: bright is malignant."""

    def probability(pictures: np.ndarray) -> np.ndarray:
        grey = np.asarray(pictures, float)
        if grey.ndim != 3:
            raise ValueError(f"probability takes pictures (n, 64, 64), not {grey.shape}")
        return grey[:, top : top + 8, left : left + 8].mean((1, 2)) / 255

    return probability


def _occlusion(answer: Callable, rng: np.random.Generator) -> None:
    n, hits, turned, lowest, stays, falls, fills, away = 12, 0, 0, 0, 0, [], [], 0.0
    cells = (SIDE - _SIZE) // _STRIDE + 1
    for _ in range(n):
        top, left = rng.permutation([rng.integers(4, 18), rng.integers(30, 48)])
        picture = rng.integers(20, 90, (SIDE, SIDE)).astype(np.uint8)
        picture[top : top + 8, left : left + 8] = 250
        box, asked = _box_model(top, left), []
        found = ask(answer, _watched(box, asked), picture, _SIZE, _STRIDE)
        drop = numbers(found, (cells, cells), "the map")
        put_in = [
            one[one != picture] for many in asked for one in many if one.shape == picture.shape
        ]
        fills += [np.median(values) for values in put_in if values.size]
        away = max(away, np.abs(drop - covering(box, picture)).max())
        where = np.array(np.unravel_index(drop.argmax(), drop.shape)) * _STRIDE + _SIZE / 2
        least = np.array(np.unravel_index(drop.argmin(), drop.shape)) * _STRIDE + _SIZE / 2
        inside = np.array([top, left]) + 4
        hits += (np.abs(where - inside) <= 7).all()
        turned += (np.abs(where[::-1] - inside) <= 7).all()
        lowest += (np.abs(least - inside) <= 7).all()
        stays += drop[-1, -1] > 0.3 * drop.max() > 0
        falls.append([drop.max(), covering(box, picture).max(), -drop.min(), np.ptp(drop)])
    fall, right, rise, span = np.mean(falls, axis=0)
    if not fills:
        raise Wrong("the model was never asked about a picture with a part covered.")
    if hits >= 0.8 * n and not stays and away > 0.05:
        if np.ptp(fills) > 15 or abs(np.mean(fills) - 55) > 15:
            raise Wrong(
                f"the place is right, but squares are filled with {min(fills):.0f} to "
                f"{max(fills):.0f}: take the picture's median; black or white is a new mark."
            )
        raise Wrong(
            f"the place is right, the values are not (highest {fall:.2f}, not {right:.2f}; or "
            "cells lie elsewhere). Take p(whole) less p(covered), as it is; the first square lies "
            "in the upper left corner."
        )
    if hits >= 0.8 * n and not stays:
        return _dark_box(answer, rng)
    if lowest > n / 2 and span > 0.3:
        raise Wrong("the planted box has the LOWEST value: a drop is p(whole) less p(covered).")
    if span < 0.3:
        raise Wrong(
            f"covering the box moves p by {max(fall, rise):.2f} only: fill the square with the "
            "picture's median, and take the drop at each place."
        )
    if stays > n / 2:
        raise Wrong(
            "the map stays high once the box has been covered: cover a fresh copy each time."
        )
    if turned > n / 2:
        raise Wrong("rows and columns are exchanged: the first index goes down the picture.")
    raise Wrong(f"the maximum lies in the planted box in {hits} of {n} pictures; 80 % are needed.")


def _watched(model: Callable, asked: list) -> Callable:
    """Return the model, which notes what it is asked."""

    def probability(pictures):
        said = model(pictures)
        asked.append(np.array(pictures))
        return said

    return probability


def _dark_box(answer: Callable, rng: np.random.Generator) -> None:
    """Ask for a picture where covering makes the model surer, not less sure."""
    picture = rng.integers(60, 120, (SIDE, SIDE)).astype(np.uint8)
    picture[20:28, 30:38] = 10
    box = _box_model(20, 30)
    drop, right = ask(answer, box, picture, _SIZE, _STRIDE), covering(box, picture)
    if not close(numbers(drop, right.shape, "the map"), right, 0.05):
        raise Wrong(
            "where covering a part raises p, the drop is negative: take p(whole) less p(covered), "
            "neither without its sign nor divided by p."
        )


def covering(probability, picture, fresh=True, fill=None):
    """Slide a grey square over a picture and return the drop of the probability, cell by cell."""
    starts = range(0, SIDE - _SIZE + 1, _STRIDE)
    covered, current = [], picture.copy()
    grey = np.median(picture) if fill is None else fill
    for row in starts:
        for column in starts:
            current = picture.copy() if fresh else current.copy()
            current[row : row + _SIZE, column : column + _SIZE] = grey
            covered.append(current)
    drop = probability(picture[None])[0] - probability(np.stack(covered))
    return drop.reshape(len(starts), -1)


OCCLUSION_MAP = Exercise(
    task="returns how much the probability drops when each part of a picture is covered",
    examine=_occlusion,
    hint="Two loops over range(0, 64 - size + 1, stride). In each step copy the picture, set "
    "a square to its median, and ask the model. Stack all copies and ask once: it is faster.",
    right="The maximum lies in the planted box.",
    wrong={
        "p instead of its drop": (lambda p, x, *_: -covering(p, x), "LOWEST"),
        "one copy for all": (lambda p, x, *_: covering(p, x, fresh=False), "fresh copy"),
        "a black square": (lambda p, x, *_: covering(p, x, fill=0), "picture's median"),
        "columns first": (lambda p, x, *_: covering(p, x).T, "rows and columns"),
        "without its sign": (lambda p, x, *_: np.abs(covering(p, x)), "without its sign"),
        "in per cent": (lambda p, x, *_: 100 * covering(p, x), "the values are not"),
    },
)
