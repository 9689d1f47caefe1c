"""One look for every figure, and the one way to save it: vector, raster and a manifest entry."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullLocator

from busi_utils.errors import StudyError
from busi_utils.kept import read_json
from busi_utils.locks import locked
from busi_utils.record.numbers import plain
from busi_utils.workspace import Workspace, atomic_path, write_json

PRINT_WIDTH = 6.3
"""Width of the report's text block in inches; wider figures are scaled down to it."""
RASTER_DPI = 200
MIN_POINTS = 8.0
"""Smallest type that may appear in print, in points."""
CEILING = "ceiling"
"""Word on the line of the accuracy that the labels allow."""
STAMP = "synthetic phantoms – no patient data"
_ENTRY = {"file", "raster", "caption", "alt", "dataset"}
_STRIP = 0.25  # inches above the figure that hold the stamp
_HASHED_ID = re.compile(r'\bid="(\w*?)([0-9a-f]{10})"')

# Okabe & Ito (2008), ordered so that neighbours differ in luminance as well as in hue.
PALETTE = ("#0072B2", "#E69F00", "#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#000000", "#F0E442")
CLASS_COLOURS = {"normal": "#CC79A7", "benign": "#0072B2", "malignant": "#D55E00"}
CLASS_LINES = {"normal": ":", "benign": "--", "malignant": "-"}

_FAMILIES = {  # a variant such as mobilenetv2_05 shares the colour of its family
    "mobilenetv2": ("#0072B2", "o"),
    "xception": ("#D55E00", "s"),
    "efficientnetb3": ("#009E73", "^"),
    "efficientnetv2b0": ("#E69F00", "D"),
    "mobilenetv1": ("#000000", "v"),
    "mobilenetv3": ("#CC79A7", "P"),
    "mobilenetv4": ("#56B4E9", "X"),
}
_VARIANT_LINES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


def use_theme() -> None:
    """Set the study's look for every figure made after this call."""
    sns.set_theme(context="paper", style="ticks", palette=list(PALETTE))
    mpl.rcParams.update(
        {
            "font.family": ["DejaVu Sans"],
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.fontsize": 8,
            "legend.title_fontsize": 8,
            "figure.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "legend.frameon": False,
            "lines.linewidth": 1.4,
            "lines.markersize": 5,
            "image.cmap": "gray",
            "figure.figsize": (PRINT_WIDTH, 3.2),
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "savefig.dpi": RASTER_DPI,
            "svg.fonttype": "none",  # text stays text: searchable, and readable to screen readers
            "svg.hashsalt": "busi",  # element identifiers are the same in every run
        }
    )


