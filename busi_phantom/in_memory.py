"""Phantoms as arrays, with knobs: how many twins, which marks on which class, which scanner.

These images are synthetic: they teach the method, and they say nothing about patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import pandas as pd

from busi_phantom.busi_layout import LEDGER_COLUMNS
from busi_phantom.faults import TWINS
from busi_phantom.planting import PlantedImages, add_twin, generator
from busi_phantom.render import Phantom, check_known, render_phantoms
from busi_utils import CLASSES
from busi_utils.errors import StudyError


@dataclass(frozen=True)
class PhantomSet:
    """Images with everything that is known about them; all lists have one entry an image.

    Attributes
    ----------
    ids : list of str
        As in BUSI, for instance ``benign (3)``.
    images : list of numpy.ndarray
        uint8 (H, W), 300 to 950 pixels wide.
    masks : list of list of numpy.ndarray
        bool (H, W), one a lesion.
    y : numpy.ndarray
        Shape (n,), int, positions in ``CLASSES``.
    scan : numpy.ndarray
        Shape (n,), int: images with one number show one acquisition (they are twins).
    marked : numpy.ndarray
        Shape (n,), bool: text is burnt in.
    ledger : pandas.DataFrame
        As `busi_phantom.busi_layout.write_phantom_dataset` returns it.
    """

    ids: list[str]
    images: list[np.ndarray]
    masks: list[list[np.ndarray]]
    y: np.ndarray
    scan: np.ndarray
    marked: np.ndarray
    ledger: pd.DataFrame


def phantom_set(
    counts: Mapping[str, int],
    seed: int,
    scanner: str = "A",
    twins: float = 0.0,
    kinds: Sequence[str] = TWINS,
    text: Mapping[str, float] | None = None,
) -> PhantomSet:
    """Make phantoms in memory, about 15 ms an image, the same for the same arguments.

    A knob changes nothing but what it is for: with other ``twins`` or ``text`` the originals are
    the same images, and a smaller share of twins (or text) is a part of a larger one.

    Parameters
    ----------
    counts : mapping of str to int
        Originals per class; twins come on top.
    seed, scanner
        As in :func:`busi_phantom.render.render_phantoms`.
    twins : float
        Share of each class' originals that get one twin, 0 to 1.
    kinds : sequence of str
        Kinds of twins, taken in turn, of ``exact``, ``rescaled``, ``cropped``, ``brightness``.
    text : mapping of str to float, optional
        Share of each class' originals with a large label in the upper left corner, 0 to 1; none by
        default.

    Raises
    ------
    StudyError
        If a class, scanner or kind is unknown, the seed is negative, or a share is not in 0 to 1.
    """
    text = dict(text or {})
    check_known([*counts, *text], scanner)
    _check_knobs(twins, kinds, text)
    planted = PlantedImages()
    for label in CLASSES:
        originals = _originals(label, counts.get(label, 0), seed, scanner)
        streams = generator(seed, scanner, label, 0).spawn(len(originals))
        for phantom, own in zip(originals, streams, strict=True):
            marks, image = {}, phantom.image
            if own.random() < text.get(label, 0.0):
                image = image.copy()
                marks["text"] = _corner_label(own, image)
            planted.add(Phantom(image, phantom.masks, label), marks)
    for label in CLASSES:
        originals = list(planted.written[label])
        rng = generator(seed, scanner, label, 1)
        order, streams = rng.permutation(len(originals)), rng.spawn(len(originals))
        for k, chosen in enumerate(order[: round(twins * len(originals))]):
            add_twin(planted, streams[k], originals[chosen], kinds[k % len(kinds)])
    return _as_set(planted)


def _check_knobs(twins: float, kinds: Sequence[str], text: Mapping[str, float]) -> None:
    if unknown := sorted(set(kinds) - set(TWINS)) or (["none at all"] if not kinds else []):
        raise StudyError(f"The phantom has no twins of kind {unknown[0]!r}: choose of {TWINS}.")
    for share in (twins, *text.values()):
        if not 0 <= share <= 1:
            raise StudyError(f"A share of phantoms is {share}: it must lie between 0 and 1.")


def _corner_label(rng: np.random.Generator, image: np.ndarray) -> str:
    """Write a body side into the image, large enough to be seen in 64 pixels; return the text."""
    text = str(rng.choice(("LT", "RT", "LA", "RA")))
    height, width = image.shape
    place = int(rng.uniform(0.03, 0.06) * width), int(rng.uniform(0.13, 0.17) * height)
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(2, width // 140)
    cv2.putText(image, text, place, font, width / 330, 245, thick, cv2.LINE_AA)
    return text


@lru_cache(maxsize=12)  # turning a knob renders nothing anew
def _originals(label: str, count: int, seed: int, scanner: str) -> list[Phantom]:
    return render_phantoms([label] * count, seed, scanner)


def _as_set(planted: PlantedImages) -> PhantomSet:
    """Put the classes one behind the other and number the acquisitions."""
    named = [pair for label in CLASSES for pair in planted.written[label]]
    ids = [name for name, _ in named]
    ledger = pd.DataFrame(planted.ledger, columns=LEDGER_COLUMNS)
    source = dict(zip(ledger["image_id"], ledger["twin_of"], strict=True))
    source |= {row.image_id: row.twin_of for row in ledger.itertuples() if row.twin_of}
    scan, _ = pd.factorize(np.array([source.get(name) or name for name in ids]))
    return PhantomSet(
        ids=ids,
        images=[phantom.image for _, phantom in named],
        masks=[phantom.masks for _, phantom in named],
        y=np.array([CLASSES.index(phantom.label) for _, phantom in named]),
        scan=scan,
        marked=np.array([bool(planted.marks[name]) for name in ids]),
        ledger=ledger,
    )
