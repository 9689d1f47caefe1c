"""Write phantoms as external sets are laid out, so that their readers run without patients.

The pictures, diagnoses and devices are synthetic: they say nothing about patients.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from filelock import FileLock

from busi_phantom.faults import MARK_SHARE, burn_marks, png
from busi_phantom.render import Phantom, render_phantoms
from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.workspace import write_csv, write_text

DEVICE = "phantom scanner B"
_VERSION = 1  # raise it whenever the same parameters give other files
_RECORD = "phantom.json"
_HISTOLOGY = {
    "benign": ("fibroadenoma", "fibroadenoma", "cyst", "fibrocystic changes"),
    "malignant": ("invasive ductal carcinoma", "invasive ductal carcinoma", "mucinous carcinoma"),
}
_BIRADS = {"benign": ("2", "2", "3", "3", "4"), "malignant": ("4", "4", "4", "5")}
_BLACK, _GREEN, _RED = (0, 0, 0), (0, 255, 0), (0, 0, 255)  # in OpenCV's order: blue first
_MASK_COLOURS = {"normal": _BLACK, "benign": _GREEN, "malignant": _RED}
_FRAMES = 6  # of a patient


def write_busbra_phantoms(folder: str | Path, counts: Mapping[str, int], seed: int) -> Path:
    """Write phantoms of scanner B in BUS-BRA's layout: ``bus_data.csv``, ``Images``, ``Masks``.

    Every third image of a class is a second view of the case before it. A folder that already
    holds these phantoms is left as it is, one with other phantoms is replaced as a whole.

    Parameters
    ----------
    folder : path
    counts : mapping of str to int
        Images of the classes ``benign`` and ``malignant``.
    seed : int
        As in :func:`busi_phantom.render.render_phantoms`.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    StudyError
        If a class does not occur in BUS-BRA, a count is negative or all are 0, the folder holds
        files of others, or the disk refuses.
    """
    return _write("busbra", folder, ("benign", "malignant"), counts, seed, _fill_busbra)


def write_busuclm_phantoms(folder: str | Path, counts: Mapping[str, int], seed: int) -> Path:
    """Write phantoms of scanner B in BUS-UCLM's layout: ``INFO.csv``, ``images``, ``masks``.

    Masks are coloured by class; every fourth frame is RGBA, every eighth a Doppler frame, and
    some carry burnt-in marks. See `write_busbra_phantoms`; ``counts`` may hold all three classes.
    """
    return _write("busuclm", folder, CLASSES, counts, seed, _fill_busuclm)


def _write(
    layout: str,
    folder: str | Path,
    classes: Sequence[str],
    counts: Mapping[str, int],
    seed: int,
    fill: Callable[[Path, list[str], int], None],
) -> Path:
    """Check the parameters and write what ``fill`` draws, unless it is there already."""
    if unknown := sorted(set(counts) - set(classes)):
        raise StudyError(f"{layout} has no class {unknown[0]!r}: choose among {list(classes)}.")
    if min(counts.values(), default=0) < 0 or not any(counts.values()):
        raise StudyError(f"The phantom counts {dict(counts)} must be positive: correct them.")
    folder = Path(folder).resolve()
    labels = [label for label in classes for _ in range(counts.get(label, 0))]
    parameters = {"layout": layout, "version": _VERSION, "labels": labels, "seed": int(seed)}
    record = json.dumps(parameters)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not _is_complete(folder, record, 2 * len(labels)):
                _replace(folder, record, lambda part: fill(part, labels, int(seed)))
    except OSError as error:
        raise StudyError(
            f"The phantoms {folder} could not be written ({error.strerror or error}): "
            "free space or permissions, then run again."
        ) from error
    return folder


def _replace(folder: Path, record: str, fill: Callable[[Path], None]) -> None:
    """Fill a hidden sibling, then swap: the folder is never seen half written."""
    part = folder.parent / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        fill(part)
        write_text(part / _RECORD, record)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _is_complete(folder: Path, record: str, pictures: int) -> bool:
    """Tell whether nothing is to be done, and refuse to replace what is not ours."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if not (folder / _RECORD).is_file():
        raise StudyError(
            f"{folder} holds files that are no phantoms (it lacks {_RECORD}): name a new folder, "
            "for only phantoms are ever replaced."
        )
    same = (folder / _RECORD).read_text(encoding="utf-8") == record
    return same and len(list(folder.glob("*/*.png"))) == pictures


