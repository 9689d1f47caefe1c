"""Rules of the verdicts on what is counted, measured, timed or costs: offered by `rules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BY_HALVES = ("refuted", "partly confirmed", "confirmed")


def by_halves(shown: int, asked: int) -> str:
    """Return *confirmed* if all that were asked show it, partly confirmed if some, else refuted."""
    return BY_HALVES[0 if not shown else 1 + (shown == asked)]


def shallower(own: int, others: Mapping[str, int]) -> str:
    """Confirmed if both networks that the original names have more layers, partly confirmed if one
    has, refuted if none.

    Parameters
    ----------
    own : int
        Layers of MobileNetV2.
    others : mapping of str to int
    """
    deeper = sum(depth > own for depth in others.values())
    return by_halves(deeper, len(others))


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


def costliest(cost: float, others: Mapping[str, float], leads: Mapping[str, float]) -> str:
    """Partly confirmed if speckle costs the network more accuracy than every other damage with the
    whole interval of the paired difference: it is one texture, not all. Refuted if another costs as
    much, else unverifiable.

    Parameters
    ----------
    cost : float
        Points that speckle costs, mean over severities.
    others : mapping of str to float
        Points by other damage.
    leads : mapping of str to float
        Lower ends of what speckle costs more than each.
    """
    if all(low > 0 for low in leads.values()):
        return "partly confirmed"
    return "refuted" if cost <= max(others.values()) else "unverifiable"


def least(own: float, others: Mapping[str, float]) -> str:
    """Confirmed if MobileNetV2's figure is below that of every network that the original names,
    partly confirmed if below some, refuted if below none; unverifiable without any.

    Parameters
    ----------
    own : float
    others : mapping of str to float
    """
    if not others:
        return "unverifiable"
    below = sum(own < value for value in others.values())
    return by_halves(below, len(others))


def counted(claimed: float, readings: Sequence[float], decimals: int) -> str:
    """Confirmed if some natural way of counting gives the claimed number, as rounded; else
    unverifiable, since images that cannot be had may have been counted.

    Parameters
    ----------
    claimed : float
    readings : sequence of float
        The ways of counting, one each.
    decimals : int
        To which the claim is rounded.
    """
    found = claimed in [round(value, decimals) for value in readings]
    return "confirmed" if found else "unverifiable"


def real_time(milliseconds: Mapping[str, float], limit: float) -> str:
    """Confirmed if 95 of 100 answers of each released file come, on one thread of a processor,
    within the time between two frames of a scanner at 25 frames a second; partly confirmed if those
    of some do; refuted if of none; unverifiable if nothing was timed.

    Parameters
    ----------
    milliseconds : mapping of str to float
        File to the 95th percentile for one image, in the runtime that users have.
    limit : float
        Milliseconds between two frames.
    """
    if not milliseconds:
        return "unverifiable"
    return by_halves(sum(one <= limit for one in milliseconds.values()), len(milliseconds))


def runs_there(places: Mapping[str, bool | None]) -> str:
    """Confirmed if the network answered, as it should and within a second, in every place that the
    claim names; partly confirmed if in some; refuted if in none of those tried; unverifiable if
    none was tried.

    Parameters
    ----------
    places : mapping of str to bool or None
        Place to whether it did; None: not tried.
    """
    tried = [did for did in places.values() if did is not None]
    if not tried:
        return "unverifiable"
    return by_halves(sum(tried), len(places))


def jagged(lows: Sequence[float]) -> str:
    """Partly confirmed if the outline's solidity tells malignant from benign lesions in every
    hospital asked: malignant outlines are the more jagged, as people drew them, which says that
    benign ones are less so. Else unverifiable.

    Parameters
    ----------
    lows : sequence of float
        Lower end of the AUC's interval in each hospital.
    """
    return "partly confirmed" if min(lows) > 0.5 else "unverifiable"
