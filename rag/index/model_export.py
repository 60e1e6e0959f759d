"""Writes model.onnx from the published weights (model.safetensors), the same bytes on every machine.

The file is written in protobuf's wire format right here, without the `onnx` package: a page of code instead of one more
dependency for a single step, and as the bytes depend on no version but ours, their hash can be pinned.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32] | npt.NDArray[np.int64]
Message = list[bytes]  # pieces of one protobuf message, kept apart so that 90 MB are never copied

LAYERS, HEADS, HIDDEN = 6, 12, 384
EPSILON = 1e-12
IR_VERSION, OPSET = 8, 17


def export(weights: Path, target: Path) -> None:
    """Read `model.safetensors`, write the model that gives every token's last hidden state."""
    chunks = _model(_Graph(_read_safetensors(weights)))
    with target.open("wb") as file:
        file.writelines(chunks)


def _read_safetensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of a safetensors file: a length, a JSON header with offsets, then raw little-endian numbers."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    header_length = int(data[:8].view("<u8")[0])
    header = json.loads(data[8 : 8 + header_length].tobytes())
    start = 8 + header_length
    return {
        name: data[start + at["data_offsets"][0] : start + at["data_offsets"][1]].view("<f4").reshape(at["shape"])
        for name, at in header.items()
        if name != "__metadata__" and at["dtype"] == "F32"
    }


# --- the network -----------------------------------------------------------------------------------------------------


def _model(graph: _Graph) -> Message:
    state = _embeddings(graph)
    mask = _additive_mask(graph)
    for layer in range(LAYERS):
        state = _layer(graph, f"encoder.layer.{layer}", state, mask)
    graph.node("Identity", [state], output="last_hidden_state")
    return [
        *_integer(1, IR_VERSION),
        *_text(2, "steadfast"),
        *_message(7, graph.message()),
        *_message(8, [*_text(1, ""), *_integer(2, OPSET)]),
    ]


def _embeddings(graph: _Graph) -> str:
    """Word, token type and position, added and normalised."""
    words = graph.node("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"])
    types = graph.node("Gather", [graph.weight("embeddings.token_type_embeddings.weight"), "token_type_ids"])
    shape = graph.node("Shape", ["input_ids"])
    length = graph.node("Slice", [shape, graph.constant([1]), graph.constant([2])])
    table = graph.weight("embeddings.position_embeddings.weight")
    positions = graph.node("Slice", [table, graph.constant([0]), length, graph.constant([0])])
    total = graph.node("Add", [graph.node("Add", [words, types]), positions])
    return graph.normalised(total, "embeddings.LayerNorm")


def _additive_mask(graph: _Graph) -> str:
    """0 where a token is, -10000 where only padding is: after softmax exactly nothing of the padding is left."""
    wide = graph.node("Unsqueeze", ["attention_mask", graph.constant([1, 2])])
    absent = graph.node("Sub", [graph.scalar(1.0), graph.node("Cast", [wide], to=1)])
    return graph.node("Mul", [absent, graph.scalar(-10000.0)])


def _layer(graph: _Graph, name: str, state: str, mask: str) -> str:
    attended = graph.linear(_attention(graph, f"{name}.attention.self", state, mask), f"{name}.attention.output.dense")
    state = graph.normalised(graph.node("Add", [attended, state]), f"{name}.attention.output.LayerNorm")
    wide = _gelu(graph, graph.linear(state, f"{name}.intermediate.dense"))
    narrow = graph.linear(wide, f"{name}.output.dense")
    return graph.normalised(graph.node("Add", [narrow, state]), f"{name}.output.LayerNorm")


