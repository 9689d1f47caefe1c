"""Find the images of any folder of breast-ultrasound images, and what the folder says of each.

Nothing of the layout is fixed. Class, split, image and mask are told by the words in folder and
file names; class, patient and split also by a table beside the images. What was concluded is
returned in words, so that a reader can object.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from busi_utils.audit.label_tables import TABLES, join_tables
from busi_utils.audit.sources import IMAGE_SUFFIXES, LITTER, natural_key
from busi_utils.errors import StudyError
from busi_utils.workspace import path_from

COLUMNS = ("image_id", "label", "patient", "split", "path", "masks")
_CLASS_WORDS = {
    **dict.fromkeys(("normal", "normals", "healthy", "nofinding"), "normal"),
    **dict.fromkeys(("benign", "benigns", "benigno", "benigna", "benin", "bening"), "benign"),
    **dict.fromkeys(("malignant", "malignants", "malign", "maligno", "maligna"), "malignant"),
    **dict.fromkeys(("cancer", "malignancy", "carcinoma"), "malignant"),
}
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "traindata", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "testdata", "testset", "holdout"), "test"),
}
_PATIENT = re.compile(r"(?<![a-z])(?:patient|pat|case|subject|person|pid)[ _-]?\d+", re.I)
_MASK_WORD = (
    "ma?sks?|gt|ground[ _-]?truths?|seg(?:mentation|mented|s)?(?:[ _-]?masks?)?|tumou?rs?|lesions?|"
    "rois?|annotations?|contours?|outlines?|other"
)
_MASK_FOLDER = re.compile(rf"(?:.*[ _-])?(?:{_MASK_WORD}|labels?|annots?)(?:[ _-].*)?", re.I)
_IMAGE_FOLDER = re.compile(r"(?:.*[ _-])?(?:images?|imgs?|originals?|pictures?|frames?)", re.I)
_FILLING = r"[ _.\-()\d]*"
_ENDING = rf"{_FILLING}(?:(?:copy|kopie|aug(?:mented)?|v|nr){_FILLING})*"
_MASK_NAME = re.compile(rf"(?P<image>.+?)[ _.-](?:{_MASK_WORD}){_ENDING}", re.I)
_MASK_FIRST = re.compile(rf"(?:{_MASK_WORD})[ _.-](?P<image>.+)", re.I)
_MOST_CLASSES, _FEWEST_IMAGES = 10, 5  # more folders, or emptier ones, are patients


@dataclass
class Layout:
    """What a folder holds.

    Attributes
    ----------
    images : pd.DataFrame
        Columns `COLUMNS`: ``image_id`` (path below the folder, without suffix); ``label``,
        ``patient``, ``split`` (empty where nothing tells); ``path`` (absolute); ``masks`` (tuple of
        absolute paths).
    notes : list of str
        What was concluded, and what was left aside, a sentence each.
    """

    images: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_layout(folder: str | Path, names: Mapping[str, str] | None = None) -> Layout:
    """Find images, masks, classes, patients and given splits in a folder.

    Parameters
    ----------
    folder : path
        Any depth; hidden files and litter of file managers are passed over.
    names : mapping of str to str, optional
        What classes are to be called: ``{"0": "benign"}``.

    Raises
    ------
    StudyError
        If it is no folder or holds no image.
    """
    root = _checked(folder)
    layout = Layout(pd.DataFrame())
    pictures, tables = [], []
    left: Counter[str] = Counter()
    for path in _files(root, layout.notes):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            pictures.append(path)
        elif path.suffix.lower() in TABLES:
            tables.append(path)
        else:
            left[path.suffix.lower() or path.name] += 1
    if not pictures:
        held = ", ".join(f"{n} {suffix}" for suffix, n in left.most_common(4)) or "nothing"
        raise StudyError(
            f"{root} holds no image ({'/'.join(s[1:] for s in IMAGE_SUFFIXES)}), but {held}: "
            "name the folder of the images, or export them as PNG."
        )
    if left:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in left.most_common(5))
        layout.notes.append(f"Files that are neither image nor table were left aside: {kinds}.")
    masks = _masks_of(pictures, root, layout.notes)
    taken = {mask for found in masks.values() for mask in found} | set(masks[None])
    rows = [
        (_id(path, root), *_told_by_path(path, root), str(path), tuple(map(str, masks[path])))
        for path in pictures
        if path not in taken
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    twice = table["image_id"].duplicated(keep=False)  # files that differ in their suffix only
    table.loc[twice, "image_id"] += table.loc[twice, "path"].map(lambda path: Path(path).suffix)
    if table["patient"].nunique() < 2:
        table["patient"] = ""
    elif number := int((table["patient"] != "").sum()):
        example = table["patient"].max()
        layout.notes.append(f"Names tell the patient of {number} images, as '{example}'.")
    layout.images = table
    join_tables(layout.images, [t for t in tables if t not in taken], root, layout.notes)
    _told_by_folders(layout, root)
    renamed = layout.images["label"].replace(dict(names or {}))
    known = renamed.str.lower().map(_CLASS_WORDS)
    layout.images = layout.images.assign(label=known.fillna(renamed))[list(COLUMNS)]
    return layout


def _checked(folder: str | Path) -> Path:
    root = path_from(folder, "image folder")
    if root.is_file():
        raise StudyError(f"{root} is a file: unpack it if it is an archive, and name the folder.")
    if not root.is_dir():
        raise StudyError(f"The data folder {root} does not exist: correct the path.")
    return root


def _files(root: Path, notes: list[str]) -> list[Path]:
    """Return every file below a folder in natural order, through links too; note what is lost."""
    found: list[Path] = []
    lost: list[str | Path] = []
    seen: set[str] = set()
    starts = [root]  # links come after all folders: one may lead back
    while starts:
        for place, folders, names in os.walk(
            starts.pop(0), onerror=lambda e: lost.append(e.filename)
        ):
            folders[:] = [] if os.path.realpath(place) in seen else filter(_is_meant, folders)
            names = [] if os.path.realpath(place) in seen else filter(_is_meant, names)
            seen.add(os.path.realpath(place))
            starts += [path for name in folders if (path := Path(place, name)).is_symlink()]
            for path in (Path(place, name) for name in names):
                (found if path.is_file() else lost).append(path)
    for path in found:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            shown = str(path).encode(errors="replace").decode()
            raise StudyError(f"{shown}: the name is not UTF-8; rename the file.") from error
    if lost:
        notes.append(f"{len(lost)} folders or links cannot be read and are left out, as {lost[0]}.")
    return sorted(found, key=lambda p: (natural_key(str(p.with_suffix(""))), p.suffix))


def _is_meant(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in LITTER


def _id(path: Path, root: Path) -> str:
    return PurePosixPath(path.relative_to(root)).with_suffix("").as_posix()


def _masks_of(pictures: list[Path], root: Path, notes: list[str]) -> dict[Path | None, list[Path]]:
    """Return the masks of each image; under None those whose image was not found."""

    def is_mask_folder(part: str) -> bool:
        return bool(_MASK_FOLDER.fullmatch(part)) and not _class_of(part)

    def place(path: Path) -> tuple[str, ...]:
        parts = path.parent.relative_to(root).parts
        plain = [p for p in parts if not is_mask_folder(p) and not _IMAGE_FOLDER.fullmatch(p)]
        return tuple(part.lower() for part in plain)

    def in_mask_folder(path: Path) -> bool:
        return any(is_mask_folder(part) for part in path.parent.relative_to(root).parts)

    aside = {path for path in pictures if in_mask_folder(path)}
    if len(aside) == len(pictures):
        aside = set()  # the whole set lies below a folder of such a name
    by_place = {(place(p), p.stem.lower()): p for p in reversed(pictures) if p not in aside}
    stems = Counter(stem for _, stem in by_place)
    anywhere = {stem: p for (_, stem), p in by_place.items() if stems[stem] == 1}
    found: dict[Path | None, list[Path]] = {path: [] for path in pictures}
    found[None] = []
    for path in pictures:
        names = [m["image"] for p in (_MASK_NAME, _MASK_FIRST) if (m := p.fullmatch(path.stem))]
        if path in aside:
            names.insert(0, path.stem)
        keys = [name.lower().rstrip(" _-") for name in names]
        owner = next((by_place[place(path), k] for k in keys if (place(path), k) in by_place), None)
        owner = owner or next((anywhere[key] for key in keys if key in anywhere), None)
        if owner is not None and owner != path:
            found[owner].append(path)
        elif path in aside:
            found[None].append(path)
    if number := sum(len(masks) for masks in found.values()):
        orphans = f"; {len(found[None])} of them belong to no image" if found[None] else ""
        notes.append(f"{number} files are masks, by their name or folder{orphans}.")
    return found


def _class_of(words: str) -> str:
    """Return the one class that a name tells, empty if none or several."""
    told = {_CLASS_WORDS[w] for w in re.findall(r"[^\W\d_]+", words.lower()) if w in _CLASS_WORDS}
    return told.pop() if len(told) == 1 else ""


def _told_by_path(path: Path, root: Path) -> tuple[str, str, str]:
    """Return class, patient and split that a path's words tell, the deepest folder first."""
    parts = path.relative_to(root).parts
    label = next((found for part in reversed(parts[:-1]) if (found := _class_of(part))), "")
    words = [re.split(r"[ _\d-]+", part.lower())[0] for part in parts[:-1]]
    split = next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), "")
    patient = _PATIENT.search(_id(path, root))
    return label or _class_of(path.stem), patient[0].lower() if patient else "", split


def _told_by_folders(layout: Layout, root: Path) -> None:
    """Where no word tells a class, let the folders that hold the images be classes or patients."""
    images = layout.images
    parents = (
        images["image_id"]
        .str.split("/")
        .map(
            lambda parts: "/".join(
                p
                for p in parts[:-1]
                if not _IMAGE_FOLDER.fullmatch(p)
                and re.split(r"[ _\d-]+", p.lower())[0] not in _SPLIT_WORDS
            )
        )
    )
    number = parents[parents != ""].nunique()
    if (images["label"] != "").any() or number < 2:
        return
    if number <= _MOST_CLASSES and parents.value_counts().min() >= _FEWEST_IMAGES:
        layout.images = images.assign(label=parents)
        layout.notes.append(f"No name tells a class: the {number} folders are taken for classes.")
    elif (images["patient"] == "").all():
        layout.images = images.assign(patient=parents)
        layout.notes.append(f"No name tells a class: the {number} folders are taken for patients.")
