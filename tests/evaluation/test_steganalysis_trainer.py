"""Training and testing of steganalysers on pairs split by host."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stegcinn.carriers.luma import luma_of
from stegcinn.errors import StegcinnError
from stegcinn.evaluation.steganalysis.recipe import Detector, Recipe
from stegcinn.evaluation.steganalysis.trainer import Pairs, Score, Trainer, planes_of, score, settle_norms, split_hosts
from stegcinn.evaluation.steganalysis.xunet import XuNet

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch=4, optimizer="adamax", learning_rate=5e-3, augment=True)


def pairs(count: int = 24, side: int = 32, noise: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth covers, and stegos with loud noise: easy to tell apart."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 100, side)[None, :, None, None] + np.linspace(0, 60, side)[None, None, :, None]
    covers = np.broadcast_to(ramp + rng.uniform(20, 60, (count, 1, 1, 3)), (count, side, side, 3))
    stegos = covers + rng.integers(-noise, noise + 1, covers.shape)
    return tuple(np.clip(x, 0, 255).astype(np.uint8) for x in (covers, stegos))


@pytest.fixture
def every_epoch(monkeypatch) -> None:
    """Nothing is learnt too surely for another."""
    monkeypatch.setattr("stegcinn.evaluation.steganalysis.trainer.CERTAIN", 0.0)


@given(count=st.integers(4, 500), seed=st.integers(0, 9))
def test_no_host_is_in_two_parts(count, seed) -> None:
    split = split_hosts(count, seed)
    parts = [set(part.tolist()) for part in (split.train, split.validation, split.test)]
    assert all(parts)
    assert sum(map(len, parts)) == count
    assert set().union(*parts) == set(range(count))


def test_splits_by_seed() -> None:
    assert np.array_equal(split_hosts(50, 1).test, split_hosts(50, 1).test)
    assert not np.array_equal(split_hosts(50, 1).test, split_hosts(50, 2).test)
    with pytest.raises(ValueError, match="too few"):
        split_hosts(2, 0)


def test_gray_detectors_see_what_pillow_computes() -> None:
    covers, _ = pairs(2)
    assert np.array_equal(planes_of(covers, "gray")[..., 0], luma_of(covers))
    assert planes_of(covers, "colour") is covers
    with pytest.raises(ValueError, match="gray or colour"):
        planes_of(covers, "rgb")


def test_a_batch_pairs_covers_with_their_own_stegos_in_every_symmetry() -> None:
    covers, stegos = pairs(6)
    data = Pairs.of(covers, stegos, CPU)
    seen = set()
    for symmetry in range(8):
        x, y = data.batch(np.array([4, 1]), symmetry)
        assert y.tolist() == [0, 0, 1, 1]
        assert (x[:2] - x[2:]).abs().max() <= 40  # the same symmetry for both of a pair
        seen.add(x[0].numpy().tobytes())
    assert len(seen) == 8
    x, _ = data.batch(np.array([4, 1]))
    assert np.array_equal(x.permute(0, 2, 3, 1).numpy(), np.concatenate([covers[[4, 1]], stegos[[4, 1]]]))
    x, _ = data.batch(np.array([4, 1]), 0, (slice(3, 8), slice(10, 30)))
    part = [images[[4, 1], 3:8, 10:30] for images in (covers, stegos)]
    assert np.array_equal(x.permute(0, 2, 3, 1).numpy(), np.concatenate(part))
    with pytest.raises(ValueError, match="pairs"):
        Pairs.of(covers, stegos[:3], CPU)


class Threshold(Detector):
    """Says stego where an image is brighter than a level."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level
        self.head = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value = x.mean((1, 2, 3)) - self.level
        return torch.stack([-value, value], 1)


def test_accuracy_is_balanced() -> None:
    covers = np.full((4, 8, 8, 3), 10, np.uint8)
    stegos = covers + np.array([0, 0, 5, 5], np.uint8).reshape(4, 1, 1, 1)
    data = Pairs.of(covers, stegos, CPU)
    hosts = np.arange(4)
    assert score(Threshold(12), data, hosts).accuracy == 0.75  # all covers, half of the stegos
    assert score(Threshold(99), data, hosts).accuracy == 0.5
    assert score(Threshold(12), data, hosts, batch=3).accuracy == 0.75
    assert score(Threshold(12), data, np.array([2, 3])).accuracy == 1


def test_scores_by_accuracy_then_loss() -> None:
    assert Score(0.8, 2).better_than(Score(0.7, 1))
    assert Score(0.8, 1).better_than(Score(0.8, 2))
    assert not Score(0.8, 1).better_than(Score(0.8, 1))


