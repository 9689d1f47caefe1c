"""Find the images of each source and the masks that belong to them, by name alone.

A source is one copy of BUSI's layout: the folders ``benign``, ``malignant`` and ``normal`` with
images and, beside each image, its masks (``benign (1).png``, ``benign (1)_mask.png``), or with the
images in an inner folder ``images`` and the masks in one ``masks``. `layouts` reads any other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from busi_utils import CLASSES
from busi_utils.audit.class_folders import class_folders, subfolders
from busi_utils.errors import StudyError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_MASK = re.compile(r"(?P<image>.+?)[ _-]mask([ _-]*\(?\d+\)?)?", re.IGNORECASE)
_INNER = {"image": ("images", "image"), "mask": ("masks", "mask", "gt")}
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # left by file managers, as are hidden files
_SHOWN = 20  # problems listed by name in one message


@dataclass(frozen=True)
class SourceImage:
    """One image file of a source, with its masks; ``path`` is relative to ``root``."""

    image_id: str
    label: str
    source: str
    root: Path
    path: str
    masks: tuple[Path, ...]

    @property
    def file(self) -> Path:
        return self.root / self.path


def natural_key(name: str) -> tuple:
    """Sort key that puts ``benign (2)`` before ``benign (10)``."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts), name


def is_image_file(path: Path) -> bool:
    """Whether the name is that of an image file (hidden files are litter of the system)."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def image_stem_of_mask(path: Path) -> str | None:
    """Return the stem of the image that a mask belongs to, or None if the file is no mask."""
    match = _MASK.fullmatch(path.stem)
    return match["image"] if match else None


def masks_beside(folder: Path) -> dict[str, list[Path]]:
    """Map each image stem (lower case) to its masks in ``folder``, in natural order.

    ``benign (1)_mask.png``, ``benign (1)_mask_1.png`` and ``Benign (1)_MASK.JPG`` all belong to
    ``benign (1)``: the suffix of the file plays no part. In an inner folder of masks, or in one
    beside the folder ``images``, a mask may have the very name of its image.
    """
    found: dict[str, list[Path]] = {}
    around = folder.parent if folder.name.lower() in _INNER["image"] else folder
    inner = [place for place in subfolders(around) if place.name.lower() in _INNER["mask"]]
    for place in (folder, *inner):
        for path in sorted(place.iterdir(), key=lambda path: natural_key(path.name)):
            stem = image_stem_of_mask(path) or (path.stem if place != folder else None)
            if is_image_file(path) and stem is not None:
                found.setdefault(stem.lower(), []).append(path)
    return found


def masks_of(files: Iterable[str | Path]) -> list[list[Path]]:
    """Return the masks of each image file, see `masks_beside`; every folder is listed once."""
    paths = [Path(file) for file in files]
    beside = {folder: masks_beside(folder) for folder in {path.parent for path in paths}}
    return [beside[path.parent].get(path.stem.lower(), []) for path in paths]


def find_images(sources: Mapping[str, str | Path]) -> list[SourceImage]:
    """List the images of all sources: sources in the order given, classes, natural order of names.

    Parameters
    ----------
    sources : mapping of str to path
        Name and folder of each source. The first is the reference: its images keep their plain
        names as ``image_id``, its lesions must have masks (unless it has none at all). The
        images of a further source are named ``<source>/<stem>`` and may lack masks.

    Raises
    ------
    StudyError
        One message with every problem of layout and naming found in all sources.
    """
    images, problems = scan_sources(sources)
    raise_problems(problems)
    return images


def scan_sources(sources: Mapping[str, str | Path]) -> tuple[list[SourceImage], list[str]]:
    """Return what `find_images` returns, and the problems instead of an exception."""
    images: list[SourceImage] = []
    problems: list[str] = []
    if not sources:
        raise StudyError("No data source was named: pass at least one folder.")
    for position, (name, folder) in enumerate(sources.items()):
        found, wrong = _find_source(name, Path(folder), reference=position == 0)
        images += found
        problems += wrong
    if not problems:
        empty = [label for label in CLASSES if label not in {image.label for image in images}]
        problems += [f"no source holds an image of class {label}" for label in empty]
    return images, problems


def raise_problems(problems: list[str]) -> None:
    """Raise one StudyError that lists all problems, if there are any."""
    if not problems:
        return
    shown = problems[:_SHOWN]
    if len(problems) > _SHOWN:
        shown.append(f"... and {len(problems) - _SHOWN} more")
    noun = "problem" if len(problems) == 1 else "problems"
    raise StudyError(
        f"{len(problems)} {noun} in the data, nothing was written; mend and run again:\n- "
        + "\n- ".join(shown)
    )


def _find_source(
    name: str, folder: Path, *, reference: bool
) -> tuple[list[SourceImage], list[str]]:
    if not folder.is_dir():
        return [], [f"source {name}: the folder {folder} does not exist; correct the path"]
    try:
        classes = class_folders(folder)
    except StudyError as error:
        return [], [f"source {name}: {error}"]
    root = next(iter(classes.values())).parent
    absent = [label for label in sorted(CLASSES) if label not in classes]
    problems = [_missing_class(name, label, root) for label in absent]
    if not reference:  # it may lack a class, unless a folder's name is misspelt
        problems = [problem for problem in problems if "seems to be meant" in problem]
    images: list[SourceImage] = []
    for label in CLASSES:
        if label in classes:
            found, wrong = _scan_class(name, label, classes[label], prefix=not reference)
            images += found
            problems += wrong
    if reference and any(image.masks for image in images):
        bare = [image for image in images if not image.masks and image.label != "normal"]
        problems += [
            _missing_mask(image.file, {other.file.stem for other in images}) for image in bare
        ]
    return images, problems


def _missing_class(name: str, label: str, root: Path) -> str:
    inside = [child.name for child in subfolders(root)]
    others = [other for other in inside if other.lower() not in CLASSES]
    close = get_close_matches(label, [other.lower() for other in others], n=1)
    meant = next((other for other in others if close and other.lower() == close[0]), None)
    advice = f"'{meant}' seems to be meant, rename it to '{label}'" if meant else "add that folder"
    return f"source {name}: {root} has no folder '{label}' (found: {', '.join(inside)}); {advice}"


def _missing_mask(file: Path, stems: set[str]) -> str:
    if origin := next((s for s in sorted(stems) if file.stem.startswith((f"{s} ", f"{s}-"))), None):
        return f"{file} has no mask and is named after '{origin}': if it is a copy, take it out"
    return f"{file} has no mask ({file.stem}_mask.png); restore it from the data set"


def _name(stem: str, label: str) -> str:
    """Return BUSI's own name where it tells the class, else one that does (``benign/0001``)."""
    return stem if stem.lower().startswith(label) else f"{label}/{stem}"


