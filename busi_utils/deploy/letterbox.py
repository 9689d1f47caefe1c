"""Around a deployed network: from an image of any size to its square, and back."""

from __future__ import annotations

import onnx

OPSET = 18
_TIE = 1 / 1024
"""OpenCV rounds halves up and counts in fixed point; this keeps a tie from falling to either side
with the last digit of a float. Places are counted in double precision, whose error is smaller."""
_SIDE = """
  n_{k} = Gather<axis=0>(sides_exact, at_{k})
  fitted_{k} = Gather<axis=0>(fitted_exact, at_{k})
  step_{k} = Gather<axis=0>(steps_exact, at_{k})
  top_{k} = Gather<axis=0>(before_exact, at_{k})
  last_{k} = Sub(n_{k}, one)
  along_{k} = Range(zero, n_{k}, one)
  pixel_{k} = Unsqueeze(along_{k}, axis_0)
  row_{k} = Sub(places, top_{k})
  begin_{k} = Mul(row_{k}, step_{k})
  end_{k} = Add(begin_{k}, step_{k})
  next_{k} = Add(pixel_{k}, one)
  low_{k} = Max(pixel_{k}, begin_{k})
  high_{k} = Min(next_{k}, end_{k})
  gap_{k} = Sub(high_{k}, low_{k})
  overlap_{k} = Relu(gap_{k})
  area_{k} = Div(overlap_{k}, step_{k})
  middle_{k} = Add(row_{k}, half)
  wide_{k} = Mul(middle_{k}, step_{k})
  free_{k} = Sub(wide_{k}, half)
  centre_{k} = Clip(free_{k}, zero, last_{k})
  off_{k} = Sub(pixel_{k}, centre_{k})
  away_{k} = Abs(off_{k})
  near_{k} = Sub(one, away_{k})
  linear_{k} = Relu(near_{k})
  either_{k} = Where(shrinks, area_{k}, linear_{k})
  from_{k} = GreaterOrEqual(row_{k}, zero)
  until_{k} = Less(row_{k}, fitted_{k})
  inside_{k} = And(from_{k}, until_{k})
  exact_{k} = Where(inside_{k}, either_{k}, zero)
  weights_{k} = Cast<to=1>(exact_{k})
"""
_LETTERBOX = """
<ir_version: 10, opset_import: ["" : {opset}]>
letterbox (uint8[height, width] image) => (float[1, {size}, {size}, 1] grey)
<int64 at_0 = {{0}}, int64 at_1 = {{1}}, int64[1] axis_0 = {{0}},
 int64[4] form = {{1, {size}, {size}, 1}},
 double size_exact = {{{size}.0}}, double one_exact = {{1.0}}, double two_exact = {{2.0}},
 double zero = {{0.0}}, double half = {{0.5}}, double one = {{1.0}}, double size = {{{size}.0}},
 float rounding = {{{rounding}}}>
{{
  whole = Shape(image)
  sides_exact = Cast<to=11>(whole)
  longest = ReduceMax<keepdims=0>(sides_exact)
  scale = Div(size_exact, longest)
  scaled = Mul(sides_exact, scale)
  rounded = Round(scaled)
  fitted_exact = Max(rounded, one_exact)
  steps_exact = Div(sides_exact, fitted_exact)
  rest = Sub(size_exact, fitted_exact)
  halves = Div(rest, two_exact)
  before_exact = Floor(halves)
  shrinks = Greater(longest, size_exact)
  line = Range(zero, size, one)
  axis_1 = Constant<value_ints = [1]>()
  places = Unsqueeze(line, axis_1)
{rows}{columns}
  values = Cast<to=1>(image)
  short = MatMul(weights_0, values)
  across = Transpose<perm=[1, 0]>(weights_1)
  square = MatMul(short, across)
  raised = Add(square, rounding)
  levels = Floor(raised)
  grey = Reshape(levels, form)
}}
"""
_ANSWER = """
<ir_version: 10, opset_import: ["" : {opset}]>
answer (float[1, 3] both, float[1, {cells}, {cells}, 1] share)
 => (float[3] probabilities, float[{size}, {size}] mask)
<int64[1] three = {{3}}, int64[4] plane = {{1, 1, {cells}, {cells}}},
 int64[4] large = {{1, 1, {size}, {size}}}, int64[2] rows = {{{size}, {size}}}>
{{
  probabilities = Reshape(both, three)
  small = Reshape(share, plane)
  enlarged = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(small, , , large)
  mask = Reshape(enlarged, rows)
}}
"""


def letterbox_graph(size: int) -> onnx.ModelProto:
    """Return `audit.images.letterbox` as a graph: uint8 (height, width) to (1, size, size, 1)."""
    rows, columns = _SIDE.format(k=0), _SIDE.format(k=1)
    rounding = 0.5 + _TIE
    text = _LETTERBOX.format(opset=OPSET, size=size, rounding=rounding, rows=rows, columns=columns)
    return onnx.parser.parse_model(text)


def from_any_image(core: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """Put the letterbox before a deployed network and its answer's form behind it.

    Returns
    -------
    onnx.ModelProto
        ``image`` uint8 (height, width) to ``probabilities`` (3,) and ``mask`` (size, size), 0-1.
    """
    core.ir_version = 10
    outputs = {len(o.type.tensor_type.shape.dim): o.name for o in core.graph.output}
    cells = size // 16
    whole = onnx.compose.merge_models(
        letterbox_graph(size),
        onnx.compose.add_prefix(core, "network/"),
        io_map=[("grey", f"network/{core.graph.input[0].name}")],
    )
    answer = onnx.parser.parse_model(_ANSWER.format(opset=OPSET, size=size, cells=cells))
    links = [(f"network/{outputs[2]}", "both"), (f"network/{outputs[4]}", "share")]
    whole = onnx.compose.merge_models(whole, answer, io_map=links)
    del whole.opset_import[:]  # each part has named it; some readers take one only
    whole.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    onnx.checker.check_model(whole)
    return whole
