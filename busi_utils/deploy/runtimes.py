"""The runtimes that answer without TensorFlow: LiteRT and ONNX Runtime, one way to ask each."""

from __future__ import annotations

from typing import Any

import numpy as np

from busi_utils.deploy.prediction import session


class Onnx:
    """A deployed network in ONNX Runtime: squares (n, size, size, 1) to probabilities (n, 3)."""

    def __init__(self, file: bytes, threads: int = 1) -> None:
        self._session: Any = session(file, threads)
        self.shape = tuple(self._session.get_inputs()[0].shape[1:])

    def __call__(self, grey: np.ndarray) -> np.ndarray:
        return self._session.run(["p"], {"grey": grey})[0]


class LiteRT:
    """The same in LiteRT, asked about one image after another: its file is made for one."""

    def __init__(self, file: bytes, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        options = {"model_content": file, "num_threads": threads}
        self._run: Any = Interpreter(**options)
        try:
            self._run.allocate_tensors()
        except RuntimeError:  # XNNPACK, its fast path, does not take every layer of MobileNetV3
            plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            self._run = Interpreter(**options, experimental_op_resolver_type=plain)
            self._run.allocate_tensors()
        taken = self._run.get_input_details()[0]
        self._place, self.shape = taken["index"], tuple(taken["shape"][1:])
        outputs = self._run.get_output_details()
        self._wanted = next(o["index"] for o in outputs if len(o["shape"]) == 2)

    def __call__(self, grey: np.ndarray) -> np.ndarray:
        rows = []
        for one in grey:
            self._run.set_tensor(self._place, one[None])
            self._run.invoke()
            rows.append(self._run.get_tensor(self._wanted)[0].copy())
        return np.stack(rows)


def runtime_of(kind: str, file: bytes, threads: int = 1) -> Onnx | LiteRT:
    """Return the runtime of a format such as ``onnx_int8``, with the file in it."""
    return (Onnx if kind.startswith("onnx") else LiteRT)(file, threads)
