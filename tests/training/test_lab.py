"""The paper's network: Lab, VGG's layers and weights, the flow both ways, and colours from it."""

from __future__ import annotations

import hashlib
import http.server
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import color
from training_runs import stripes

from stegcinn.errors import UsageError, WeightsError
from stegcinn.training.cinn import build
from stegcinn.training.cinn.build import fetch, read_state, vgg_weights
from stegcinn.training.cinn.cielab import lab_to_rgb, rgb_to_lab
from stegcinn.training.cinn.config import ConditionConfig, LabConfig
from stegcinn.training.cinn.labflow import LabFlow, squeeze, unsqueeze
from stegcinn.training.cinn.paper import ConditionNetwork, LabNetwork
from stegcinn.training.cinn.vgg import VGGFeatures

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = LabConfig(couplings=(2, 2), hidden=4, features=4, vgg_width=2)


def rough(module, seed=0):
    """The same module with weights that do something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return module.eval()


# -- the colour space


def test_lab_is_that_of_scikit_image():
    rgb = np.random.default_rng(0).integers(0, 256, (1, 9, 11, 3), np.uint8)
    rgb[0, 0, :3] = [[0, 0, 0], [255, 255, 255], [3, 2, 1]]
    planes = torch.from_numpy(np.moveaxis(rgb, -1, 1)).double()
    expected = np.moveaxis(color.rgb2lab(rgb), -1, 1)
    np.testing.assert_allclose(rgb_to_lab(planes).numpy(), expected, atol=0.01)
    np.testing.assert_allclose(lab_to_rgb(rgb_to_lab(planes)).numpy(), planes.numpy(), atol=1e-6)


def test_lab_of_any_colour_has_a_gradient():
    lab = torch.tensor([[0.0, 0, 0], [1, 60, -90], [50, 100, 100]]).T.reshape(1, 3, 1, 3).requires_grad_()
    lab_to_rgb(lab).square().sum().backward()
    assert torch.isfinite(lab.grad).all()
    assert (lab_to_rgb(lab)[0, :, 0, 2] < 0).any()  # outside the cube


# -- the flow


def test_squeezing_is_orthonormal_and_undone():
    x = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    small = squeeze(x)
    assert small.shape == (2, 12, 4, 6)
    torch.testing.assert_close(small.square().sum(), x.square().sum())
    torch.testing.assert_close(unsqueeze(small), x)
    torch.testing.assert_close(small[:, :3], 2 * torch.nn.functional.avg_pool2d(x, 2))


@pytest.fixture
def flow():
    return rough(LabFlow((2, 2), hidden=4, features=4, vgg_width=2)).double()


def test_the_flow_is_undone(flow):
    chroma = 20 * torch.randn(2, 2, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    lightness = 100 * torch.rand(2, 1, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    z, logdet = flow(chroma, lightness)
    assert z.shape == (2, 32, 4, 3)
    back, inverse_logdet = flow.inverse(z, lightness)
    torch.testing.assert_close(back, chroma, rtol=0, atol=1e-4)  # rotations are orthogonal to float32 only
    torch.testing.assert_close(logdet, -inverse_logdet, rtol=1e-5, atol=0)


def test_logdet_is_that_of_the_jacobian(flow):
    lightness = 100 * torch.rand(1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    chroma = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    jacobian = torch.autograd.functional.jacobian(lambda c: flow(c, lightness)[0].flatten(), chroma).reshape(32, 32)
    torch.testing.assert_close(flow(chroma, lightness)[1][0], torch.linalg.slogdet(jacobian)[1])


def test_the_condition_counts_and_is_not_trained(flow):
    z = torch.randn(1, 32, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    dark, light = (flow.inverse(z, torch.full((1, 1, 16, 16), v, dtype=torch.float64))[0] for v in (10, 90))
    assert (dark - light).abs().max() > 0.1
    assert not any(p.requires_grad for p in flow.vgg.parameters())
    assert all(p.requires_grad for p in flow.heads.parameters())


# -- VGG


def state(width=2, prefix="features."):
    """A state dict as torchvision names it, all thirteen convolutions and a classifier."""
    generator, before, out = torch.Generator().manual_seed(0), 3, {}
    plan = {0: 1, 2: 1, 5: 2, 7: 2, 10: 4, 12: 4, 14: 4, 17: 8, 19: 8, 21: 8, 24: 8, 26: 8, 28: 8}
    for index, times in plan.items():
        out[f"{prefix}{index}.weight"] = torch.randn(width * times, before, 3, 3, generator=generator)
        out[f"{prefix}{index}.bias"] = torch.randn(width * times, generator=generator)
        before = width * times
    return {**out, "classifier.0.weight": torch.zeros(2, 2)}


def test_vgg_is_torchvisions():
    """Against the layers written out as torchvision's `features` lists them."""
    weights = state()
    vgg = VGGFeatures(2)
    vgg.load_torchvision(weights)
    lightness = 100 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x, expected = (lightness.repeat(1, 3, 1, 1) / 100 - mean) / std, []
    for index in range(16):  # conv, relu, conv, relu, pool, ...
        if index in (4, 9):
            expected.append(x)
            x = torch.nn.functional.max_pool2d(x, 2)
        elif f"features.{index}.weight" in weights:
            names = (f"features.{index}.weight", f"features.{index}.bias")
            x = torch.nn.functional.conv2d(x, *(weights[name] for name in names), padding=1)
        else:
            x = torch.relu(x)
    for found, wanted in zip(vgg(lightness), [*expected, x], strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_dict_is_read_from_a_file(tmp_path, suffix):
    path = tmp_path / f"vgg{suffix}"
    save_file(state(), path) if suffix == ".safetensors" else torch.save(state(), path)
    network = build.build(with_vgg(str(path)))
    torch.testing.assert_close(network.flow.vgg.features["14"].weight.data, state()["features.14.weight"])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert vgg_weights(LabConfig(vgg=str(path), vgg_sha256=digest)).keys() == state().keys()
    with pytest.raises(WeightsError, match="SHA-256"):
        vgg_weights(LabConfig(vgg=str(path), vgg_sha256="0" * 64))
    released = tmp_path / "lab.safetensors"  # a whole network, of which this is the condition
    save_file({f"vgg.{name}": value for name, value in state().items()} | {"norm": torch.zeros(1)}, released)
    assert vgg_weights(LabConfig(vgg=str(released))).keys() == state().keys()
    with pytest.raises(WeightsError, match="vgg_width"):
        build.build(with_vgg(str(path), width=64))


def with_vgg(vgg, width=2):
    from training_runs import LAB, tiny

    return tiny({**LAB, "vgg": vgg, "vgg_width": width})


def test_files_without_weights_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--preset condition"):
        vgg_weights(LabConfig())
    with pytest.raises(UsageError, match="no VGG weights at"):
        vgg_weights(LabConfig(vgg=str(tmp_path / "missing.pth")))
    (tmp_path / "text.pth").write_text("not a zip file, and no pickle either")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.safetensors").write_text("short")
    for name in ("text.pth", "list.pth", "text.safetensors"):
        with pytest.raises(WeightsError, match=name) as raised:
            read_state(tmp_path / name)
        assert "\n" not in str(raised.value)
    with pytest.raises(WeightsError, match=r"lack features\.0"):
        VGGFeatures(2).load_torchvision({"x": torch.zeros(1)})


def test_code_in_a_state_dict_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"features.0.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError):
        read_state(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.fixture
def server(tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(root))

        def log_message(self, *arguments):
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", root, requests
        running.shutdown()
        thread.join()


def test_weights_are_downloaded_once_and_checked(server, tmp_path, monkeypatch):
    address, root, requests = server
    save_file(state(), root / "vgg.safetensors")
    digest = hashlib.sha256((root / "vgg.safetensors").read_bytes()).hexdigest()
    cache = tmp_path / "cache"
    monkeypatch.setattr(build, "CACHE", cache)
    for _ in range(2):
        found = vgg_weights(LabConfig(vgg=f"{address}/vgg.safetensors", vgg_sha256=digest))
        torch.testing.assert_close(found["features.0.bias"], state()["features.0.bias"])
    assert len([r for r in requests if r.endswith("vgg.safetensors")]) == 1
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch(f"{address}/vgg.safetensors", "0" * 64, cache)
    with pytest.raises(WeightsError, match="could not be downloaded"):
        fetch(f"{address}/missing", digest, cache)
    with pytest.raises(UsageError, match="vgg_sha256"):
        fetch(f"{address}/vgg.safetensors", "", cache)
    with pytest.raises(UsageError, match="https"):
        fetch("http://example.org/vgg.safetensors", digest, cache)
    assert [p.name for p in cache.iterdir()] == [f"{digest[:16]}-vgg.safetensors"]


# -- as training sees it


@pytest.fixture
def network():
    return rough(LabNetwork(TINY))


def photos():
    return np.stack([stripes(i, 16, 16) for i in range(2)])


def test_what_is_painted_is_read_back(network):
    rgb = photos()
    z = torch.randn(2, network.dimensions(16), generator=torch.Generator().manual_seed(0))
    painting = network.paint(rgb, z, network.draw_roots(2, np.random.default_rng(0)))
    assert painting.rgb.shape == rgb.shape
    assert painting.rgb.dtype == np.uint8
    torch.testing.assert_close(network.read(painting.unrounded)[0], z, atol=1e-3, rtol=1e-3)
    read = network.read(network.inputs(painting.rgb))[0]
    assert 0.6 < (read * z > 0).float().mean() < 1  # rounding and clipping took their share
    lab = [rgb_to_lab(torch.from_numpy(np.moveaxis(x, -1, 1).copy()).float())[:, 0] for x in (rgb, painting.rgb)]
    assert (lab[0] - lab[1]).abs().median() < 1  # the lightness is the host's, but for rounding and clipping


def test_clipping_is_counted(network):
    dark = np.zeros((1, 16, 16, 3), np.uint8)
    z = torch.randn(1, network.dimensions(16), generator=torch.Generator().manual_seed(0))
    roots = np.zeros((1, 0), np.float32)
    assert network.paint(dark, z, roots).clipped[0] > 0.5
    assert network.round_trip(dark, z, roots).overshoot > 0
    gray = np.full((1, 16, 16, 3), 128, np.uint8)
    assert network.paint(gray, 0 * z, roots).clipped[0] < 0.5


def test_photos_are_dequantised(network):
    rng = np.random.default_rng(0)
    lightness, chroma = network.prepare(photos(), rng)
    clean = network.inputs(photos())
    torch.testing.assert_close(lightness, clean[0])
    gap = (chroma - clean[1]).abs()
    assert 0 < gap.mean() < 1
    offset = np.full((2, 16, 16, 3), 0.25, np.float32)
    offset[..., 1] = -0.25
    moved = network.inputs(photos(), offset)
    torch.testing.assert_close(moved[0], clean[0])
    assert (moved[1] != clean[1]).any()


def test_colourisation_learns_where_a_colour_is():
    network = ConditionNetwork(ConditionConfig(vgg_width=2, bin_width=20.0))
    assert network.bins == 11
    red = np.zeros((2, 16, 16, 3), np.uint8)
    red[..., 0] = 200
    lightness, target = network.prepare(red, np.random.default_rng(0))
    a, b = rgb_to_lab(torch.tensor([200.0, 0, 0]).reshape(1, 3, 1, 1))[0, 1:, 0, 0].tolist()
    assert target.shape == (2, 4, 4)
    assert target.unique().tolist() == [int((a + 110) // 20) * 11 + int((b + 110) // 20)]
    loss, parts = network.losses((lightness, target))
    assert loss is parts[0]
    assert 2 < loss.item() < 10
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        network.losses((lightness, target))[0].backward()
        optimizer.step()
    assert network.losses((lightness, target))[0].item() < 0.5
