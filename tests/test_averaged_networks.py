"""One network of averaged weights: its weights, its thresholds, its files."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from busi_utils.analysis.external import ExternalData
from busi_utils.analysis.external_variants import Variant
from busi_utils.study.cells import grid, prediction_table, save_cell
from busi_utils.study.study import Study
from busi_utils.workspace import Workspace


def test_averaged_weights_are_the_means_over_all_networks(monkeypatch):
    import tensorflow as tf

    from busi_utils.study import cell_training

    kernel, state = tf.Variable([0.0, 0.0]), tf.Variable([0], dtype=tf.uint32)
    network = SimpleNamespace(top=SimpleNamespace(variables=[kernel, state]))

    def trained(study, cells):
        for cell in cells:  # they share one graph, as the real ones do
            kernel.assign([cell, 3.0 * cell])
            state.assign([cell])
            yield cell, network

    monkeypatch.setattr(cell_training, "trained_networks", trained)
    averaged = cell_training.averaged_network(None, [1, 2, 6])
    assert averaged.top.variables[0].numpy().tolist() == [3.0, 9.0]
    assert averaged.top.variables[1].numpy().tolist() == [3]


def test_an_averaged_variant_is_one_network_with_the_mean_threshold(tmp_path):
    study = Study("phantom", Workspace(tmp_path))
    scores = np.array([0.1, 0.2, 0.3, 0.9])
    labels = ["benign"] * 3 + ["malignant"]
    for cell in grid("phantom", ["clean"], ["mobilenetv2"], ["tuned"], [0]):
        malignant = scores + 0.01 * cell.fold
        p = np.stack([0 * malignant, 1 - malignant, malignant], axis=1)
        table = prediction_table(list("abcd"), labels, p)
        save_cell(cell, table, table, {"init": "phantom"}, study.workspace)
    single, averaged = (Variant("mobilenetv2", "tuned", (0,), averaged=a) for a in (False, True))
    assert [cell.fold for cell in single.asked(study)] == [0, 1, 2, 3, 4]
    assert [cell.fold for cell in averaged.asked(study)] == [0]
    cuts = single.thresholds(study, "lesions")
    assert len(set(cuts)) == 5
    assert averaged.thresholds(study, "lesions") == pytest.approx([np.mean(cuts)])
    data = ExternalData("busbra", pd.DataFrame({"sha256": ["x"]}), "")
    files = {v.product(data).table(v.asked(study)[0], study.workspace) for v in (single, averaged)}
    assert len(files) == 2, "neither may overwrite the other"