def test_settled_norms_are_the_batch_averages_of_the_weights_as_they_are() -> None:
    covers, stegos = pairs()
    data = Pairs.of(covers, stegos, CPU)
    detector = XuNet(3)
    hosts = np.arange(8)
    settle_norms(detector, data, np.arange(8, 24), 4)  # what was there before counts for nothing
    settle_norms(detector, data, hosts, 4)
    norm = detector.norms[0]
    with torch.no_grad():
        maps = [detector.convolutions[0](detector.residuals(data.batch(hosts[i : i + 4], 0)[0])).abs() for i in (0, 4)]
    assert torch.allclose(norm.running_mean, torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0), rtol=1e-4)
    assert norm.momentum == 0.1


@pytest.mark.usefixtures("every_epoch")
def test_it_learns_and_keeps_the_best(tmp_path) -> None:
    covers, stegos = pairs()
    result = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split_hosts(24, 0), seed=0, folder=tmp_path).run()
    assert result.test.accuracy == 1
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert float(rows[result.epoch - 1]["validation_accuracy"]) == max(float(r["validation_accuracy"]) for r in rows)


def test_the_best_epoch_is_tested_not_the_last(monkeypatch) -> None:
    """Three epochs whose weights are told apart by a bias, of which validation likes the second."""
    covers, stegos = pairs(8)
    trainer = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split_hosts(8, 0), seed=0)
    likes = iter([Score(0.6, 1.0), Score(0.9, 1.0), Score(0.7, 0.1), Score(0.8, 0.5)])
    seen = []

    def judge(detector, *rest) -> Score:
        seen.append(detector.head.bias.detach().clone())
        return next(likes)

    monkeypatch.setattr("stegcinn.evaluation.steganalysis.trainer.score", judge)
    result = trainer.run()
    assert (result.epoch, result.validation.accuracy, result.test.accuracy) == (2, 0.9, 0.8)
    assert torch.equal(seen[3], seen[1])
    assert not torch.equal(seen[3], seen[2])


def test_who_tells_all_for_sure_learns_no_more(monkeypatch) -> None:
    covers, stegos = pairs(8)
    trainer = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split_hosts(8, 0), seed=0)
    likes = iter([Score(1.0, 0.06), Score(1.0, 0.04), Score(0.9, 0.3)])
    monkeypatch.setattr("stegcinn.evaluation.steganalysis.trainer.score", lambda *rest: next(likes))
    result = trainer.run()
    assert (trainer.epoch, result.epoch, result.test.accuracy) == (2, 2, 0.9)


def test_pure_chance_stays_chance() -> None:
    """Covers and stegos of one distribution: what is learnt on some hosts is worth nothing on others."""
    _, stegos = pairs(60, noise=20)
    _, others = pairs(60, noise=20, seed=1)
    result = Trainer(lambda: XuNet(3), RECIPE, stegos, others, split_hosts(60, 0), seed=0).run()
    assert 0.2 < result.test.accuracy < 0.8


@pytest.mark.usefixtures("every_epoch")
def test_the_same_seed_gives_the_same_detector_and_a_break_changes_nothing(tmp_path) -> None:
    covers, stegos = pairs(16, noise=4)
    split = split_hosts(16, 0)

    def weights(trainer: Trainer) -> list[bytes]:
        return [value.numpy().tobytes() for value in trainer.run().detector.state_dict().values()]

    def trainer(folder=None, seed: int = 0) -> Trainer:
        return Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split, seed=seed, folder=folder)

    whole = weights(trainer())
    assert weights(trainer()) == whole
    assert weights(trainer(seed=1)) != whole

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    broken = trainer(tmp_path)
    broken.report = stop
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert trainer(tmp_path).epoch == 1
    assert weights(trainer(tmp_path)) == whole
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4  # a header and three epochs


def test_a_training_begins_with_what_another_learnt(tmp_path) -> None:
    covers, stegos = pairs()
    split = split_hosts(len(covers), 0)
    first = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split, seed=0, folder=tmp_path / "a").run()
    second = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split, seed=0, start=tmp_path / "a")
    for name, value in first.detector.state_dict().items():
        assert torch.equal(second.detector.state_dict()[name], value)
    fresh = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split, seed=0)
    assert not torch.equal(fresh.detector.state_dict()["head.weight"], first.detector.state_dict()["head.weight"])


