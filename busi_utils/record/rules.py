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


def superior(comparisons: int, gains: int, not_compared: Sequence[str]) -> str:
    """A network is superior to MobileNetV2 if, trained alike, its paired difference in accuracy is
    above 0 with a bootstrap p-value, after Holm's correction over the networks claimed, below 0.05.
    All comparisons of the networks claimed: confirmed, some: partly confirmed, none: refuted;
    unverifiable as long as one of them has not been compared from pretrained weights, as the
    original had it.

    Parameters
    ----------
    comparisons : int
        Ways of training in which a claimed network and MobileNetV2 were trained alike.
    gains : int
        Those in which the gain is shown.
    not_compared : sequence of str
        Claimed networks without a comparison from pretrained weights.
    """
    if not_compared or not comparisons:
        return "unverifiable"
    return "confirmed" if gains == comparisons else "partly confirmed" if gains else "refuted"


def needed(faults_shown: int, network_gains: int) -> str:
    """Data quality decides if some fault of the data is shown to change accuracy; another network
    is needed if one is shown to gain on MobileNetV2, from pretrained weights and trained alike.
    Shown: bootstrap p-value below 0.05 after Holm's correction over all differences of that
    question. Both hold: confirmed, one: partly confirmed, none: refuted.

    Parameters
    ----------
    faults_shown, network_gains : int
        How many of either are shown.
    """
    return _BY_HALVES[bool(faults_shown) + bool(network_gains)]


def faults_matter(preprocessing_shown: int, cleaning_shown: int) -> str:
    """A fault affects accuracy if its paired difference is shown: bootstrap p-value below 0.05
    after Holm's correction for all faults. Some fault of preprocessing and some fault of cleaning
    do: confirmed, only one of the two kinds: partly confirmed, neither: refuted.

    Parameters
    ----------
    preprocessing_shown, cleaning_shown : int
        How many faults of either kind are shown to affect accuracy.
    """
    return _BY_HALVES[bool(preprocessing_shown) + bool(cleaning_shown)]
