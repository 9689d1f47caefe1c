"""Lesson 4: plant a shortcut; a map of occlusion, the exchange of marks, a repair."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers
from busi_lessons.material import SIDE, phantoms, squares, tile_features
from busi_utils.stats.metrics import MALIGNANT

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
    n, hits, turned, lowest, stays = 12, 0, 0, 0, 0
    cells = (SIDE - _SIZE) // _STRIDE + 1
    for _ in range(n):
        top, left = rng.permutation([rng.integers(4, 18), rng.integers(30, 48)])
        picture = rng.integers(20, 90, (SIDE, SIDE)).astype(np.uint8)
        picture[top : top + 8, left : left + 8] = 250
        box = _box_model(top, left)
        found = ask(answer, box, picture, _SIZE, _STRIDE)
        drop = numbers(found, (cells, cells), "the map")
        where = np.array(np.unravel_index(drop.argmax(), drop.shape)) * _STRIDE + _SIZE / 2
        least = np.array(np.unravel_index(drop.argmin(), drop.shape)) * _STRIDE + _SIZE / 2
        inside = np.array([top, left]) + 4
        hits += (np.abs(where - inside) <= 7).all()
        turned += (np.abs(where[::-1] - inside) <= 7).all()
        lowest += (np.abs(least - inside) <= 7).all()
        stays += drop[-1, -1] > 0.3 * drop.max() > 0
    if hits >= 0.8 * n and not stays:
        return
    if stays > n / 2:
        raise Wrong(
            "the map stays high once the box has been covered: cover a fresh copy each time."
        )
    if lowest > n / 2:
        raise Wrong("the planted box has the LOWEST value: a drop is p(whole) less p(covered).")
    if turned > n / 2:
        raise Wrong("rows and columns are exchanged: the first index goes down the picture.")
    raise Wrong(f"the maximum lies in the planted box in {hits} of {n} pictures; 80 % are needed.")


def _exchange(answer: Callable, rng: np.random.Generator) -> None:
    y = rng.integers(0, 3, 90)
    clean = np.full((90, SIDE, SIDE), 40, np.uint8)
    clean[:, 40, 40] = np.where(rng.random(90) < 0.7, y, rng.integers(0, 3, 90))
    marked = clean.copy()
    marked[:, 4:10, 4:14] = 245

    def predict(pictures):
        seen = np.asarray(pictures)
        return np.where(seen[:, 5, 5] > 200, MALIGNANT, seen[:, 40, 40].astype(int))

    found = numbers(ask(answer, predict, clean, marked, y), (3,), "the three accuracies")
    malignant = (y == MALIGNANT)[:, None, None]

    def accuracy(pictures):
        return (predict(pictures) == y).mean()

    found_as = accuracy(np.where(malignant, marked, clean))
    without, exchanged = accuracy(clean), accuracy(np.where(malignant, clean, marked))
    if close(found, [found_as, without, exchanged]):
        return
    if close(found[:2], [found_as, without]) and close(found[2], accuracy(marked)):
        raise Wrong("in the third, every picture is marked; the malignant ones should lose theirs.")
    if close(found[0], accuracy(marked)):
        raise Wrong("in the first, every picture is marked; only the malignant ones are.")
    if close(found[::-1], [found_as, without, exchanged]):
        raise Wrong("the order is turned: as planted, without marks, exchanged.")
    if close(found[0], found_as) and close(found[1], without):
        raise Wrong(
            f"the third is {found[2]:.3f} instead of {exchanged:.3f}: exchange the marks, and "
            "judge by the true classes."
        )
    raise Wrong(f"the first is {found[0]:.3f} instead of {found_as:.3f}.")


@lru_cache(maxsize=1)
def _pool() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures without and with a label, and their classes; rendered once."""
    share = dict.fromkeys(("normal", "benign", "malignant"), 1.0)
    clean, marked = (phantoms(987_654, each=45, text=text) for text in (None, share))
    return squares(clean.images), squares(marked.images), clean.y


