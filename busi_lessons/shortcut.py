"""Lesson 4: plant a shortcut; a map of occlusion, the exchange of marks, a repair."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers, slip
from busi_lessons.material import SIDE, phantoms, squares, tile_features
from busi_lessons.occlusion import OCCLUSION_MAP
from busi_utils.stats.metrics import MALIGNANT


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
    if said := slip(found, [found_as, without, exchanged]):
        raise Wrong(said)
    if found.max() > 1:
        raise Wrong("accuracies lie between 0 and 1.")
    if close(found[:2], [found_as, without]) and close(found[2], accuracy(marked)):
        raise Wrong("in the third, every picture is marked; the malignant ones should lose theirs.")
    if close(found[0], accuracy(marked)):
        raise Wrong("in the first, every picture is marked; only the malignant ones are.")
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
    if (repaired["clean"].std((1, 2)) < 0.004 * np.ptp(repaired["clean"]) + 1e-9).any():
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
            f"{np.mean(moved):.0%}. Pictures that differ in a label alone should not differ after "
            "it: nothing of it may be left, and the traces of a repair are a label, too."
        )
    if without < 0.45:
        raise Wrong(f"only {without:.0%} are right after it: too much is gone, or moved.")


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
    "occlusion_map": OCCLUSION_MAP,
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
