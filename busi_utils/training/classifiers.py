"""What a network must beat: classifiers without a trained network, from arrays to probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from busi_utils import CLASSES

C_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
INNER_FOLDS = 5


def _in_class_order(p: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Spread the columns of the classes known to a model over all classes (n, 3)."""
    spread = np.zeros((len(p), len(CLASSES)))
    spread[:, known] = p
    return spread


def majority(y_train: np.ndarray, n_test: int) -> np.ndarray:
    """Predict the training frequencies for every image: the arg max is the commonest class.

    Returns
    -------
    numpy.ndarray
        Shape (n_test, 3), probabilities.
    """
    return np.tile(np.bincount(y_train, minlength=len(CLASSES)) / len(y_train), (n_test, 1))


def nearest_neighbour(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """Give every image the label of the training image with the nearest grey values.

    It sees near-copies and nothing else, so its gain on a random split over a grouped one measures
    the leak.

    Parameters
    ----------
    x_train, x_test : numpy.ndarray
        Images (n, height, width), any numeric type; Euclidean distance.
    y_train : numpy.ndarray
        Shape (n,), int.

    Returns
    -------
    numpy.ndarray
        Shape (n_test, 3), one-hot.
    """
    train, test = (x.reshape(len(x), -1).astype(np.float32) for x in (x_train, x_test))
    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(train, y_train)
    return _in_class_order(model.predict_proba(test), model.classes_)


def metadata_features(manifest: pd.DataFrame) -> np.ndarray:
    """Width, height, width / height and burnt-in annotation of each image, (n, 4) float64."""
    columns = [manifest["width"], manifest["height"], manifest["width"] / manifest["height"]]
    return np.column_stack([*columns, manifest["annotated"]]).astype(np.float64)


def metadata(
    features_train: np.ndarray, y_train: np.ndarray, features_test: np.ndarray, seed: int
) -> np.ndarray:
    """Gradient boosting on facts that say nothing about tissue: what is above chance is a shortcut.

    Parameters
    ----------
    features_train, features_test : numpy.ndarray
        Shape (n, k), see `metadata_features`.
    y_train : numpy.ndarray
        Shape (n,), int.
    seed : int

    Returns
    -------
    numpy.ndarray
        Shape (n_test, 3), probabilities.

    References
    ----------
    Friedman, Ann Stat 2001;29:1189-1232.
    """
    model = GradientBoostingClassifier(subsample=0.8, random_state=seed)
    model.fit(features_train, y_train)
    return _in_class_order(model.predict_proba(features_test), model.classes_)


def logistic_on_features(
    features_train: np.ndarray,
    y_train: np.ndarray,
    groups_train: np.ndarray,
    features_test: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, float]:
    """Multinomial logistic regression on standardised features, its penalty chosen inside.

    The inverse penalty C is the one of `C_GRID` with the lowest log loss in stratified grouped
    5-fold cross-validation of the TRAINING images (fewer folds where a class has fewer groups); the
    test images play no part. Classes are weighed inversely to their frequency, so that the rare
    ones count as much as in balanced accuracy.

    Parameters
    ----------
    features_train, features_test : numpy.ndarray
        Shape (n, k), for instance the pooled output of a frozen backbone.
    y_train, groups_train : numpy.ndarray
        Shape (n,): labels and duplicate groups.
    seed : int
        Of the inner folds.

    Returns
    -------
    tuple
        Probabilities (n_test, 3) and the chosen C.
    """
    known = np.unique(y_train)
    fewest = min(len(np.unique(groups_train[y_train == c])) for c in known)
    inner = StratifiedGroupKFold(min(INNER_FOLDS, fewest), shuffle=True, random_state=seed)
    scaler = StandardScaler().fit(features_train)
    # The solution lies in the span of the training images, and the penalty is blind to rotation:
    # as many axes as images give the same classifier for a fraction of the work.
    _, _, axes = np.linalg.svd(scaler.transform(features_train), full_matrices=False)
    train, test = (scaler.transform(x) @ axes.T for x in (features_train, features_test))
    model = LogisticRegressionCV(
        Cs=C_GRID,
        cv=list(inner.split(train, y_train, groups_train)),
        scoring="neg_log_loss",
        class_weight="balanced",
        max_iter=2000,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    # Folds in processes of joblib's own would outlive a worker process by their five idle minutes
    # and hold it up; the problems are so small that one thread is as fast.
    with threadpool_limits(1):
        model.fit(train, y_train)
    return _in_class_order(model.predict_proba(test), model.classes_), float(model.C_)
