"""Another hospital: all that a study's networks say of it, and what became of them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from busi_utils.analysis.external import ExternalData, prepare_external, title_of_set
from busi_utils.analysis.external_measures import readers_auc
from busi_utils.analysis.external_variants import (
    Variant,
    calibration_parts,
    external_table,
    home_line,
    paired_differences,
    run_external,
    strata,
)
from busi_utils.study.study import Study

_RULE = "lesions"


@dataclass(frozen=True)
class Elsewhere:
    """Networks in another hospital.

    Attributes
    ----------
    title : str
        Name of the data set in texts.
    hospital : ExternalData
    table, strata, differences : pd.DataFrame
        See `external_variants.external_table`, `external_variants.strata` and
        `external_variants.paired_differences`.
    home : dict
        The first variant at home: `external_variants.home_line`.
    readers : dict
        See `external_measures.readers_auc`.
    shift : dict
        See `external_variants.calibration_parts`.
    """

    title: str
    hospital: ExternalData
    table: pd.DataFrame
    strata: pd.DataFrame
    differences: pd.DataFrame
    home: dict[str, object]
    readers: dict[str, float]
    shift: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def variants(self) -> pd.DataFrame:
        """Lines of the table under the rule that malignant is told from benign."""
        return self.table[self.table["rule"] == _RULE]

    @property
    def one(self) -> pd.Series:
        """Line of the first variant, one network."""
        return self._first(True)

    @property
    def mean(self) -> pd.Series:
        """Line of the first variant, mean of its networks."""
        return self._first(False)

    def _first(self, one: bool) -> pd.Series:
        rows = self.variants[self.variants["variant"] == self.table["variant"].iloc[0]]
        return rows[(rows["networks"] == "one") == one].iloc[0]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report, by name."""
        name = f"external_{self.hospital.name}"
        tables = {name: self.table, f"{name}_strata": self.strata}
        return tables | {f"{name}_differences": self.differences}


def elsewhere(
    study: Study,
    name: str,
    asked: Mapping[tuple[str, str], Sequence[int]],
    seed: int,
    n_replicates: int,
) -> Elsewhere:
    """Ask networks about another hospital where that is missing; return what they said.

    Each is asked as it is and with batch statistics of the new images, the first of them also with
    the weights of its folds averaged.

    Parameters
    ----------
    study : Study
    name : str
        In `external_sets.EXTERNAL_SETS`.
    asked : mapping of (model, recipe) to seeds
        Networks of cohort ``clean``; the first is the one that the others are compared with.
    seed, n_replicates : int
        Of the bootstrap over patients.
    """
    rows = [(model, recipe, tuple(seeds)) for (model, recipe), seeds in asked.items()]
    variants = [Variant(*row, adapted) for row in rows for adapted in (False, True)]
    variants += [Variant(*rows[0], adapted, averaged=True) for adapted in (False, True)]
    hospital = prepare_external(name, study.dataset, study.workspace)
    run_external(study, hospital, variants)
    drawn = seed, n_replicates
    return Elsewhere(
        title_of_set(name, study.dataset),
        hospital,
        external_table(study, hospital, variants, *drawn),
        strata(study, hospital, variants[0], *drawn),
        paired_differences(study, hospital, variants, *drawn),
        home_line(study, variants[0], _RULE, *drawn),
        readers_auc(hospital.manifest, *drawn),
        calibration_parts(study, hospital, variants[0]),
    )
