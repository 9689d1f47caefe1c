"""Write phantoms to disk as BUSI is laid out, with its faults planted and written in a ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from . import CLASSES
from .errors import StudyError
from .fileio import write_csv, write_json
from .phantom import SCANNERS, Phantom, render_phantom, render_phantoms
from .phantom_faults import BROKEN, MARK_SHARE, TWINS, broken_files, burn_marks, make_twin, png

DEMO_COUNTS = {"benign": 120, "malignant": 60, "normal": 40}
LEDGER_COLUMNS = ["image_id", "label", "fault", "twin_of", "detail"]
GENERATOR_VERSION = 1  # raise it whenever the same parameters give other files
_RECORD, _LEDGER = "phantom.json", "ledger.csv"


def write_phantom_dataset(
    folder: str | Path,
    counts: Mapping[str, int],
    seed: int,
    scanner: str = "A",
    plant: bool = True,
    broken: bool = False,
) -> pd.DataFrame:
    """Write a synthetic data set in BUSI's layout and return the ledger of planted facts.

    A complete set of the same parameters is reused; another phantom set is replaced as a whole.

    Parameters
    ----------
    folder : path
        Receives ``<class>/<class> (n).png``, its ``_mask.png`` (``_mask_1.png`` and so on for
        further lesions; all black for normal images), ``ledger.csv`` and ``phantom.json``.
    counts : mapping of str to int
        Originals per class; twins come on top. More originals leave the first ones unchanged.
    seed, scanner
        As in :func:`busi_utils.phantom.render_phantoms`.
    plant : bool
        Plant twins and burnt-in marks.
    broken : bool
        Add one unusable or unusual file of every kind in ``phantom_faults.BROKEN``.

    Returns
    -------
    DataFrame
        ``image_id, label, fault, twin_of, detail``; one row a planted fact, ``twin_of`` empty
        unless the fault is a twin. Faults: ``exact``, ``rescaled``, ``cropped``, ``brightness``,
        ``cross_class``, ``text``, ``calipers``, ``several_masks`` and the keys of ``BROKEN``.

    Raises
    ------
    StudyError
        If the folder holds anything that this function did not write, if the disk refuses, or if
        a class or scanner is unknown.
    """
    folder = Path(folder).resolve()
    parameters = _parameters(counts, seed, scanner, plant, broken)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            record = _own_record(folder)
            if record.get("parameters") != parameters or not _complete(folder, record):
                _replace(folder, parameters)
            return pd.read_csv(folder / _LEDGER, keep_default_na=False)
    except OSError as error:
        raise StudyError(
            f"The phantom data set {folder} could not be written ({error.strerror or error}): "
            "free space or permissions, then run again."
        ) from error


def _parameters(
    counts: Mapping[str, int], seed: int, scanner: str, plant: bool, broken: bool
) -> dict[str, Any]:
    """Check the parameters and put them in the form in which ``phantom.json`` keeps them."""
    if unknown := sorted(set(counts) - set(CLASSES)):
        raise StudyError(f"The phantom has no class {unknown[0]!r}: choose among {list(CLASSES)}.")
    if any(count < 0 for count in counts.values()):
        raise StudyError(f"The phantom counts {dict(counts)} hold a negative number: correct it.")
    if scanner not in SCANNERS:
        raise StudyError(f"The phantom has no scanner {scanner!r}: choose one of {list(SCANNERS)}.")
    return {
        "generator_version": GENERATOR_VERSION,
        "counts": {label: int(counts.get(label, 0)) for label in CLASSES},
        "seed": int(seed),
        "scanner": scanner,
        "plant": bool(plant),
        "broken": bool(broken),
    }


def _own_record(folder: Path) -> dict[str, Any]:
    """Read ``phantom.json``; refuse a folder that holds anything but our own files."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    refusal = f"{folder} holds files that the phantom generator did not write"
    advice = "name an empty or a new folder, for nothing is ever overwritten there."
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        known = set(record["files"]) | {_RECORD}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StudyError(f"{refusal}: {advice}") from error
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    if foreign := sorted(set(found) - known):
        raise StudyError(f"{refusal} (first: {foreign[0]}): {advice}")
    return record


def _complete(folder: Path, record: dict[str, Any]) -> bool:
    """Tell whether every recorded file is there with its recorded size in bytes."""
    paths = {name: folder / name for name in record["files"]}
    return all(p.is_file() and p.stat().st_size == record["files"][n] for n, p in paths.items())


