"""Exported files: the graph that is deployed, its formats, and what is measured of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from busi_utils.audit.images import letterbox
from busi_utils.deploy.prediction import session
from busi_utils.errors import StudyError

RNG = np.random.default_rng(11)


@pytest.mark.slow
def test_the_graphs_letterbox_is_opencvs_within_a_grey_level():
    from busi_utils.deploy.letterbox import letterbox_graph

    graph = session(letterbox_graph(64).SerializeToString())
    for shape in [(64, 64), (40, 90), (300, 211), (33, 500), (1000, 700), (10, 12)]:
        image = RNG.integers(0, 256, shape, np.uint8)
        found = graph.run(None, {"image": image})[0][0, ..., 0]
        assert np.abs(found - letterbox(image, 64)).max() <= 1, shape


def areas(side, longest, size):
    """Weights (size, side) that shrink a side by the mean over areas, in double precision."""
    fitted = round(side * size / longest)
    edges = (np.arange(fitted + 1)) * (side / fitted)
    pixel = np.arange(side)
    low = np.maximum(edges[:-1, None], pixel)
    high = np.minimum(edges[1:, None], pixel + 1)
    weights = np.zeros((size, side))
    top = (size - fitted) // 2
    weights[top : top + fitted] = np.maximum(high - low, 0) * (fitted / side)
    return weights


def test_the_graphs_letterbox_loses_nothing_to_single_precision():
    """Else ONNX Runtime and a browser, which add up in another order, see other squares."""
    from busi_utils.deploy.letterbox import letterbox_graph

    graph = session(letterbox_graph(224).SerializeToString())
    for shape in [(387, 447), (1001, 797), (583, 1237)]:
        image = RNG.integers(0, 256, shape, np.uint8)
        found = graph.run(None, {"image": image})[0][0, ..., 0]
        exact = areas(shape[0], max(shape), 224) @ image @ areas(shape[1], max(shape), 224).T
        assert (found != np.floor(exact + 0.5 + 1 / 1024)).mean() < 1e-4, shape


def small_network():
    """A network with a mask head, two convolutions, 32 x 32 pixels."""
    import keras

    keras.utils.set_random_seed(2)
    x = image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(64, 5, strides=2, padding="same", activation="relu")(x)
    share = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="mask_share")(x)
    x = keras.layers.Flatten()(keras.layers.Multiply()([x, share]))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))


@pytest.mark.slow
def test_what_is_exported_is_the_tempered_mean_over_both_directions():
    from busi_utils.deploy.graph import deployed, to_onnx, weights_as_fp16
    from busi_utils.stats.calibration import apply_temperature

    full = small_network()
    grey = RNG.uniform(0, 255, (4, 32, 32, 1)).astype(np.float32)
    ready = np.repeat(grey / 127.5 - 1, 3, axis=3)
    mean = (full(ready).numpy() + full(ready[:, :, ::-1]).numpy()) / 2
    expected = apply_temperature(mean.astype(float), 1.7)
    exported = to_onnx(deployed(full, (1 / 127.5, -1.0), 1.7))
    for model, off in ((exported, 1e-5), (weights_as_fp16(exported), 2e-3)):
        found = session(model.SerializeToString()).run(None, {"grey": grey})
        p = next(part for part in found if part.shape == (4, 3))
        np.testing.assert_allclose(p, expected, atol=off)


@pytest.mark.slow
def test_8_bits_spare_the_first_convolutions_and_short_names_change_nothing():
    from busi_utils.deploy.graph import as_int8, deployed, shortened, to_onnx

    core = to_onnx(deployed(small_network(), (1 / 127.5, -1.0), 1.0))
    grey = RNG.uniform(0, 255, (4, 32, 32, 1)).astype(np.float32)
    p = session(core.SerializeToString()).run(["p"], {"grey": grey})[0]
    sizes = []
    for kept in (0, 1):
        int8 = as_int8(core, grey, kept)
        q = session(int8.SerializeToString()).run(["p"], {"grey": grey})[0]
        assert 0 < np.abs(p - q).max() < 0.1
        file = shortened(int8)
        np.testing.assert_array_equal(session(file).run(["p"], {"grey": grey})[0], q)
        sizes.append(len(file))
    assert sizes[0] < sizes[1]  # a convolution in single precision is larger


@pytest.mark.slow
def test_a_disk_too_full_for_what_does_not_tell_so_is_a_sentence(monkeypatch):
    from busi_utils.deploy.formats import _saved
    from busi_utils.deploy.graph import as_int8, deployed, to_onnx

    full = small_network()
    core = to_onnx(deployed(full, (1 / 127.5, -1.0), 1.0))
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=2**20))
    for write in (lambda: as_int8(core, np.zeros((1, 32, 32, 1)), 0), lambda: _saved(full, ".h5")):
        with pytest.raises(StudyError, match="No space left on device"):
            write()


@pytest.mark.slow
def test_litert_answers_as_keras_does():
    pytest.importorskip("ai_edge_litert")
    from busi_utils.deploy.graph import deployed, to_litert
    from busi_utils.deploy.runtimes import runtime_of

    model = deployed(small_network(), (1 / 127.5, -1.0), 1.3)
    grey = RNG.uniform(0, 255, (3, 32, 32, 1)).astype(np.float32)
    files = to_litert(model, grey)
    p = np.asarray(model(grey)["p"])
    for file, off in zip(files, (1e-4, 5e-3, 0.05, 0.1), strict=True):
        ask = runtime_of("litert", file)
        assert ask.shape == (32, 32, 1)
        np.testing.assert_allclose(ask(grey), p, atol=off)


def test_int8_is_chosen_by_labels_changed_among_files_that_are_small_enough():
    pytest.importorskip("tensorflow")
    from busi_utils.deploy.formats import LARGEST_INT8, chosen_kept

    rows = [(0, 9, 100), (8, 2, 200), (16, 2, 300), (24, 0, LARGEST_INT8 + 1)]
    tried = [{"kept": k, "labels_changed": n, "bytes": size} for k, n, size in rows]
    assert chosen_kept(pd.DataFrame(tried)) == 8


def test_deployment_goes_on_where_it_stopped_and_prefers_trained_networks(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow")
    from types import SimpleNamespace

    from busi_utils.deploy import measure, tables
    from busi_utils.kept import keep_table
    from busi_utils.workspace import Workspace

    study = SimpleNamespace(
        dataset="busi", workspace=Workspace(tmp_path), require_images=lambda cell: None
    )
    main, small, other = ("mobilenetv2", "tuned"), ("tiny", "tuned"), ("large", "tuned")
    known, done = {small}, []  # kept of seed 1 alone
    weighed = {"parameters": 9, "weights": "untrained", "format": "h5", "bytes": 99}
    told = {"seed": 1, "format": "reference", "image_id": "a", "label": "benign"}
    told |= {"p_normal": 0.2, "p_benign": 0.5, "p_malignant": 0.3, "fold": 0}

    def row(kind, names, line):
        done.append((kind, *names))
        return pd.DataFrame([dict(zip(("model", "recipe"), names, strict=True)) | line])

    monkeypatch.setattr(
        measure,
        "is_kept",
        lambda study, cell: cell.seed == 1 and (cell.model, cell.recipe) in known,
    )
    monkeypatch.setattr(measure.tables, "TIMED", tmp_path)
    monkeypatch.setattr(
        measure.formats,
        "answers",
        lambda study, cells, kept: row(
            f"asked, seed {cells[0].seed}", (cells[0].model, cells[0].recipe), told
        ),
    )
    monkeypatch.setattr(
        measure.formats,
        "sizes_of",
        lambda study, cell, kept: row("weighed", (cell.model, cell.recipe), weighed),
    )
    tried = {"kept": 8, "fold": 0, "images": 9, "bytes": 9, "largest_difference": 0.1}
    keep_table(
        tables.folder(study.workspace) / "int8.csv", pd.DataFrame([tried | {"labels_changed": 0}])
    )
    measure.measure(study, [main, small])
    assert done[:2] == [("asked, seed 0", *main), ("asked, seed 1", *small)]
    assert done[2:] == [("weighed", *main), ("weighed", *small)]
    done.clear()
    measure.measure(study, [main, small, other])
    assert done == [("weighed", *small), ("weighed", *other)]
    known.clear()
    done.clear()
    measure.measure(study, [main, small, other], to_time=True)
    assert done == [("weighed", *names) for names in (main, small, other)]
    assert len(tables.read("sizes", study.workspace)) == 3
