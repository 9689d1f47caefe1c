"""Input ranges, weights that never fall back to random, and the graph cut in two."""

from dataclasses import replace

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from busi_utils.analysis.costs import _costs_of
from busi_utils.audit.images import pixel_sha256
from busi_utils.errors import StudyError
from busi_utils.models import MODELS, RAW, SIGNED, UNIT, backbone_of, build_backbone, to_input
from busi_utils.recipes import ORIGINAL, RECIPES, recipe_of
from busi_utils.training import weights
from busi_utils.training.bank import Bank
from busi_utils.training.heads import ATTENTION, build_network
from busi_utils.training.pretraining import SHIPPED

pytestmark = pytest.mark.slow

PREPROCESSING = {
    "mobilenetv2": keras.applications.mobilenet_v2,
    "xception": keras.applications.xception,
    "efficientnetb3": keras.applications.efficientnet,
    "efficientnetv2b0": keras.applications.efficientnet_v2,
    "mobilenetv1": keras.applications.mobilenet,
    "mobilenetv3_small": keras.applications.mobilenet_v3,
    "mobilenetv3_large": keras.applications.mobilenet_v3,
    "mobilenetv2_05": keras.applications.mobilenet_v2,
    "mobilenetv2_035": keras.applications.mobilenet_v2,
    "mobilenetv4_small": keras.applications.mobilenet_v2,  # timm: mean .5, deviation .5 of [0, 1]
}


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(1)
    return build_backbone(MODELS["mobilenetv2"], 64)


@pytest.mark.parametrize(
    ("input_range", "low", "high"), [(SIGNED, -1.0, 1.0), (UNIT, 0.0, 1.0), (RAW, 0.0, 255.0)]
)
def test_input_ranges(input_range, low, high):
    pixels = np.array([[[0, 255], [0, 255]]], np.uint8)
    x = to_input(pixels, input_range)
    assert x.shape == (1, 2, 2, 3)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (low, high)


@pytest.mark.parametrize("model", MODELS)
def test_each_network_gets_what_its_own_preprocessing_makes(model):
    """The range in the registry agrees with Keras' ``preprocess_input`` of that network."""
    module = PREPROCESSING[model]
    pixels = np.arange(0, 256, 5, dtype=np.uint8).reshape(1, 4, 13)
    ours = to_input(pixels, backbone_of(model).input_range)
    theirs = module.preprocess_input(np.repeat(pixels[..., None], 3, -1).astype(np.float32))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_cut_and_mask_layers_lie_where_the_registry_says(model):
    network, entry = build_backbone(MODELS[model], 96), backbone_of(model)
    first = network.get_layer(entry.cut_before).input.shape[1]
    last = network.get_layer(entry.last_at_14).input.shape[1]
    # At 96 pixels; Xception is cut after its early, huge maps.
    expected = 6 if model == "xception" else 12
    assert (first, last) == (expected, 6)
    assert network.output.shape[1] == 3


@pytest.mark.parametrize("model", MODELS)
def test_every_network_takes_the_small_images_of_scratch(model):
    recipe = recipe_of("scratch")
    backbone = build_backbone(MODELS[model], recipe.image_size)
    assert backbone.input_shape == (None, 64, 64, 3)
    assert backbone.output_shape[1:3] == (2, 2)
    classes, masks = build_network(MODELS[model], backbone, recipe).top.output
    assert classes.shape == (None, 3)
    assert masks.shape[1:3] == (4, 4)


def test_unknown_names_are_refused():
    with pytest.raises(StudyError, match="mobilenetv2"):
        backbone_of("mobilnetv2")
    with pytest.raises(StudyError, match="original"):
        recipe_of("orginal")


def test_absent_weights_are_an_error_and_never_random(tmp_path, monkeypatch):
    def no_network(**options):
        raise OSError("no network")

    monkeypatch.setattr(weights, "_KERAS_CACHE", tmp_path / "keras")
    monkeypatch.setattr(keras.applications, "MobileNetV2", no_network)
    monkeypatch.delenv("BUSI_WEIGHTS", raising=False)
    with pytest.raises(StudyError, match=r"No ImageNet weights.*BUSI_WEIGHTS"):
        weights.imagenet_weights(MODELS["mobilenetv2"], tmp_path)


def test_weights_come_from_the_folder_before_the_cache(tmp_path, monkeypatch):
    entry = backbone_of("mobilenetv2")
    folder, cache = tmp_path / "folder", tmp_path / "keras"
    for place, name in ((folder, entry.weights_file), (cache, entry.keras_file)):
        place.mkdir()
        (place / name).write_bytes(name.encode())
    monkeypatch.setattr(weights, "_KERAS_CACHE", cache)
    monkeypatch.setenv("BUSI_WEIGHTS", "")
    assert weights.imagenet_weights(MODELS["mobilenetv2"], folder).path.parent == folder
    assert weights.imagenet_weights(MODELS["mobilenetv2"]).path.parent == cache