def _save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(array))


def _union(phantom: Phantom) -> np.ndarray:
    return np.any([np.zeros(phantom.image.shape, bool), *phantom.masks], axis=0)


def _fill_busbra(folder: Path, labels: list[str], seed: int) -> None:
    table = _busbra_cases(labels, np.random.default_rng(seed))
    sizes, boxes = [], []
    for name, phantom in zip(table["ID"], render_phantoms(labels, seed, "B"), strict=True):
        mask = _union(phantom)
        _save(folder / "Images" / f"{name}.png", phantom.image)
        _save(folder / "Masks" / f"{name.replace('bus', 'mask')}.png", mask)
        sizes.append(phantom.image.shape)
        boxes.append("[{},{},{},{}]".format(*cv2.boundingRect(mask.astype(np.uint8))))
    heights, widths = zip(*sizes, strict=True)
    table = table.assign(Device=DEVICE, Width=widths, Height=heights, BBOX=boxes)
    order = ["ID", "Case", "Histology", "Pathology", "BIRADS", "Device", "Width", "Height", "Side"]
    write_csv(folder / "bus_data.csv", table[[*order, "BBOX"]])


def _busbra_cases(labels: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return ``ID, Case, Pathology, Histology, BIRADS, Side`` of the images, one row each."""
    table = pd.DataFrame({"Pathology": labels})
    image = table.groupby("Pathology").cumcount()
    of_class = image - (image + 1) // 3  # cases of one, then two images, in turn
    table["Case"] = table.groupby(["Pathology", of_class]).ngroup() + 1
    alone = ~table["Case"].duplicated(keep=False)
    side = np.where(table["Case"].duplicated(), "right", "left")
    table["Side"] = np.where(alone, "single", side)
    table["ID"] = "bus_" + table["Case"].astype(str).str.zfill(4) + "-" + table["Side"].str[0]
    cases = table.drop_duplicates("Case").set_index("Case")["Pathology"]
    histology = {case: rng.choice(_HISTOLOGY[label]) for case, label in cases.items()}
    birads = {case: rng.choice(_BIRADS[label]) for case, label in cases.items()}
    return table.assign(Histology=table["Case"].map(histology), BIRADS=table["Case"].map(birads))


def _fill_busuclm(folder: Path, labels: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    mixed = rng.permutation(labels).tolist()  # patients have normal frames beside their lesion's
    for k, phantom in enumerate(render_phantoms(mixed, seed, "B")):
        patient, frame = divmod(k, _FRAMES)
        name = f"PH{chr(65 + patient // 26)}{chr(65 + patient % 26)}_{frame:03d}.png"
        doppler, marked = k % 8 == 5, rng.random() < MARK_SHARE[phantom.label]
        _save(folder / "images" / name, _frame(rng, phantom, k % 4 == 3, doppler, marked))
        mask = np.zeros((*phantom.image.shape, 3), np.uint8)
        mask[_union(phantom)] = _MASK_COLOURS[phantom.label]
        _save(folder / "masks" / name, mask)
        height, width = phantom.image.shape
        said = ["Yes" if flag else "No" for flag in (doppler, marked, False)]
        rows.append([name, f"{width}x{height}", phantom.label.capitalize(), *said])
    columns = ["Image", "Resolution", "Label", "Doppler", "Marks", "Combined"]
    text = pd.DataFrame(rows, columns=columns).to_csv(index=False, sep=";", lineterminator="\n")
    write_text(folder / "INFO.csv", "\ufeff" + text)


def _frame(
    rng: np.random.Generator, phantom: Phantom, alpha: bool, doppler: bool, marked: bool
) -> np.ndarray:
    """Return the picture as colour, uint8 (H, W, 3 or 4), as exported from the machine."""
    grey = burn_marks(rng, phantom.image, phantom.masks)[0] if marked else phantom.image
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGRA if alpha else cv2.COLOR_GRAY2BGR)
    if doppler:  # the colour box, with flow to and from the probe
        height, width = grey.shape
        box = colour[height // 4 : height // 2, width // 3 : 2 * width // 3]
        towards, away = np.array_split(box, 2, axis=1)
        towards[..., 2], away[..., 0] = 255, 255
    return colour