def log_axis(ax: Axes) -> None:
    """Make the x-axis logarithmic, with plain numbers at 1, 2 and 5 times powers of ten."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())


def dots(
    ax: Axes, x: pd.Series, low: pd.Series, high: pd.Series, y: np.ndarray, colour: str, marker: str
) -> None:
    """Draw a mark at each (x, y), on a line from low to high."""
    ax.hlines(y, low, high, color=colour, lw=1.2)
    ax.plot(x, y, marker, color=colour)


def model_style(model: str) -> dict[str, Any]:
    """Return the fixed ``color``, ``marker`` and ``linestyle`` of a model, as plot arguments.

    Raises
    ------
    StudyError
        If the model belongs to no known family.
    """
    for family, (colour, marker) in _FAMILIES.items():
        if model.startswith(family):
            variant = zlib.crc32(model.encode()) % len(_VARIANT_LINES)
            line = "-" if model == family else _VARIANT_LINES[variant]
            return {"color": colour, "marker": marker, "linestyle": line}
    raise StudyError(
        f"No colour is fixed for the model '{model}': add its family to busi_utils/plots/theme.py."
    )


def save_figure(
    fig: Figure,
    name: str,
    *,
    caption: str,
    alt: str,
    notebook: str,
    dataset: str,
    parameters: Mapping[str, Any],
    workspace: Workspace,
) -> Path:
    """Save a figure as SVG and 200 dpi PNG and enter it in ``figures/manifest.json``.

    A figure made from phantoms is stamped above its upper edge; the stamp stays on ``fig``, so
    that the notebook shows it too. The files are byte-identical from run to run and on any
    processor.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        Made after `use_theme`.
    name : str
        Lower-case identifier, also the file name and the label ``fig:<name>`` of the report.
    caption, alt : str
        Caption in the report; what a reader sees who cannot see the figure.
    notebook : str
        The notebook that made it, for instance ``02_mobilenetv2_baseline``.
    dataset : str
        ``phantom``, ``busi``, ...
    parameters : Mapping
        What the figure depends on (seeds, cohort, ...), JSON-plain.
    workspace : Workspace
        Receives ``figures/<name>.svg`` and ``.png``.

    Returns
    -------
    Path
        The SVG file.

    Raises
    ------
    StudyError
        If the name is malformed, caption or alt text is empty, or type would print below 8 pt.
    """
    _check(fig, name, caption, alt)
    if dataset == "phantom":
        _stamp(fig)
    target = workspace.figures / f"{name}.svg"
    with atomic_path(target) as path:
        metadata = {"Date": None, "Creator": None, "Title": name, "Description": alt}
        fig.savefig(path, format="svg", metadata=metadata)
        svg = _settled(path.read_text(encoding="utf-8"), name)
        path.write_text(svg, encoding="utf-8", newline="\n")
    with atomic_path(target.with_suffix(".png")) as path:
        fig.savefig(path, format="png", dpi=RASTER_DPI, metadata={"Software": None})
    entry = {
        "file": target.name,
        "raster": f"{name}.png",
        "caption": caption,
        "alt": alt,
        "notebook": notebook,
        "dataset": dataset,
        "parameters": plain(dict(parameters), f"parameters of figure {name}"),
    }
    with locked(workspace, "figures"):
        write_json(workspace.figures / "manifest.json", read_figures(workspace) | {name: entry})
    return target


def read_figures(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the figure manifest, ``{name: entry}``; empty before the first figure."""
    path = workspace.figures / "manifest.json"
    if not path.exists():
        return {}
    advice = "delete it and run the notebooks again."
    entries = read_json(path, advice)
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not set(entry) >= _ENTRY:
            raise StudyError(f"{path}: figure '{name}' lacks {', '.join(sorted(_ENTRY))}; {advice}")
    return entries


def _settled(svg: str, name: str) -> str:
    """Replace what hangs on the last bit of a coordinate, which differs between processors.

    Coordinates have six decimals, but matplotlib hashes an element's identifier (of a clip path,
    for instance) from all sixteen digits; here it is numbered in the order of the page. A zero
    that came out as -1e-17 is written "-0".
    """
    for number, (kind, digest) in enumerate(_HASHED_ID.findall(svg), start=1):
        svg = re.sub(rf"(?<=[\"#]){kind}{digest}(?=[\")])", f"{name}-{kind}{number}", svg)
    return re.sub(r"(?<=[\s\"(,])-0(?=[\s\"),])", "0", svg)


def _check(fig: Figure, name: str, caption: str, alt: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise StudyError(f"Figure name '{name}' may hold only lower-case letters, digits and '_'.")
    if not caption.strip() or not alt.strip():
        raise StudyError(f"Figure '{name}' needs a caption and an alt text: write both.")
    shrink = min(1.0, PRINT_WIDTH / fig.get_size_inches()[0])
    for text in fig.findobj(lambda a: isinstance(a, Text) and a.get_visible()):
        if text.get_text().strip() and text.get_fontsize() * shrink < MIN_POINTS - 1e-6:
            raise StudyError(
                f"Figure '{name}': the text '{text.get_text()[:30]}' would print at "
                f"{text.get_fontsize() * shrink:.1f} pt; keep the figure within {PRINT_WIDTH} "
                f"inches and its type at {MIN_POINTS:.0f} pt or more."
            )


def _stamp(fig: Figure) -> None:
    """Write the label once, into a strip added above the figure, where nothing else is drawn."""
    if any(text.get_gid() == "stamp" for text in fig.texts):
        return
    width, height = fig.get_size_inches()
    fig.set_size_inches(width, height + _STRIP)
    below = height / (height + _STRIP)
    fig.get_layout_engine().set(rect=(0, 0, 1, below))
    style = {"fontsize": 8, "fontweight": "bold", "color": "#7A0000", "gid": "stamp"}
    fig.text(0.99, (1 + below) / 2, STAMP, ha="right", va="center", **style)
