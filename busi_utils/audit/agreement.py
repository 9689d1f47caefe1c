"""Compare what the audit found with a reference: published lists, or the phantom's ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from busi_utils import forms
from busi_utils.audit.duplicates import duplicate_groups
from busi_utils.audit.published import facts_of
from busi_utils.kept import read_table

TWINS = ("exact", "rescaled", "cropped", "brightness", "cross_class")
MARKS = ("text", "calipers")


@dataclass(frozen=True)
class Agreement:
    """What the audit found, against what is known of the same images from elsewhere.

    Attributes
    ----------
    reference : pd.DataFrame
        See `reference_of`.
    pairs, marks : dict
        Of duplicates and of burnt-in marks: see `pair_agreement` and `flag_agreement`.
    disputed_pairs : pd.DataFrame
        See `disagreeing_pairs`.
    disputed_marks : pd.DataFrame
        Rows of the manifest, of the images that one side alone calls marked.
    """

    reference: pd.DataFrame
    pairs: dict[str, float]
    marks: dict[str, float]
    disputed_pairs: pd.DataFrame
    disputed_marks: pd.DataFrame


def compared(manifest: pd.DataFrame, sources: Mapping[str, str | Path]) -> Agreement:
    """Compare groups and marks of a manifest with the reference, where that knows the images."""
    reference = reference_of(manifest, sources)
    found, known = manifest[reference["known"]], reference[reference["known"]]
    group, marked = found["duplicate_group"], found["annotated"]
    return Agreement(
        reference,
        pair_agreement(group, known["group"]),
        flag_agreement(marked, known["annotated"]),
        disagreeing_pairs(found["image_id"], group, known["group"]),
        found[marked != known["annotated"]],
    )


def reference_of(manifest: pd.DataFrame, sources: Mapping[str, str | Path]) -> pd.DataFrame:
    """Return what is known of the images from elsewhere.

    Images of a phantom source (it has a ``ledger.csv``) are described by its ledger, all others by
    the published facts.

    Returns
    -------
    pd.DataFrame
        Indexed like ``manifest``: ``known`` (bool), ``group`` (str) and ``annotated`` (bool).
    """
    facts = facts_of(manifest)
    reference = pd.DataFrame(
        {
            "known": facts["group"] != "",
            "group": facts["group"],
            "annotated": facts["annotation"] != "",
        }
    )
    for name, folder in sources.items():
        ledger = Path(folder) / "ledger.csv"
        if ledger.is_file():
            rows = manifest.index[manifest["source"] == name]
            advice = "restore what lists the planted faults, or take it out of the source."
            listed = read_table(ledger, forms.LEDGER, advice)
            described = _from_ledger(listed, manifest.loc[rows, "path"])
            reference.loc[rows] = described.assign(group=name + described["group"]).to_numpy()
    return reference.astype({"known": bool, "annotated": bool})


def _from_ledger(ledger: pd.DataFrame, paths: pd.Series) -> pd.DataFrame:
    """Return ``known``, ``group`` and ``annotated`` of a phantom source's images."""
    stems = paths.map(lambda path: Path(path).stem)
    position = {stem: number for number, stem in enumerate(stems)}
    twins = ledger[ledger["fault"].isin(TWINS)]
    pairs = pd.DataFrame(
        {"i": twins["image_id"].map(position), "j": twins["twin_of"].map(position)}, dtype=int
    )
    groups = duplicate_groups(len(stems), pairs)
    marked = set(ledger.loc[ledger["fault"].isin(MARKS), "image_id"])
    return pd.DataFrame(
        {"known": True, "group": groups.astype(str), "annotated": stems.isin(marked)},
        index=paths.index,
    )


def pair_agreement(found: pd.Series, reference: pd.Series) -> dict[str, float]:
    """Compare two groupings by the pairs of images that share a group.

    Parameters
    ----------
    found, reference : pd.Series
        Group of each image, same index.

    Returns
    -------
    dict
        ``found``, ``reference`` and ``common`` numbers of pairs; ``precision`` and ``recall`` in
        [0, 1], absent where a denominator is zero.
    """

    def pairs(sizes: pd.Series) -> int:
        return int((sizes * (sizes - 1) // 2).sum())

    table = pd.DataFrame({"found": found, "reference": reference})
    numbers = {
        "found": pairs(table.groupby("found").size()),
        "reference": pairs(table.groupby("reference").size()),
        "common": pairs(table.groupby(["found", "reference"]).size()),
    }
    return numbers | _rates(numbers["common"], numbers["found"], numbers["reference"])


def flag_agreement(found: pd.Series, reference: pd.Series) -> dict[str, float]:
    """Compare two flags; the same fields as `pair_agreement`, counted in images."""
    common = int((found & reference).sum())
    numbers = {"found": int(found.sum()), "reference": int(reference.sum()), "common": common}
    return numbers | _rates(common, numbers["found"], numbers["reference"])


def _rates(common: int, found: int, reference: int) -> dict[str, float]:
    rates = {"precision": (common, found), "recall": (common, reference)}
    return {name: part / whole for name, (part, whole) in rates.items() if whole}


def disagreeing_pairs(ids: pd.Series, found: pd.Series, reference: pd.Series) -> pd.DataFrame:
    """List the pairs that only one of two groupings puts together.

    Returns
    -------
    pd.DataFrame
        ``image_id_a``, ``image_id_b`` and ``only_in`` (``found`` or ``reference``).
    """
    rows = []
    for name, one, other in (("found", found, reference), ("reference", reference, found)):
        for _, members in ids.groupby(one, sort=False):
            keys = members.index.to_numpy()
            first, second = np.triu_indices(len(keys), 1)
            rows += [
                (ids[keys[i]], ids[keys[j]], name)
                for i, j in zip(first, second, strict=True)
                if other[keys[i]] != other[keys[j]]
            ]
    return pd.DataFrame(rows, columns=["image_id_a", "image_id_b", "only_in"])


def curated_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """Say what Curated BUSI kept and left, seen from the groups of this audit.

    Returns
    -------
    pd.DataFrame
        Columns ``what, images``; all zero for a data set that the list does not know.
    """
    facts = facts_of(manifest)
    curated = facts["curated"]
    listed = facts["group"] != ""
    group = manifest["duplicate_group"]
    alone = ~group.duplicated(keep=False)
    rows = {
        "members": curated,
        "members whose group has one image": curated & alone,
        "members with another member in their group": curated
        & group.where(curated, manifest["image_id"]).duplicated(keep=False),
        "members with an axilla objection": curated & (facts["objection"] == "axilla"),
        "left out although alone in their group": listed & ~curated & alone,
        "left out with their whole group": listed
        & ~curated
        & ~curated.groupby(group).transform("any"),
    }
    return pd.DataFrame({"what": list(rows), "images": [int(flag.sum()) for flag in rows.values()]})
