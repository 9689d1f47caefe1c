"""Files of a deployed network: ONNX and LiteRT, in single and half precision and in 8 bits."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import onnx
from onnx import numpy_helper

from busi_utils.deploy.letterbox import OPSET
from busi_utils.stats.calibration import SMALLEST
from busi_utils.workspace import require_room, temporary_folder

_LAYERS = ("Conv", "Gemm", "MatMul")
_SMALL = 1024  # weights of a layer


def deployed(
    full: keras.Model, input_range: tuple[float, float], temperature: float
) -> keras.Model:
    """Return what is exported: grey squares to calibrated probabilities and the lesion's share.

    Both are means over the image and its mirror image, which pass as one batch.

    Parameters
    ----------
    full : keras.Model
        `heads.Network.full`; the mask is that of head ``mask``, else all 0.
    input_range : (float, float)
        Factor and offset that make of 0-255 what the network wants.
    temperature : float
        See `stats.calibration.fit_temperature`; 1 leaves the probabilities as they are.

    Returns
    -------
    keras.Model
        (batch, size, size, 1), 0-255, to ``p`` (batch, 3) and ``share`` (batch, cells, cells, 1).
    """
    full, ops = _without_constants(full), keras.ops
    size = full.input.shape[1]
    names = [layer.name for layer in full.layers]
    share = full.get_layer("mask_share").output if "mask_share" in names else None
    inner = keras.Model(full.input, [full.output] + ([] if share is None else [share]))
    grey = keras.Input((size, size, 1), name="grey")
    factor, offset = input_range
    both = ops.concatenate([grey, ops.flip(grey, axis=2)], axis=0)
    found = inner(ops.repeat(both * factor + offset, 3, axis=3))
    found = found if isinstance(found, (list, tuple)) else [found]
    p = ops.mean(ops.reshape(found[0], (2, -1, found[0].shape[-1])), axis=0)
    if temperature != 1:
        p = ops.softmax(ops.log(ops.maximum(p, SMALLEST)) / temperature, axis=-1)
    if share is None:
        return keras.Model(grey, {"p": p})
    cells = share.shape[1]
    pairs = ops.reshape(found[1], (2, -1, cells, cells, 1))
    mask = (pairs[0] + ops.flip(pairs[1], axis=2)) / 2
    return keras.Model(grey, {"p": p, "share": mask})


def _without_constants(full: keras.Model) -> keras.Model:
    """Return the network with its weights, means and variances of pixels as scale and offset.

    The exporter takes the constants of a Normalization layer for inputs of the graph.
    """
    if not any(isinstance(layer, keras.layers.Normalization) for layer in full.layers):
        return full

    def copied(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, keras.layers.Normalization):
            return type(layer).from_config(layer.get_config())
        mean, scale = np.ravel(layer.mean), 1 / np.sqrt(np.ravel(layer.variance))
        return keras.layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), name=layer.name)

    copy = keras.models.clone_model(full, clone_function=copied)
    copy.set_weights(full.get_weights())
    return copy


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """Return a Keras model as ONNX, batch of any size, nodes and outputs named."""
    with temporary_folder() as place:
        path = place / "model.onnx"
        taken = [keras.InputSpec("float32", model.input.shape, name="grey")]
        model.export(path, format="onnx", verbose=False, input_signature=taken, opset_version=OPSET)
        graph = onnx.load(path)
    for number, node in enumerate(graph.graph.node):
        node.name = node.name or f"node_{number}"
    return graph


def weights_as_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose weights are stored in half precision and computed in single.

    Offsets and the first, small layers stay exact: batch norm is folded into them, and half
    precision there moved probabilities sixteen times as far, to save 6 kB.
    """
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    graph, casts = kept.graph, []
    used = {name for node in graph.node if node.op_type in _LAYERS for name in node.input[1:2]}
    for weight in graph.initializer:
        name = weight.name
        exact = name not in used or np.prod(weight.dims) < _SMALL
        if exact or weight.data_type != onnx.TensorProto.FLOAT:
            continue
        halves = numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(halves, f"{name}_fp16"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_fp16"], [name], f"{name}_cast", to=1))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return kept


def shortened(model: onnx.ModelProto) -> bytes:
    """Return a model as a file with numbers for inner names, a twentieth of an int8 file else."""
    short = onnx.ModelProto()
    short.CopyFrom(model)
    graph = short.graph
    names = {value.name: value.name for value in [*graph.input, *graph.output]} | {"": ""}
    del graph.value_info[:]
    for weight in graph.initializer:
        weight.name = names.setdefault(weight.name, f"w{len(names)}")
    for number, node in enumerate(graph.node):
        node.name, node.doc_string = f"n{number}", ""
        for place in (node.input, node.output):
            place[:] = [names.setdefault(name, f"t{len(names)}") for name in place]
    onnx.checker.check_model(short)
    return short.SerializeToString()


def as_int8(core: onnx.ModelProto, examples: np.ndarray, convolutions_kept: int) -> onnx.ModelProto:
    """Quantise the convolutions of a deployed network: u8 activations, s8 weights per channel.

    Parameters
    ----------
    core : onnx.ModelProto
        Of `to_onnx`.
    examples : np.ndarray
        (n, size, size, 1) float32, training images from which ranges are taken.
    convolutions_kept : int
        So many convolutions, from the first, stay in single precision.
    """
    from onnxruntime import quantization as q

    names = [node.name for node in core.graph.node if node.op_type == "Conv"]
    kept = names[:convolutions_kept]
    if len(set(names)) != len(names):
        raise ValueError("Convolutions without names of their own would all be quantised.")

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(examples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            one = next(self.left, None)
            return None if one is None else {core.graph.input[0].name: one[None]}

    with temporary_folder() as place:
        source, target = place / "fp32.onnx", place / "int8.onnx"
        require_room(place, 4 * core.ByteSize())
        onnx.save(core, source)
        q.quantize_static(
            source,
            target,
            Reader(),
            per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=kept,
        )
        return onnx.load(target)


def to_litert(model: keras.Model, examples: np.ndarray) -> tuple[bytes, ...]:
    """Return LiteRT files of a deployed network for one image.

    They are fp32, fp16, int8 weights, and int8 weights and activations, whose ranges are taken from
    the examples. In and output stay float32: (1, size, size, 1), 0-255.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((1, *model.input.shape[1:]), tf.float32, name="grey")
    call = tf.function(lambda grey: model(grey, training=False), input_signature=[spec])
    concrete = call.get_concrete_function()

    def convert(**options: object) -> bytes:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], call)
        for name, value in options.items():
            setattr(converter, name, value)
        return converter.convert()

    def one_by_one() -> Iterator[list[np.ndarray]]:
        return ([one[None]] for one in examples)

    small = [tf.lite.Optimize.DEFAULT]
    fp16 = tf.lite.TargetSpec(supported_types=[tf.float16])
    files = [
        convert(),
        convert(optimizations=small, target_spec=fp16),
        convert(optimizations=small),
        convert(optimizations=small, representative_dataset=one_by_one),
    ]
    return tuple(map(_without_names, files))


def _without_names(file: bytes) -> bytes:
    """Return a LiteRT file whose inner tensors have no names; nobody asks for them."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(file, 0)
    for graph in model.subgraphs:
        known = {*graph.inputs, *graph.outputs}
        for number, tensor in enumerate(graph.tensors):
            tensor.name = tensor.name if number in known else b""
    builder = flatbuffers.Builder(len(file))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
