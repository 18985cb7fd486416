"""HiDDeN, DDH and UDH: shapes, sizes, and the loop that trains them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stegcinn.errors import StegcinnError
from stegcinn.evaluation.baselines import ddh, hidden, training, udh
from stegcinn.evaluation.baselines.ddh import DDH
from stegcinn.evaluation.baselines.deep import to_float, to_image
from stegcinn.evaluation.baselines.hidden import HiDDeN
from stegcinn.evaluation.baselines.training import HiderConfig, hide_in, random_bits, train
from stegcinn.evaluation.baselines.udh import UDH

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"ddh-1": lambda: DDH(1, 3), "ddh-2": lambda: DDH(2, 3), "udh-1": lambda: UDH(1, 4), "udh-2": lambda: UDH(2, 4),
         "hidden": lambda: HiDDeN(6)}  # fmt: skip


def photos(count: int = 4, side: int = 64, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(60, 190, (count, side // 8, side // 8, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_of_hidden() -> None:
    """Blocks of 64 maps: convolution, its bias, and two numbers of normalisation (section 4 of the paper)."""

    def block(inner: int, outer: int) -> int:
        return 9 * inner * outer + 3 * outer

    encoder = block(3, 64) + 3 * block(64, 64) + block(64 + 30 + 3, 64) + 64 * 3 + 3
    decoder = block(3, 64) + 6 * block(64, 64) + block(64, 30) + 30 * 30 + 30
    adversary = block(3, 64) + 2 * block(64, 64) + 65
    assert count(HiDDeN()) == encoder + decoder + adversary


def test_parameters_of_ddh() -> None:
    """Fifty filters of each of 3x3, 4x4 and 5x5 in two, five and five layers."""

    def layer(inner: int) -> int:
        return 50 * inner * (9 + 16 + 25) + 150

    last = 150 * 3 + 3
    assert count(DDH(1)) == (layer(3) + layer(150)) + (layer(153) + 4 * layer(150) + last) + (
        layer(3) + 4 * layer(150) + last
    )


def test_parameters_of_udh() -> None:
    """A U-Net of 4x4 convolutions, 64 to 512 maps, and six 3x3 convolutions up to 256 maps."""
    widths = (64, 128, 256, 512, 512)
    hiding = 16 * 3 * 64 + 64 + 16 * 128 * 3 + 3
    for outer, inner in ((64, 128), (128, 256), (256, 512), (512, 512)):
        hiding += 16 * outer * inner + inner  # down
        hiding += 16 * outer * inner * (1 if (outer, inner) == (512, 512) else 2) + outer  # up, with what skipped
    revealing = 3
    for inner, outer in ((3, 64), (64, 128), (128, 256), (256, 128), (128, 64)):
        revealing += 9 * inner * outer + outer
    assert count(UDH(1)) == hiding + revealing + 9 * 64 * 3
    assert [64 * growth for growth in udh.GROWTH] == list(widths)


@pytest.mark.parametrize("name", SMALL)
def test_shapes(name) -> None:
    model = SMALL[name]().eval()
    hosts = to_float(photos(2))
    bits = random_bits(model, 2, (64, 64), np.random.default_rng(0))
    assert bits.shape == {"1": (2, 64, 64), "2": (2, 32, 32), "n": (2, 30)}[name[-1]]
    assert set(bits.unique().tolist()) == {0, 1}
    containers = model.hide(hosts, bits)
    assert containers.shape == hosts.shape
    assert model.reveal(containers).shape == bits.shape
    loss, same = model.train().loss(hosts, bits)
    assert loss.ndim == 0
    assert same.shape == hosts.shape


def test_bits_become_black_and_white_patches() -> None:
    model = DDH(2, 2)
    secret = model.secret_of(torch.tensor([[[0.0, 1.0], [1.0, 0.0]]]))
    expected = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]).float()
    assert torch.equal(secret, expected.expand(1, 3, 4, 4))


def test_bits_are_the_mean_of_the_revealed_patch(monkeypatch) -> None:
    model = UDH(2, 4)
    revealed = torch.zeros(1, 3, 4, 4)
    revealed[0, 0, :2, :2] = 1  # red alone: a third
    revealed[0, :2, 2:, 2:] = 1  # red and green: two thirds
    monkeypatch.setattr(model, "reveal_image", lambda containers: revealed)
    assert torch.allclose(model.reveal(revealed), torch.tensor([[[1 / 3, 0], [0, 2 / 3]]]))


def test_udh_adds_one_small_perturbation_to_any_host() -> None:
    model = UDH(1, 4).eval()
    bits = random_bits(model, 1, (64, 64), np.random.default_rng(0))
    first, second = (to_float(photos(1, seed=seed)) for seed in (0, 1))
    one, two = model.hide(first, bits) - first, model.hide(second, bits) - second
    assert torch.allclose(one, two, atol=1e-6)
    assert 0 < one.abs().max() <= 10 / 255


def test_hiddens_message_is_everywhere_and_read_from_anywhere() -> None:
    model = HiDDeN(6).eval()
    host = to_float(photos(1))
    assert torch.allclose(model.reveal(host), model.reveal(host.flip(3).flip(2)), atol=0.2)
    with torch.no_grad():
        changed = (model.hide(host, torch.ones(1, 30)) - model.hide(host, torch.zeros(1, 30))).abs().sum(1)
    assert (changed > 0).float().mean() > 0.99


def test_saved_images_are_clipped_and_rounded() -> None:
    x = torch.tensor([-0.2, 0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4, 2.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert to_image(x)[0, ..., 0].tolist() == [[0, 0], [1, 255]]
    mapped = photos()
    mapped.flags.writeable = False  # as large arrays come to other processes
    assert np.array_equal(to_image(to_float(mapped)), photos())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "crop", "steps"), [("ddh-2", 24, 150), ("udh-2", 64, 100)])
def test_image_hiders_learn_to_bring_bits_back(name, crop, steps) -> None:
    torch.manual_seed(0)
    model = SMALL[name]()
    chance = np.mean(hide_in(model, model, photos(), np.random.default_rng(0)).unrounded)
    train(model, model, photos(), HiderConfig(steps=steps, batch=4, learning_rate=5e-3, crop=crop))
    result = hide_in(model, model, photos(), np.random.default_rng(1), batch=3)
    assert result.images.shape == (4, 64, 64, 3)
    assert result.bpp == 0.25
    assert len(result.rounded) == len(result.unrounded) == 4
    assert chance < 0.7 < 0.8 < np.mean(result.unrounded)


def test_hiddens_loss_by_its_parts() -> None:
    model = HiDDeN(6).eval()
    hosts = to_float(photos(2))
    bits = random_bits(model, 2, (64, 64), np.random.default_rng(0))
    loss, containers = model.loss(hosts, bits)
    image = 4 * (containers - hosts).square().mean()  # images run at -1..1
    seen = torch.log1p(model.adversary(2 * containers - 1).exp()).mean()
    message = (model.reveal(containers) - bits).square().mean()
    assert loss.item() == pytest.approx((message + 0.7 * image + 0.001 * seen).item(), rel=1e-5)


def test_image_hiders_weigh_the_secret(monkeypatch) -> None:
    for model, weight in ((DDH(2, 2), 1.0), (UDH(2, 4), 0.75)):
        hosts = to_float(photos(2))
        monkeypatch.setattr(model, "hide_image", lambda hosts, secrets: hosts + 0.1)
        monkeypatch.setattr(model, "reveal_image", lambda containers: torch.full_like(containers, 0.5))
        loss, _ = model.loss(hosts, random_bits(model, 2, (64, 64), np.random.default_rng(0)))
        assert loss.item() == pytest.approx(0.01 + weight * 0.25, rel=1e-4)


def test_hidden_trains_both_sides_apart(monkeypatch) -> None:
    torch.manual_seed(0)
    model = HiDDeN(6)
    config = HiderConfig(steps=1, batch=2, learning_rate=1e-3, crop=64)
    before = {name: value.clone() for name, value in model.named_parameters()}
    monkeypatch.setattr(model, "adversary_loss", lambda hosts, containers: 0 * model.adversary.last.weight.sum())
    train(model, model, photos(), config)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert not any(name.startswith("adversary") for name in moved)  # the pair's loss leaves the adversary alone
    assert any(name.startswith("before") for name in moved)
    assert any(name.startswith("decoder") for name in moved)


def test_the_adversary_tells_containers_from_hosts() -> None:
    model = HiDDeN(6)
    hosts, containers = torch.zeros(4, 3, 16, 16), torch.ones(4, 3, 16, 16)
    optimizer = torch.optim.Adam(model.adversary.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        model.adversary_loss(hosts, containers).backward()
        optimizer.step()
    assert model.adversary(2 * containers - 1).min() > 0 > model.adversary(2 * hosts - 1).max()


@pytest.mark.slow
def test_a_break_changes_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(training, "REPORT_EVERY", 2)
    config = HiderConfig(steps=4, batch=2, learning_rate=1e-3, crop=64)

    def run(folder=None, stop: bool = False) -> list[bytes]:
        torch.manual_seed(0)
        model = DDH(2, 2)

        def report(line: str) -> None:
            if stop and line.startswith("step 4"):
                raise KeyboardInterrupt

        train(model, model, photos(), config, folder, report)
        return [value.numpy().tobytes() for value in model.state_dict().values()]

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop=True)
    assert run(tmp_path) == whole
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["2", "4"]
    with pytest.raises(StegcinnError, match="another training"):
        train(UDH(2, 4), UDH(2, 4), photos(), config, tmp_path)


def test_a_loss_that_is_not_finite_is_not_saved(tmp_path) -> None:
    model = DDH(2, 2)
    with torch.no_grad():
        model.revealing[1].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 1"):
        train(model, model, photos(), HiderConfig(steps=1, batch=2, learning_rate=1e-3, crop=64), tmp_path)
    assert not list(tmp_path.iterdir())


def test_published_settings() -> None:
    assert (hidden.CONFIG.batch, hidden.CONFIG.learning_rate) == (12, 1e-3)
    assert (udh.CONFIG.first_moment, udh.SECRET_WEIGHT) == (0.5, 0.75)
    assert (ddh.FILTERS, ddh.SIDES) == (50, (3, 4, 5))
