"""Where networks look, summarised: pointing, energy and the sanity check, with intervals."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from busi_utils.analysis.attention import METHODS, attention, maps_of
from busi_utils.stats.bootstrap import percentile_intervals
from busi_utils.stats.metrics import encode
from busi_utils.stats.resampling import bootstrap_means
from busi_utils.study.cells import grid
from busi_utils.study.image_tables import read_products, run_products
from busi_utils.study.predictions import out_of_fold
from busi_utils.study.study import Study

if TYPE_CHECKING:
    import keras

LABELS = {
    "gradcam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "occlusion": "occlusion",
    "gradcam_random_head": "Grad-CAM, class layer shuffled",
    "gradcam_random_top": "Grad-CAM, trained weights shuffled",
    "centre": "centre of the image",
    "chance": "chance (lesion's share of the image)",
}


@dataclass(frozen=True)
class Example:
    """A trained network, an image of its test fold and the stored Grad-CAM map of its class.

    Attributes
    ----------
    network : keras.Model
        With layers ``pooled`` and ``classes``.
    x : np.ndarray
        Shape (1, size, size, 3), as the network wants it.
    y : int
        Position of the true class.
    stored : np.ndarray
        Shape (7, 7), its maximum at 255.
    """

    network: keras.Model
    x: np.ndarray
    y: int
    stored: np.ndarray


@dataclass(frozen=True)
class Attention:
    """Where tuned networks look.

    Attributes
    ----------
    maps : dict of str to pd.DataFrame
        Model to `read_attention`.
    located, sanity : dict of str to pd.DataFrame
        Model to `localisation_table` and `sanity_table`.
    training_seed : int
        Of the networks.
    """

    maps: dict[str, pd.DataFrame]
    located: dict[str, pd.DataFrame]
    sanity: dict[str, pd.DataFrame]
    training_seed: int

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report, by name."""
        named = {"attention": self.located, "attention_sanity": self.sanity}
        return {
            name: pd.concat(tables, names=["model"]).reset_index(level=0)
            for name, tables in named.items()
        }

    def example(self, study: Study, model: str) -> Example | None:
        """Return a network with an image; None without TensorFlow, images or a kept network."""
        cell = grid(study.dataset, ["clean"], [model], ["tuned"], [self.training_seed], [0])[0]
        if not study.sources or importlib.util.find_spec("tensorflow") is None:
            return None
        from busi_utils.models import to_input
        from busi_utils.study.cell_training import is_kept, trained_networks
        from busi_utils.study.setup import setup_of
        from busi_utils.training.inference import prepared

        if not is_kept(study, cell):
            return None
        table = self.maps[model]
        row = table[(table["method"] == "gradcam") & (table["fold"] == 0)].iloc[[0]]
        setup, (_, network) = setup_of(study, cell), next(trained_networks(study, [cell]))
        files = study.bank_files("clean", row["image_id"])
        x = to_input(np.asarray(prepared(files, setup.recipe, setup.size)), setup.input_range)
        y = int(encode(row["label"].to_numpy())[0])
        return Example(network.full, np.asarray(x), y, maps_of(row)[0])


def where_it_looks(
    study: Study, models: Sequence[str], training_seed: int, seed: int, n_replicates: int
) -> Attention:
    """Draw the maps of tuned networks that are missing; return all and what they measure.

    Parameters
    ----------
    study : Study
    models : sequence of str
    training_seed : int
        Of the networks.
    seed, n_replicates : int
        Of the bootstrap over duplicate groups.
    """
    for model in models:
        cells = grid(study.dataset, ["clean"], [model], ["tuned"], [training_seed])
        run_products(study, attention(), cells)
    maps = {model: read_attention(study, model, training_seed) for model in models}
    return Attention(
        maps,
        {model: localisation_table(table, seed, n_replicates) for model, table in maps.items()},
        {model: sanity_table(table, seed, n_replicates) for model, table in maps.items()},
        training_seed,
    )


def read_attention(study: Study, model: str, training_seed: int) -> pd.DataFrame:
    """Return the maps of the tuned networks of a seed and how they meet the lesions, out of fold.

    Returns
    -------
    pd.DataFrame
        See `attention.attention`, with ``group`` and ``right`` (the prediction, bool).
    """
    cells = grid(study.dataset, ["clean"], [model], ["tuned"], [training_seed])
    table = read_products(study, attention(), cells)
    found = out_of_fold(study.workspace, study.dataset, "clean", model, "tuned", [training_seed])
    known = found.images.assign(right=found.right[0]).set_index("image_id").loc[table["image_id"]]
    return table.assign(group=known["group"].to_numpy(), right=known["right"].to_numpy())


