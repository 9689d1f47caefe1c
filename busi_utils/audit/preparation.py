"""The first arrow of the study: from folders of images to manifest, cohorts and folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from busi_utils.audit.cohorts import COHORTS, build_cohorts
from busi_utils.audit.datasets import sources_of
from busi_utils.audit.folds import folds_of, read_folds, save_folds
from busi_utils.audit.manifest import (
    audit_sources,
    duplicates_path,
    read_duplicates,
    read_manifest,
)
from busi_utils.audit.published import check_lists
from busi_utils.kept import keep_table
from busi_utils.locks import locked
from busi_utils.workspace import Workspace


@dataclass(frozen=True)
class PreparedData:
    """What an audit found: `prepare_data` makes and writes it, `audited` may read it.

    Attributes
    ----------
    manifest : pd.DataFrame
        ``results/manifest_<dataset>.csv``.
    pairs : pd.DataFrame
        ``results/duplicates_<dataset>.csv``: ``image_id_a, image_id_b, kind, score``.
    folds : dict
        Cohort to ``results/folds_<dataset>_<cohort>.csv``.
    sources : mapping of str to path
        The folders that were read; empty if an earlier audit was.
    """

    manifest: pd.DataFrame
    pairs: pd.DataFrame
    folds: dict[str, pd.DataFrame]
    sources: Mapping[str, str | Path]


def audited(dataset: str, data: str, workspace: Workspace, tables: str = "") -> PreparedData:
    """Audit a data set; without its images, read what an earlier audit left in the workspace.

    Parameters
    ----------
    dataset, data : str
        See `datasets.sources_of`.
    workspace : Workspace
        Receives or holds the files.
    tables : str
        Folder of the published lists, or empty; see `prepare_data`.

    Raises
    ------
    StudyError
        See `prepare_data` and `manifest.read_manifest`.
    """
    if sources := sources_of(dataset, data):
        return prepare_data(sources, dataset, workspace, tables or None)
    manifest, pairs = read_manifest(dataset, workspace), read_duplicates(dataset, workspace)
    held = [cohort for cohort in COHORTS if workspace.folds(dataset, cohort).is_file()]
    folds = {cohort: read_folds(dataset, cohort, workspace) for cohort in held}
    return PreparedData(manifest, pairs, folds, {})


def prepare_data(
    sources: Mapping[str, str | Path],
    dataset: str,
    workspace: Workspace,
    tables: str | Path | None = None,
) -> PreparedData:
    """Audit a data set and write its manifest, duplicate pairs, and the folds of every cohort.

    What the workspace already holds for the same images is kept. Nothing is written unless
    everything succeeds.

    Parameters
    ----------
    sources : mapping of str to path
        Name and folder of each source, the reference first.
    dataset : str
        ``busi`` or ``phantom``.
    workspace : Workspace
        Receives the files.
    tables : path, optional
        Folder of the published lists; the committed facts are then checked against them.

    Raises
    ------
    StudyError
        If the data have a fault, the lists disagree with the committed facts, or a folds file was
        made for other images.
    """
    if tables is not None:
        check_lists(tables)
    with locked(workspace, "prepare", wait_s=600):
        audit = audit_sources(sources, dataset, workspace)
        folds = {
            cohort: folds_of(table, dataset, cohort, workspace)
            for cohort, table in build_cohorts(audit.manifest, sources).items()
        }
        keep_table(workspace.manifest(dataset), audit.manifest)
        keep_table(duplicates_path(dataset, workspace), audit.pairs)
        for cohort, table in folds.items():
            save_folds(table, dataset, cohort, workspace)
    return PreparedData(audit.manifest, audit.pairs, folds, sources)
