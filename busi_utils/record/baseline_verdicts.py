"""The rules behind the verdicts of notebook 02."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from busi_utils.analysis.reported import REPORTED_MEGABYTES
from busi_utils.record.claims import judged
from busi_utils.record.formats import ci, pct, points_ci


def verdicts(numbers: Mapping[str, Any], dataset: str) -> list[tuple[str, str, str, str]]:
    """Return ``(claim, text, evidence, verdict)`` for the claims that this notebook decides.

    Rules. C1 (65 % / 70 %): the test figure holds if it differs from ours, on the random split, by
    less than 1.96 standard errors, those of the reported figure (a proportion of 152 images) and of
    ours together; the training figure if ours, read either way, is within 5 points of 65 %. Both:
    confirmed, one: partly confirmed, none: refuted. C2: the recipe underfits if some single change
    raises training accuracy by 2 points or more, and test accuracy with its whole interval; the
    network is able if some way of training fits 95 % of the training images. Underfits, not able:
    confirmed; underfits but able: partly confirmed; able only: refuted; neither: unverifiable. C4
    (3.4 MB): confirmed if a saved file is within 0.5 MB of it. On phantoms nothing is judged.
    """
    found = {
        "C1": _reported_accuracies(numbers),
        "C2": _underfitting(numbers),
        "C4": _size(numbers),
    }
    return [judged(claim, *decided, dataset) for claim, decided in found.items()]


def _reported_accuracies(numbers: Mapping[str, Any]) -> tuple[str, str]:
    """Return evidence and verdict of C1."""
    raw, reported = numbers["written"]["raw"], numbers["reported"]
    test, n = reported["test"], reported["n"]
    ours = (raw["accuracy_high"] - raw["accuracy_low"]) / (2 * 1.96)
    error = np.hypot(ours, np.sqrt(test * (1 - test) / n))
    gap = raw["accuracy"] - test
    logged = numbers["fit"]["raw"]["accuracy_while_training"]
    train = min(abs(value - reported["train"]) for value in (raw["train_accuracy"], logged))
    holds = int(abs(gap) < 1.96 * error) + int(train <= 0.05)
    low, high = (100 * (gap + sign * 1.96 * error) for sign in (-1, 1))
    evidence = (
        f"The recipe as written, random split: test {ci(raw, 'accuracy')}; with the sampling error "
        f"of 70 % on {n} images the difference is {100 * gap:+.1f} points ({low:+.1f} to "
        f"{high:+.1f}). Training {pct(logged)} as a log prints it, {pct(raw['train_accuracy'])} in "
        f"inference mode: {100 * train:.1f} points or more from 65 %. "
    )
    nearest = numbers["nearest"]
    evidence += (
        f"Of all readings the nearest, {nearest['recipe']} ({nearest['cohort']}), gives "
        f"{pct(nearest['train_accuracy'])} on training images in inference mode and "
        f"{pct(nearest['accuracy'])} out of fold."
    )
    return evidence, ("refuted", "partly confirmed", "confirmed")[holds]


def _underfitting(numbers: Mapping[str, Any]) -> tuple[str, str]:
    """Return evidence and verdict of C2."""
    clean, fits = numbers["written"]["clean"], numbers["better_fits"]
    able = numbers["best_train_accuracy"] >= 0.95
    evidence = (
        f"As written the recipe scores {pct(clean['train_accuracy'])} on its own training "
        f"images and {pct(clean['accuracy'])} out of fold on clean; "
    )
    evidence += (
        f"single changes that fit better and test better: {', '.join(fits)}. "
        if fits
        else "no single change both fits and tests better. "
    )
    evidence += (
        f"The same network fits up to {pct(numbers['best_train_accuracy'])} "
        f"({numbers['best_train']})"
    )
    if "tuned" in numbers:
        tuned = numbers["tuned"]
        evidence += (
            f" and, tuned, reaches {ci(tuned, 'accuracy')} out of fold, "
            f"{points_ci(tuned, 'worth', 1)}"
        )
    verdict = {
        (True, False): "confirmed",
        (True, True): "partly confirmed",
        (False, True): "refuted",
        (False, False): "unverifiable",
    }
    return evidence + ".", verdict[bool(fits), able]


def _size(numbers: Mapping[str, Any]) -> tuple[str, str]:
    """Return evidence and verdict of C4."""
    megabytes = numbers["megabytes"]
    near = min(abs(size - REPORTED_MEGABYTES) for size in megabytes.values()) <= 0.5
    evidence = (
        f"The recipe's network has {numbers['parameters']:,} parameters; saved it takes "
        f"{megabytes['h5']:.1f} MB as H5, the original's format, and {megabytes['keras']:.1f} MB "
        "as .keras. 3.4 million is the parameter count of the 1000-class network, and 3.4 MB the "
        "size that TensorFlow lists for its 8-bit file."
    )
    return evidence, "confirmed" if near else "refuted"
