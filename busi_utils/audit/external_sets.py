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

import numpy as np
import pandas as pd
from PIL import Image

from busi_utils.audit.external_layouts import read_listing
from busi_utils.audit.images import pixel_sha256, read_grey, read_mask
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
    citation : str
        Its key in the bibliography.
    reader : callable
        Folder to table; see `external_layouts.read_listing`, which makes that table.
    """

    title: str
    variable: str
    citation: str
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
        within whom images depend on each other; ``path`` and ``mask`` (absolute; ``mask`` is empty
        where the set has none); ``sha256`` of the grey pixels; ``birads``, ``histology``,
        ``device`` (empty where the set does not tell); ``annotated``, bool, False where the set
        does not tell; ``excluded_because``, empty for an image to be used.

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
    return listing.assign(sha256=identities, **absent)[list(COLUMNS)].reset_index(drop=True)


def read_external_mask(path: str | Path, shape: tuple[int, int]) -> np.ndarray:
    """Return where a mask is not black, whatever the colour.

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
        If the mask cannot be read or its size is not that of the image.
    """
    read_mask([path], shape)  # for its checks: as luminance, a dark colour would pass for black
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).any(axis=2)


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
    """One row per frame; the first four letters of its name stand for the patient."""
    listing = read_listing(
        folder,
        "INFO.csv",
        {"image_id": "Image", "label": "Label", "patient": "Image"},
        image="images/{}.png",
        mask="masks/{}.png",
        flags={"doppler": "Doppler", "annotated": "Marks"},
        separator=";",
    )
    reasons = listing["doppler"].map({True: "Doppler frame", False: ""})
    return listing.assign(patient=listing["patient"].str[:4], excluded_because=reasons)


EXTERNAL_SETS = {
    "busbra": ExternalSet("BUS-BRA", "BUSBRA_DATA", "gomez2024", _read_busbra),
    "busuclm": ExternalSet("BUS-UCLM", "BUSUCLM_DATA", "vallez2025", _read_busuclm),
}
