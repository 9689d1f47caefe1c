"""Figures of the audit: pictures of twins, the way to the cohorts, marks, and growth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from busi_utils import CLASSES
from busi_utils.audit.class_folders import class_root
from busi_utils.audit.images import read_grey
from busi_utils.audit.marks import annotation_mask
from busi_utils.plots.theme import CLASS_COLOURS, CLASS_LINES, PRINT_WIDTH

_HATCHES = {"normal": "....", "benign": "", "malignant": "////"}


def example_pairs(pairs: pd.DataFrame, manifest: pd.DataFrame, marked: pd.Series) -> pd.DataFrame:
    """Choose one pair of each sort for the eye.

    Parameters
    ----------
    pairs, manifest : pd.DataFrame
        See `preparation.PreparedData`.
    marked : pd.Series
        What the reference says of burnt-in marks, indexed like ``manifest``.

    Returns
    -------
    pd.DataFrame
        Rows of ``pairs`` with a column ``sort``: exact, across classes, cropped, scaled, marked
        (burnt-in marks in one twin only, by detector and reference), least alike; a sort that
        does not occur is left out.
    """
    flags = manifest["annotated"].astype(int) + marked.astype(int)
    rows = manifest.assign(marks=flags).set_index("image_id")
    a, b = rows.loc[pairs["image_id_a"]], rows.loc[pairs["image_id_b"]]
    ratio = a["width"].to_numpy() / b["width"].to_numpy()
    near = (pairs["kind"] == "near").to_numpy()
    crossing = a["label"].to_numpy() != b["label"].to_numpy()
    sorts = {
        "exact": (pairs["kind"] == "exact").to_numpy() & ~crossing,
        "across classes": crossing,
        "cropped": (pairs["kind"] == "cropped").to_numpy(),
        "scaled": near & (np.maximum(ratio, 1 / ratio) > 1.1),
        "marks in one only": np.abs(a["marks"].to_numpy() - b["marks"].to_numpy()) == 2,
        "least alike": pairs["score"].to_numpy() == pairs["score"].min(),
    }
    ranked = pairs.sort_values(["score", "image_id_a", "image_id_b"])
    taken: dict[str, int] = {}
    for sort, fits in sorts.items():
        order = ranked.index[::-1] if sort == "across classes" else ranked.index
        free = [row for row in order if fits[row] and row not in taken.values()]
        if free:
            taken[sort] = free[0]
    return pairs.loc[list(taken.values())].assign(sort=list(taken)).reset_index(drop=True)


def pair_gallery(
    chosen: pd.DataFrame, manifest: pd.DataFrame, sources: Mapping[str, str | Path]
) -> Figure:
    """Show pairs of images side by side, each pair in a frame of its own, two pairs a row.

    Parameters
    ----------
    chosen : pd.DataFrame
        Columns ``image_id_a, image_id_b, sort, score``; see `example_pairs`.
    manifest : pd.DataFrame
        Says where the images lie.
    sources : mapping of str to path
        Folder of each source.
    """
    names = chosen[["image_id_a", "image_id_b"]].to_numpy().ravel()
    images = _opened(names, manifest, sources)
    rows = max(1, -(-len(chosen) // 2))
    fig = plt.figure(figsize=(PRINT_WIDTH, 1.75 * rows))
    if chosen.empty:
        fig.text(0.5, 0.5, "No two images are copies of one acquisition", ha="center")
        return fig
    panels = fig.subfigures(rows, 2, wspace=0.04, hspace=0.04, squeeze=False).flat
    for number, (panel, pair) in enumerate(zip(panels, chosen.itertuples(), strict=False)):
        panel.set(edgecolor="0.7", linewidth=0.6)
        panel.suptitle(f"{pair.sort}, r = {pair.score:.2f}", fontsize=9, fontweight="bold")
        names = (pair.image_id_a, pair.image_id_b)
        for side, (ax, name) in enumerate(zip(panel.subplots(1, 2), names, strict=True)):
            ax.set_axis_off()
            ax.imshow(images[2 * number + side], vmin=0, vmax=255)
            ax.set_anchor("N")
            ax.set_title(name, fontsize=8, loc="center")
    return fig


def image_gallery(
    image_ids: Sequence[str],
    titles: Sequence[str],
    manifest: pd.DataFrame,
    sources: Mapping[str, str | Path],
) -> Figure:
    """Show images four a row under their titles, with a frame around burnt-in marks."""
    images = _opened(image_ids, manifest, sources)
    rows = -(-len(images) // 4)
    fig, axes = plt.subplots(rows, 4, figsize=(PRINT_WIDTH, 1.6 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        ax.imshow(image, vmin=0, vmax=255)
        ax.set_title(title, fontsize=8, loc="left")
        y, x = np.nonzero(annotation_mask(image))
        if len(x):
            frame = (x.min() - 15, y.min() - 15), np.ptp(x) + 30, np.ptp(y) + 30
            ax.add_patch(Rectangle(*frame, fill=False, color="#E69F00", linewidth=1.2))
    return fig


def _opened(
    image_ids: Iterable[str], manifest: pd.DataFrame, sources: Mapping[str, str | Path]
) -> list[np.ndarray]:
    """Read images, uint8 (H, W), by their names in the manifest."""
    rows = manifest.set_index("image_id").loc[list(image_ids)]
    return [read_grey(class_root(sources[row.source]) / row.path) for row in rows.itertuples()]


def cohort_flow(flow: pd.DataFrame) -> Figure:
    """Draw the stages of `counts.flow_table` as stacked bars with their counts."""
    fig, ax = plt.subplots(figsize=(PRINT_WIDTH, 2.4))
    left = np.zeros(len(flow))
    for label in CLASSES:
        style = {"color": CLASS_COLOURS[label], "hatch": _HATCHES[label], "edgecolor": "white"}
        ax.barh(flow["stage"], flow[label], left=left, label=label, **style)
        middle = left + flow[label] / 2
        for y, (x, count) in enumerate(zip(middle, flow[label], strict=True)):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(x, y, str(count), ha="center", va="center", fontsize=8, bbox=box)
        left += flow[label].to_numpy()
    for y, row in enumerate(flow.itertuples()):
        loss = f" (−{row.removed})" if row.removed else ""
        ax.text(row.all, y, f"  {row.all}{loss}", va="center", fontsize=8)
    ax.invert_yaxis()
    ax.set(xlabel="images", xlim=(0, 1.2 * flow["all"].max()))
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    return fig


def shortcuts(manifest: pd.DataFrame, share: pd.DataFrame) -> Figure:
    """Draw what tells the classes apart without any tissue: burnt-in marks and image size."""
    fig, (marks, sizes) = plt.subplots(1, 2, figsize=(PRINT_WIDTH, 2.7), width_ratios=(2, 3))
    for x, row in enumerate(share.itertuples()):
        error = np.clip([[row.share - row.low], [row.high - row.share]], 0, 1)  # rounding at 0 or 1
        marks.bar(x, row.share, color=CLASS_COLOURS[row[1]], hatch=_HATCHES[row[1]], edgecolor="w")
        marks.errorbar(x, row.share, error, color="black", capsize=3)
        marks.text(x, row.high + 0.01, f"{row.share:.1%}", ha="center", va="bottom", fontsize=8)
    marks.set_xticks(range(len(share)), share["class"])
    marks.set(ylabel="images with burnt-in marks", ylim=(0, 1.2 * share["high"].max()))
    marks.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for label in CLASSES:
        widths = manifest.loc[manifest["label"] == label, "width"]
        style = {"color": CLASS_COLOURS[label], "linestyle": CLASS_LINES[label], "linewidth": 1.6}
        sizes.ecdf(widths, label=label, **style)
    sizes.set(xlabel="image width (pixels)", ylabel="images at most this wide")
    sizes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    sizes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1.0), handlelength=2.6)
    return fig


def growth(scaling: pd.DataFrame, exponent: float) -> Figure:
    """Draw the processor time of the duplicate search against the number of images."""
    fig, ax = plt.subplots(figsize=(0.6 * PRINT_WIDTH, 2.5))
    n, seconds = scaling["images"], scaling["cpu_seconds"]
    ax.loglog(n, seconds, "o-", color="#0072B2", label=f"measured, exponent {exponent:.2f}")
    ax.loglog(n, seconds.iloc[0] * n / n.iloc[0], ":", color="black", label="linear")
    quadratic = seconds.iloc[0] * (n / n.iloc[0]) ** 2
    ax.loglog(n, quadratic, "--", color="grey", label="quadratic (all pairs)")
    ax.set_xticks(n, [f"{count:,}" for count in n])
    ax.set_yticks(seconds, [f"{second:,.3g}" for second in seconds])
    ax.minorticks_off()
    ax.set(xlabel="synthetic phantoms", ylabel="processor time (s)", ylim=(None, 3 * seconds.max()))
    ax.legend(loc="upper left")
    return fig
