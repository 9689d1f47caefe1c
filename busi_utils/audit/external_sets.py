"""Breast-ultrasound sets of other hospitals, brought to one table each.

A further set takes a reader of a few lines, which names the label table, its columns and where
images and masks lie (`external_layouts.read_listing` does and checks the rest), and an entry in
`EXTERNAL_SETS`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from busi_utils.audit.external_layouts import read_listing, stop_at
from busi_utils.audit.images import pixel_sha256, read_grey
from busi_utils.errors import StudyError
from busi_utils.workspace import folder_from

COLUMNS = (
    *("image_id", "label", "patient", "path", "mask", "sha256"),
    *("birads", "histology", "device", "annotated", "excluded_because"),
)
_UNKNOWN = {"birads": "", "histology": "", "device": "", "annotated": False, "excluded_because": ""}


@dataclass(frozen=True)
class ExternalSet:
    """An external data set.

    Attributes
    ----------
    title : str
        As prose names it.
    variable : str
        The environment variable that holds its folder.
    reader : callable
        Folder to table; see `external_layouts.read_listing`, which makes that table.
    """

    title: str
    variable: str
    reader: Callable[[Path], pd.DataFrame]


def read_external(name: str, folder: str | Path = "") -> pd.DataFrame:
    """Read and check an external set: one row per image, in the order of the label table.

    Parameters
    ----------
    name : str
        In `EXTERNAL_SETS`.
    folder : path
        That of the set; empty: the one that its environment variable names.

    Returns
    -------
    pd.DataFrame
        ``image_id``; ``label`` (normal, benign or malignant; a class may be absent); ``patient``,
        within whom images depend on each other: patients that share an image, pixel for pixel, are
        one, whose names stand joined by ``=``; ``path`` and ``mask`` (absolute; ``mask`` is empty
        where the set has none); ``sha256`` of the grey pixels; ``birads``, ``histology``,
        ``device`` (empty where the set does not tell); ``annotated``, bool, False where the set
        does not tell; ``excluded_because``, empty for an image to be used: copies are not.

    Raises
    ------
    StudyError
        If the set is unknown, its folder, table or a column is missing, a label is unknown, an
        image is listed twice, missing or not listed, or a file cannot be read.
    """
    if name not in EXTERNAL_SETS:
        raise StudyError(
            f"Unknown external set {name!r}: choose one of {', '.join(EXTERNAL_SETS)}."
        )
    known = EXTERNAL_SETS[name]
    listing = known.reader(folder_from(str(folder), known.variable, known.title))
    with ThreadPoolExecutor() as pool:
        identities = list(pool.map(lambda file: pixel_sha256(read_grey(file)), listing["path"]))
    absent = {column: value for column, value in _UNKNOWN.items() if column not in listing}
    return _joined(listing.assign(sha256=identities, **absent))[list(COLUMNS)]


def _joined(listing: pd.DataFrame) -> pd.DataFrame:
    """Make patients who share an image one, and use of equal images the first.

    Where copies disagree in their label none is used: nobody knows which is right.
    """
    found = listing.reset_index(drop=True)
    names = {patient: {patient} for patient in found["patient"]}
    for sharing in found.groupby("sha256")["patient"].unique():
        one = set().union(*(names[patient] for patient in sharing))
        names |= dict.fromkeys(one, one)
    found["patient"] = found["patient"].map({k: " = ".join(sorted(v)) for k, v in names.items()})
    unused = found["excluded_because"] == ""
    for _, copies in found[unused].groupby("sha256", sort=False):
        if copies["label"].nunique() > 1:
            found.loc[copies.index, "excluded_because"] = "copies with different labels"
        else:
            found.loc[copies.index[1:], "excluded_because"] = (
                f"copy of {copies['image_id'].iloc[0]}"
            )
    return found


def read_external_mask(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Return where a mask is not black, whatever the colour, at the size of its image.

    A mask of another scale is brought to the image's (nearest neighbour) where the proportions
    agree; otherwise nobody knows where it belongs.

    Parameters
    ----------
    path : path
        From the column ``mask``.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    np.ndarray
        Shape ``shape``, dtype bool.

    Raises
    ------
    StudyError
        If the mask cannot be read or its proportions are not those of the image.
    """
    size = read_grey(path).shape  # for its checks: as luminance, a dark colour would pass for black
    if not same_proportions(size, shape):
        raise StudyError(
            f"The mask {path} is {size[1]}x{size[0]} pixels but its image is "
            f"{shape[1]}x{shape[0]}, of other proportions: replace the one that is not original."
        )
    with Image.open(path) as image:
        marked = np.asarray(image.convert("RGB")).any(axis=2)
    return cv2.resize(
        marked.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT
    ).astype(bool)


def placed_mask(path: str | Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Return `read_external_mask`, or None where nobody knows where the mask belongs."""
    placed = same_proportions(read_grey(path).shape, shape)
    return read_external_mask(path, shape) if placed else None


def same_proportions(size: tuple[int, int], shape: tuple[int, int]) -> bool:
    """Whether two sizes differ in scale only, to half a pixel of the smaller one."""
    small, large = sorted((size, shape))
    ratio = max(large) / max(small)
    return all(abs(b / ratio - a) <= 0.5 for a, b in zip(small, large, strict=True))


def _read_busbra(folder: Path) -> pd.DataFrame:
    """One row per view; the views of a case share their patient."""
    return read_listing(
        folder,
        "bus_data.csv",
        {
            "image_id": "ID",
            "label": "Pathology",
            "patient": "Case",
            "birads": "BIRADS",
            "histology": "Histology",
            "device": "Device",
        },
        image="Images/bus_{}.png",
        mask="Masks/mask_{}.png",
    )


def _read_busuclm(folder: Path) -> pd.DataFrame:
    """One row per frame; the first four letters of its name stand for the patient.

    Doppler frames carry colour that no network here has seen, combined ones show two views in one
    picture: INFO.csv tells both, and neither is used.
    """
    listing = read_listing(
        folder,
        "INFO.csv",
        {"image_id": "Image", "label": "Label", "patient": "Image"},
        image="images/{}.png",
        mask="masks/{}.png",
        flags={"doppler": "Doppler", "combined": "Combined", "annotated": "Marks"},
        separator=";",
    )
    unnamed = listing.index[~listing["patient"].str.match(r"[A-Za-z]{4}(?![A-Za-z])")]
    stop_at(folder / "INFO.csv", unnamed, "names no patient: a name begins with four letters")
    listing["excluded_because"] = np.select(
        [listing["doppler"], listing["combined"]], ["Doppler frame", "combined frame"], ""
    )
    return listing.assign(patient=listing["patient"].str[:4])


EXTERNAL_SETS = {
    "busbra": ExternalSet("BUS-BRA", "BUSBRA_DATA", _read_busbra),
    "busuclm": ExternalSet("BUS-UCLM", "BUSUCLM_DATA", _read_busuclm),
}
