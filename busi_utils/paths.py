"""Where everything lies: the only module that knows the names of the study's folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import StudyError

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
    """Return the workspace of a data set: ``root`` if given, else ``demo/`` for the phantom."""
    if root:
        return Workspace(Path(root).resolve())
    return Workspace(REPOSITORY / "demo" if dataset == "phantom" else REPOSITORY)


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
    path = Path(chosen).expanduser().resolve()
    if not path.is_dir():
        raise StudyError(
            f"The {what} folder {path} does not exist: correct the path or {variable}."
        )
    return path
