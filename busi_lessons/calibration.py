"""Lesson 5: can the probability be used? Calibration error, another prevalence, net benefit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from busi_lessons.exercises import Exercise, Wrong, ask, close, numbers, slip

_N = 20_000


def population(
    rng: np.random.Generator, prior: float, n: int, trained_at: float = 0.35
) -> tuple[np.ndarray, np.ndarray]:
    """Draw cases, and the probabilities of a model that was calibrated at another share.

    Parameters
    ----------
    rng : numpy.random.Generator
    prior : float
        Share of malignant cases here.
    n : int
    trained_at : float
        Share at which the model's probabilities are right.

    Returns
    -------
    y : int (n,), 1 is malignant
    p : float (n,)
    """
    y = (rng.random(n) < prior).astype(int)
    score = rng.normal(np.where(y, 0.9, -0.9), 1)  # the log likelihood ratio is 1.8 * score
    return y, expit(1.8 * score + logit(trained_at))


def ece(y: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error of a probability in ten bins of equal width: the yardstick."""
    place = np.minimum((np.asarray(p) * 10).astype(int), 9)
    count = np.bincount(place, minlength=10)
    gap = np.bincount(place, p - y, minlength=10)
    return float(np.abs(gap).sum() / count.sum())


def corrected(p: np.ndarray, before: float, here: float) -> np.ndarray:
    """Move probabilities from one share of cases to another."""
    return expit(logit(p) - logit(before) + logit(here))


def _error(answer: Callable, rng: np.random.Generator) -> None:
    for prior in (0.35, 0.1, 0.03, None):
        y, p = population(rng, prior or 0.35, 3000)
        if prior is None:  # some at the edges, and bins that nobody is in
            p = np.select([p < 0.1, p > 0.9, p > 0.6, p > 0.4], [0.0, 1.0, 0.5, p], 0.15)
            y = np.where(p == 0.5, 1, y * ((p < 0.4) | (p > 0.5)))  # so that the bin matters
        found = numbers(ask(answer, y, p), (), "the calibration error")
        right = ece(y, p)
        if close(found, right):
            continue
        if close(found, abs(p.mean() - y.mean()), 1e-6) or close(found, p.mean() - y.mean()):
            raise Wrong(
                "that is mean probability less share of cases: too high here and too low there "
                "cancel. Take the distance bin by bin."
            )
        if any(close(found, _unweighted(y, p) * k) for k in (1, _filled(p), _filled(p) / 10)):
            raise Wrong("every bin counts alike; weight each by how many cases it holds.")
        if found < 0:
            raise Wrong("an error of calibration is a distance and cannot be negative.")
        if said := slip(found, right):
            raise Wrong(said)
        if prior is None:
            raise Wrong(
                f"where some p are 0, 0.5 or 1 it gives {found:.5f} instead of {right:.5f}: 0.5 "
                "opens the bin from 0.5 to 0.6, 0 is in the first bin, 1 in the last."
            )
        raise Wrong(f"it gives {found:.5f} where ten bins of equal width give {right:.5f}.")


def _prior(answer: Callable, rng: np.random.Generator) -> None:
    for here in (0.1, 0.02, 0.6):
        y, p = population(rng, here, _N)
        found = numbers(ask(answer, p, 0.35, here), p.shape, "the corrected probabilities")
        scaled, right = p * here / 0.35, corrected(p, 0.35, here)
        if close(found, right):
            continue
        if close(found, scaled) or close(found, np.clip(scaled, 0, 1)):
            raise Wrong(
                "probabilities were multiplied; some exceed 1 where cases become commoner, and "
                "a sure case must stay sure. Multiply odds, p / (1 - p)."
            )
        if close(found, corrected(p, here, 0.35)):
            raise Wrong("the ratio is turned over: where cases are rarer, p must fall.")
        if close(found, _ratio_of_shares(p, 0.35, here)):
            raise Wrong(
                "the odds were multiplied by the ratio of the shares; take the ratio of the odds "
                "of the shares, share / (1 - share)."
            )
        if found.min() < 0 or found.max() > 1:
            raise Wrong(
                f"values from {found.min():.2f} to {found.max():.2f} are no probabilities: turn "
                "odds back into them."
            )
        if said := slip(found, right):
            raise Wrong(said)
        if abs(roc_auc_score(y, found) - roc_auc_score(y, p)) > 1e-9:
            raise Wrong("the order of the cases changed (another AUC): a correction keeps it.")
        with np.errstate(all="ignore"):
            factor = found / (1 - found) * (1 - p) / p
        least, most = np.nanquantile(factor, [0.01, 0.99])
        asked = here / (1 - here) * 0.65 / 0.35
        raise Wrong(
            f"from {0.35:.0%} to {here:.0%} it multiplies the odds by {least:.3f}"
            + (f" to {most:.3f}, case by case," if most > 1.001 * least else "")
            + f" instead of {asked:.3f}; the calibration error is {ece(y, found):.3f} after it and "
            f"{ece(y, p):.3f} before."
        )


