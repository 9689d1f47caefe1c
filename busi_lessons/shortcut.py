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
    n, hits, turned, lowest, stays, falls = 12, 0, 0, 0, 0, []
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
        falls.append([drop.max(), covering(box, picture).max(), -drop.min(), np.ptp(drop)])
    fall, right, rise, span = np.mean(falls, axis=0)
    if hits >= 0.8 * n and not stays and abs(fall - right) > 0.05:
        raise Wrong(
            f"the place is right, but p falls by {fall:.2f} instead of {right:.2f}: fill the "
            "square with the picture's median; a black or white one is a new mark."
        )
    if hits >= 0.8 * n and not stays:
        return
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
    if found.max() > 1:
        raise Wrong("accuracies lie between 0 and 1.")
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
    if close(found[0], found_as):
        raise Wrong(f"the second is {found[1]:.3f} instead of {without:.3f}: no picture is marked.")
    raise Wrong(f"the first is {found[0]:.3f} instead of {found_as:.3f}: the malignant are marked.")


@lru_cache(maxsize=1)
def _pool() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures without and with a label, and their classes; rendered once."""
    share = dict.fromkeys(("normal", "benign", "malignant"), 1.0)
    clean, marked = (phantoms(987_654, each=45, text=text) for text in (None, share))
    return squares(clean.images), squares(marked.images), clean.y


def _repair(answer: Callable, rng: np.random.Generator) -> None:
    clean, marked, y = _pool()
    malignant = (y == MALIGNANT)[:, None, None]
    planted, exchanged = np.where(malignant, marked, clean), np.where(malignant, clean, marked)
    sets = {"planted": planted, "clean": clean, "exchanged": exchanged, "marked": marked}
    sets["again"] = clean  # a repair may draw at random: what that alone moves is taken off
    repaired = {
        name: numbers(ask(answer, pictures), clean.shape, "the repaired pictures")
        for name, pictures in sets.items()
    }
    if (repaired["clean"].std((1, 2)) < 1).any():
        raise Wrong("a repaired picture is empty: then there is nothing left to learn from.")
    if np.abs(repaired["planted"] - planted).max() == 0:
        raise Wrong("the pictures come back as they were.")
    X = {name: tile_features(pictures) for name, pictures in repaired.items()}
    right, moved = [], []
    for _ in range(4):
        train, test = np.split(rng.permutation(len(y)), [90])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        model.fit(X["planted"][train], y[train])
        p = {name: model.predict_proba(X[name][test]) for name in X}
        right.append([(p[n].argmax(axis=1) == y[test]).mean() for n in ("clean", "exchanged")])
        away = [np.abs(p[n] - p["clean"])[:, MALIGNANT].mean() for n in ("marked", "again")]
        moved.append(away[0] - away[1])
    without, turned = np.mean(right, axis=0)
    if abs(without - turned) > 0.05 or np.mean(moved) > 0.025:
        raise Wrong(
            f"trained on repaired pictures, a model gets {without:.0%} right without labels and "
            f"{turned:.0%} with labels exchanged, and a label alone moves its probability by "
            f"{np.mean(moved):.0%}; the traces of a repair are a label, too. Do the same to every "
            "picture."
        )
    if without < 0.45:
        raise Wrong(f"only {without:.0%} are right after it: too much of the picture is gone.")


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
            "a black square": (lambda p, x, *_: covering(p, x, fill=0), "picture's median"),
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
        right="Labels, planted or exchanged, hardly move the model any more.",
        wrong={
            "cover what is seen": (_where_seen, "traces of a repair"),
            "less bright": (lambda pictures: np.minimum(pictures, 150), "moves its probability"),
            "as they were": (lambda pictures: pictures, "come back as they were"),
            "blank all": (lambda pictures: np.zeros_like(pictures), "is empty"),
        },
    ),
}
