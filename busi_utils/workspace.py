"""Where everything lies: the only module that knows the names of the study's folders."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import Timeout

from busi_utils.errors import StudyError

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = REPOSITORY / "notebooks"
CACHE = Path(os.environ.get("BUSI_CACHE", REPOSITORY / "build" / "cache"))


@dataclass(frozen=True)
class Workspace:
    """The folder that receives what a run makes: results, figures and report.

    The published study lives in the repository itself, the demonstration in ``demo/`` (ignored by
    git), so that synthetic numbers can never overwrite real ones.
    """

    root: Path

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def predictions(self) -> Path:
        return self.results / "predictions"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    @property
    def report(self) -> Path:
        return self.root / "report"

    @property
    def tables(self) -> Path:
        return self.report / "tables"

    @property
    def metrics(self) -> Path:
        return self.report / "metrics.json"

    def manifest(self, dataset: str) -> Path:
        return self.results / f"manifest_{dataset}.csv"

    def folds(self, dataset: str, cohort: str) -> Path:
        return self.results / f"folds_{dataset}_{cohort}.csv"


def workspace_for(dataset: str, root: str | Path = "") -> Workspace:
    """Return the workspace of a data set: ``root`` if given, else ``demo/`` for the phantom.

    Raises
    ------
    StudyError
        If ``root`` is a file, or there is none and the package was installed without its
        repository.
    """
    if root:
        place = path_from(root, "workspace")
        if os.path.isfile(place):
            raise StudyError(f"The workspace {place} is a file: name a folder.")
        return Workspace(place)
    if not NOTEBOOKS.is_dir():
        raise StudyError(
            f"{REPOSITORY} is not the study's repository: clone it and install the package from "
            "there with 'pip install --editable .', or name a workspace."
        )
    return Workspace(REPOSITORY / "demo" if dataset == "phantom" else REPOSITORY)


def path_from(text: str | Path, what: str) -> Path:
    """Return an absolute path; ``~`` and ``~name`` stand for a home.

    Raises
    ------
    StudyError
        If there is no such user, or the text is no path; ``what`` says what it was meant to be.
    """
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, ValueError, OSError) as error:
        raise StudyError(
            f"The {what} '{text}' is no path ({error}): write it out in full."
        ) from error


def folder_from(value: str, variable: str, what: str) -> Path:
    """Resolve a data folder from a parameter, else from an environment variable.

    Parameters
    ----------
    value : str
        Path given by the caller; empty means "look at the environment variable".
    variable : str
        Name of the environment variable, for instance ``BUSI_DATA``.
    what : str
        What the folder holds, for the error message.

    Raises
    ------
    StudyError
        If neither names an existing folder.
    """
    chosen = value or os.environ.get(variable, "")
    if not chosen:
        raise StudyError(f"No {what} was named: pass its folder or set {variable}.")
    path = path_from(chosen, what)
    if not os.path.isdir(path):  # which is False for names that no file can have
        odd = "is a file, not a folder" if os.path.isfile(path) else "does not exist"
        raise StudyError(f"The {what} folder {path} {odd}: correct the path or {variable}.")
    return path


Stamp = tuple[Path, int, int, int]


def stamp(path: Path) -> Stamp:
    """Return a file's path and what changes with its content: the key of a cache of what it holds.

    An absent file has zeros, so that whoever reads it can say what is missing.
    """
    if not path.exists():
        return path, 0, 0, 0
    found = path.stat()
    return path, found.st_ino, found.st_mtime_ns, found.st_size


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends well.

    Raises
    ------
    StudyError
        If the disk refuses the write (full, read-only); the old file is untouched.
    """
    path = Path(path)
    temporary = None
    try:
        with refusals_told(path, "; the previous file is unchanged"):
            path.parent.mkdir(parents=True, exist_ok=True)
            ending = "".join(path.suffixes[-2:])  # Keras wants both of .weights.h5
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=ending)
            os.close(handle)
            temporary = Path(name)
            temporary.chmod(0o644)  # mkstemp makes private files; results are meant to be read
            yield temporary
            temporary.replace(path)
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def refusals_told(path: Path, consequence: str = "") -> Iterator[None]:
    """Say in a sentence that the disk refused a write, whoever was writing.

    Raises
    ------
    StudyError
        In place of an OSError; it names the file, ``path`` if that is not known.
    """
    try:
        yield
    except Timeout:  # of a lock: an OSError too, but no refusal
        raise
    except OSError as error:
        name = path if consequence else error.filename2 or error.filename or path
        why = error.strerror or " ".join(str(error).split())  # h5py breaks lines
        raise StudyError(
            f"{name} could not be written ({why}): free space, correct its "
            f"permissions or name another folder, then run again{consequence}."
        ) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that lasts as long as the block; a full disk is told of its place."""
    place = Path(tempfile.gettempdir())
    with refusals_told(place), tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def require_room(folder: Path, size: int) -> None:
    """Ask for so many bytes, and a little more, before a library writes that cannot bear a full
    disk: HDF5 ends the process, ONNX reads back what was cut short.

    Raises
    ------
    OSError
        As a full disk does.
    """
    if shutil.disk_usage(folder).free < size + 2**20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, with sorted keys and a final newline, so that diffs stay small."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def csv_text(table: pd.DataFrame, float_format: str | None = None) -> str:
    """Return a table as CSV without its index and with Unix line ends."""
    return table.to_csv(index=False, float_format=float_format, lineterminator="\n")


def write_csv(path: str | Path, table: pd.DataFrame, float_format: str | None = None) -> str:
    """Write a table as CSV atomically; return the SHA-256 of the file, for the record beside it."""
    text = csv_text(table, float_format)
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()
