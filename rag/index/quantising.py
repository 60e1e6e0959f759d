"""The same model with int8 weights: a third of the time for a question, and other vectors, so another recipe."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

SUFFIX = "-int8"  # of the model's name, and so of its folder


class QuantisingFailed(Exception):
    """It cannot be made here; the text says why, and the way out."""


def of(directory: Path) -> bool:
    """Whether this is the folder of a model with int8 weights."""
    return directory.name.endswith(SUFFIX)


def whole(directory: Path) -> Path:
    """The folder of the model that it is made from."""
    return directory.with_name(directory.name.removesuffix(SUFFIX))


def quantise(model: Path, target: Path) -> None:
    """Weights as int8 with a scale for each channel, by ONNX Runtime's own tool. Raises QuantisingFailed."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # see OnnxEmbedder
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise QuantisingFailed(
            f"int8 weights are made by ONNX Runtime's tool, which needs the package onnx ({error}). Install it, copy"
            f" {target.parent} from a machine that has it, or choose the model without {SUFFIX}."
        ) from error
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises at length how models are prepared by another of its tools
    try:
        # The tool writes a file of its own beside the model that it reads: not in a folder where others read too.
        with tempfile.TemporaryDirectory(dir=target.parent) as apart:
            read, made = Path(apart, "whole.onnx"), Path(apart, target.name)
            read.symlink_to(model.resolve())
            quantize_dynamic(read, made, weight_type=QuantType.QInt8, per_channel=True)
            made.replace(target)
    finally:
        root.setLevel(level)
