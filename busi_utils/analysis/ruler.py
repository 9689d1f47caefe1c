"""A ruler and the readers, beside the networks, in another hospital.

The ruler is two numbers of the lesion's box, its share of the image and its height over its width,
weighed by a logistic regression that is fitted at home. The box comes from an expert's outline, so
this is no automatic method: it says how much of the task the outline's size and shape decide.
Rules stated beforehand: logarithms of both numbers; logits are added; the network breaks ties.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.external_measures import malignancy
from busi_utils.analysis.subgroups import largest_lesion, shapes_of
from busi_utils.audit.external_sets import read_external, read_external_mask
from busi_utils.audit.images import read_grey
from busi_utils.errors import StudyError
from busi_utils.forms import LESIONS_AWAY
from busi_utils.kept import keep_table, read_kept
from busi_utils.stats.calibration import SMALLEST
from busi_utils.stats.ranking import WeightedRanking
from busi_utils.stats.resampling import as_line, replicate
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace

BOX = ["share", "elongation"]
SUSPICIOUS = 4  # BI-RADS category from which a lesion is biopsied
_FEWEST_STEPS = 10


def lesions_at_home(study: Study, cohort: str = "clean") -> pd.DataFrame:
    """Return what is measured of each lesion of a cohort.

    Returns
    -------
    pd.DataFrame
        Columns ``image_id, label, group, share`` (box over image, (0, 1]), ``elongation`` (height
        over width of the box), ``solidity`` (see `subgroups.lesion_shapes`).
    """
    folds = study.folds(cohort)[["image_id", "label", "group"]]
    sizes = study.manifest[["image_id", "width", "height"]]
    table = folds.merge(shapes_of(study), on="image_id").merge(sizes, on="image_id")
    box = table["width_px"] * table["height_px"]
    table["share"] = box / (table["width"] * table["height"])
    table["elongation"] = table["height_px"] / table["width_px"]
    return table[["image_id", "label", "group", *BOX, "solidity"]]


def lesions_away(data: ExternalData, workspace: Workspace) -> pd.DataFrame:
    """Return the same of another hospital's lesions, kept in ``results/lesions_<set>.csv``.

    Raises
    ------
    StudyError
        If they were not kept, or of other images, and no folder was named to measure.
    """
    path = workspace.results / f"lesions_{data.name}.csv"
    if path.is_file():
        kept = read_kept(path, LESIONS_AWAY)
        if list(kept["image_id"]) == list(data.manifest["image_id"]):
            return kept
    if not data.folder:
        raise StudyError(
            f"{path} is missing or of other images, and no images of {data.name} were named to "
            "measure: set its variable to its folder."
        )
    found = read_external(data.name, data.folder).set_index("image_id")
    rows = []
    for name in data.manifest["image_id"]:
        shape = read_grey(found.loc[name, "path"]).shape
        mask = read_external_mask(found.loc[name, "mask"], shape)
        width, height, _, solidity = largest_lesion(mask)
        rows.append((name, width * height / mask.size, height / width, solidity))
    table = pd.DataFrame(rows, columns=list(LESIONS_AWAY.columns))
    keep_table(path, table, float_format="%.6f")
    return table


def ruler(home: pd.DataFrame, away: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the ruler's logits at home (out of fold, groups together) and away (fitted at home).

    See `lesions_at_home` and `lesions_away` for the tables.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression())
    x, y = np.log(home[BOX].to_numpy()), home["label"] == "malignant"
    p = cross_val_predict(
        model, x, y, groups=home["group"], cv=GroupKFold(5), method="predict_proba"
    )[:, 1]
    there = model.fit(x, y).predict_proba(np.log(away[BOX].to_numpy()))[:, 1]
    return logit(p), logit(there)


@dataclass(frozen=True)
class BesideReaders:
    """Networks, ruler and readers on one hospital's lesions.

    Attributes
    ----------
    table : pd.DataFrame
        See `score_table`.
    malignant : np.ndarray
        Shape (n,), bool.
    scores : dict
        See `scores_away`.
    point : dict
        See `readers_point`.
    home : dict
        AUC of the ruler and of the outline's solidity at home, where the ruler is fitted.
    lesions : tuple of pd.DataFrame
        See `lesions_at_home` and `lesions_away`.
    """

    table: pd.DataFrame
    malignant: np.ndarray
    scores: dict[str, np.ndarray]
    point: dict[str, float]
    home: dict[str, float]
    lesions: tuple[pd.DataFrame, pd.DataFrame]


def beside_the_readers(
    study: Study,
    data: ExternalData,
    networks: Mapping[str, np.ndarray],
    seed: int,
    n_replicates: int,
) -> BesideReaders:
    """Set networks beside the ruler and the readers; see `scores_away` for ``networks``."""
    home, away = lesions_at_home(study), lesions_away(data, study.workspace)
    here, there = ruler(home, away)
    sick = home["label"] == "malignant"
    malignant = (data.manifest["label"] == "malignant").to_numpy()
    point = readers_point(malignant, data.manifest["birads"])
    scores = scores_away(away, there, data.manifest["birads"], networks)
    patients = data.manifest["patient"].to_numpy()
    return BesideReaders(
        score_table(malignant, scores, patients, point, seed, n_replicates),
        malignant,
        scores,
        point,
        {
            "ruler": float(roc_auc_score(sick, here)),
            "solidity": float(roc_auc_score(sick, -home["solidity"])),
        },
        (home, away),
    )


def scores_away(
    away: pd.DataFrame, logits: np.ndarray, birads: pd.Series, networks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return every score of another hospital's lesions, higher for malignant.

    Parameters
    ----------
    away : pd.DataFrame
        See `lesions_away`.
    logits : np.ndarray
        Of the `ruler`, (n,).
    birads : pd.Series
        The readers' category of each lesion.
    networks : mapping of str to np.ndarray
        Name to probabilities (n, 3), the mean over networks; the last joins ruler and readers.
    """
    score = {name: malignancy(p, "lesions") for name, p in networks.items()}
    best = next(reversed(score))
    category = pd.to_numeric(birads, errors="coerce").to_numpy(dtype=float)
    found = {"ruler (box)": logits, "outline's solidity": -away["solidity"]}
    found |= score | {
        "ruler and network": logits + logit(np.clip(score[best], SMALLEST, 1 - SMALLEST))
    }
    if not np.isnan(category).any():
        found["readers: BI-RADS"] = category
        found["readers and network"] = category + 0.5 * score[best]
    return {name: np.asarray(values, dtype=float) for name, values in found.items()}


