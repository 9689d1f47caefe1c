"""What becomes of the original's account of its data, by rule and in words."""

from __future__ import annotations

import re

import pandas as pd

from busi_utils.record.claims import judged


def data_claim(
    manifest: pd.DataFrame, totals: pd.DataFrame, shares: pd.DataFrame, dataset: str
) -> tuple[str, str, str, str]:
    """Return number, words, evidence and verdict of claim C6, as `numbers.record_verdict` takes it.

    The claim has two halves. The total holds if some reading of it equals the claimed number of
    images; the share of masks holds if some reading rounds to the claimed share (one decimal).
    Both: confirmed, one: partly confirmed, none: refuted. On phantoms there is nothing to judge.

    Parameters
    ----------
    manifest : pd.DataFrame
        Of the one source that the readings count.
    totals, shares : pd.DataFrame
        See `audit.total_readings` and `audit.share_readings`.
    dataset : str
        ``phantom``, ``busi``, ...
    """
    total_holds, total_words = _total(totals)
    share_holds, share_words = _share(shares, len(manifest))
    evidence = (
        f"The first source alone holds {len(manifest)} images and {manifest['n_masks'].sum()} "
        f"masks. {total_words} {share_words}"
    )
    verdict = ("refuted", "partly confirmed", "confirmed")[total_holds + share_holds]
    return judged("C6", evidence, verdict, dataset)


def _total(totals: pd.DataFrame) -> tuple[bool, str]:
    """Return whether a reading meets the claimed total, and the nearest one in words."""
    nearest = totals.loc[totals["off"].abs().idxmin()]
    off = abs(int(nearest["off"]))
    distance = f"{off} off" if off else "exactly the claim"
    claimed = nearest["images"] - nearest["off"]
    words = (
        f"The reading nearest to {claimed} images is {nearest['images']} "
        f"({nearest['reading']}), {distance}."
    )
    return off == 0, words


def _share(shares: pd.DataFrame, images: int) -> tuple[bool, str]:
    """Return whether a reading rounds to the claimed share, and the nearest one in words."""
    nearest = shares.loc[shares["off"].abs().idxmin()]
    claimed = f"{nearest['per_cent'] - nearest['off']:.1f}"
    holds = any(f"{per_cent:.1f}" == claimed for per_cent in shares["per_cent"])
    part, whole = nearest["part"], nearest["whole"]
    below = f"({images} + {part})" if whole == images + part else f"{whole}"
    counted = re.split(r",? (?:among|against) ", nearest["reading"])[0]
    outcome = f"which rounds to {claimed} %" if holds else f"no reading rounds to {claimed} %"
    words = (
        f"The share of masks nearest to {claimed} % is {part} / {below} = "
        f"{nearest['per_cent']:.2f} %, counting {counted}{',' if holds else ';'} {outcome}."
    )
    return holds, words