def _attention(graph: _Graph, name: str, state: str, mask: str) -> str:
    split = graph.constant([0, 0, HEADS, HIDDEN // HEADS])

    def heads(part: str, order: list[int]) -> str:
        cut = graph.node("Reshape", [graph.linear(state, f"{name}.{part}"), split])
        return graph.node("Transpose", [cut], perm=order)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scale = graph.scalar(math.sqrt(HIDDEN // HEADS))
    scores = graph.node("Div", [graph.node("MatMul", [query, key]), scale])
    shares = graph.node("Softmax", [graph.node("Add", [scores, mask])], axis=-1)
    mixed = graph.node("Transpose", [graph.node("MatMul", [shares, value])], perm=[0, 2, 1, 3])
    return graph.node("Reshape", [mixed, graph.constant([0, 0, HIDDEN])])


def _gelu(graph: _Graph, x: str) -> str:
    """x * (1 + erf(x / sqrt 2)) / 2, in the order of steps that the runtime recognises and fuses into one."""
    bell = graph.node("Erf", [graph.node("Div", [x, graph.scalar(math.sqrt(2.0))])])
    product = graph.node("Mul", [x, graph.node("Add", [bell, graph.scalar(1.0)])])
    return graph.node("Mul", [product, graph.scalar(0.5)])


# --- an ONNX graph ---------------------------------------------------------------------------------------------------


class _Graph:
    """Collects nodes and tensors; every method answers with the name of what it added."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._weights = weights
        self._nodes: Message = []
        self._tensors: dict[str, Message] = {}
        self._count = 0

    def node(self, operator: str, inputs: list[str], *, output: str = "", **attributes: int | list[int] | float) -> str:
        output = output or f"{operator}_{self._count}"
        self._count += 1
        fields = [piece for name in inputs for piece in _text(1, name)]
        fields += [*_text(2, output), *_text(3, output), *_text(4, operator)]
        for name, value in attributes.items():
            fields += _message(5, _attribute(name, value))
        self._nodes += _message(1, fields)
        return output

    def weight(self, name: str, *, transposed: bool = False) -> str:
        tensor = self._weights[name]
        return self._tensor(name, tensor.T if transposed else tensor)

    def scalar(self, value: float) -> str:
        return self._tensor(f"scalar {value!r}", np.array(value, dtype="<f4"))

    def constant(self, values: list[int]) -> str:
        return self._tensor(f"integers {values}", np.array(values, dtype="<i8"))

    def linear(self, x: str, name: str) -> str:
        product = self.node("MatMul", [x, self.weight(f"{name}.weight", transposed=True)])
        return self.node("Add", [product, self.weight(f"{name}.bias")])

    def normalised(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", [x, scale, shift], axis=-1, epsilon=EPSILON)

    def message(self) -> Message:
        fields = [*self._nodes, *_text(2, "all-MiniLM-L6-v2")]
        for tensor in self._tensors.values():
            fields += _message(5, tensor)
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            fields += _message(11, _value(name, 7, ["batch", "tokens"]))
        return [*fields, *_message(12, _value("last_hidden_state", 1, ["batch", "tokens", HIDDEN]))]

    def _tensor(self, name: str, array: Array) -> str:
        if name not in self._tensors:
            dims = [piece for size in array.shape for piece in _integer(1, size)]
            kind = 7 if array.dtype.kind == "i" else 1
            self._tensors[name] = [
                *dims,
                *_integer(2, kind),
                *_text(8, name),
                *_message(9, [array.tobytes()]),
            ]
        return name


def _attribute(name: str, value: int | list[int] | float) -> Message:
    if isinstance(value, float):
        return [
            *_text(1, name),
            _varint(2 << 3 | 5),
            np.array(value, dtype="<f4").tobytes(),
            *_integer(20, 1),
        ]
    if isinstance(value, int):
        return [*_text(1, name), *_integer(3, value), *_integer(20, 2)]
    return [*_text(1, name), *(piece for item in value for piece in _integer(8, item)), *_integer(20, 7)]


def _value(name: str, kind: int, shape: list[str | int]) -> Message:
    sizes: Message = []
    for size in shape:
        sizes += _message(1, _text(2, size) if isinstance(size, str) else _integer(1, size))
    tensor = [*_integer(1, kind), *_message(2, sizes)]
    return [*_text(1, name), *_message(2, _message(1, tensor))]


# --- protobuf's wire format: a field is its number and kind, then its bytes ------------------------------------------


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64-bit two's complement
    octets = bytearray()
    while value > 127:
        octets.append(value & 127 | 128)
        value >>= 7
    return bytes([*octets, value])


def _integer(number: int, value: int) -> Message:
    return [_varint(number << 3), _varint(value)]


def _message(number: int, pieces: Message) -> Message:
    return [_varint(number << 3 | 2), _varint(sum(map(len, pieces))), *pieces]


def _text(number: int, value: str) -> Message:
    return _message(number, [value.encode()])
