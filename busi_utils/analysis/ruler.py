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
from busi_utils.analysis.lesion_boxes import BOX, lesions_at_home, lesions_away
from busi_utils.stats.calibration import SMALLEST
from busi_utils.stats.ranking import WeightedRanking
from busi_utils.stats.resampling import as_line, replicate
from busi_utils.study.study import Study

SUSPICIOUS = 4  # BI-RADS category from which a lesion is biopsied
NETWORKS = "networks"
_FEWEST_STEPS = 10


def ruler(home: pd.DataFrame, away: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the ruler's logits at home (out of fold, groups together) and away (fitted at home).

    See `lesion_boxes` for the tables.
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
        See `lesion_boxes`: at home, and those away whose outline fits their image.
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
    """Set networks beside the ruler and the readers, on lesions whose outline fits their image.

    See `scores_away` for ``networks``; their rows are those of the manifest.
    """
    home, away = lesions_at_home(study), lesions_away(data, study.workspace)
    known = data.manifest["image_id"].isin(away["image_id"][away["share"].notna()]).to_numpy()
    away, images = away[away["share"].notna()].reset_index(drop=True), data.manifest[known]
    here, there = ruler(home, away)
    sick = home["label"] == "malignant"
    malignant = (images["label"] == "malignant").to_numpy()
    point = readers_point(malignant, images["birads"])
    known_networks = {name: p[known] for name, p in networks.items()}
    scores = scores_away(away, there, images["birads"], known_networks)
    patients = images["patient"].to_numpy()
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


def malignancy_logit(p: np.ndarray) -> np.ndarray:
    """Return the logit of `malignancy` among lesions, finite, (..., 3) to (...)."""
    return logit(np.clip(malignancy(p, "lesions"), SMALLEST, 1 - SMALLEST))


def scores_away(
    away: pd.DataFrame, logits: np.ndarray, birads: pd.Series, networks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return every score of another hospital's lesions, higher for malignant.

    Parameters
    ----------
    away : pd.DataFrame
        See `lesion_boxes.lesions_away`.
    logits : np.ndarray
        Of the `ruler`, (n,).
    birads : pd.Series
        The readers' category of each lesion.
    networks : mapping of str to np.ndarray
        Name to probabilities (n, 3), the mean over networks; each is joined with ruler and readers.
    """
    score = {name: malignancy(p, "lesions") for name, p in networks.items()}
    category = pd.to_numeric(birads, errors="coerce").to_numpy(dtype=float)
    found = {"ruler (box)": logits, "outline's solidity": -away["solidity"]}
    found |= score
    found |= {f"ruler and {name}": logits + malignancy_logit(p) for name, p in networks.items()}
    if not np.isnan(category).any():
        found["readers: BI-RADS"] = category
        found |= {f"readers and {name}": category + 0.5 * p for name, p in score.items()}
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
        between its steps (NaN). Where `NETWORKS` are among the scores, ``gain`` is what each AUC
        has over theirs, in points, paired.
    """
    lines, aucs = [], {}
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
        aucs[name] = drawn["auc"]
    if NETWORKS in aucs:
        gains = [as_line((one - aucs[NETWORKS]).to_frame("gain"), 100) for one in aucs.values()]
        lines = [line | gain for line, gain in zip(lines, gains, strict=True)]
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
