"""Find images that are copies of one another, whatever was done to the copy.

Twins share one acquisition: the same frame stored twice, scaled, cropped, brightened or with
callipers and text burnt in, or frames of one sweep that follow each other so closely that speckle
and layers coincide. Two views of one lesion are no twins. The search has three steps: equal
pixels; a few candidates per image by nearest neighbours of compact codes; alignment of each
candidate by local features and comparison of the aligned pixels tile by tile. Copies that were
turned or mirrored are searched for after that (`turned`).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from busi_utils.audit.images import pixel_sha256
from busi_utils.audit.sift import Alignment, Features, align, describe, working_frame
from busi_utils.audit.tiles import aligned
from busi_utils.audit.turned import find_turned

_COLUMNS = ["i", "j", "kind", "score"]
_NEIGHBOURS = 12  # candidates per image; groups larger than this are joined transitively
_FEWEST_INLIERS = 12
_LOWEST_SCORE = 0.35
_WHOLE = 0.9  # share of both images that must overlap for a twin not to count as cropped


def find_duplicates(greys: Sequence[np.ndarray]) -> pd.DataFrame:
    """Find pairs of images that show one acquisition.

    The answer depends on the pixels alone, not on the order of the images. Cost per image is
    constant except for the nearest-neighbour search, which compares 1,024 numbers an image.

    Parameters
    ----------
    greys : sequence of np.ndarray
        n images of any size, shape (H, W), uint8.

    Returns
    -------
    pd.DataFrame
        One row a pair that was verified directly, sorted: ``i < j`` positions in ``greys``;
        ``kind`` ``exact`` (equal pixels), ``near`` (same field of view: scaled, brightened,
        overlaid, next frame), ``cropped`` (one shows less), ``turned`` or ``mirrored``; ``score``
        the median tile correlation in [0.35, 1], 1 for exact. Take `duplicate_groups` for the
        transitive groups.

    Raises
    ------
    ValueError
        If an image is not two-dimensional uint8.
    """
    for position, grey in enumerate(greys):
        if grey.ndim != 2 or grey.dtype != np.uint8:
            raise ValueError(f"image {position} is {grey.dtype} {grey.shape}, not uint8 (H, W)")
    digests = [pixel_sha256(grey) for grey in greys]
    copies: dict[str, list[int]] = {}
    for position, digest in enumerate(digests):
        copies.setdefault(digest, []).append(position)
    distinct = sorted(copies)  # by content, so that no step depends on the order of the input
    unique = [greys[copies[digest][0]] for digest in distinct]
    rows = [(i, j, "exact", 1.0) for same in copies.values() for i in same for j in same if i < j]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and NumPy release the interpreter
        both = list(pool.map(describe, unique))
        features, turning = [one for one, _ in both], [one for _, one in both]
        pairs = _candidates(np.array([f.code for f in features]))

        def check(pair: tuple[int, int]) -> tuple[str, float] | None:
            a, b = pair
            return _verify(unique[a], unique[b], features[a], features[b])

        verdicts = pool.map(check, pairs)
        for (a, b), verdict in zip(pairs, verdicts, strict=True):
            if verdict:
                for i in copies[distinct[a]]:
                    rows += [(min(i, j), max(i, j), *verdict) for j in copies[distinct[b]]]
    found = {(i, j) for i, j, *_ in rows}
    for a, b, *verdict in find_turned([working_frame(grey) for grey in unique], turning):
        for i in copies[distinct[a]]:
            for j in copies[distinct[b]]:
                pair = (min(i, j), max(i, j))
                rows += [] if pair in found else [(*pair, *verdict)]
    table = pd.DataFrame(rows, columns=_COLUMNS).astype({"i": int, "j": int, "score": float})
    return table.sort_values(["i", "j"], ignore_index=True)


def duplicate_groups(n: int, pairs: pd.DataFrame) -> np.ndarray:
    """Join pairs transitively.

    Parameters
    ----------
    n : int
        Number of images.
    pairs : pd.DataFrame
        Columns ``i`` and ``j``, positions in [0, n).

    Returns
    -------
    np.ndarray
        Shape (n,), int, group of each image, numbered from 0 by first appearance.
    """
    links = coo_array((np.ones(len(pairs), np.int8), (pairs["i"], pairs["j"])), shape=(n, n))
    labels = connected_components(links, directed=False)[1]
    return pd.factorize(labels)[0].astype(int)


def preferred(group: pd.DataFrame) -> Hashable:
    """Return the index label of the image that stands for its copies.

    Not one named after another (``a_flipped`` beside ``a``: it was made from it, and turning may
    have enlarged it), then not one with burnt-in marks, then the largest, then one with a mask,
    then the first.

    Parameters
    ----------
    group : pd.DataFrame
        Columns ``image_id``, ``annotated``, ``width``, ``height``, ``n_masks``; a row an image.
    """
    names = [PurePosixPath(image_id).name for image_id in group["image_id"]]
    rank = pd.DataFrame(
        {
            "made": [any(map(partial(_named_after, name), names)) for name in names],
            "annotated": group["annotated"].to_numpy(),
            "area": -(group["width"] * group["height"]).to_numpy(),
            "masks": (group["n_masks"] == 0).to_numpy(),
        },
        index=group.index,
    )
    return rank.sort_values(list(rank), kind="stable").index[0]


def _named_after(name: str, other: str) -> bool:
    return name.startswith(other) and len(name) > len(other) and not name[len(other)].isalnum()


def _candidates(codes: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs (a, b), a < b, where one is among the nearest neighbours of the other."""
    from sklearn.neighbors import NearestNeighbors  # two seconds, for whoever searches

    if len(codes) < 2:
        return []
    centred = codes - codes.mean(axis=0)  # what all ultrasound images share tells nothing
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    count = min(_NEIGHBOURS, len(codes) - 1)  # an image is not its own neighbour here
    near = NearestNeighbors(n_neighbors=count).fit(centred).kneighbors(return_distance=False)
    links = {(min(a, b), max(a, b)) for a, row in enumerate(near.tolist()) for b in row}
    return sorted(links)


def _verify(
    grey_a: np.ndarray, grey_b: np.ndarray, a: Features, b: Features
) -> tuple[str, float] | None:
    """Return kind and score if the two images are twins, else None."""
    alignment = align(a, b)
    if alignment is None or alignment.inliers < _FEWEST_INLIERS:
        return None
    if alignment.scale < 1:  # enlarging needs no anti-aliasing filter
        grey_a, grey_b, alignment = grey_b, grey_a, alignment.inverse()
    score, overlap = _tile_agreement(working_frame(grey_a), working_frame(grey_b), alignment)
    if score < _LOWEST_SCORE:
        return None
    return ("near" if overlap >= _WHOLE else "cropped"), score


def _tile_agreement(a: np.ndarray, b: np.ndarray, alignment: Alignment) -> tuple[float, float]:
    """Return the `tile_correlation` of two images once aligned, and their overlap.

    Returns
    -------
    score : float
        Median correlation in [-1, 1].
    overlap : float
        The smaller of the shares of both images that the overlap covers.
    """
    matrix = np.column_stack([np.eye(2) * alignment.scale, alignment.shift])
    score, inside = aligned(a, matrix, b)
    overlap = inside.sum() / max(b.size, a.size * alignment.scale**2)
    return score, float(overlap)
