"""From a run of the noise network to a release: the network in ONNX, shapes of distributions, weights, model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from stegcinn.codecs.stealth.noise import (
    EXPECTED,
    FAR,
    FOLLOWS,
    OFF_B,
    OFF_R,
    RADIUS,
    SCALE_B,
    SCALE_G,
    SCALE_R,
)
from stegcinn.colourmodel import mixture
from stegcinn.colourmodel.cells import UNIT
from stegcinn.files import new_folder
from stegcinn.training.noise.network import Around, NoiseNet
from stegcinn.training.noise.photos import Pile
from stegcinn.training.noise.train import CHECKPOINT, NoiseConfig, Trained, load, validate
from stegcinn.training.releasefiles import write_config, write_weights

OPSET = 17
IR_VERSION = 9  # read by ONNX Runtime 1.16 and later

CARD = """# {name}

The noise network of the codec `stealth`: for each pixel of a host, which colours all around it and the luma make
likely. Only a sender runs it, so it is no part of the container format, and what is read needs none of it.

| | |
|---|---|
| network | {parameters:,} parameters, 32-bit floating point, one pass |
| layers | {near} channels over 5x5 pixels, {far} over 5x5 of every third; behind these {first}, {second} |
| trained with | stegcinn {version}, torch {torch}, {seconds:.0f} s |
| steps | {steps:,} of {batch} crops of {crop}x{crop} |
| photos | {photos:,}, {versions} versions of each: most as JPEG of quality 75 to 97, then all scaled down |
| code length | {measured} |

`stegcinn train noise` makes such networks. The photos are research sets; none is part of this package.

`noise.onnx`: planes Y, R - Y, B - Y (1, 3, h + 12, w + 12) in levels -> what is expected (1, h, w, 7) int8.
`noise.safetensors`: the weights for PyTorch. `config.json` names every file with its SHA-256 and holds the shapes of
the distributions.
"""


class _Graph:
    """An ONNX graph that grows by a node at a time."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def constant(self, value: npt.NDArray[Any]) -> str:
        """The name of a new constant."""
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """The name of what a new node gives."""
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def convolution(self, x: str, *weights: torch.Tensor, dilation: int = 1, group: int = 1) -> str:
        """Without padding; `weights` and perhaps a bias."""
        constants = [self.constant(each.detach().numpy().astype(np.float32)) for each in weights]
        return self.add("Conv", x, *constants, dilations=[dilation] * 2, group=group)

    def cropped(self, x: str, edge: int) -> str:
        """Without `edge` pixels at each side."""
        if edge == 0:
            return x
        spans = ([edge] * 2, [-edge] * 2, [2, 3])
        return self.add("Slice", x, *(self.constant(np.array(span, np.int64)) for span in spans))

    def channels(self, x: str, start: int, stop: int) -> str:
        """Some of them."""
        return self.add("Slice", x, *(self.constant(np.array([n], np.int64)) for n in (start, stop, 1)))


def network(net: NoiseNet) -> onnx.ModelProto:
    """As the card tells it: what NoiseNet computes, rounded, with scales' indices less mixture.ZERO."""
    graph = _Graph()

    def around(part: Around) -> str:
        inner = graph.cropped("x", RADIUS - part.side // 2 * part.dilation)
        return graph.convolution(inner, part.kernel(), part.bias, dilation=part.dilation)

    hidden = graph.add("Relu", graph.add("Concat", around(net.near), around(net.far), axis=1))
    for layer in net.hidden:
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            hidden = graph.add("Relu", graph.convolution(hidden, layer.weight, layer.bias))
    assert net.head.bias is not None
    start = net.start.clone()
    start[[SCALE_R, SCALE_B, SCALE_G]] -= mixture.ZERO
    told = graph.convolution(
        hidden, net.head.weight * net.units[:, None], (net.head.bias * net.units.flatten()) + start.flatten()
    )
    centre = torch.zeros(2, 1, 3, 3)
    centre[:, :, 1, 1] = 1
    away = graph.convolution(
        graph.cropped(graph.channels("x", 1, 3), RADIUS - 1), UNIT * (centre - net.nearest), group=2
    )
    unit = graph.constant(np.array(1 / mixture.SLOPE_UNIT, np.float32))
    follows = graph.add("Mul", graph.channels(told, FOLLOWS, FOLLOWS + 1), unit)
    red = graph.channels(away, 0, 1)
    leant = graph.add("Sub", graph.channels(away, 1, 2), graph.add("Mul", follows, red))
    offsets = graph.add("Sub", graph.add("Concat", red, leant, axis=1), graph.channels(told, 0, OFF_B + 1))
    every = graph.add("Concat", offsets, graph.channels(told, OFF_B + 1, EXPECTED), axis=1)
    low, high = np.full((1, EXPECTED, 1, 1), -mixture.ZERO, np.float32), np.full((1, EXPECTED, 1, 1), 127, np.float32)
    for plane in (OFF_R, OFF_B):
        low[:, plane], high[:, plane] = -FAR, FAR
    bounded = graph.add("Min", graph.add("Max", graph.add("Round", every), graph.constant(low)), graph.constant(high))
    graph.add("Transpose", graph.add("Cast", bounded, to=TensorProto.INT8), output="y", perm=[0, 2, 3, 1])
    shapes = (
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", "w"]),
        helper.make_tensor_value_info("y", TensorProto.INT8, [1, "h_out", "w_out", EXPECTED]),
    )
    made = helper.make_graph(graph.nodes, "noise", [shapes[0]], [shapes[1]], graph.tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def release(run: Path, out: Path, tests: list[Path]) -> dict[str, Any]:
    """Export the checkpoint of `run` to the new folder `out`, and return its facts.

    `tests`: folders of photos whose held-out part the card measures, if there are any. UsageError if `out` exists. On
    failure nothing is left.
    """
    model, facts = load(run / CHECKPOINT)
    model.eval()
    with new_folder(out) as folder:
        write_weights(model, folder / "noise.safetensors")
        (folder / "noise.onnx").write_bytes(network(model.net).SerializeToString())
        shape = model.shape.detach().tolist()
        write_config(folder, ["noise.onnx", "noise.safetensors"], {"shape": shape, "training": facts})
        (folder / "README.md").write_text(_card(out.name, model, facts, tests))
    return facts


def _card(name: str, model: Trained, facts: dict[str, Any], tests: list[Path]) -> str:
    told = facts["config"]
    config = NoiseConfig(**{**told, "widths": tuple(told["widths"])})
    near, far, first, second = config.widths
    measured = "not measured"
    if tests:
        pile = Pile(tests, config.crop, config.versions, validation=True, seed=config.seed)
        red, blue, green = validate(model, pile, config)
        every = red + blue + green
        measured = f"{every:.3f} bits per pixel on photos held out: red {red:.3f}, blue {blue:.3f}, green {green:.3f}"
    return CARD.format(
        name=name, parameters=sum(p.numel() for p in model.net.parameters()), near=near, far=far, first=first,
        second=second, version=facts["stegcinn"], torch=facts["torch"], seconds=facts["seconds"], steps=facts["step"],
        batch=config.batch, crop=config.crop, photos=facts["count"], versions=config.versions, measured=measured,
    )  # fmt: skip
