"""How hard is the other hospital itself? The same simple classifier, taught there and at home.

This is the only place where labels of another hospital are learnt from. It serves as a yardstick
of difficulty: what a logistic regression on frozen features reaches among the new images, each
judged by a fit that did not see its patient, is what a shift of hospital cannot be blamed for.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.external_measures import auc_line, malignancy
from busi_utils.audit.external_sets import read_external
from busi_utils.audit.folds import FOLDS
from busi_utils.errors import StudyError
from busi_utils.forms import WITHIN
from busi_utils.kept import keep_table, kept_of_images
from busi_utils.recipes import LOGISTIC
from busi_utils.stats.metrics import MALIGNANT, NORMAL, encode
from busi_utils.study.execution import run_alone
from busi_utils.study.rows import read_row
from busi_utils.study.study import Study

_SEED = 0


def difficulty(
    study: Study, data: ExternalData, model: str, seed: int, n_replicates: int
) -> pd.DataFrame:
    """Return the AUC, malignant against benign, of one classifier at home, within and across.

    The classifier is `classifiers.logistic_on_features` on the frozen features of ``model``.

    Returns
    -------
    pd.DataFrame
        Columns ``taught, asked, auc, auc_low, auc_high``: home and home, out of fold; there and
        there, five folds by patient; home and there.
    """
    home = read_row(study, ("clean", model, LOGISTIC))
    lesion = home.y != NORMAL
    table = _scores(study, data, model)
    malignant, patients = data.malignant, data.manifest["patient"].to_numpy()
    asked = {
        ("at home", "at home"): (
            home.y[lesion] == MALIGNANT,
            malignancy(home.p[0, lesion], "lesions"),
            home.groups[lesion],
        ),
        ("there", "there"): (malignant, table["within"].to_numpy(), patients),
        ("at home", "there"): (malignant, table["from_home"].to_numpy(), patients),
    }
    lines = [
        {"taught": key[0], "asked": key[1], "n": len(parts[0])}
        | auc_line(*parts, seed, n_replicates)
        for key, parts in asked.items()
    ]
    return pd.DataFrame(lines)


def _scores(study: Study, data: ExternalData, model: str) -> pd.DataFrame:
    """Return ``image_id, within, from_home``, kept in ``results/within_<set>.csv``."""
    path = study.workspace.results / f"within_{data.name}.csv"
    if (kept := kept_of_images(path, WITHIN, data.manifest["image_id"])) is not None:
        return kept
    if not data.folder:
        raise StudyError(
            f"{path} is missing or of other images, and no images of {data.name} were named to "
            "learn from: set its variable to its folder."
        )
    table = run_alone(_learn, study, data, model)
    keep_table(path, table, float_format="%.6f")
    return table


def _learn(study: Study, data: ExternalData, model: str) -> pd.DataFrame:
    from busi_utils.study.setup import features_of_files, frozen_features
    from busi_utils.training.classifiers import logistic_on_features

    files = read_external(data.name, data.folder).set_index("image_id")
    files = files.loc[data.manifest["image_id"]].reset_index()
    there = features_of_files(study, model, files)
    y, patients = encode(files["label"].to_numpy()), files["patient"].to_numpy()
    within = np.full(len(files), np.nan)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=_SEED)
    for train, test in folds.split(there, y, patients):
        p, _ = logistic_on_features(there[train], y[train], patients[train], there[test], _SEED)
        within[test] = malignancy(p, "lesions")
    home = study.folds("clean")
    x, known = frozen_features(study, model, home["image_id"]), encode(home["label"].to_numpy())
    p, _ = logistic_on_features(x, known, home["group"].to_numpy(), there, _SEED)
    scores = {"within": within, "from_home": malignancy(p, "lesions")}
    return files[["image_id"]].assign(**scores)
