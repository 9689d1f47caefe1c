"""Maps of small networks whose answer is known."""

import keras
import numpy as np
import pytest

from busi_utils.analysis.saliency import Looking
from busi_utils.models import RAW, UNIT
from busi_utils.training.heads import Network
from busi_utils.training.inference import predict

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(1, 255, (5, 28, 28), dtype=np.uint8)
Y = np.array([0, 1, 2, 2, 1])


def _network(head: str = "pooled") -> Network:
    keras.utils.set_random_seed(4)
    x = keras.Input((28, 28, 3))
    maps = keras.layers.Conv2D(6, 4, strides=4, activation="relu", name="maps")(x)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(maps)
    if head == "weighted":  # as the mask head does: places count differently
        weight = keras.layers.Conv2D(1, 1, activation="sigmoid")(maps)
        weighted = keras.layers.Multiply()([maps, weight])
        again = keras.layers.GlobalAveragePooling2D()(weighted)
        pooled = keras.layers.Concatenate()([pooled, again])
    classes = keras.layers.Dense(3, activation="softmax", name="classes")(pooled)
    full = keras.Model(x, classes)
    return Network(full, None, full)


def test_for_pooled_features_both_maps_are_the_class_activation_map():
    network = _network()
    gradcam, hirescam = Looking(network, UNIT).cams(IMAGES, Y)
    np.testing.assert_allclose(gradcam, hirescam, atol=1e-6)
    maps = keras.Model(network.full.input, network.full.get_layer("maps").output)
    values = maps(np.repeat(IMAGES[..., None] / 255, 3, -1).astype(np.float32)).numpy()
    kernel = network.full.get_layer("classes").kernel.numpy()[:, Y].T / 49
    expected = np.maximum(np.einsum("nijc,nc->nij", values, kernel), 0)
    np.testing.assert_allclose(gradcam, expected, atol=1e-6)


def test_where_places_count_differently_the_maps_differ():
    gradcam, hirescam = Looking(_network("weighted"), UNIT).cams(IMAGES, Y)
    assert np.abs(gradcam - hirescam).max() > 1e-4


@pytest.mark.parametrize("part", ["head", "top"])
def test_shuffled_weights_change_maps_and_are_put_back(part):
    network = _network("weighted")
    looking = Looking(network, UNIT)
    before = looking.cams(IMAGES, Y)[0]
    p = predict(network.full, IMAGES, UNIT)
    shuffled = looking.gradcam_randomised(IMAGES, Y, part, seed=0)
    assert np.abs(shuffled - before).max() > 1e-4
    np.testing.assert_array_equal(looking.cams(IMAGES, Y)[0], before)
    np.testing.assert_array_equal(predict(network.full, IMAGES, UNIT), p)


def test_occlusion_finds_the_only_block_that_counts():
    x = keras.Input((28, 28, 3))
    maps = keras.layers.AveragePooling2D(4, name="maps")(x)
    seen = keras.layers.Cropping2D(((2, 4), (5, 1)))(maps)  # row 2, column 5
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(seen)
    classes = keras.layers.Dense(3, activation="softmax", name="classes")
    full = keras.Model(x, classes(pooled))
    classes.set_weights([np.tile([0.0, 0.0, 1.0], (3, 1)), np.zeros(3)])
    images = np.full((1, 28, 28), 10, np.uint8)
    images[0, 8:12, 20:24] = 200
    falls = Looking(Network(full, None, full), RAW).occlusion(images, np.array([2]), 7)[0]
    assert np.argwhere(falls > 1e-3).tolist() == [[2, 5]]
    assert falls[2, 5] == pytest.approx(3 * (200 - int(images.mean())))


def test_predictions_come_in_batches_without_a_trace():
    network = _network()
    many = RNG.integers(0, 255, (70, 28, 28), dtype=np.uint8)
    p = predict(network.full, many, UNIT)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p[65:], predict(network.full, many[65:], UNIT), atol=1e-6)
    mirrored = predict(network.full, many[:, :, ::-1], UNIT)
    both = predict(network.full, many, UNIT, flip_average=True)
    np.testing.assert_allclose(both, (p + mirrored) / 2, atol=1e-6)