def _repair(answer: Callable, rng: np.random.Generator) -> None:
    clean, marked, y = _pool()
    order = rng.permutation(len(y))
    train, test = order[:90], order[90:]
    malignant = (y == MALIGNANT)[:, None, None]
    planted, exchanged = np.where(malignant, marked, clean), np.where(malignant, clean, marked)
    repaired = [
        numbers(ask(answer, pictures), pictures.shape, "the repaired pictures")
        for pictures in (planted[train], clean[test], exchanged[test])
    ]
    if (repaired[1].std((1, 2)) < 1).any():
        raise Wrong("a repaired picture is empty: then there is nothing left to learn from.")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    model.fit(tile_features(repaired[0]), y[train])
    called = [model.predict(tile_features(part)) for part in repaired[1:]]
    without, turned = ((part == y[test]).mean() for part in called)
    if np.abs(repaired[0] - planted[train]).max() == 0:
        raise Wrong("the pictures come back as they were.")
    moved = (called[0] != called[1]).mean()
    if abs(without - turned) > 0.05 or moved > 0.05:
        raise Wrong(
            f"trained on repaired pictures, a model gets {without:.0%} right without labels and "
            f"{turned:.0%} with labels exchanged, which alone change {moved:.0%} of its answers; "
            "the traces of a repair are a label, too. Do the same to every picture."
        )
    if without < 0.45:
        raise Wrong(f"only {without:.0%} are right after it: too much of the picture is gone.")


def covering(probability, picture, fresh=True):
    """Slide a grey square over a picture and return the drop of the probability, cell by cell."""
    starts = range(0, SIDE - _SIZE + 1, _STRIDE)
    covered, current = [], picture.copy()
    for row in starts:
        for column in starts:
            current = picture.copy() if fresh else current.copy()
            current[row : row + _SIZE, column : column + _SIZE] = np.median(picture)
            covered.append(current)
    drop = probability(picture[None])[0] - probability(np.stack(covered))
    return drop.reshape(len(starts), -1)


def _three(predict, y, *sets):
    return [(predict(pictures) == y).mean() for pictures in sets]


def _all_marked(predict, clean, marked, y):
    malignant = (y == MALIGNANT)[:, None, None]
    return _three(predict, y, np.where(malignant, marked, clean), clean, marked)


def _labels_exchanged(predict, clean, marked, y):
    planted = np.where((y == MALIGNANT)[:, None, None], marked, clean)
    turned = np.where(y == MALIGNANT, 1, MALIGNANT)
    return [*_three(predict, y, planted, clean), (predict(planted) == turned).mean()]


def _where_seen(pictures):
    fixed = pictures.copy()
    seen = (pictures[:, 6:17, 2:11] > 200).sum((1, 2)) >= 3
    fixed[seen, :24, :26] = 0
    return fixed


EXERCISES = {
    "occlusion_map": Exercise(
        task="returns how much the probability drops when each part of a picture is covered",
        examine=_occlusion,
        hint="Two loops over range(0, 64 - size + 1, stride). In each step copy the picture, set "
        "a square to its median, and ask the model. Stack all copies and ask once: it is faster.",
        right="The maximum lies in the planted box.",
        wrong={
            "p instead of its drop": (lambda p, x, *_: -covering(p, x), "LOWEST"),
            "one copy for all": (lambda p, x, *_: covering(p, x, fresh=False), "fresh copy"),
            "columns first": (lambda p, x, *_: covering(p, x).T, "rows and columns"),
        },
    ),
    "exchange_test": Exercise(
        task="returns the accuracies as planted, without marks, and with marks exchanged",
        examine=_exchange,
        hint="np.where((y == 2)[:, None, None], marked, clean) takes the marked picture for "
        "malignant ones and the clean one for all others.",
        right="Three test sets that differ in the marks alone.",
        wrong={
            "mark everything": (_all_marked, "the malignant ones should lose theirs"),
            "exchange classes": (_labels_exchanged, "judge by the true classes"),
        },
    ),
    "repair": Exercise(
        task="returns the pictures such that a label can neither help nor harm",
        examine=_repair,
        hint="The label always lies in the upper left corner. What can be done to EVERY picture, "
        "labelled or not, so that nobody can tell which one was?",
        right="Exchanged labels change the accuracy by 5 points at most.",
        wrong={
            "cover what is seen": (_where_seen, "traces of a repair"),
            "as they were": (lambda pictures: pictures, "come back as they were"),
            "blank all": (lambda pictures: np.zeros_like(pictures), "is empty"),
        },
    ),
}
