"""From a trained colour model to a release folder: 8-bit ONNX networks, integer tables, PyTorch weights, digests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import PHASES
from stegcinn.training.colourmodel.network import ColourModel, IntegerConv, PhaseNet
from stegcinn.training.releasefiles import write_config, write_weights

OPSET = 17
IR_VERSION = 9  # read by ONNX Runtime 1.16 and later


def network(net: PhaseNet) -> onnx.ModelProto:
    """The network as quantised convolutions: x (1, C, h, w) uint8 -> y (1, h', w', PARAMETERS) uint8, any h and w.

    Every scale is a power of two, so a result is its integer sum over 2**shift, rounded half to even, whatever the
    order of the additions.
    """
    tensors = [
        numpy_helper.from_array(np.array(1, np.float32), "one"),
        numpy_helper.from_array(np.array(0, np.uint8), "zero"),
        numpy_helper.from_array(np.array(0, np.int8), "zero_weight"),
    ]
    nodes, previous, channels = [], "x", 0
    for i, layer in enumerate(net.layers):
        assert isinstance(layer, IntegerConv)
        channels = channels or layer.weight.shape[1]
        weight, bias = (t.detach().numpy() for t in layer.integers())
        tensors += [
            numpy_helper.from_array(weight.astype(np.int8), f"weight{i}"),
            numpy_helper.from_array(bias.astype(np.int32), f"bias{i}"),
            numpy_helper.from_array(np.array(2.0**-layer.shift, np.float32), f"scale{i}"),
        ]
        inputs = [previous, "one", "zero", f"weight{i}", f"scale{i}", "zero_weight", "one", "zero", f"bias{i}"]
        previous = f"layer{i}"
        nodes.append(
            helper.make_node(
                "QLinearConv", inputs, [previous], kernel_shape=list(weight.shape[2:]), dilations=[layer.dilation] * 2
            )
        )
    nodes.append(helper.make_node("Transpose", [previous], ["y"], perm=[0, 2, 3, 1]))
    graph = helper.make_graph(
        nodes,
        "phase",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, channels, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [1, "h_out", "w_out", mixture.PARAMETERS])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def tables(model: ColourModel) -> dict[str, np.ndarray[Any, Any]]:
    """Integer tables: distribution functions (groups, SYMBOLS, n) int32, the root's parameters (bins, P) uint8."""
    logistic = [[mixture.logistic(shape) for shape in group] for group in model.shape.detach().numpy()]
    root = torch.round(model.root.detach() * 32).clamp(0, 255).numpy()
    return {"logistic": np.array(logistic, np.int32), "root": root.astype(np.uint8)}


def export_exact(model: ColourModel, folder: Path, facts: dict[str, Any]) -> None:
    """Write a release folder; `facts` are further entries of `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().cpu()
    names = ["exact.safetensors"]
    write_weights(model, folder / names[0])
    for group in range(len(model.nets)):
        for phase in range(len(PHASES)):
            names.append(f"level{group}-phase{phase}.onnx")
            (folder / names[-1]).write_bytes(network(model.net(group, phase)).SerializeToString())
    for table, values in tables(model).items():
        names.append(f"{table}.npy")
        np.save(folder / names[-1], values, allow_pickle=False)
    write_config(folder, sorted(names), {"groups": len(model.nets), "widths": model.widths, **facts})