def score_table(
    malignant: np.ndarray,
    scores: Mapping[str, np.ndarray],
    patients: np.ndarray,
    at: Mapping[str, float],
    seed: int,
    n_replicates: int,
) -> pd.DataFrame:
    """Return AUC and the operating points beside the readers', with intervals over patients.

    Parameters
    ----------
    malignant : np.ndarray
        Shape (n,), bool.
    scores : mapping of str to np.ndarray
        See `scores_away`.
    patients : np.ndarray
        Shape (n,).
    at : mapping
        ``sensitivity`` and ``specificity`` of the readers, where each ROC curve is read.
    seed, n_replicates : int

    Returns
    -------
    pd.DataFrame
        Columns ``score, auc, sensitivity`` (at the readers' specificity), ``specificity`` (at their
        sensitivity), each with ``_low`` and ``_high``; a score of a few categories has no points
        between its steps (NaN).
    """
    lines = []
    for name, score in scores.items():

        def measure(weights: np.ndarray, score: np.ndarray = score) -> dict[str, np.ndarray]:
            with np.errstate(invalid="ignore", divide="ignore"):
                upward = WeightedRanking(malignant, score, weights)
                downward = WeightedRanking(~malignant, -score, weights)
                return {
                    "auc": upward.auc(),
                    "sensitivity": upward.sensitivity(at["specificity"]),
                    "specificity": downward.sensitivity(at["sensitivity"]),
                }

        drawn = replicate(measure, patients, seed, n_replicates)
        if len(np.unique(score)) < _FEWEST_STEPS:
            drawn[["sensitivity", "specificity"]] = np.nan
        lines.append({"score": name} | as_line(drawn))
    return pd.DataFrame(lines)


def readers_point(malignant: np.ndarray, birads: pd.Series) -> dict[str, float]:
    """Return sensitivity and specificity of readers who call BI-RADS 4 and above suspicious.

    Where an image has no category, 90 % of both, which is what the study asks of its networks.
    """
    category = pd.to_numeric(birads, errors="coerce").to_numpy(dtype=float)
    if np.isnan(category).any():
        return {"sensitivity": 0.9, "specificity": 0.9}
    flagged = category >= SUSPICIOUS
    return {
        "sensitivity": float(flagged[malignant].mean()),
        "specificity": float((~flagged[~malignant]).mean()),
    }