@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_that_does_not_fit_is_named(tmp_path, damaged):
    path = tmp_path / "mobilenetv3_small.weights.h5"
    whole = (SHIPPED / path.name).read_bytes()
    path.write_bytes(whole.replace(b"HEAP", b"HEAX", 1) if damaged else b"not weights")
    with pytest.raises(StudyError, match="does not fit MobileNetV3-Small"):
        weights.load_backbone(
            MODELS["mobilenetv3_small"], 64, weights.InitialWeights("imagenet", path, "")
        )


@pytest.mark.parametrize("cut", ["features", "maps", "middle", "pixels"])
@pytest.mark.parametrize("head", ["original", "mask", *ATTENTION])
def test_trunk_and_top_make_the_whole(backbone, cut, head):
    recipe = replace(ORIGINAL, cut=cut, head=head)
    if (cut == "features" and head != "original") or (cut, head) == ("maps", "mask"):
        pytest.skip("these heads read maps, the mask also those of 14 x 14")
    network = build_network(MODELS["mobilenetv2"], backbone, recipe)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    middle = x if network.trunk is None else network.trunk(x, training=False)
    out = network.top(middle, training=False)
    classes = out[0] if isinstance(out, list) else out
    np.testing.assert_allclose(classes, network.full(x, training=False), atol=1e-5)
    np.testing.assert_allclose(np.sum(classes, axis=1), 1, atol=1e-5)


def test_the_original_network_has_the_originals_parameter_count():
    """2,257,984 of MobileNetV2 without top, 1280 x 128 + 128 and 128 x 3 + 3 of the head."""
    network = build_network(
        MODELS["mobilenetv2"], build_backbone(MODELS["mobilenetv2"], 224), ORIGINAL
    )
    assert network.full.count_params() == 2_422_339


@pytest.mark.parametrize(
    ("head", "parameters"),
    [("squeeze_excitation", 206_160), ("cbam", 206_259), ("self_attention", 230_272)],
)
def test_attention_has_the_papers_weights_and_keeps_the_cells(head, parameters):
    maps = keras.Input((7, 7, 1280))
    attended = keras.Model(maps, ATTENTION[head](maps))
    assert attended.count_params() == parameters
    assert attended.output.shape[1:3] == (7, 7)


def test_a_bank_of_maps_holds_the_features_before_they_are_pooled(backbone, tmp_path, monkeypatch):
    monkeypatch.setattr("busi_utils.workspace.CACHE", tmp_path / "cache")
    grey = np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    files = pd.DataFrame({"image_id": ["a"], "path": [str(tmp_path / "a.png")]})
    files["sha256"] = pixel_sha256(grey)
    kept = {}
    for cut in ("features", "maps"):
        recipe = replace(ORIGINAL, cut=cut)
        trunk = build_network(MODELS["mobilenetv2"], backbone, recipe).trunk
        bank = Bank(files, recipe, SIGNED, 64, trunk, cut)
        bank.require([0], [0, 3])
        kept[cut] = bank.batch(np.array([0, 0]), np.array([0, 3]))
    assert kept["maps"].shape == (2, 2, 2, 1280)
    np.testing.assert_allclose(kept["maps"].mean(axis=(1, 2)), kept["features"], atol=1e-3)


def test_squeeze_excitation_is_a_gate_per_channel():
    """Hu et al. (2018), equations 2 to 4, in NumPy."""
    maps = keras.Input((3, 3, 32))
    model = keras.Model(maps, ATTENTION["squeeze_excitation"](maps))
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 32)).astype(np.float32)
    w1, b1, w2, b2 = model.get_weights()
    z = np.maximum(x.mean(axis=(1, 2)) @ w1 + b1, 0) @ w2 + b2
    expected = x / (1 + np.exp(-z))[:, None, None]
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)


def test_variants_of_the_original_change_one_thing():
    together = ({"cut", "views"}, {"cut", "head"}, {"augment", "views"}, {"epochs", "patience"})
    for name, recipe in RECIPES.items():
        if name.startswith("original-") and not name.startswith("original-random"):
            unfrozen = name.startswith("original-unfrozen_")
            own = (RECIPES["original-unfrozen"] if unfrozen else ORIGINAL).as_dict()
            changed = {key for key, value in recipe.as_dict().items() if value != own[key]}
            assert len(changed) == 1 or changed in together, name


def test_costs_follow_from_the_graph():
    costs = _costs_of("mobilenetv2", 224)
    assert costs["parameters"] == 2_422_339  # the original report's head on MobileNetV2
    assert costs["megabytes"] == pytest.approx(4 * costs["parameters"] / 1e6)
    # Sandler et al. (2018) give 300 million multiply-adds; two operations each, in billions.
    assert costs["gflops"] == pytest.approx(0.6, rel=0.05)
    assert costs["milliseconds"] > 0
