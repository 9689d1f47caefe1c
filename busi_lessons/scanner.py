"""Lesson 6: another scanner. A sealed forecast, a threshold carried over, a leak sheet."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable

import numpy as np

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers, slip
from busi_lessons.leak_sheet import FOUND, KINDS
from busi_lessons.own_lines import names_in

VIGNETTE = """A made-up study. From two hospitals, 900 images of women who later had a biopsy were
taken between 2015 and 2020, up to four images of a woman. Files with equal pixels were removed;
scaled or brightened copies were not looked for. Mean and standard deviation of all 900 images were
computed to normalise them. They were then split at random, image by image, 80 to 20. All 256
features entered the model. The number of epochs is that with the highest accuracy on the 20 %,
which is reported: 96 %. Most malignant images carry calipers, which were left in. The authors
recommend the model for screening from now on."""
_TRUTH = {
    "no_test_set": ("yes", "the number of epochs was chosen on the very 20 % that are reported"),
    "preprocessing": ("yes", "mean and standard deviation were computed over all 900 images"),
    "feature_selection": ("no", "all 256 features entered, so none was selected"),
    "duplicates": ("unknown", "equal pixels are gone, but changed copies were not looked for"),
    "illegitimate_features": ("yes", "calipers were left in, most of them on malignant images"),
    "temporal": ("yes", "training and test share the years; the claim is about those to come"),
    "non_independence": ("yes", "a woman's images may lie on both sides of a split by image"),
    "sampling_bias": ("yes", "all women had a biopsy, and the claim is about screening"),
}


def _sealed(answer: Callable, rng: np.random.Generator) -> None:
    forecast = {"accuracy": int(rng.integers(40, 80)), "auc": int(rng.integers(60, 95))}
    turned = dict(reversed(forecast.items()))
    salt = str(rng.integers(10**9))
    seal = ask(answer, forecast, salt)
    if not isinstance(seal, str):
        raise Wrong(f"a seal should be text that can be published, not {type(seal).__name__}.")
    if (seal.lstrip("-").isdigit() and 15 < len(seal) < 22) or "hash" in names_in(
        getattr(answer, "__code__", None)
    ):
        raise Wrong("Python's hash() of a text differs from one start to the next: use hashlib.")
    if len(seal) < 16 and seal:
        raise Wrong(
            f"{len(seal)} signs are few: many forecasts share them. Publish the whole digest."
        )
    if any(name in seal for name in forecast) or salt in seal:
        raise Wrong("the forecast can be read in the seal; publish a digest of it.")
    if ask(answer, forecast, salt) != seal:
        raise Wrong("sealing the same forecast twice gives two seals: nobody could verify it.")
    longer = ask(answer, forecast, salt + 60 * "x")
    if isinstance(longer, str) and len(longer) > len(seal) + 20:
        raise Wrong("a longer salt gives a longer seal: it can be turned back; publish a digest.")
    other = {"accuracy": forecast["accuracy"] + 1, "auc": forecast["auc"] - 1}
    if ask(answer, other, salt) == seal:
        raise Wrong("a forecast with the same sum gets the same seal: seal each number.")
    few, many = {"accuracy": 1, "auc": 11}, {"accuracy": 11, "auc": 1}
    if ask(answer, few, salt) == ask(answer, many, salt):
        raise Wrong("1 and 11 get the same seal as 11 and 1: which number is which must enter.")
    for name, value in forecast.items():
        if ask(answer, forecast | {name: value + 1}, salt) == seal:
            raise Wrong(f"another {name} gets the same seal: all numbers must enter.")
    if ask(answer, forecast, salt + "1") == seal:
        raise Wrong("the salt does not enter: whoever seals all 100 whole numbers finds out yours.")
    if ask(answer, turned, salt) != seal:
        raise Wrong("the same numbers in another order get another seal: sort the keys.")


def _scores(rng: np.random.Generator, n: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    y = (rng.random(n) < 0.4).astype(int)
    return y, 1 / (1 + np.exp(-(rng.normal(np.where(y, 1, -1), 1) + shift)))


def carried(y_home, p_home, y_away, p_away) -> tuple[float, float]:
    """Sensitivity and specificity away at the threshold with 90 % specificity at home."""
    threshold = np.quantile(p_home[y_home == 0], 0.9)
    alarm = p_away >= threshold
    return alarm[y_away == 1].mean(), 1 - alarm[y_away == 0].mean()


def _carried(answer: Callable, rng: np.random.Generator) -> None:
    for shift in (0.8, -0.7):
        home, away = _scores(rng, 1500, 0.0), _scores(rng, 1500, shift)
        found = numbers(ask(answer, *home, *away), (2,), "(sensitivity, specificity)")
        right = carried(*home, *away)
        if close(found, right, 0.015):
            continue
        at_home, there = carried(*home, *home), carried(*away, *away)
        if np.abs(found - at_home).max() < min(np.abs(found - there).max(), 0.015):
            raise Wrong("these are the values at home; they were asked for away.")
        if close(found, there, 0.015):
            raise Wrong(
                "the threshold was chosen on the images of the other hospital; whoever uses the "
                "model there has no labels to choose with."
            )
        if close(found[::-1], right, 0.015):
            raise Wrong("the order is turned: sensitivity first.")
        if close([found[0], 1 - found[1]], right, 0.015):
            raise Wrong("the second is the share of false alarms; specificity is 1 less that.")
        y, p = away
        sensitive = p >= np.quantile(home[1][home[0] == 1], 0.1)
        if close(found, (sensitive[y == 1].mean(), 1 - sensitive[y == 0].mean()), 0.015):
            raise Wrong("the threshold keeps 90 % sensitivity; 90 % specificity was asked for.")
        everyone = carried(np.zeros(len(home[1])), home[1], y, p)
        if close(found, everyone, 0.015):
            raise Wrong("the threshold leaves 90 % of ALL cases below it; take the others alone.")
        if close(found, ((p >= 0.5)[y == 1].mean(), (p < 0.5)[y == 0].mean())):
            raise Wrong("the threshold is 0.5; take the one with 90 % specificity at home.")
        if said := slip(found, right):
            raise Wrong(said)
        raise Wrong(f"it gives {found.round(3)} instead of {np.round(right, 3)}.")


def _sheet(answer: Callable, rng: np.random.Generator) -> None:
    found = ask(answer)
    if not isinstance(found, dict):
        raise Wrong(f"return a dict, kind -> yes, no or unknown, not {type(found).__name__}.")
    if odd := sorted(set(map(str, found)) ^ set(KINDS)):
        word = "is no kind of leak" if odd[0] in map(str, found) else "is not answered"
        raise Wrong(f"{odd[0]!r} {word}; the eight kinds are {', '.join(KINDS)}.")
    for kind, (right, why) in _TRUTH.items():
        if found[kind] not in FOUND:
            raise Wrong(f"{kind} is {str(found[kind])[:20]!r}: write yes, no or unknown.")
        if found[kind] != right:
            raise Wrong(f"{kind} is answered {found[kind]!r}, but {why}.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _all(found, **but):
    return dict.fromkeys(KINDS, found) | but


_RIGHT = {kind: found for kind, (found, _) in _TRUTH.items()}

EXERCISES = {
    "seal": Exercise(
        task="returns a seal of a forecast that can be published and verified",
        examine=_sealed,
        hint="json.dumps(forecast, sort_keys=True) makes a text that does not depend on the order; "
        "add the salt, and take hashlib.sha256(text.encode()).hexdigest().",
        right="It betrays nothing, and nobody can change the forecast afterwards.",
        wrong={
            "hash()": (lambda f, s: str(hash((*f.items(), s))), "hash() of a text"),
            "without salt": (
                lambda f, s: _digest(json.dumps(f, sort_keys=True)),
                "the salt does not enter",
            ),
            "another alphabet": (
                lambda f, s: b64encode((json.dumps(f, sort_keys=True) + s).encode()).decode(),
                "turned back",
            ),
            "numbers without names": (
                lambda f, s: _digest(str([f[name] for name in sorted(f)]).replace(", ", "") + s),
                "which number is which",
            ),
            "cut short": (
                lambda f, s: _digest(json.dumps(f, sort_keys=True) + s)[:4],
                "signs are few",
            ),
            "in any order": (lambda f, s: _digest(str(f) + s), "another order"),
        },
    ),
    "carried_over": Exercise(
        task="returns sensitivity and specificity away, at the threshold chosen at home",
        examine=_carried,
        hint="np.quantile(p_home[y_home == 0], 0.9) leaves 90 % of the others below it. Then count "
        "alarms (p >= threshold) away, among malignant cases and among the others.",
        right="Chosen at home, judged away: what a user would meet.",
        wrong={
            "choose there": (lambda a, b, c, d: carried(c, d, c, d), "no labels to choose with"),
            "one half": (
                lambda a, b, c, d: ((d >= 0.5)[c == 1].mean(), (d < 0.5)[c == 0].mean()),
                "the threshold is 0.5",
            ),
            "of all cases": (
                lambda a, b, c, d: carried(np.zeros(len(b)), b, c, d),
                "90 % of ALL cases",
            ),
            "specificity first": (lambda *a: carried(*a)[::-1], "sensitivity first"),
        },
    ),
    "leak_sheet": Exercise(
        task="returns a dict that answers the eight kinds of leak for the made-up study",
        examine=_sheet,
        hint="Go through VIGNETTE sentence by sentence: each one decides one kind. 'unknown' is an "
        "answer, where something was not looked for.",
        right="Seven of eight were decided by one sentence each, and one by what it does not say.",
        wrong={
            "nothing is wrong": (lambda: _all("no"), "epochs was chosen"),
            "no equal pixels, no copies": (lambda: _RIGHT | {"duplicates": "no"}, "changed copies"),
            "random is independent": (
                lambda: _RIGHT | {"non_independence": "no"},
                "a woman's images",
            ),
        },
    ),
}