def _scan_class(
    source: str, label: str, folder: Path, *, prefix: bool
) -> tuple[list[SourceImage], list[str]]:
    known = sum(_INNER.values(), ())
    problems = [
        f"{inner} is a folder inside a class and neither images nor masks; take it out, or let "
        "'make audit' read the layout as it is"
        for inner in subfolders(folder)
        if inner.name.lower() not in known and inner.name.lower() not in LITTER
    ]
    images: list[SourceImage] = []
    for place in (folder, *subfolders(folder)):
        if place == folder or place.name.lower() in _INNER["image"]:
            found, wrong = _scan_place(source, label, folder.parent, place, prefix=prefix)
            images += found
            problems += wrong
    return images, sorted(problems)


def _scan_place(
    source: str, label: str, root: Path, folder: Path, *, prefix: bool
) -> tuple[list[SourceImage], list[str]]:
    files = [path for path in folder.iterdir() if path.is_file()]
    files = [p for p in files if not p.name.startswith(".") and p.name.lower() not in LITTER]
    problems = [
        f"{path} is not a {'/'.join(s[1:] for s in IMAGE_SUFFIXES)} file; convert or move it"
        for path in sorted(files)
        if not is_image_file(path)
    ]
    plain = [path for path in files if is_image_file(path) and image_stem_of_mask(path) is None]
    plain.sort(key=lambda path: natural_key(path.stem))  # "a" before "a - Copy"
    masks = masks_beside(folder) if any(map(is_image_file, files)) else {}
    images = [
        SourceImage(
            image_id=(f"{source}/" if prefix else "") + _name(path.stem, label),
            label=label,
            source=source,
            root=root,
            path=path.relative_to(root).as_posix(),
            masks=tuple(masks.get(path.stem.lower(), ())),
        )
        for path in plain
    ]
    stems = {path.stem.lower() for path in plain}
    names = Counter(path.stem.lower() for path in files if is_image_file(path))
    problems += [
        f"{folder} holds {count} files named '{name}' that differ only in suffix or case; keep one"
        for name, count in names.items()
        if count > 1
    ]
    problems += [
        f"{mask} is the mask of an image that is not there ('{stem}'); "
        "restore the image or remove the mask"
        for stem in masks.keys() - stems
        for mask in masks[stem]
    ]
    return images, problems
