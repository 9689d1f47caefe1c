"""A ruler that the network draws itself: the box of its predicted mask, beside its probability.

Rules stated before another hospital was asked. Lesions only. The mask's rule is the one of
`masks.RULES` with the highest mean Dice on inner validation images. Three logarithms or logits
(share of the box, its height over width, malignant against benign) enter the logistic regression of
`ruler`, fitted on inner validation images of the home data set, where each network is asked about
images that it did not learn from. Several networks: their logits are averaged. Beside this fit, the
older rule of `ruler`: logits of box and network are added. For a test fold at home, images of that
fold take no part in choice or fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from busi_utils.analysis.drawn_masks import drawn, drawn_away, second_looks
from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.lesion_boxes import BOX, lesions_at_home, lesions_away
from busi_utils.analysis.masks import (
    Rule,
    best_margin,
    best_rule,
    log_losses,
    mean_dice,
    second_seen,
    under,
    without_fold,
)
from busi_utils.analysis.ruler import malignancy_logit, ruler
from busi_utils.stats.paired_tests import holm
from busi_utils.stats.resampling import auc_gains
from busi_utils.study.cells import Cell
from busi_utils.study.image_tables import read_products, run_products
from busi_utils.study.predictions import PROBABILITIES
from busi_utils.study.study import Study

NETWORK = "network"
OWN_BOX, ADDED = "own box", "network and own box, added"
_ADAPTED = ", adapted"
_MODELS = {OWN_BOX: False, "network and own box, fitted": True}
"""Name of what is fitted, and whether the network's logit is beside the box."""


def features(lesions: pd.DataFrame, network: bool) -> np.ndarray:
    """Return what a model reads of each lesion: logarithms of the box, logit of the network."""
    columns = [np.log(lesions[BOX].to_numpy())]
    if network:
        columns.append(malignancy_logit(lesions[PROBABILITIES].to_numpy())[:, None])
    return np.hstack(columns)


def fitted_logits(learnt: pd.DataFrame, asked: pd.DataFrame, network: bool) -> np.ndarray:
    """Fit on the inner validation lesions of one table; return the logits of another, (n,)."""
    lesions = learnt[learnt["label"] != "normal"]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features(lesions, network), lesions["label"] == "malignant")
    return model.decision_function(features(asked, network))


@dataclass(frozen=True)
class AtHome:
    """What the masks of a row's networks are worth at home.

    Attributes
    ----------
    every : pd.DataFrame
        All rows of `drawn_masks.drawn`.
    rules : pd.DataFrame
        See `mean_dice`, of all inner validation images.
    rule : Rule
        The best of them, for other hospitals.
    test : pd.DataFrame
        One row a test image, under the rule chosen without its fold; ``group`` added.
    looks : pd.DataFrame
        The same images with the columns of a prediction file: mean of image and second look;
        ``margin`` as chosen without the fold.
    margins : pd.DataFrame
        ``margin`` (0: the image alone), ``log_loss`` on inner validation images.
    """

    every: pd.DataFrame
    rules: pd.DataFrame
    rule: Rule
    test: pd.DataFrame
    looks: pd.DataFrame
    margins: pd.DataFrame


def at_home(study: Study, cells: Sequence[Cell]) -> AtHome:
    """Draw, choose and look again; ``cells`` are the folds of one seed."""
    run_products(study, drawn(), cells)
    every = read_products(study, drawn(), cells)
    tests, looks = [], []
    for cell in cells:
        learnt = without_fold(every, cell.fold)
        rule = best_rule(learnt)
        own = every[(every["part"] == "test") & (every["fold"] == cell.fold)]
        tests.append(under(own, rule))
    rule = best_rule(every)
    run_products(study, second_looks(rule), cells)
    seen = second_seen(under(every, rule), read_products(study, second_looks(rule), cells))
    for cell in cells:
        margin = best_margin(without_fold(seen, cell.fold))
        own = seen[(seen["part"] == "test") & (seen["fold"] == cell.fold)]
        looks.append(own[own["margin"] == margin])
    group = study.folds(cells[0].cohort).set_index("image_id")["group"]
    test = pd.concat(tests, ignore_index=True)
    return AtHome(
        every,
        mean_dice(every),
        rule,
        test.assign(group=test["image_id"].map(group)),
        pd.concat(looks, ignore_index=True),
        log_losses(seen),
    )


