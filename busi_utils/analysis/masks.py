"""A lesion read off the predicted shares of the mask head: region, box, Dice, and the box cut out.

Rules stated beforehand. Mask logits of an image and of its mirror image are averaged, enlarged
bilinearly to the input, and cut to the image proper. A lesion is one 8-connected region of what
lies at or above a threshold, the largest or the one that holds the highest share; where nothing
does, of what lies at or above half of the highest. `RULES` are chosen among on inner
validation images.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import pandas as pd
from scipy.special import expit

from busi_utils.audit.images import letterbox
from busi_utils.stats.calibration import SMALLEST
from busi_utils.stats.metrics import encode
from busi_utils.study.predictions import PROBABILITIES

MARGINS = (0.25, 0.5, 1.0)  # of the box, added on every side, of a second look
VERSION = 1  # raise when a mask or a measure changes


@dataclass(frozen=True)
class Rule:
    """How a lesion is read off the predicted shares: ``component`` largest or strongest."""

    threshold: float
    component: str


RULES = [Rule(*pair) for pair in product((0.3, 0.5, 0.7), ("largest", "strongest"))]


def lesion_of(shares: np.ndarray, rule: Rule) -> np.ndarray:
    """Return the lesion in predicted shares.

    Parameters
    ----------
    shares : np.ndarray
        Shape (height, width), 0-1; 0 outside the image.
    rule : Rule

    Returns
    -------
    np.ndarray
        Of the same shape, bool; all False only if every share is 0.
    """
    most = shares.max()
    above = shares >= (rule.threshold if most >= rule.threshold else most / 2)
    above &= shares > 0
    number, labels, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), None, 8)
    if number < 2:
        return above
    if rule.component == "largest":
        return labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    return labels == labels[np.unravel_index(shares.argmax(), shares.shape)]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the box about a mask, pixels; zeros if it is empty."""
    return cv2.boundingRect(mask.astype(np.uint8))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return twice the overlap of two masks over the sum of their areas, NaN if both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else float("nan")


def measures(
    logits: np.ndarray, inside: np.ndarray, outline: np.ndarray, rule: Rule
) -> dict[str, float]:
    """Measure one predicted lesion.

    Parameters
    ----------
    logits : np.ndarray
        Shape (k, k), of the mask head.
    inside, outline : np.ndarray
        Shape (size, size), bool: the image proper, without padding; the expert's lesion.
    rule : Rule

    Returns
    -------
    dict
        ``dice`` (NaN without an outline); ``share`` (box over image, (0, 1]) and ``elongation``
        (height over width of the box); ``left, top, width, height`` of the box, input pixels.
    """
    fine = cv2.resize(logits.astype(np.float32), inside.shape, interpolation=cv2.INTER_LINEAR)
    lesion = lesion_of(np.where(inside, expit(fine), 0), rule)
    left, top, width, height = box_of(lesion)
    return {
        "dice": dice(lesion, outline) if outline.any() else float("nan"),
        "share": width * height / inside.sum(),
        "elongation": height / width,
        **{"left": left, "top": top, "width": width, "height": height},
    }


def cut_out(
    grey: np.ndarray, logits: np.ndarray, margin: float, rule: Rule, size: int
) -> np.ndarray:
    """Return the predicted box with a margin, at the image's own resolution, uint8."""
    inside = letterbox(np.full_like(grey, 255), size) > 0
    found = measures(logits, inside, np.zeros_like(inside), rule)
    start = np.argwhere(inside).min(axis=0)
    scale = max(grey.shape) / size
    corner = (np.array([found["top"], found["left"]]) - start) * scale
    extent = np.array([found["height"], found["width"]]) * scale
    top, left = np.maximum(np.floor(corner - margin * extent), 0).astype(int)
    bottom, right = np.ceil(corner + (1 + margin) * extent).astype(int)
    return grey[top:bottom, left:right]


def mean_dice(tables: pd.DataFrame) -> pd.DataFrame:
    """Return ``threshold, component, images, dice``: of lesions on inner validation images.

    Parameters
    ----------
    tables : pd.DataFrame
        See `drawn_masks.drawn`; rows of other parts are left out.
    """
    inner = tables[(tables["part"] == "validation") & tables["dice"].notna()]
    by_rule = inner.groupby(["threshold", "component"], sort=False)["dice"]
    return by_rule.agg(images="size", dice="mean").reset_index()


def best_rule(tables: pd.DataFrame) -> Rule:
    """Return the rule of highest `mean_dice`; the first of equals."""
    found = mean_dice(tables)
    best = found.loc[found["dice"].idxmax()]
    return Rule(float(best["threshold"]), str(best["component"]))


def under(tables: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    """Return the rows of one rule."""
    kept = (tables["threshold"] == rule.threshold) & (tables["component"] == rule.component)
    return tables[kept].reset_index(drop=True)


def without_fold(tables: pd.DataFrame, fold: int) -> pd.DataFrame:
    """Return the inner validation rows of all networks but for images of one test fold."""
    tested = tables.loc[(tables["part"] == "test") & (tables["fold"] == fold), "image_id"]
    return tables[(tables["part"] == "validation") & ~tables["image_id"].isin(tested)]


def second_seen(whole: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of image and second look by margin, and the image alone at margin 0."""
    key = ["part", "fold", "image_id"]
    alone = whole[[*key, "label", *PROBABILITIES]].assign(margin=0.0)
    joined = looks.merge(alone[[*key, *PROBABILITIES]], on=key, suffixes=("", "_whole"))
    for name in PROBABILITIES:
        joined[name] = (joined[name] + joined[f"{name}_whole"]) / 2
    return pd.concat([alone, joined[alone.columns]], ignore_index=True)


def log_losses(seen: pd.DataFrame) -> pd.DataFrame:
    """Return ``margin, log_loss`` on inner validation images; see `second_seen`."""
    inner = seen[seen["part"] == "validation"]
    p = inner[PROBABILITIES].to_numpy()[np.arange(len(inner)), encode(inner["label"].to_numpy())]
    loss = pd.Series(-np.log(np.maximum(p, SMALLEST)), index=inner["margin"].to_numpy())
    return loss.groupby(level=0).mean().rename_axis("margin").rename("log_loss").reset_index()


def best_margin(seen: pd.DataFrame) -> float:
    """Return the margin of least log loss among second looks: never the image alone."""
    found = log_losses(seen[seen["margin"] > 0])
    return float(found.loc[found["log_loss"].idxmin(), "margin"])
