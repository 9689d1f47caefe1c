"""How accuracy holds when images are damaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from busi_utils.analysis.comparison import title_of
from busi_utils.analysis.damage import CORRUPTIONS, NONE, probes
from busi_utils.stats.bootstrap import percentile_intervals
from busi_utils.stats.metrics import encode
from busi_utils.stats.resampling import as_line, bootstrap_means
from busi_utils.study.cells import grid
from busi_utils.study.image_tables import read_products, run_products
from busi_utils.study.predictions import PROBABILITIES
from busi_utils.study.study import Study

METRICS = ("accuracy", "recall_malignant")


@dataclass(frozen=True)
class Damage:
    """What networks say of changed images.

    Attributes
    ----------
    probed : dict of str to pd.DataFrame
        Model to its answers under every probe: `read_probes`.
    table : pd.DataFrame
        See `robustness_table`.
    costs, paired : pd.DataFrame
        See `degradation`.
    """

    probed: dict[str, pd.DataFrame]
    table: pd.DataFrame
    costs: pd.DataFrame
    paired: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report, by name."""
        return {"robustness": self.table, "robustness_costs": self.costs}


def under_damage(
    study: Study,
    models: Sequence[str],
    severities: Sequence[int],
    training_seed: int,
    seed: int,
    n_replicates: int,
) -> Damage:
    """Ask tuned networks about changed images where that is missing; return what they said.

    Parameters
    ----------
    study : Study
    models : sequence of str
        The first is the one that others are compared with.
    severities : sequence of int
        Of the damage, 1 to 5.
    training_seed : int
        Of the networks.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    """
    for model in models:
        cells = grid(study.dataset, ["clean"], [model], ["tuned"], [training_seed])
        run_products(study, probes(severities), cells)
    probed = {m: read_probes(study, m, severities, training_seed) for m in models}
    table = robustness_table(probed, seed, n_replicates)
    return Damage(probed, table, *degradation(probed, seed, n_replicates))


def read_probes(
    study: Study, model: str, severities: Sequence[int], training_seed: int
) -> pd.DataFrame:
    """Return what the tuned networks of a seed said under every probe, out of fold.

    Returns
    -------
    pd.DataFrame
        See `damage.probes`, with the columns ``group`` and ``right`` (bool).

    Raises
    ------
    StudyError
        If a table is missing.
    """
    cells = grid(study.dataset, ["clean"], [model], ["tuned"], [training_seed])
    table = read_products(study, probes(severities), cells)
    groups = study.folds("clean").set_index("image_id")["group"]
    called = table[PROBABILITIES].to_numpy().argmax(axis=1)
    right = called == encode(table["label"].to_numpy())
    return table.assign(group=table["image_id"].map(groups), right=right)


def robustness_table(
    found: Mapping[str, pd.DataFrame], seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return accuracy and malignant recall at every severity, severity 0 being the image itself.

    Parameters
    ----------
    found : Mapping
        Model to `read_probes`.
    seed, n_replicates : int
        Of the group bootstrap.

    Returns
    -------
    pd.DataFrame
        Columns ``model, title, corruption, severity``, and for each of `METRICS` its value,
        ``_low`` and ``_high``.
    """
    lines = []
    for model, table in found.items():
        values = _by_probe(table)
        drawn = bootstrap_means(values, _groups(values, table), seed, n_replicates)
        severities = sorted(set(table.loc[table["probe"].isin(CORRUPTIONS), "severity"]))
        for name in CORRUPTIONS:
            for severity in (0, *severities):
                probe = (name, severity) if severity else (NONE, 0)
                at = drawn[[(metric, *probe) for metric in METRICS]].set_axis(METRICS, axis=1)
                line = {"model": model, "title": title_of(model), "corruption": name}
                lines.append(line | {"severity": severity} | as_line(at))
    return pd.DataFrame(lines)


def degradation(
    found: Mapping[str, pd.DataFrame], seed: int, n_replicates: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what damage costs each model on average, in points, and how models differ in it.

    The cost of a kind of damage is the accuracy on the images themselves less the mean accuracy
    over its severities; ``all`` is the mean over the kinds.

    Returns
    -------
    tuple of pd.DataFrame
        Costs: ``model, title, corruption, value, low, high``. Paired differences of the models from
        the first: ``model, title, value, low, high`` (``all`` only; above 0: loses more).
    """
    costs = {
        model: _costs(_wide(_by_probe(table)), table, seed, n_replicates)
        for model, table in found.items()
    }
    lines = [
        percentile_intervals(replicates)
        .rename(columns={"metric": "corruption"})
        .assign(model=model, title=title_of(model))
        for model, replicates in costs.items()
    ]
    first, *others = costs
    differences = [
        percentile_intervals((costs[model] - costs[first])[["all"]]).assign(
            model=model, title=title_of(model)
        )
        for model in others
    ]
    columns = ["model", "title", "value", "low", "high"]
    paired = pd.concat(differences, ignore_index=True)[columns] if others else pd.DataFrame()
    return pd.concat(lines, ignore_index=True)[["corruption", *columns]], paired


def leads(table: pd.DataFrame, name: str, seed: int, n_replicates: int) -> pd.DataFrame:
    """Return how much more one kind of damage costs than each other, paired, in points.

    Parameters
    ----------
    table : pd.DataFrame
        See `read_probes`.
    name : str
        The kind.
    seed, n_replicates : int
        Of the group bootstrap.

    Returns
    -------
    pd.DataFrame
        Columns ``corruption, value, low, high``, the narrowest lead first.
    """
    costs = _costs(_wide(_by_probe(table)), table, seed, n_replicates).drop(columns="all")
    others = -costs.drop(columns=name).sub(costs[name], axis=0)
    found = percentile_intervals(others).rename(columns={"metric": "corruption"})
    return found.sort_values("value", ignore_index=True)


def _by_probe(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row an image and one column a (metric, probe, severity), NaN where not counted."""
    right = table.pivot(index="image_id", columns=["probe", "severity"], values="right")
    right = right.astype(float)
    labels = table.drop_duplicates("image_id").set_index("image_id")["label"].loc[right.index]
    malignant = right.copy()
    malignant.loc[(labels != "malignant").to_numpy()] = np.nan
    return pd.concat({"accuracy": right, "recall_malignant": malignant}, axis=1)


def _wide(values: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy under the corruptions: the mean over severities of each, and of the image."""
    right = values["accuracy"]
    wide = {name: right[name].mean(axis=1) for name in CORRUPTIONS}
    return pd.DataFrame({NONE: right[NONE][0], **wide})


def _costs(right: pd.DataFrame, table: pd.DataFrame, seed: int, n_replicates: int) -> pd.DataFrame:
    replicates = 100 * bootstrap_means(right, _groups(right, table), seed, n_replicates)
    cost = -replicates[list(CORRUPTIONS)].sub(replicates[NONE], axis=0)
    return cost.assign(all=cost.mean(axis=1))


def _groups(values: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    groups = table.drop_duplicates("image_id").set_index("image_id")["group"]
    return groups.loc[values.index].to_numpy()
