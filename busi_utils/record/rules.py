"""The rules of the verdicts: pure functions of plain numbers, decided in sight of the reader.

Each returns one of `numbers.VERDICTS`; the first paragraph of its docstring is the rule as the
notebook and the report state it. A difference is *shown* if its bootstrap p-value, adjusted by
Holm's method for all differences that the rule looks at, is below 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence

from busi_utils.record.counting_rules import (
    BY_HALVES,
    by_halves,
    costliest,
    counted,
    file_size,
    jagged,
    least,
    real_time,
    runs_there,
    shallower,
)

_NOT_REFUTED = ("unverifiable", "partly confirmed", "confirmed")

__all__ = [
    "as_good",
    "cleaning",
    "costliest",
    "counted",
    "file_size",
    "heavily",
    "is_above",
    "jagged",
    "least",
    "more_data",
    "needed",
    "preprocessing",
    "proposal",
    "real_time",
    "reported_test",
    "reported_training",
    "runs_there",
    "shallower",
    "shifted",
    "superior",
    "too_weak",
    "underfits",
]


def reported_test(difference: float, standard_error: float) -> str:
    """Confirmed if ours, on the random split, differs from the reported figure by less than 1.96
    standard errors of the difference; else refuted.

    Parameters
    ----------
    difference, standard_error : float
        Ours less the reported 70 %, and its standard error, as proportions.
    """
    return "confirmed" if abs(difference) < 1.96 * standard_error else "refuted"


def reported_training(frozen: float, whole: float) -> str:
    """Confirmed if the recipe with a frozen base, on the random split, comes within 5 points of the
    reported training accuracy, as a log prints it or in inference mode; partly confirmed if only
    the recipe with the whole network trained does, on one image a group; else refuted.

    Parameters
    ----------
    frozen, whole : float
        Distance from 65 %, as proportions, of the nearer of the two ways of reading.
    """
    return BY_HALVES[2 if frozen <= 0.05 else int(whole <= 0.05)]


def underfits(better_fits: Sequence[str]) -> str:
    """Confirmed if some single change of the recipe raises training accuracy by 2 points or more
    and is shown to raise test accuracy; else refuted. It is said of the recipe, not of the network.

    Parameters
    ----------
    better_fits : sequence of str
        The changes that do both.
    """
    return "confirmed" if better_fits else "refuted"


def too_weak(training_low: float, network_gains: int) -> str:
    """Refuted if the same network is shown to gain by training alone, partly confirmed if another
    network trained alike is shown to gain on it besides; confirmed if only the latter is shown;
    unverifiable if neither is. What refutes is the gain by training, not that none was found.

    Parameters
    ----------
    training_low : float
        Lower end of the interval of what training is worth, in balanced accuracy.
    network_gains : int
        Other networks, from pretrained weights, that are shown to be better.
    """
    by_training, by_network = training_low > 0, network_gains > 0
    if not by_training and not by_network:
        return "unverifiable"
    return BY_HALVES[1 + by_network - by_training]


def more_data(shown_here: bool) -> str:
    """Confirmed if doubling the training groups is shown to help MobileNetV2, of which the claim
    speaks; else unverifiable, since a gain that is not shown is not excluded.

    Parameters
    ----------
    shown_here : bool
    """
    return "confirmed" if shown_here else "unverifiable"


def superior(comparisons: int, gains: int, excluded: int) -> str:
    """Unverifiable as long as the network has not been compared from pretrained weights; confirmed
    if it is shown to gain balanced accuracy on MobileNetV2 in every way of training, partly
    confirmed if in some; refuted if in none and a gain of 3 points is excluded in each (one-sided
    test at 5 %); else unverifiable, since a difference that is not shown is no equality.

    Parameters
    ----------
    comparisons, gains, excluded : int
        Ways of training in which it was compared from pretrained weights, is shown to gain, and in
        which a gain of the margin is excluded.
    """
    if gains:
        return by_halves(gains, comparisons)
    return "refuted" if 0 < comparisons == excluded else "unverifiable"


def preprocessing(choices_shown: int, farthest: Sequence[float]) -> str:
    """Confirmed if some choice of preprocessing is shown to change accuracy, refuted if the
    interval of each lies within 3 points, else unverifiable. A bug, such as pixels of 0 to 255 for
    a network that wants -1 to 1, is told and decides nothing.

    Parameters
    ----------
    choices_shown : int
    farthest : sequence of float
        Of each choice's interval the end farther from 0, in points, unsigned.
    """
    if choices_shown:
        return "confirmed"
    return "refuted" if farthest and max(farthest) < 3 else "unverifiable"


def cleaning(learnt_shown: int, told_shown: int) -> str:
    """Confirmed if training on cleaned instead of uncleaned data is shown to change accuracy on the
    same test images; partly confirmed if cleaning is shown to change only what a test says; else
    unverifiable.

    Parameters
    ----------
    learnt_shown, told_shown : int
        Differences of either kind that are shown.
    """
    return _NOT_REFUTED[2 if learnt_shown else int(told_shown > 0)]


def heavily(lows: Sequence[float], points: float) -> str:
    """*Heavily* means that many points: confirmed if some fault of the data changes accuracy by
    them with its whole interval, partly confirmed if some fault is shown at all, else unverifiable.

    Parameters
    ----------
    lows : sequence of float
        The end nearer to 0 of the interval of each fault that is shown, in points, unsigned.
    points : float
    """
    return _NOT_REFUTED[2 if any(low >= points for low in lows) else int(len(lows) > 0)]


def shifted(taught_there: float, taught_here: float) -> str:
    """Partly confirmed if on the other hospital's images a classifier taught there ranks better
    than the same taught at home, their intervals apart: hospitals differ, though what differs,
    noise, devices or patients, is not told apart. Else unverifiable.

    Parameters
    ----------
    taught_there : float
        Lower end of the AUC's interval.
    taught_here : float
        Upper end.
    """
    return _NOT_REFUTED[int(taught_there > taught_here)]


def needed(comparisons: int, gains: int, excluded: int) -> str:
    """Confirmed if some other network, trained as MobileNetV2 is and from pretrained weights as the
    original had them, is shown to gain balanced accuracy on it; refuted if none is and a gain of 3
    points is excluded for each (one-sided test at 5 %); else unverifiable.

    Parameters
    ----------
    comparisons, gains, excluded : int
        See `superior`.
    """
    return "confirmed" if gains else superior(comparisons, gains, excluded)


def is_above(low: float, bar: float) -> str:
    """Confirmed if the whole 95 % interval lies above the bar, else refuted.

    Parameters
    ----------
    low : float
        Lower end of the interval.
    bar : float
        What it must exceed.
    """
    return "confirmed" if low > bar else "refuted"


def proposal(compared: int, gains: int) -> str:
    """Confirmed if all rows of its kind are shown to gain on MobileNetV2 trained without it, partly
    confirmed if some are; unverifiable if none is, or as long as nothing was compared.

    Parameters
    ----------
    compared, gains : int
        Rows of the kind, and how many are shown to gain.
    """
    return by_halves(gains, compared) if gains else "unverifiable"


def as_good(compared: int, losses: int, excluded: int) -> str:
    """Confirmed if for some smaller variant a loss of the margin is excluded, refuted if each is
    shown to lose; unverifiable between the two, or as long as none was compared.

    Parameters
    ----------
    compared : int
        Variants set against the network as it is.
    losses : int
        Of them, those whose loss is shown after Holm's correction.
    excluded : int
        Those for which a loss of the margin is excluded by a one-sided test, its 5 % shared evenly
        by the variants (Bonferroni): one of many looked at is no single one named beforehand.
    """
    if excluded:
        return "confirmed"
    return "refuted" if compared and losses == compared else "unverifiable"
