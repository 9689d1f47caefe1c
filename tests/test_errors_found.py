"""Errors, their traits and doubtful labels, against scikit-learn and planted faults."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score
from test_metrics import predictions

from busi_utils import CLASSES
from busi_utils.analysis.doubtful_labels import (
    ANY,
    _random_average_precision,
    label_issues,
    objections_found,
)
from busi_utils.analysis.hidden_lesions import solidity_auc
from busi_utils.analysis.mistakes import (
    confident_errors,
    confusion_table,
    described,
    error_traits,
)
from busi_utils.errors import StudyError
from busi_utils.study.predictions import OutOfFold

N = 150


def _found(seeds: int = 2, n: int = N) -> OutOfFold:
    y, _ = predictions(n, seed=0)
    p = []
    for seed in range(seeds):
        logits = np.random.default_rng(seed).normal(size=(n, 3)) + 1.5 * np.eye(3)[y]
        p.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    names = [f"{CLASSES[c]} ({k})" for k, c in enumerate(y)]
    groups = [f"g{k // 2:03d}" for k in range(n)]
    images = pd.DataFrame({"image_id": names, "label": np.take(CLASSES, y), "group": groups})
    return OutOfFold(images.assign(fold=np.arange(n) % 5), tuple(range(seeds)), np.stack(p))


def _manifest(found: OutOfFold) -> pd.DataFrame:
    table = found.images.rename(columns={"group": "duplicate_group"})
    labels = table.groupby("duplicate_group")["label"].transform("nunique")
    table = table.assign(cross_class=labels > 1, n_masks=1, lesion_fraction=0.1)
    return table.assign(annotated=np.arange(len(table)) % 3 == 0)


def _facts(found: OutOfFold) -> pd.DataFrame:
    manifest = _manifest(found)
    kinds = pd.Series(["", "", "axilla", "", "needle"] * (len(manifest) // 5))
    return described(found, manifest, kinds)


def test_the_confusion_is_that_of_scikit_learn_averaged_over_seeds():
    found = _found()
    table = confusion_table(found, 0, 500)
    share = table.pivot(index="truth", columns="predicted", values="share")
    share = share.loc[list(CLASSES), list(CLASSES)]
    expected = [confusion_matrix(found.y, p.argmax(axis=1), normalize="true") for p in found.p]
    np.testing.assert_allclose(share, np.mean(expected, axis=0))
    assert table["images"].sum() == pytest.approx(N)
    inside = table["share"].between(table["share_low"], table["share_high"])
    assert inside.all()
    assert (table["share_low"] < table["share_high"]).all()


def test_solidity_alone_is_judged_on_lesions():
    found = _found()
    lesion = found.y != CLASSES.index("normal")
    solidity = np.random.default_rng(3).random(N) - 0.3 * (found.y == CLASSES.index("malignant"))
    names = found.images["image_id"][lesion]
    shapes = pd.DataFrame({"image_id": names, "solidity": solidity[lesion]})[::-1]
    line = solidity_auc(found, shapes, 0, 200)
    truth = found.y[lesion] == CLASSES.index("malignant")
    assert line["auc"] == pytest.approx(roc_auc_score(truth, -solidity[lesion]))
    assert line["auc_low"] < line["auc"] < line["auc_high"]


def test_descriptions_follow_the_images_and_the_whole_data_set():
    found = _found(n=20)
    manifest = _manifest(found)
    objections = pd.Series([f"kind {k}" for k in range(20)])
    order = np.random.default_rng(0).permutation(20)[:8]
    part = OutOfFold(found.images.iloc[order].reset_index(drop=True), (0,), found.p[:1, order])
    facts = described(part, manifest, objections)
    assert facts["image_id"].tolist() == part.images["image_id"].tolist()
    assert facts["objection"].tolist() == [f"kind {k}" for k in order]
    assert (facts["group_size"] == 2).all()  # also where the cohort holds one of the two
    known = manifest.set_index("image_id")["cross_class"]
    assert facts["other_label_twin"].tolist() == known[facts["image_id"]].tolist()
    with pytest.raises(StudyError, match=r"manifest does not list .*1 such"):
        described(found, manifest.iloc[1:], objections)


def test_confident_errors_are_wrong_and_sorted():
    found = _found()
    table = confident_errors(found, _facts(found), 5)
    labels = found.images.set_index("image_id")["label"]
    p = pd.DataFrame(found.ensemble, labels.index, CLASSES)
    predicted = p.idxmax(axis=1)
    wrong = p.max(axis=1)[predicted != labels].nlargest(5)
    assert table["image_id"].tolist() == wrong.index.tolist()
    np.testing.assert_allclose(table["confidence"], wrong)
    assert table["predicted"].tolist() == predicted[wrong.index].tolist()
    assert len(confident_errors(found, _facts(found), 10_000)) == (predicted != labels).sum()


def test_traits_compare_errors_with_right_images():
    found = _found()
    facts = _facts(found)
    table = error_traits(found, facts, 0, 300).set_index("trait")
    wrong = np.concatenate([p.argmax(axis=1) != found.y for p in found.p])
    marked = np.tile(facts["annotated"], 2)
    row = table.loc["burnt-in marks"]
    assert row["errors"] == pytest.approx(marked[wrong].mean())
    assert row["right"] == pytest.approx(marked[~wrong].mean())
    assert row["difference"] == pytest.approx(100 * (row["errors"] - row["right"]))
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["images"] == facts["annotated"].sum()
    plain = facts.assign(objection="", other_label_twin=False)
    left = error_traits(found, plain, 0, 50)["trait"].tolist()
    assert left == ["burnt-in marks", "any duplicate in the data set"]


def test_swapped_labels_are_the_most_doubtful():
    found = _found()
    sure = np.eye(3)[found.y] * 0.9 + 0.1 / 3
    found = OutOfFold(found.images, (0,), sure[None])
    facts = _facts(found)
    labels = found.images["label"].copy()
    labels[[7, 30]] = [CLASSES[(c + 1) % 3] for c in found.y[[7, 30]]]
    swapped = OutOfFold(found.images.assign(label=labels), (0,), sure[None])
    issues = label_issues(swapped, facts.assign(label=labels))
    names = found.images["image_id"][[7, 30]]
    assert set(issues["image_id"].head(2)) == set(names)
    assert issues["suggested"].head(2).tolist() == [
        name.split(" ")[0] for name in issues["image_id"].head(2)
    ]
    assert issues["rank"].tolist() == list(range(1, N + 1))


def test_label_quality_is_the_mean_probability_of_the_label():
    found = _found()
    issues = label_issues(found, _facts(found)).set_index("image_id")["quality"]
    expected = found.ensemble[np.arange(N), found.y]
    np.testing.assert_allclose(issues[found.images["image_id"]], expected)
    assert issues.is_monotonic_increasing


def test_objections_found_agree_with_scikit_learn():
    found = _found()
    issues = label_issues(found, _facts(found))
    table = objections_found(issues, 0, 300, ranks=(10, 20, 1000)).set_index(["kind", "k"])
    for kind in (ANY, "axilla", "needle"):
        has = issues["objection"] != "" if kind == ANY else issues["objection"] == kind
        area = average_precision_score(has, 1 - issues["quality"])
        assert table.loc[(kind, 0), "value"] == pytest.approx(area)
        for k in (10, 20):
            row = table.loc[(kind, k)]
            assert row["value"] == pytest.approx(has.head(k).mean())
            assert row["chance"] == pytest.approx(has.mean())
            assert row["value_low"] <= row["value"] <= row["value_high"]
    assert set(table.index.get_level_values("k")) == {0, 10, 20}  # there are no 1000 images
    with pytest.raises(StudyError, match="No image carries"):
        objections_found(issues.assign(objection=""), 0, 50)


def test_the_chance_of_average_precision_is_the_mean_over_all_orders():
    score = -np.arange(8)
    orders = [np.isin(np.arange(8), places) for places in combinations(range(8), 3)]
    expected = np.mean([average_precision_score(has, score) for has in orders])
    assert _random_average_precision(3, 8) == pytest.approx(expected)
    assert _random_average_precision(40, 40) == pytest.approx(1)
