"""MobileNetV4-Conv-S against the paper, layer by layer, and its public weights' file format."""

import hashlib

import keras
import numpy as np
import pytest

from busi_utils.analysis.costs import _costs_of
from busi_utils.errors import StudyError
from busi_utils.models import MODELS, build_backbone
from busi_utils.training.weights import InitialWeights, load_backbone

pytestmark = pytest.mark.slow

ENTRY = MODELS["mobilenetv4_small"]
# Qin et al. 2024, table of MNv4-Conv-S at 224 pixels: side and channels after each row.
TABLE = {
    "bn1_relu": (112, 32),
    "blocks.0.1.bn1_relu": (56, 32),
    "blocks.1.1.bn1_relu": (28, 64),
    "blocks.2.0.pw_proj.bn": (14, 96),
    **{f"blocks.2.{i}.add": (14, 96) for i in range(1, 6)},
    "blocks.3.0.pw_proj.bn": (7, 128),
    **{f"blocks.3.{i}.add": (7, 128) for i in range(1, 6)},
    "blocks.4.0.bn1_relu": (7, 960),
}
# Names and shapes that timm 1.0.31 stores for mobilenetv4_conv_small, without what lies behind the
# last map. With a file that it wrote (random weights) both gave the same maps: 2e-5 of their mean.
PUBLIC_FORM = "9be28ffc72f5a543e903d16af2553ea7b2e6aa85ad0c7d20bb28c313cb3541b5"


@pytest.fixture(scope="module")
def network():
    return build_backbone(ENTRY, 224)


def test_every_row_of_the_papers_table(network):
    assert {name: network.get_layer(name).output.shape[2:] for name in TABLE} == TABLE
    kernels = [
        (layer.name.split(".", 1)[1], layer.kernel_size[0])
        for layer in network.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    ]
    assert [kernel for name, kernel in kernels if name.startswith("2.")] == [5, 5, 3, 3, 3, 3, 3]
    assert [kernel for name, kernel in kernels if name.startswith("3.")] == [3, 3, 5, 5, 5, 5, 3, 3]


def test_parameters_and_operations_are_the_papers(network):
    """3.8 million parameters and 0.2 thousand million multiply-adds, ImageNet's top included."""
    top = 960 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert (trained + top) == 3_774_024
    operations = 1e9 * _costs_of(ENTRY.name, 224)["gflops"] / 2
    assert operations == pytest.approx(0.186e9, rel=0.03)


def test_public_weights_are_read_and_others_refused(tmp_path):
    """A file of the public form: PyTorch's order of axes, its names, a top that is not wanted."""
    from safetensors.numpy import save_file

    source = build_backbone(ENTRY, 64)
    stored = {"classifier.weight": np.zeros((1000, 1280), np.float32)}
    for layer in source.layers:
        values = layer.get_weights()
        if len(values) == 1:
            deep = isinstance(layer, keras.layers.DepthwiseConv2D)
            turned = values[0].transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1))
            stored[f"{layer.name}.weight"] = np.ascontiguousarray(turned)
        elif values:
            names = ("weight", "bias", "running_mean", "running_var")
            for name, value in zip(names, values, strict=True):
                stored[f"{layer.name}.{name}"] = value + np.float32(0.25)
    named = [f"{name} {'x'.join(map(str, value.shape))}" for name, value in stored.items()]
    form = "\n".join(sorted(line for line in named if not line.startswith("classifier")))
    assert hashlib.sha256(form.encode()).hexdigest() == PUBLIC_FORM
    path = tmp_path / ENTRY.weights_file
    save_file(stored, path)
    keras.utils.set_random_seed(5)
    loaded = load_backbone(ENTRY, 64, InitialWeights("imagenet", path))
    for one, other in zip(source.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one + (0.25 if one.ndim == 1 else 0), other)
    del stored["blocks.2.0.dw_mid.conv.weight"]
    save_file(stored, path)
    with pytest.raises(StudyError, match=r"its layer blocks\.2\.0\.dw_mid\.conv"):
        load_backbone(ENTRY, 64, InitialWeights("imagenet", path))
