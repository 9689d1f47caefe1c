"""A few small images in BUSI's layout, for tests of the data layer."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

COUNTS = {"benign": 8, "malignant": 7, "normal": 6}


def texture(seed: int, height: int = 96, width: int = 120) -> np.ndarray:
    """A grey image that resembles no other seed's."""
    rng = np.random.default_rng(seed)
    grey = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 3)
    return np.uint8(np.clip(128 + 60 * grey / grey.std(), 0, 254))


def small_images() -> dict[str, np.ndarray]:
    """Image name to pixels; benign (2) is an exact copy of benign (1)."""
    names = [f"{label} ({i})" for label, n in COUNTS.items() for i in range(1, n + 1)]
    images = {name: texture(seed) for seed, name in enumerate(names)}
    images["benign (2)"] = images["benign (1)"]
    return images


def encode(grey: np.ndarray, mode: str) -> Image.Image:
    image = Image.fromarray(grey)
    if mode == "RGBA":
        image = image.convert("RGBA")
        image.putalpha(200)
        return image
    return image.convert(mode)


def write_small_busi(folder: Path, mode: str = "L", *, backwards: bool = False) -> Path:
    """Write `small_images` with their masks; ``backwards`` changes the order on the disk."""
    names = sorted(small_images().items(), reverse=backwards)
    for name, grey in names:
        place = folder / name.split(" ")[0]
        place.mkdir(parents=True, exist_ok=True)
        encode(grey, mode).save(place / f"{name}.png")
        mask = np.zeros_like(grey)
        if not name.startswith("normal"):
            mask[20:44, 30:60] = 255
        Image.fromarray(mask).convert("1").save(place / f"{name}_mask.png")
    return folder


def small_manifest() -> pd.DataFrame:
    """Seven images: a scaled twin, a group across classes, an axilla image with a twin."""
    rows = [
        ("normal (1)", "normal", 1, "g1", False, ""),
        ("benign (1)", "benign", 2, "g2", False, ""),
        ("benign (2)", "benign", 1, "g2", False, "duplicate of benign (1)"),
        ("benign (3)", "benign", 1, "g3", True, "cross-class duplicates"),
        ("malignant (1)", "malignant", 1, "g3", True, "cross-class duplicates"),
        ("malignant (2)", "malignant", 1, "g4", False, "axilla (Pawłowska 2023)"),
        ("malignant (3)", "malignant", 1, "g4", False, "duplicate of axilla image malignant (2)"),
    ]
    columns = ["image_id", "label", "n_masks", "duplicate_group", "cross_class", "excluded_because"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(source="busi", sha256=table["image_id"], annotated=table["n_masks"] > 1)
