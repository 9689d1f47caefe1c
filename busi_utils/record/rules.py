"""The rules of the verdicts: pure functions of plain numbers, decided in sight of the reader.

Each returns one of `numbers.VERDICTS`; the first paragraph of its docstring is the rule as the
notebook and the report state it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_BY_HALVES = ("refuted", "partly confirmed", "confirmed")


def account_of_data(
    claimed_images: int,
    images: Sequence[int],
    claimed_per_cent: float,
    per_cent: Sequence[float],
) -> str:
    """The total holds if some way of counting gives the claimed number of images; the share of
    masks holds if some way of counting gives one that rounds to the claimed share (one decimal).
    Both: confirmed, one: partly confirmed, none: refuted.

    Parameters
    ----------
    claimed_images, claimed_per_cent : number
        What the original says.
    images, per_cent : sequence of numbers
        The natural readings, one each.
    """
    total = claimed_images in images
    share = any(f"{value:.1f}" == f"{claimed_per_cent:.1f}" for value in per_cent)
    return _BY_HALVES[total + share]


def reported_accuracies(
    test_difference: float, standard_error: float, train_distance: float
) -> str:
    """The test figure holds if ours, on the random split, differs from it by less than 1.96
    standard errors; the training figure holds if ours, read either way, is within 5 points. Both
    hold: confirmed, one: partly confirmed, none: refuted.

    Parameters
    ----------
    test_difference : float
        Ours less the reported 70 %, as proportions.
    standard_error : float
        Of that difference: of a proportion of the assumed test images, and of ours, together.
    train_distance : float
        Distance from 65 %, as proportions, of the nearer of the two readings.
    """
    holds = int(abs(test_difference) < 1.96 * standard_error) + int(train_distance <= 0.05)
    return _BY_HALVES[holds]


def underfitting(better_fits: Sequence[str], best_train_accuracy: float) -> str:
    """The recipe underfits if some single change raises training accuracy by 2 points or more, and
    test accuracy with its whole interval; the network is able if some way of training fits 95 % of
    the training images. Underfits, not able: confirmed; underfits but able: partly confirmed; able
    only: refuted; neither: unverifiable.

    Parameters
    ----------
    better_fits : sequence of str
        The single changes that do both.
    best_train_accuracy : float
        Highest accuracy on training images, inference mode, of any way of training.
    """
    if best_train_accuracy >= 0.95:
        return "partly confirmed" if better_fits else "refuted"
    return "confirmed" if better_fits else "unverifiable"


def file_size(megabytes: Mapping[str, float], claimed: float) -> str:
    """A claimed size is confirmed if a saved file is within 0.5 MB of it, else refuted.

    Parameters
    ----------
    megabytes : mapping of str to float
        Size by format, 10^6 bytes.
    claimed : float
    """
    near = min(abs(size - claimed) for size in megabytes.values()) <= 0.5
    return "confirmed" if near else "refuted"
