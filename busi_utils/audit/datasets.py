"""Which folders a data set consists of; the phantom is generated where it is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from busi_phantom.busi_layout import DEMO_COUNTS, write_phantom_dataset
from busi_utils.audit.external_sets import EXTERNAL_SETS
from busi_utils.errors import StudyError
from busi_utils.workspace import CACHE, folder_from, path_from

DATASETS = ("phantom", "busi")
DATA_VARIABLES = (
    "BUSI_DATA",
    "BUSI_WEIGHTS",
    *(external.variable for external in EXTERNAL_SETS.values()),
)
"""Environment variables that name folders."""
_NAMED = re.compile(r"[A-Za-z_][\w.-]*=")
_PHANTOM_SEED = 1
_CLINIC_COUNTS = {"benign": 12, "malignant": 8, "normal": 6}


def sources_of(dataset: str, data: str = "") -> dict[str, Path]:
    """Return the name and folder of each image source of a data set.

    Parameters
    ----------
    dataset : str
        ``phantom`` (generated into the cache: a main source and a small one from a second
        scanner) or ``busi``.
    data : str
        For ``busi``: one folder, or several as ``busi=<folder>,local=<folder>``, the reference
        first. Empty: the environment variable ``BUSI_DATA``.

    Returns
    -------
    dict
        Empty if ``busi`` was named nowhere: committed results can then be read, nothing trained.

    Raises
    ------
    StudyError
        If a folder does not exist, the data set is unknown, or phantoms are to lie in a folder.
    """
    if dataset not in DATASETS:
        raise StudyError(f"Unknown data set '{dataset}': choose one of {', '.join(DATASETS)}.")
    if dataset == "phantom":
        if data:
            raise StudyError(
                f"The phantom data set is generated, {data} would not be read: omit it."
            )
        return _phantom_sources()
    named = data or os.environ.get("BUSI_DATA", "")
    if not named:
        return {}
    pairs = named_folders(named, dataset)
    if len({name for name, _ in pairs}) < len(pairs):
        raise StudyError(f"'{named}' names a source twice: give each folder its own name=.")
    return {name: folder_from(folder, "BUSI_DATA", "image") for name, folder in pairs}


def named_folders(text: str, first: str = "") -> list[tuple[str, str]]:
    """Read ``busi=<folder>,local=<folder>``; the first may go without its name.

    A folder whose own name holds ``,`` or ``=`` is one folder, if it is there.
    """
    if os.path.isdir(path_from(text, "image folder")):
        return [(first, text)]
    parts = re.split(rf"\s*,\s*(?={_NAMED.pattern})", text)
    return [tuple(p.split("=", 1)) if _NAMED.match(p) else (first, p) for p in parts]


def data_text(dataset: str, sources: Mapping[str, Path]) -> str:
    """Return sources as `sources_of` reads them: a folder alone if it is the only one."""
    if list(sources) == [dataset]:
        return str(sources[dataset])
    return ",".join(f"{name}={folder}" for name, folder in sources.items())


def _phantom_sources() -> dict[str, Path]:
    folder = CACHE / "phantom"
    main, clinic = folder / "scanner_a", folder / "scanner_b"
    write_phantom_dataset(main, DEMO_COUNTS, seed=_PHANTOM_SEED, scanner="A")
    write_phantom_dataset(clinic, _CLINIC_COUNTS, seed=_PHANTOM_SEED + 1, scanner="B", plant=False)
    return {"phantom": main, "clinic": clinic}