def localisation_table(table: pd.DataFrame, seed: int, n_replicates: int) -> pd.DataFrame:
    """Return pointing accuracy and energy in the lesion by method and class.

    Parameters
    ----------
    table : pd.DataFrame
        See `read_attention`.
    seed, n_replicates : int
        Of the group bootstrap.

    Returns
    -------
    pd.DataFrame
        Columns ``method`` (`LABELS`), ``label`` (class), ``measure`` (``hit``, ``energy``),
        ``n, value, low, high``. ``chance`` is the lesion's mean share of the image, which is what
        both measures give for a map that knows nothing.
    """
    lines = []
    for label, part in table.groupby("label"):
        wide = part.pivot(index="image_id", columns="method", values=["hit", "energy"])
        area = part[part["method"] == METHODS[0]].set_index("image_id")["area"]
        for measure in ("hit", "energy"):
            wide[(measure, "chance")] = area
        groups = part.drop_duplicates("image_id").set_index("image_id")["group"]
        replicates = bootstrap_means(wide, groups.loc[wide.index].to_numpy(), seed, n_replicates)
        found = percentile_intervals(replicates)
        for (measure, method), *interval in found.itertuples(index=False):
            values = dict(zip(("value", "low", "high"), interval, strict=True))
            keys = {"method": method, "label": label, "measure": measure, "n": len(wide)}
            lines.append(keys | values)
    order = {method: place for place, method in enumerate(LABELS)}
    return pd.DataFrame(lines).sort_values(
        ["label", "measure", "method"], key=lambda c: c.map(order) if c.name == "method" else c
    )


def sanity_table(table: pd.DataFrame, seed: int, n_replicates: int) -> pd.DataFrame:
    """Return how alike Grad-CAM maps are before and after weights were shuffled.

    Returns
    -------
    pd.DataFrame
        Columns ``method, label, value, low, high``: mean Spearman correlation with the map of the
        trained network. A method that shows what was learnt falls towards 0.

    References
    ----------
    Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    by_method = {m: part.set_index("image_id") for m, part in table.groupby("method")}
    own = by_method["gradcam"]
    shuffled = [method for method in METHODS if method.startswith("gradcam_random")]
    correlations = pd.DataFrame(
        {m: _rank_correlations(own, by_method[m].loc[own.index]) for m in shuffled}
    )
    replicates = bootstrap_means(correlations, own["group"].to_numpy(), seed, n_replicates)
    found = percentile_intervals(replicates).rename(columns={"metric": "method"})
    return found.assign(label=found["method"].map(LABELS))


def _rank_correlations(a: pd.DataFrame, b: pd.DataFrame) -> np.ndarray:
    """Spearman's correlation of each pair of maps; NaN where one of them is flat."""
    ranks = [pd.DataFrame(maps_of(t).reshape(len(t), -1)).rank(axis=1) for t in (a, b)]
    return ranks[0].corrwith(ranks[1], axis=1).to_numpy()


def hits_and_misses(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Draw images that were judged rightly: as many whose Grad-CAM hits the lesion as misses it.

    Parameters
    ----------
    table : pd.DataFrame
        See `read_attention`.
    count : int
        Of each.

    Returns
    -------
    pd.DataFrame
        Columns ``image_id, hit`` (bool), hits first; the draw is the same in every run.
    """
    rows = table[(table["method"] == "gradcam") & table["right"]]
    parts = [rows[rows["hit"] == hit] for hit in (1, 0)]
    drawn = pd.concat([part.sample(min(count, len(part)), random_state=0) for part in parts])
    return drawn[["image_id", "hit"]].astype({"hit": bool}).reset_index(drop=True)


def maps_for(table: pd.DataFrame, method: str, image_ids: Sequence[str]) -> np.ndarray:
    """Return the maps of the given images by one method, float64 (n, 7, 7)."""
    rows = table[table["method"] == method].set_index("image_id")
    return maps_of(rows.loc[list(image_ids)])
