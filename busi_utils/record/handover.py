"""What the notebooks hand over to each other: every kind of file in ``results/``, once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from busi_utils.audit.external_sets import EXTERNAL_SETS
from busi_utils.kept import RESTORE, read_json
from busi_utils.workspace import Workspace

CELL = "<cohort>/<model>/<recipe>/seed<k>_fold<i>"
"""What ``<cell>`` stands for; see `study.cells.Cell`."""
_LATER = "02 03 04 05"
_ALL_LATER = f"{_LATER} 06"


@dataclass(frozen=True)
class Handover:
    """One kind of file.

    Attributes
    ----------
    files : str
        Where it lies below ``results/``; words in angle brackets vary, ``<cell>`` is `CELL`.
    written_by, read_by : str
        Numbers of notebooks.
    holds : str
        One line of it, or what it says.
    """

    files: str
    written_by: str
    read_by: str
    holds: str

    def found(self, dataset: str, workspace: Workspace) -> list[Path]:
        """Return the files of this kind that are there, in order."""
        every = self.files.replace("<dataset>", dataset).replace("<cell>", CELL)
        patterns = {
            re.sub(r"<[a-z]+>", "*", every.replace("<external set>", external))
            for external in EXTERNAL_SETS
        }
        return sorted(path for one in patterns for path in workspace.results.glob(one))


HANDOVERS = (
    Handover("manifest_<dataset>.csv", "01", _ALL_LATER, "an image of the data set"),
    Handover("duplicates_<dataset>.csv", "01", "01", "a pair of images that match"),
    Handover(
        "duplicate_scaling_<dataset>.csv", "01", "01", "a number of phantoms, searched on time"
    ),
    Handover("checksums.json", "01 03 04 05", _ALL_LATER, "of the tables in `results/` itself"),
    Handover("folds_<dataset>_<cohort>.csv", "01", _ALL_LATER, "an image of the cohort"),
    Handover("predictions/<dataset>/<cell>.csv", _LATER, _ALL_LATER, "a test image of the fold"),
    Handover(
        "predictions/<dataset>/<cell>.json",
        _LATER,
        _ALL_LATER,
        "how the network was trained, `history` by epoch",
    ),
    Handover(
        "validation/<dataset>/<cell>.csv",
        _LATER,
        "03 04 05",
        "an inner validation image, by which thresholds and recipes may be chosen",
    ),
    Handover(
        "averages/<dataset>/<cell>.csv",
        "02",
        "02",
        "an epoch of a training of the whole network, read through several running averages",
    ),
    Handover(
        "averages/<dataset>/<cohort>/<model>/<recipe>/checksums.json",
        "02",
        "02",
        "of the tables beside it",
    ),
    Handover("trials.csv", "03", "03", "a recipe tried, on inner validation images"),
    Handover("lesions_<dataset>.csv", "04 05", "04 05", "a lesion's mask and its shape"),
    Handover("lesions_<external set>.csv", "04 05", "04 05", "a lesion's box and its shape"),
    Handover(
        "probes/<dataset>/<cell>.csv",
        "04",
        "04",
        "a test image that was damaged or had parts taken away",
    ),
    Handover(
        "attention/<dataset>/<cell>.csv",
        "04",
        "04",
        "an image and a method: hit, energy and area of the lesion, 7 × 7 map",
    ),
    Handover(
        "masks/<dataset>/<cell>.csv",
        "05",
        "05",
        "a lesion as the network draws it under a rule: Dice, box, and its probabilities",
    ),
    Handover(
        "masks/<external set>/<cell>.csv", "05", "05", "the same of an image of another hospital"
    ),
    Handover(
        "second_looks/<dataset>/<cell>.csv",
        "05",
        "05",
        "a predicted box, cut out with a margin and judged again",
    ),
    Handover(
        "within_<external set>.csv",
        "04",
        "04",
        "an image of another hospital, scored by a simple classifier taught there or at home",
    ),
    Handover("manifest_<external set>.csv", "04 05", "04 05", "an image of another hospital"),
    Handover(
        "predictions/<external set>/<cell>.csv",
        "04",
        "04",
        "such an image; a recipe that ends in `adapted` takes batch statistics of the new images, "
        "in `averaged` it is one network of mean weights",
    ),
    Handover(
        "deployment/<table>.csv",
        "06",
        "06",
        "a deployed network: bytes and answers by format, milliseconds by runtime",
    ),
    Handover("deployment/checksums.json", "06", "06", "of the tables beside it"),
)


def handover_table(dataset: str, workspace: Workspace) -> pd.DataFrame:
    """Return every kind of file with what is there of it.

    Returns
    -------
    pd.DataFrame
        Columns ``files, written_by, read_by, number``, ``holds`` and ``columns``: those of the
        first file as text, empty if there is none.
    """
    return pd.DataFrame(_lines(dataset, workspace))


def _lines(dataset: str, workspace: Workspace) -> Iterator[dict[str, str | int]]:
    for kind in HANDOVERS:
        there = kind.found(dataset, workspace)
        yield {
            "files": kind.files,
            "written_by": kind.written_by,
            "read_by": kind.read_by,
            "number": len(there),
            "holds": kind.holds,
            "columns": columns_of(there[0]) if there else "",
        }


def columns_of(path: Path) -> str:
    """Return the columns of a CSV file or the keys of a JSON file; numbered ones as a range."""
    try:
        if path.suffix == ".json":
            names = list(json.loads(path.read_text(encoding="utf-8")))
        else:
            names = list(pd.read_csv(path, nrows=0).columns)
    except ValueError:  # whoever needs the file says what to do; here it is only listed
        return f"{path.name} cannot be read"
    return re.sub(r"\b([a-z]+)0, (?:\1\d+, )*(\1\d+)", r"\g<1>0 ... \g<2>", ", ".join(names))


def recorded_by(notebook: Path) -> dict[str, str | int]:
    """Return what a notebook records by its own source.

    Returns
    -------
    dict
        ``notebook`` (name), ``title`` (its question), ``figures`` and ``tables`` (how often one is
        saved), ``claims`` (those judged, as text).
    """
    cells = read_json(notebook, RESTORE, ["cells"])["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    code = "\n".join(sources)
    # Claims may be judged in a loop, so their numbers stand anywhere in the cell.
    judging = "\n".join(source for source in sources if "record_verdict(" in source)
    return {
        "notebook": notebook.stem,
        "title": "".join(cells[0]["source"]).splitlines()[0].partition("·")[2].strip(),
        "figures": len(re.findall(r"\bsave_figure\(", code)),
        "tables": len(re.findall(r"\b(?:save|kept)_table\(", code)),
        "claims": ", ".join(dict.fromkeys(re.findall(r"\"(C\d+[a-z]?)\"", judging))) or "–",
    }