def test_crops_are_trained_on_wherever_they_lie_and_whole_images_tested() -> None:
    covers, stegos = pairs(20)
    trainer = Trainer(
        lambda: XuNet(3), replace(RECIPE, crop=16), covers, stegos, split_hosts(20, 0), seed=0
    )  # fmt: skip
    rng = np.random.default_rng(0)
    windows = [trainer._window(rng) for _ in range(300)]
    assert {rows.start for rows, _ in windows} == {columns.start for _, columns in windows} == {0, 8, 16}
    assert all(side.stop - side.start == 16 for window in windows for side in window)
    seen = set()
    trainer.detector.register_forward_pre_hook(
        lambda module, x: seen.add((torch.is_grad_enabled(), *x[0].shape[2:]))
    )  # fmt: skip
    assert trainer.run().test.accuracy > 0.8
    assert seen == {(True, 16, 16), (False, 32, 32)}
    for crop, word in ((33, "smaller than a crop"), (0, "at least one pixel")):
        with pytest.raises(ValueError, match=word):
            Trainer(lambda: XuNet(3), replace(RECIPE, crop=crop), covers, stegos, split_hosts(20, 0), seed=0)


def test_another_training_is_not_continued(tmp_path) -> None:
    covers, stegos = pairs(8)
    short = Recipe(epochs=1, batch=4, optimizer="sgd", learning_rate=1e-3)
    Trainer(lambda: XuNet(3), short, covers, stegos, split_hosts(8, 0), seed=0, folder=tmp_path).run()
    with pytest.raises(StegcinnError, match="another training"):
        Trainer(lambda: XuNet(3), short, covers, stegos, split_hosts(8, 0), seed=1, folder=tmp_path)


def test_a_loss_that_is_not_finite_stops_before_anything_is_saved(tmp_path) -> None:
    covers, stegos = pairs(12)
    wild = Recipe(epochs=1, batch=4, optimizer="sgd", learning_rate=float("inf"))
    with pytest.raises(FloatingPointError, match="epoch 1"):
        Trainer(lambda: XuNet(3), wild, covers, stegos, split_hosts(12, 0), seed=0, folder=tmp_path).run()
    assert not list(tmp_path.iterdir())


def test_weight_decay_of_the_head_alone() -> None:
    covers, stegos = pairs(8)
    for head_only in (True, False):
        recipe = Recipe(epochs=1, batch=4, optimizer="sgd", learning_rate=1e-3, weight_decay=0.5,
                        decay_head_only=head_only)  # fmt: skip
        trainer = Trainer(lambda: XuNet(3), recipe, covers, stegos, split_hosts(8, 0), seed=0)
        body, head = trainer.optimizer.param_groups
        assert head["weight_decay"] == 0.5
        assert body["weight_decay"] == (0 if head_only else 0.5)
        assert {id(p) for p in head["params"]} == {id(p) for p in trainer.detector.head.parameters()}
        assert len(body["params"]) + len(head["params"]) == len(list(trainer.detector.parameters()))


def test_facts_are_plain_json(tmp_path) -> None:
    covers, stegos = pairs(8)
    trainer = Trainer(lambda: XuNet(3), RECIPE, covers, stegos, split_hosts(8, 0), seed=0, folder=tmp_path)
    facts = trainer._facts()
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.usefixtures("every_epoch")
def test_lessons_of_falling_loads_come_first(monkeypatch) -> None:
    covers, stegos = pairs(12)
    recipe = replace(RECIPE, epochs=4, eased=(0.25, 0.5))
    assert [recipe.lesson(epoch / 4) for epoch in range(4)] == [0, 1, 2, 2]
    with pytest.raises(ValueError, match="1 sets of easier stegos for 2 lessons"):
        Trainer(lambda: XuNet(3), recipe, covers, stegos, split_hosts(12, 0), seed=0, easier=[stegos])
    sets = [np.full_like(stegos, level) for level in (10, 20)]
    trainer = Trainer(lambda: XuNet(3), recipe, covers, stegos, split_hosts(12, 0), seed=0, easier=sets)
    trained, judged = [], []
    batch = Pairs.batch

    def noted(self: Pairs, *arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        (trained if len(arguments) > 1 else judged).append(int(self.stegos[0, 0, 0, 0]))
        return batch(self, *arguments)

    monkeypatch.setattr(Pairs, "batch", noted)
    trainer.run()
    steps = len(trained) // 4
    assert trained == [level for level in (10, 20, *[int(stegos[0, 0, 0, 0])] * 2) for _ in range(steps)]
    assert set(judged) == {int(stegos[0, 0, 0, 0])}  # normalisation, validation and test are of the real ones
