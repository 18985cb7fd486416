"""How baselines are trained by presets, released and loaded, as tiny networks on generated photos; and what ships."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from photos import crop
from stegcinn.errors import StegcinnError, UsageError, WeightsError
from stegcinn.evaluation.baselines import presets, release, run, training
from stegcinn.evaluation.baselines.ddh import DDH
from stegcinn.evaluation.baselines.hidden import BITS, HiDDeN
from stegcinn.evaluation.baselines.hiders import HIDERS, RELEASES, shipped, to_ship
from stegcinn.evaluation.baselines.presets import HiderPreset, Stage
from stegcinn.evaluation.baselines.training import HiderConfig, random_bits, train
from stegcinn.evaluation.benchmark import paper

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = Path(str(files("stegcinn.evaluation"))) / "weights"
SHORT = HiderConfig(steps=2, batch=2, learning_rate=1e-3, crop=32, precision="bfloat16")
TINY = HiderPreset("ddh", 3, (Stage("1.0", SHORT), Stage("0.25", HiderConfig(1, 2, 1e-4, crop=32, image=(0.5, 1.0)))))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six colour photos, a gray one and one that is too small."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        Image.fromarray(rng.integers(60, 190, (17, 18, 3)).astype(np.uint8)).resize((144, 136)).save(
            folder / f"{index}.png"
        )
    Image.new("L", (144, 144), 9).save(folder / "gray.png")
    Image.new("RGB", (100, 144)).save(folder / "small.png")
    return folder


@pytest.fixture
def done(photos: Path, tmp_path: Path) -> Path:
    run.begin(TINY, [photos], tmp_path / "run", lambda line: None)
    return tmp_path / "run"


def test_a_preset_trains_stage_after_stage_and_is_released(photos: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    run.begin(TINY, [photos], tmp_path / "run", lines.append)
    assert [line.partition(":")[0] for line in lines] == [
        "stage 1 of 2, step 2 of 2", "stage 2 of 2, step 1 of 1",
    ]  # fmt: skip
    first, last = (load_file(tmp_path / "run" / f"stage-{n}" / "last.safetensors") for n in (1, 2))
    moved = [float((last[name] - first[name]).abs().max()) for name in first if name.startswith("model.")]
    assert 0 < max(moved) < 3e-4  # stage 2 began with what stage 1 ended with: one step of Adam is its rate
    facts = release.release(tmp_path / "run", tmp_path / "ddh-9", [photos])
    assert facts["photos"] == 5  # of the six, one is held out
    assert {load: found["photos"] for load, found in facts["figures"].items()} == {"1.0": 6, "0.25": 6}
    assert json.loads((tmp_path / "ddh-9" / "config.json").read_text())["figures"] == facts["figures"]
    card = (tmp_path / "ddh-9" / "README.md").read_text()
    assert "| 2 | 0.25 | 1 | 2 | 32 | 0.0001 to 0.0001 | 0.5 to 1 |" in card
    for load, stage in (("1.0", first), ("0.25", last)):
        model = shipped(f"ddh@{load}", tmp_path / "ddh-9")
        assert not model.training
        for name, value in model.state_dict().items():
            assert torch.allclose(value, stage[f"model.{name}"], rtol=2e-3, atol=1e-6)
            assert value.dtype == torch.float32


def test_a_run_goes_on_on_the_same_photos_only(done: Path, photos: Path, tmp_path: Path) -> None:
    whole = (done / "stage-2" / "last.safetensors").read_bytes()
    for path in (done / "stage-2").iterdir():
        path.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        release.release(done, tmp_path / "ddh-9", [])
    lines: list[str] = []
    run.resume(done, lines.append)
    assert [line[:12] for line in lines] == ["stage 2 of 2"]
    again = load_file(done / "stage-2" / "last.safetensors")
    (tmp_path / "whole").write_bytes(whole)
    assert all(torch.equal(value, again[name]) for name, value in load_file(tmp_path / "whole").items())
    with pytest.raises(UsageError, match="--resume"):
        run.begin(TINY, [photos], done, lines.append)
    (photos / "another.png").write_bytes((photos / "0.png").read_bytes())
    with pytest.raises(StegcinnError, match="not those that it began with"):
        run.resume(done, lines.append)


def test_a_stage_that_is_not_finished_is_not_released(photos: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(training, "REPORT_EVERY", 1)

    def stop(line: str) -> None:
        if "step 2" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.begin(HiderPreset("ddh", 3, TINY.stages[:1]), [photos], tmp_path / "run", stop)
    with pytest.raises(UsageError, match="is not finished"):
        release.release(tmp_path / "run", tmp_path / "ddh-9", [])
    assert not (tmp_path / "ddh-9").exists()


def test_no_photos_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no colour photo of at least 128x128"):
        run.begin(TINY, [tmp_path], tmp_path / "run", lambda line: None)
    with pytest.raises(UsageError, match="holds no run"):
        run.resume(tmp_path, lambda line: None)


def test_weights_that_are_not_the_released_ones_are_refused(done: Path, tmp_path: Path) -> None:
    out = tmp_path / "ddh-9"
    release.release(done, out, [])
    assert "figures" not in json.loads((out / "config.json").read_text())
    tensors = load_file(out / "1.0.safetensors")
    save_file({name: value + 1 for name, value in tensors.items()}, out / "1.0.safetensors")
    with pytest.raises(WeightsError, match="damaged"):
        shipped("ddh@1.0", out)
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, "width": 4}))
    with pytest.raises(WeightsError, match="not those of its networks"):
        shipped("ddh@0.25", out)


def test_an_adversary_does_not_ship() -> None:
    kept = to_ship(HiDDeN(4))
    assert not any(name.startswith("adversary") for name in kept)
    assert kept["decoder.0.0.1.running_var"].dtype == torch.float32
    assert kept["read.weight"].dtype == torch.float16


@torch.no_grad()
def test_the_image_may_count_less() -> None:
    torch.manual_seed(0)
    model = HiDDeN(4).eval()
    hosts, bits = torch.rand(2, 3, 32, 32), random_bits(model, 2, (32, 32), np.random.default_rng(0))
    alone, containers = model.loss(hosts, bits, image=0.0)
    read = model.reveal(containers)
    assert torch.allclose(alone, (read - bits).square().mean())
    (nothing, _), (half, _), (whole, _) = (model.loss(hosts, bits, image) for image in (0.0, 0.45, 0.9))
    assert whole - nothing == pytest.approx(2 * float(half - nothing), rel=1e-3)
    error = 4 * (containers - hosts).square().mean()
    assert float(whole - nothing) == pytest.approx(0.9 * 0.7 * float(error), rel=1e-3)
    pair = DDH(2, 3).eval()
    bits = random_bits(pair, 2, (32, 32), np.random.default_rng(0))
    torch.manual_seed(0)
    loss, containers = pair.loss(hosts, bits, image=0.25)
    torch.manual_seed(0)
    read = pair.reveal_image(pair.disturb(containers))
    wrong = (read - pair.secret_of(bits)).square().mean()
    assert torch.allclose(loss, 0.25 * (containers - hosts).square().mean() + wrong)


def test_until_the_image_counts_in_full_the_adversary_rests(monkeypatch) -> None:
    model = HiDDeN(4)
    monkeypatch.setattr(model, "adversary_loss", lambda hosts, containers: pytest.fail("asked"))
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    train(model, model, photos, HiderConfig(1, 2, 1e-3, crop=32, image=(0.9, 0.9)))


def test_rates_and_weights_go_in_a_line() -> None:
    config = HiderConfig(steps=3, batch=1, learning_rate=1e-2, end=0.5, image=(0.0, 1.0))
    assert [config.now(step) for step in range(3)] == [
        (pytest.approx(1e-2), 0.0), (pytest.approx(7.5e-3), 0.5), (pytest.approx(5e-3), 1.0),
    ]  # fmt: skip
    assert HiderConfig(1, 1, 1e-3).now(0) == (1e-3, 1.0)
    assert [HiderConfig(9, 1, 1e-3, warmup=4).now(step)[0] for step in (0, 1, 3, 4)] == [2.5e-4, 5e-4, 1e-3, 1e-3]


def test_ddh_begins_with_the_host() -> None:
    torch.manual_seed(0)
    hosts, secrets = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    assert (DDH(1, 6).hide_image(hosts, secrets) - hosts).abs().mean() < 0.1


def test_normalisation_is_settled_before_the_first_step_and_then_stays(tmp_path) -> None:
    torch.manual_seed(0)
    model = HiDDeN(4)
    photos = np.random.default_rng(0).integers(90, 110, (2, 16, 16, 3)).astype(np.uint8)
    config = HiderConfig(2, 2, 1e-3, crop=16, settled=True)
    train(model, model, photos, config, tmp_path)
    norm = model.before[0][1]
    batches = [training.draw(model, photos, config, 2 + n)[0] for n in range(training.SETTLING)]
    torch.manual_seed(0)
    first = HiDDeN(4).before[0][0]
    means = [first(2 * hosts - 1).mean((0, 2, 3)) for hosts in batches]
    assert torch.allclose(norm.running_mean, torch.stack(means).mean(0), atol=1e-5)
    assert norm.num_batches_tracked == training.SETTLING  # not one more


def test_the_last_layer_is_fitted_to_what_was_drawn() -> None:
    torch.manual_seed(0)
    model = HiDDeN(8).eval()
    rng = np.random.default_rng(0)
    draws = [(torch.rand(8, 3, 16, 16), random_bits(model, 8, (16, 16), rng)) for _ in range(40)]

    def error() -> float:
        with torch.no_grad():
            return float(np.mean([model.loss(*each, image=0.0)[0] for each in draws]))

    before = error()
    model.fit(iter(draws))
    fitted = error()
    assert fitted < 0.25 < before  # better than one half for every bit
    for change in (1.03, 0.97):
        with torch.no_grad():
            model.read.weight.mul_(change)
        assert error() > fitted
        with torch.no_grad():
            model.read.weight.div_(change)


def test_hidden_begins_with_a_message_that_its_maps_can_move() -> None:
    torch.manual_seed(0)
    model = HiDDeN(8)
    maps = torch.randn(4, BITS, 64, 64).relu()  # of normalised maps
    assert torch.allclose(model.read(maps.mean((2, 3))), torch.full((4, BITS), 0.5), atol=0.1)
    assert torch.equal(model.read.weight, 2 * torch.eye(BITS))


@pytest.mark.parametrize("name", HIDERS)
def test_what_ships_hides_and_reads(name: str) -> None:
    model = shipped(name)
    images = np.stack([crop(which, 128, 128, 60, 150) for which in ("astronaut", "chelsea", "coffee")])
    found = release.figures(model, images)
    assert found["unrounded"] >= {"1.0": 98, "0.25": 99, "0.0018": 95}[name.partition("@")[2]]  # 95: of 90 bits in all
    assert found["rounded"] >= 90
    assert found["psnr"] >= {"hidden": 25, "ddh": 28, "udh": 28}[name.partition("@")[0]] - 1  # of three photos only


def test_what_ships_is_small_and_as_its_preset_says() -> None:
    sizes = {folder.name: sum(path.stat().st_size for path in folder.iterdir()) for folder in WEIGHTS.iterdir()}
    assert sizes.pop(paper.RELEASE) <= 2_500_000
    assert sum(sizes.values()) <= 4_200_000
    assert set(RELEASES) == set(presets.PRESETS)
    for method, folder in RELEASES.items():
        config = json.loads((WEIGHTS / folder / "config.json").read_text())
        plain = json.loads(json.dumps(asdict(presets.PRESETS[method])))
        assert {"method": config["method"], "width": config["width"], "stages": config["stages"]} == plain