def benefit(y: np.ndarray, p: np.ndarray, threshold: float) -> float:
    """Net benefit of acting where p reaches a threshold: the yardstick."""
    acted = p >= threshold
    harm = threshold / (1 - threshold)
    return float((acted & (y == 1)).mean() - harm * (acted & (y == 0)).mean())


def _benefit(answer: Callable, rng: np.random.Generator) -> None:
    for threshold in (0.05, 0.2, 0.4):
        y, p = population(rng, 0.15, 2000)
        p = p.round(2)  # some lie at the threshold
        found = numbers(ask(answer, y, p, threshold), (), "the net benefit")
        acted, odds = p >= threshold, threshold / (1 - threshold)
        true, false = (acted & (y == 1)).mean(), (acted & (y == 0)).mean()
        if close(found, benefit(y, p, threshold)):
            continue
        if close(found, true - false):
            raise Wrong("true and false alarms count alike; a false one weighs t / (1 - t).")
        if close(found, true - threshold * false):
            raise Wrong("a false alarm weighs t / (1 - t), the odds of the threshold, not t.")
        if close(found, true - false / odds):
            raise Wrong("the weight is turned over: at a low threshold false alarms weigh little.")
        if close(found, len(y) * benefit(y, p, threshold)):
            raise Wrong("alarms were counted; divide both counts by all cases, n.")
        if close(found, benefit(y, p, threshold + 1e-9)):
            raise Wrong("a case exactly at the threshold is an alarm, too: p >= t, not p > t.")
        if said := slip(found, benefit(y, p, threshold)):
            raise Wrong(said)
        if close(found, acted[y == 1].mean() - odds * acted[y == 0].mean()):
            raise Wrong("shares within the classes were taken; divide by all cases, n.")
        raise Wrong(
            f"at {threshold} it gives {found:.4f} instead of {benefit(y, p, threshold):.4f}."
        )


def _filled(p):
    return len(np.unique(np.minimum((p * 10).astype(int), 9)))


def _closed_above(y, p):
    """Takes an edge for the end of the bin below it, as pandas.cut does."""
    place = np.maximum(np.ceil(p * 10).astype(int) - 1, 0)
    return np.abs(np.bincount(place, p - y)).sum() / len(p)


def _unweighted(y, p):
    place = np.minimum((p * 10).astype(int), 9)
    filled = np.unique(place)
    return np.mean([abs((p - y)[place == b].mean()) for b in filled])


def _ratio_of_shares(p, before, here):
    odds = p / (1 - p) * here / before
    return odds / (1 + odds)


def _alike(y, p, t):
    return ((p >= t) & (y == 1)).mean() - ((p >= t) & (y == 0)).mean()


def _turned(y, p, t):
    return ((p >= t) & (y == 1)).mean() - ((p >= t) & (y == 0)).mean() * (1 - t) / t


def _within(y, p, t):
    return (p >= t)[y == 1].mean() - t / (1 - t) * (p >= t)[y == 0].mean()


EXERCISES = {
    "calibration_error": Exercise(
        task="returns the expected calibration error in ten bins of equal width",
        examine=_error,
        hint="np.minimum((p * 10).astype(int), 9) gives the bin. In each bin: mean of p less mean "
        "of y, without its sign, times the share of the cases in the bin. Add up.",
        right="Bin by bin, weighted by the cases in it.",
        wrong={
            "means alone": (lambda y, p: abs(p.mean() - y.mean()), "cancel"),
            "an edge falls into the bin below": (_closed_above, "opens the bin"),
            "bins alike": (_unweighted, "every bin counts alike"),
        },
    ),
    "correct_prior": Exercise(
        task="returns the probabilities that hold where cases are commoner or rarer",
        examine=_prior,
        hint="Bayes in odds: odds here = odds before * [here / (1 - here)] / [before / (1 - "
        "before)]. Then back: p = odds / (1 + odds).",
        right="Calibrated at the new share, and no case has overtaken another.",
        wrong={
            "multiply probabilities": (lambda p, b, h: p * h / b, "probabilities were multiplied"),
            "turned over": (lambda p, b, h: corrected(p, h, b), "turned over"),
            "shares for odds": (_ratio_of_shares, "ratio of the shares"),
            "odds of the new share alone": (
                lambda p, b, h: corrected(p, 0.5, h),
                "multiplies the odds",
            ),
        },
    ),
    "net_benefit": Exercise(
        task="returns the net benefit of acting where p reaches a threshold",
        examine=_benefit,
        hint="True alarms over n, less false alarms over n times t / (1 - t).",
        right="One true alarm pays for (1 - t) / t false ones.",
        wrong={
            "count alike": (_alike, "count alike"),
            "weight turned over": (_turned, "weight is turned over"),
            "within the classes": (_within, "within the classes"),
            "above, not at": (lambda y, p, t: benefit(y, p, t + 1e-9), "exactly at the threshold"),
        },
    ),
}
