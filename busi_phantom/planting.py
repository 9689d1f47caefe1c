"""Fill a phantom data set: originals first, then twins, cross-class copies and broken files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from busi_phantom.faults import BROKEN, MARK_SHARE, TWINS, broken_files, burn_marks, make_twin, png
from busi_phantom.render import SCANNERS, Phantom, render_phantom, render_phantoms
from busi_utils import CLASSES


@dataclass
class PlantedImages:
    """Numbers and remembers the images of one data set, and what was planted in them."""

    ledger: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    marks: dict[str, dict[str, str]] = field(default_factory=dict)
    written: dict[str, list[tuple[str, Phantom]]] = field(
        default_factory=lambda: {label: [] for label in CLASSES}
    )

    def next_id(self, label: str) -> str:
        return f"{label} ({len(self.written[label]) + 1})"

    def note(self, image_id: str, label: str, fault: str, twin_of: str, detail: str) -> None:
        self.ledger.append((image_id, label, fault, twin_of, detail))

    def add(self, phantom: Phantom, marks: dict[str, str]) -> str:
        """Take in an image that carries ``marks`` under the next number of its class."""
        label, name = phantom.label, self.next_id(phantom.label)
        if len(phantom.masks) > 1:
            self.note(name, label, "several_masks", "", f"masks={len(phantom.masks)}")
        for fault, detail in marks.items():
            self.note(name, label, fault, "", detail)
        self.marks[name] = marks
        self.written[label].append((name, phantom))
        return name


@dataclass
class DatasetWriter(PlantedImages):
    """Writes the images to a folder as well."""

    root: Path = Path()
    sizes: dict[str, int] = field(default_factory=dict)

    def put(self, label: str, name: str, content: bytes) -> None:
        path = self.root / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.sizes[f"{label}/{name}"] = len(content)

    def add(self, phantom: Phantom, marks: dict[str, str]) -> str:
        name = super().add(phantom, marks)
        self.put(phantom.label, f"{name}.png", png(phantom.image))
        masks = phantom.masks or [np.zeros(phantom.image.shape, bool)]
        for k, mask in enumerate(masks):
            suffix = f"_{k}" if k else ""
            self.put(phantom.label, f"{name}_mask{suffix}.png", png(mask))
        return name


def fill(writer: DatasetWriter, parameters: dict[str, Any]) -> None:
    """Write the whole data set that the parameters (those of ``phantom.json``) describe."""
    counts, seed, scanner = (parameters[k] for k in ("counts", "seed", "scanner"))
    for label in CLASSES:
        (writer.root / label).mkdir(parents=True, exist_ok=True)
        marks = generator(seed, scanner, label, 0)
        for phantom in render_phantoms([label] * counts[label], seed, scanner):
            _add_marked(writer, marks, phantom, MARK_SHARE[label] * parameters["plant"])
    if parameters["plant"]:
        _add_twins(writer, seed, scanner)
        _add_cross_class(writer, generator(seed, scanner, "malignant", 2))
    if parameters["broken"]:
        _add_broken(writer, counts, seed, scanner)


def generator(seed: int, scanner: str, label: str, purpose: int) -> np.random.Generator:
    """Return the random numbers of one purpose for one class: 0 marks, 1 twins, 2 wrong labels."""
    key = (len(SCANNERS) + list(SCANNERS).index(scanner), CLASSES.index(label), purpose)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _add_marked(
    writer: PlantedImages,
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


def _add_twins(writer: DatasetWriter, seed: int, scanner: str) -> None:
    """Give 4 % of every class (at least one image) a twin of each kind, some of them marked."""
    for label in CLASSES:
        originals = list(writer.written[label])
        unmarked = [original for original in originals if not writer.marks[original[0]]]
        rng = generator(seed, scanner, label, 1)
        for kind in TWINS:
            among = unmarked if kind == "cropped" else originals  # a crop would cut marks in two
            many = min(len(among), max(1, round(0.04 * len(originals))))
            for chosen in rng.permutation(len(among))[:many]:
                share = 0.25 if kind in ("rescaled", "brightness") else 0.0
                add_twin(writer, rng, among[chosen], kind, share)


def add_twin(
    writer: PlantedImages,
    rng: np.random.Generator,
    original: tuple[str, Phantom],
    kind: str,
    mark_share: float = 0.0,
) -> None:
    """Add a twin of an image; it inherits the marks, or is marked with probability `mark_share`."""
    source, phantom = original
    image, masks, detail = make_twin(rng, phantom.image, phantom.masks, kind)
    twin = Phantom(image, masks, phantom.label)
    name = _add_marked(writer, rng, twin, mark_share, writer.marks[source])
    writer.note(name, phantom.label, kind, source, detail)


def _add_cross_class(writer: DatasetWriter, rng: np.random.Generator) -> None:
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


def _add_broken(writer: DatasetWriter, counts: Mapping[str, int], seed: int, scanner: str) -> None:
    """Append one file set of every broken kind, numbered after the sound images."""
    for fault, label in BROKEN.items():
        place = counts[label] + list(BROKEN).index(fault)
        phantom = render_phantom(label, place, seed, scanner)
        name = writer.next_id(label)
        for file, content in broken_files(fault, name, phantom.image, phantom.masks).items():
            writer.put(label, file, content)
        writer.written[label].append((name, phantom))
        writer.note(name, label, fault, "", "")
