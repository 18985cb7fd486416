"""Configurations: what presets say, and that nothing in a file is silently ignored."""

from __future__ import annotations

import json

import pytest

from stegcinn.errors import UsageError
from stegcinn.training.cinn import config
from stegcinn.training.cinn.config import LabConfig, PyramidConfig, from_dict, load, override, preset, to_dict


def test_the_paper_preset_is_the_papers():
    paper = preset("paper")
    assert isinstance(paper.network, LabConfig)
    assert sum(paper.network.couplings) == 30
    assert paper.alpha == 0.1
    assert (paper.data.size, paper.data.protocol, paper.data.limit) == (128, "resize", 10_000)
    rounds = paper.rounds
    assert (rounds.form, rounds.rounds, rounds.iterations, rounds.batch) == ("printed", 5, 4000, 48)
    assert (rounds.learning_rate, rounds.schedule) == (1e-4, "plateau")


def test_the_default_preset_is_the_shipped_network():
    default = preset("default")
    assert default.network == PyramidConfig()
    assert default.rounds.form == "straight-through"
    assert preset("condition").rounds.rounds == 0
    with pytest.raises(UsageError, match="default, paper, condition"):
        preset("fast")


@pytest.mark.parametrize("name", config.PRESETS)
def test_a_configuration_survives_json(name):
    original = preset(name)
    assert from_dict(json.loads(json.dumps(to_dict(original)))) == original


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("sed = 1", "unknown key sed"),
        ("[rounds]\nround = 1", r"unknown key rounds\.round"),
        ("[network]\nkind = 'lab'\nlevels = 3", r"unknown key network\.levels"),
        ("[network]\nkind = 'gan'", r"network\.kind must be one of pyramid, lab, condition"),
        ("network = 3", r"network\.kind"),
        ("rounds = 3", "rounds"),
        ("seed = '1'", "seed is '1', which is not of type int"),
        ("seed = true", "seed is True"),
        ("[rounds]\nform = 'other'", "printed, anchored, straight-through"),
        ("[network]\nkind = 'lab'\ncouplings = [1, 2, 3]", "couplings"),
        ("[network]\nkind = 'pyramid'\ncouplings = [1, 2.5, 3]", "couplings"),
        ("[network]\nkind = 'pyramid'\nhidden = [1, 2]", "one entry per flow"),
        ("[network]\nkind = 'pyramid'\nnoise = [0.0, 2.0]", "above 0"),
        ("[network]\nkind = 'pyramid'\nfine_crop = 256", "fine_crop"),
        ("[data]\nsize = 100", "multiple of 64"),
        ("[stage1]\nbatch = 0", r"stage1\.batch must be at least 1"),
        ("seed = = 1", "no TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, match):
    path = tmp_path / "run.toml"
    path.write_text(text if "network" in text else text + "\n[network]\nkind = 'pyramid'\n")
    with pytest.raises(UsageError, match=match) as raised:
        load(path)
    assert "\n" not in str(raised.value)


def test_a_file_must_name_a_network(tmp_path):
    (tmp_path / "run.toml").write_text("seed = 1\n")
    with pytest.raises(UsageError, match="network"):
        load(tmp_path / "run.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "missing.toml")


def test_a_file_is_a_preset_of_its_own(tmp_path):
    (tmp_path / "mine.toml").write_text("alpha = 1\n[network]\nkind = 'pyramid'\nnoise = [1, 2]\n")
    mine = load(tmp_path / "mine.toml")
    assert (mine.preset, mine.alpha) == ("mine", 1.0)
    assert isinstance(mine.network, PyramidConfig)
    assert mine.network.noise == (1.0, 2.0)


def test_keys_can_be_set_one_by_one():
    changed = override(
        preset("paper"), ["seed=7", "network.vgg=weights/vgg16.pth", "rounds.rounds = 0", "data.size=64"]
    )
    assert isinstance(changed.network, LabConfig)
    assert (changed.seed, changed.network.vgg) == (7, "weights/vgg16.pth")
    assert (changed.rounds.rounds, changed.data.size) == (0, 64)
    assert changed.rounds.iterations == 4000
    for setting, match in (
        ("seed", "sets nothing"),
        ("sed=1", "unknown key sed"),
        ("network.levels=3", r"unknown key network\.levels"),
        ("other.key=3", r"unknown key other\.key"),
        ("seed.key=3", "no section"),
        ("rounds.form=other", "printed"),
        ("data.size=100.5", r"data\.size"),
    ):
        with pytest.raises(UsageError, match=match):
            override(preset("paper"), [setting])
