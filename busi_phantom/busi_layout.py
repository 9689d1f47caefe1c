"""Write phantoms to disk as BUSI is laid out, with its faults planted and written in a ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from busi_phantom.planting import DatasetWriter, fill
from busi_phantom.render import check_known
from busi_utils import CLASSES
from busi_utils.errors import StudyError
from busi_utils.workspace import write_csv, write_json

DEMO_COUNTS = {"benign": 104, "malignant": 54, "normal": 36}
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
        As in :func:`busi_phantom.render.render_phantoms`.
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
        if not _complete(folder, parameters):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.parent / f".{folder.name}.lock"):
                if not _complete(folder, parameters):  # another run may have written it meanwhile
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
    check_known(counts, scanner)
    if any(count < 0 for count in counts.values()):
        raise StudyError(f"The phantom counts {dict(counts)} hold a negative number: correct it.")
    return {
        "generator_version": GENERATOR_VERSION,
        "counts": {label: int(counts.get(label, 0)) for label in CLASSES},
        "seed": int(seed),
        "scanner": scanner,
        "plant": bool(plant),
        "broken": bool(broken),
    }


def _own_record(folder: Path) -> dict[str, Any]:
    """Read ``phantom.json``; nothing is an empty record, and a folder of others is refused."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {"parameters": {}, "files": {}}
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        return {"parameters": dict(record["parameters"]), "files": dict(record["files"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _refusal(folder, "phantom.json is absent or unreadable") from error


def _refusal(folder: Path, why: str) -> StudyError:
    return StudyError(
        f"{folder} holds files that the phantom generator did not write ({why}): name an empty or "
        "a new folder, for nothing of yours is ever overwritten."
    )


def _complete(folder: Path, parameters: dict[str, Any]) -> bool:
    """Tell whether the set of these parameters is there, every file with its size in bytes."""
    record = _own_record(folder)
    paths = {name: folder / name for name in record["files"]}
    sound = all(p.is_file() and p.stat().st_size == record["files"][n] for n, p in paths.items())
    return sound and record["parameters"] == parameters


def _replace(folder: Path, parameters: dict[str, Any]) -> None:
    """Build the set in a hidden sibling, then swap: the folder is never seen half written."""
    known = {*_own_record(folder)["files"], _RECORD}
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    if foreign := sorted(set(found) - known):
        raise _refusal(folder, f"first: {foreign[0]}")
    part = folder.parent / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        writer = DatasetWriter(root=part)
        fill(writer, parameters)
        ledger = pd.DataFrame(writer.ledger, columns=LEDGER_COLUMNS)
        write_csv(part / _LEDGER, ledger)
        writer.sizes[_LEDGER] = (part / _LEDGER).stat().st_size
        write_json(part / _RECORD, {"parameters": parameters, "files": writer.sizes})
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