def home_scores(home: AtHome) -> dict[str, np.ndarray]:
    """Return the logits of every score for ``home.test``, (n,), fitted without the fold asked."""
    test = home.test
    scores = {NETWORK: malignancy_logit(test[PROBABILITIES].to_numpy())}
    for name, network in _MODELS.items():
        logits = np.empty(len(test))
        for fold in sorted(test["fold"].unique()):
            learnt = without_fold(home.every, fold)
            here = (test["fold"] == fold).to_numpy()
            logits[here] = fitted_logits(under(learnt, best_rule(learnt)), test[here], network)
        scores[name] = logits
    return scores


def scores_away(
    home: AtHome, tables: pd.DataFrame, ending: str = ""
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Return every score of another hospital's lesions, and what was drawn there.

    Parameters
    ----------
    home : AtHome
        What the models are fitted on.
    tables : pd.DataFrame
        See `drawn_masks.drawn_away`: the networks' tables below each other, images in one order.
    ending : str
        Of the scores' names.

    Returns
    -------
    scores : dict
        Name to logits (n,), mean over networks.
    lesions : pd.DataFrame
        ``image_id, label, dice, share, elongation``: means over networks, geometric for the box.
    """
    learnt, tables = under(home.every, home.rule), tables[tables["label"] != "normal"]
    learnt = learnt[learnt["part"] == "validation"]
    each = [one for _, one in tables.groupby("fold")]
    scores = {
        name + ending: np.mean([fitted_logits(learnt, one, network) for one in each], axis=0)
        for name, network in _MODELS.items()
    }
    p = np.mean([one[PROBABILITIES].to_numpy() for one in each], axis=0)
    scores[NETWORK + ending] = malignancy_logit(p)
    scores[ADDED + ending] = scores[NETWORK + ending] + scores[OWN_BOX + ending]
    by_image = tables.assign(**np.log(tables[BOX])).groupby("image_id", sort=False)
    lesions = by_image.agg({"label": "first", "dice": "mean", **dict.fromkeys(BOX, "mean")})
    lesions[BOX] = np.exp(lesions[BOX])
    return scores, lesions.reset_index()


@dataclass(frozen=True)
class Away:
    """The drawn ruler in another hospital.

    Attributes
    ----------
    lesions : pd.DataFrame
        See `scores_away`; ``outline_share, outline_elongation`` of the expert's box added.
    malignant, patients : np.ndarray
        Shape (n,).
    scores : dict
        Name to (n,), higher for malignant.
    aucs : pd.DataFrame
        See `resampling.auc_gains`; ``p_holm`` counts the scores with a drawn box.
    """

    lesions: pd.DataFrame
    malignant: np.ndarray
    patients: np.ndarray
    scores: dict[str, np.ndarray]
    aucs: pd.DataFrame


def away(
    study: Study,
    data: ExternalData,
    home: AtHome,
    cells: Sequence[Cell],
    seed: int,
    n_replicates: int,
) -> Away:
    """Ask the networks about another hospital, as they are and adapted; set them side by side.

    A lesion whose expert's outline cannot be placed (see `lesions_away`) is left out of all scores,
    so that every score is asked about the same lesions.
    """
    outlined = lesions_away(data, study.workspace).dropna(subset=BOX).set_index("image_id")
    scores: dict[str, np.ndarray] = {}
    for adapted in (True, False):
        product = drawn_away(data, home.rule, adapted)
        run_products(study, product, cells)
        ending = _ADAPTED if adapted else ""
        tables = read_products(study, product, cells)
        tables = tables[tables["image_id"].isin(outlined.index)]
        found, lesions = scores_away(home, tables, ending)
        scores = found | scores
    known = data.manifest.set_index("image_id").loc[lesions["image_id"]]
    outlines = outlined.loc[lesions["image_id"]]
    _, by_expert = ruler(lesions_at_home(study), outlines)
    scores["expert's box"] = by_expert
    scores["network and expert's box, added"] = by_expert + scores[NETWORK]
    for name in BOX:
        lesions[f"outline_{name}"] = outlines[name].to_numpy()
    malignant = (lesions["label"] == "malignant").to_numpy()
    patients = known["patient"].to_numpy()
    # Each gains on the network taken as it is itself: adaptation alone is no gain of the ruler.
    adapted = {name: NETWORK + _ADAPTED for name in scores if name.endswith(_ADAPTED)}
    bases = dict.fromkeys(scores, NETWORK) | adapted | {NETWORK + _ADAPTED: NETWORK}
    aucs = auc_gains(malignant, scores, bases, patients, seed, n_replicates)
    drawn = aucs["score"].str.contains(OWN_BOX)
    aucs.loc[drawn, "p_holm"] = holm(aucs.loc[drawn, "p"])
    return Away(lesions, malignant, patients, scores, aucs)