def _replace(folder: Path, parameters: dict[str, Any]) -> None:
    """Build the set in a hidden sibling, then swap: the folder is never seen half written."""
    part = folder.parent / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        writer = _Writer(part)
        _fill(writer, parameters)
        ledger = pd.DataFrame(writer.ledger, columns=LEDGER_COLUMNS)
        write_csv(part / _LEDGER, ledger)
        writer.sizes[_LEDGER] = (part / _LEDGER).stat().st_size
        write_json(part / _RECORD, {"parameters": parameters, "files": writer.sizes})
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@dataclass
class _Writer:
    """Numbers, writes and remembers the images of one data set."""

    root: Path
    ledger: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    marks: dict[str, dict[str, str]] = field(default_factory=dict)
    written: dict[str, list[tuple[str, Phantom]]] = field(
        default_factory=lambda: {label: [] for label in CLASSES}
    )

    def next_id(self, label: str) -> str:
        return f"{label} ({len(self.written[label]) + 1})"

    def note(self, image_id: str, label: str, fault: str, twin_of: str, detail: str) -> None:
        self.ledger.append((image_id, label, fault, twin_of, detail))

    def put(self, label: str, name: str, content: bytes) -> None:
        path = self.root / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.sizes[f"{label}/{name}"] = len(content)

    def add(self, phantom: Phantom, marks: dict[str, str]) -> str:
        """Write an image that carries ``marks``, with its masks, under the next number."""
        label, name = phantom.label, self.next_id(phantom.label)
        self.put(label, f"{name}.png", png(phantom.image))
        masks = phantom.masks or [np.zeros(phantom.image.shape, bool)]
        for k, mask in enumerate(masks):
            suffix = f"_{k}" if k else ""
            self.put(label, f"{name}_mask{suffix}.png", png(mask.astype(np.uint8) * 255))
        if len(masks) > 1:
            self.note(name, label, "several_masks", "", f"masks={len(masks)}")
        for fault, detail in marks.items():
            self.note(name, label, fault, "", detail)
        self.marks[name] = marks
        self.written[label].append((name, phantom))
        return name


def _fill(writer: _Writer, parameters: dict[str, Any]) -> None:
    counts, seed, scanner = (parameters[k] for k in ("counts", "seed", "scanner"))
    for label in CLASSES:
        (writer.root / label).mkdir(parents=True, exist_ok=True)
        marks = _generator(seed, scanner, label, 0)
        for phantom in render_phantoms([label] * counts[label], seed, scanner):
            _add_marked(writer, marks, phantom, MARK_SHARE[label] * parameters["plant"])
    if parameters["plant"]:
        _add_twins(writer, seed, scanner)
        _add_cross_class(writer, _generator(seed, scanner, "malignant", 2))
    if parameters["broken"]:
        _add_broken(writer, counts, seed, scanner)


def _generator(seed: int, scanner: str, label: str, purpose: int) -> np.random.Generator:
    key = (len(SCANNERS) + list(SCANNERS).index(scanner), CLASSES.index(label), purpose)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _add_marked(
    writer: _Writer,
    rng: np.random.Generator,
    phantom: Phantom,
    share: float,
    inherited: dict[str, str] | None = None,
) -> str:
    """Add an image, burning marks in with probability ``share`` unless it inherits some."""
    own = rng.spawn(1)[0]  # one stream an image: more images leave the first ones unchanged
    marks = dict(inherited or {})
    if not marks and own.random() < share:
        image, marks = burn_marks(own, phantom.image, phantom.masks)
        phantom = Phantom(image, phantom.masks, phantom.label)
    return writer.add(phantom, marks)


def _add_twins(writer: _Writer, seed: int, scanner: str) -> None:
    """Give 4 % of every class (at least one image) a twin of each kind, some of them marked."""
    for label in CLASSES:
        originals = list(writer.written[label])
        unmarked = [original for original in originals if not writer.marks[original[0]]]
        rng = _generator(seed, scanner, label, 1)
        for kind in TWINS:
            among = unmarked if kind == "cropped" else originals  # a crop would cut marks in two
            many = min(len(among), max(1, round(0.04 * len(originals))))
            for chosen in rng.permutation(len(among))[:many]:
                source, phantom = among[chosen]
                image, masks, detail = make_twin(rng, phantom.image, phantom.masks, kind)
                share = 0.25 if kind in ("rescaled", "brightness") else 0.0
                twin = Phantom(image, masks, label)
                name = _add_marked(writer, rng, twin, share, writer.marks[source])
                writer.note(name, label, kind, source, detail)


def _add_cross_class(writer: _Writer, rng: np.random.Generator) -> None:
    """Copy lesions into the other class: the first pixel by pixel, further ones re-scaled."""
    sides = {label: list(writer.written[label]) for label in ("benign", "malignant")}
    fewest = min(len(side) for side in sides.values())
    if not fewest:
        return
    for k in range(max(1, round(0.04 * fewest))):
        start, target = ("benign", "malignant") if k % 2 == 0 else ("malignant", "benign")
        source, phantom = sides[start][rng.integers(len(sides[start]))]
        kind = "rescaled" if k else "exact"
        image, masks, detail = make_twin(rng, phantom.image, phantom.masks, kind)
        name = writer.add(Phantom(image, masks, target), writer.marks[source])
        writer.note(name, target, "cross_class", source, f"{kind} {detail}".strip())


def _add_broken(writer: _Writer, counts: Mapping[str, int], seed: int, scanner: str) -> None:
    """Append one file set of every broken kind, numbered after the sound images."""
    for fault, label in BROKEN.items():
        place = counts[label] + list(BROKEN).index(fault)
        phantom = render_phantom(label, place, seed, scanner)
        name = writer.next_id(label)
        for file, content in broken_files(fault, name, phantom.image, phantom.masks).items():
            writer.put(label, file, content)
        writer.written[label].append((name, phantom))
        writer.note(name, label, fault, "", "")
