"""HyperIQA: the published architecture, and reading a checkpoint of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from stegcinn.errors import WeightsError
from stegcinn.evaluation.metrics.hyperiqa import HyperIQA, hyperiqa, load_hyperiqa


@pytest.fixture(scope="module")
def model() -> HyperIQA:
    torch.manual_seed(0)
    return HyperIQA().eval()


def resnet50_names() -> set[str]:
    """Names of all tensors of a ResNet-50 as it is commonly published, without its classifier."""

    def norm(name: str) -> set[str]:
        return {f"{name}.{t}" for t in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}

    names = {"conv1.weight"} | norm("bn1")
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            at = f"layer{stage}.{block}"
            for n in (1, 2, 3):
                names |= {f"{at}.conv{n}.weight"} | norm(f"{at}.bn{n}")
            if block == 0:
                names |= {f"{at}.downsample.0.weight"} | norm(f"{at}.downsample.1")
    return names


def test_tensors_are_named_and_shaped_as_in_the_published_checkpoint(model) -> None:
    state = model.state_dict()
    expected = {f"res.{name}" for name in resnet50_names()}
    for n in (1, 2, 3):
        expected |= {f"res.lda{n}_pool.0.weight"}
    for name in (*(f"res.lda{n}_fc" for n in (1, 2, 3, 4)), "conv1.0", "conv1.2", "conv1.4",
                 *(f"fc{n}w_conv" for n in (1, 2, 3, 4)), *(f"fc{n}b_fc" for n in (1, 2, 3, 4)),
                 "fc5w_fc", "fc5b_fc"):  # fmt: skip
        expected |= {f"{name}.weight", f"{name}.bias"}
    assert set(state) == expected
    shapes = {
        "res.lda1_fc.weight": (16, 1024), "res.lda2_fc.weight": (16, 512), "res.lda3_fc.weight": (16, 256),
        "res.lda4_fc.weight": (176, 2048), "fc1w_conv.weight": (512, 112, 3, 3), "fc2w_conv.weight": (128, 112, 3, 3),
        "fc3w_conv.weight": (32, 112, 3, 3), "fc4w_conv.weight": (8, 112, 3, 3), "fc5w_fc.weight": (14, 112),
        "res.layer4.2.conv3.weight": (2048, 512, 1, 1), "conv1.4.weight": (112, 512, 1, 1),
    }  # fmt: skip
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def test_parameters_of_the_backbone(model) -> None:
    """25,557,032 of ResNet-50 less its classifier's 2,049,000."""
    backbone = sum(p.numel() for name, p in model.res.named_parameters() if not name.startswith("lda"))
    assert backbone == 23_508_032


@pytest.mark.slow
def test_the_quality_network_is_made_for_each_image(model) -> None:
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = model(x)
        assert both.shape == (2,)
        assert torch.allclose(both[:1], model(x[:1]), atol=1e-4)
        assert abs(float(both[0] - both[1])) > 1e-6


@pytest.mark.slow
def test_checkpoints_by_path(model, tmp_path) -> None:
    state = model.state_dict()
    save_file(state, tmp_path / "hyperiqa.safetensors")
    torch.save(state, tmp_path / "koniq.pkl")
    for name in ("hyperiqa.safetensors", "koniq.pkl"):
        loaded = load_hyperiqa(tmp_path / name)
        assert not loaded.training
        assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())


def test_a_score_is_the_mean_over_normalised_crops() -> None:
    seen = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x[:, 0].mean((1, 2))

    gray = np.full((90, 70, 3), 124, np.uint8)  # nearly the mean of ImageNet's red
    assert hyperiqa(network, gray, np.random.default_rng(0)) == pytest.approx((124 / 255 - 0.485) / 0.229, abs=1e-5)
    assert seen[0].shape == (10, 3, 224, 224)
    photo = data.astronaut()
    one, again, other = (hyperiqa(network, photo, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == again != other


def test_other_files_are_refused(tmp_path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pkl")
    (tmp_path / "broken.pkl").write_bytes(b"not a checkpoint")
    for bad in ("other.pkl", "broken.pkl", "missing.safetensors"):
        with pytest.raises(WeightsError, match=bad):
            load_hyperiqa(tmp_path / bad)
