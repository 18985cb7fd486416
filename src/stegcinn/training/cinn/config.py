"""What a training run depends on: frozen dataclasses, filled from a TOML file in which an unknown key is an error."""

from __future__ import annotations

import tomllib
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from stegcinn.errors import UsageError

PRESETS = ("default", "paper", "condition", "quick")

T = TypeVar("T")


@dataclass(frozen=True)
class DataConfig:
    """Which pixels a step sees."""

    protocol: Literal["crop", "resize"] = "crop"  # crops at the photo's resolution, or whole photos resized (paper)
    size: int = 128  # pixels; side of a crop
    limit: int = 0  # photos taken from each folder, the first by the hash of their names; 0 takes all
    workers: int = 2  # threads that prepare batches ahead


@dataclass(frozen=True)
class PyramidConfig:
    """The shipped network: conditional flows over a pyramid of luma-locked chroma; one entry per flow, finest first."""

    couplings: tuple[int, ...] = (10, 10, 10)  # 30 affine coupling layers, as the paper has
    features: tuple[int, ...] = (40, 48, 48)
    hidden: tuple[int, ...] = (40, 48, 48)
    levels: int = 6
    fine_crop: int = 64  # pixels: level 1 sees a random part of the crop, as it has four times level 2's samples
    noise: tuple[float, float] = (0.5, 3.0)  # levels: range of the dequantisation noise's standard deviation
    run_noise: float = 2.0  # levels: what the network is told when it paints and reads
    shared_weight: float = 0.3  # weight of each level beyond the last flow, which has few samples


@dataclass(frozen=True)
class LabConfig:
    """The paper's network: one flow over all Lab chroma, with features of a VGG-16 as its condition."""

    couplings: tuple[int, int] = (10, 20)  # at half and at quarter resolution; 30 in all (paper, section IV)
    hidden: int = 128
    features: int = 64  # channels of the condition at either resolution
    vgg_width: int = 64  # channels of VGG-16's first block (Simonyan and Zisserman 2015)
    vgg: str = ""  # path or URL of a state dict in torchvision's layout; it must be given
    vgg_sha256: str = ""  # required for a URL


@dataclass(frozen=True)
class ConditionConfig:
    """Pre-training of VGG-shaped features on colourisation: the distribution of quantised chroma, from the gray."""

    vgg_width: int = 16
    bin_width: float = 10.0  # Lab units; side of a chroma bin (Zhang, Isola and Efros 2016)


Network = PyramidConfig | LabConfig | ConditionConfig


@dataclass(frozen=True)
class Stage1Config:
    """Stage 1: maximum likelihood (paper, section III-C)."""

    steps: int = 3000
    batch: int = 16
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "plateau"] = "cosine"
    warmup: int = 100  # steps
    clip_norm: float = 1.0


@dataclass(frozen=True)
class RoundsConfig:
    """Stage 2: round-based training (paper, Algorithm 3)."""

    form: Literal["printed", "anchored", "straight-through"] = "printed"
    rounds: int = 5
    iterations: int = 4000  # per round
    batch: int = 48
    learning_rate: float = 1e-4
    schedule: Literal["constant", "plateau", "cosine"] = "plateau"  # cosine: over all rounds
    weight: float = 1.0  # of the distance between z and z'
    overshoot_weight: float = 0.0  # of colours that leave the RGB cube, in levels squared (straight-through)
    energy_weight: float = 0.0  # of chroma energy beyond the bounds below, square of its logarithm (straight-through)
    # Guards: a round beyond one of these, and beyond the round before, is not taken over. The printed form has none.
    max_clipped: float = 0.005  # share of pixels
    min_energy_ratio: float = 0.0  # chroma energy of containers over hosts
    max_energy_ratio: float = 1.1
    clip_norm: float = 1.0


@dataclass(frozen=True)
class LogConfig:
    """How often a run writes."""

    save_every: int = 100  # steps between checkpoints and rows of the log
    sheet_every: int = 1000  # steps between sample sheets
    test_photos: int = 48  # held-out photos that accuracy is measured on after each round


@dataclass(frozen=True)
class RunConfig:
    """Everything a run depends on besides the photos."""

    preset: str
    network: Network
    alpha: float = 0.1  # half-width of the dead zone (paper, Algorithm 1)
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"  # of the couplings' convolutions; tensors stay float32
    data: DataConfig = field(default_factory=DataConfig)
    stage1: Stage1Config = field(default_factory=Stage1Config)
    rounds: RoundsConfig = field(default_factory=RoundsConfig)
    log: LogConfig = field(default_factory=LogConfig)


def load(path: Path) -> RunConfig:
    """Read a run's TOML file; UsageError if it cannot be read, or holds an unknown key or a value of a wrong type."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML file ({error})") from None
    return from_dict({"preset": path.stem, **table})


def preset(name: str) -> RunConfig:
    """One of PRESETS."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    text = (files("stegcinn.training.cinn") / "presets" / f"{name}.toml").read_text()
    return from_dict({"preset": name, **tomllib.loads(text)})


def override(config: RunConfig, settings: list[str]) -> RunConfig:
    """`config` with keys replaced, each "section.key=value"; UsageError for what `from_dict` refuses.

    Values are written as in TOML; what is none, such as a bare path, is taken as a text.
    """
    table = to_dict(config)
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise UsageError(f"{setting!r} sets nothing; write section.key=value")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *sections, key = name.strip().split(".")
        inner = table
        for section in sections:
            inner = inner.get(section, {})
            if not isinstance(inner, dict):
                raise UsageError(f"configuration: {section} is no section")
        if key not in inner:
            raise UsageError(f"configuration: unknown key {name}")
        inner[key] = value
    return from_dict(table)


def from_dict(table: dict[str, Any]) -> RunConfig:
    """A configuration from nested tables, as TOML or JSON give them; UsageError as for `load`."""
    config = _build(RunConfig, table, "")
    _check(config)
    return config


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Nested tables from which `from_dict` builds the same configuration."""
    return {**asdict(config), "network": {"kind": _KINDS[type(config.network)], **asdict(config.network)}}


_KINDS: dict[type, str] = {PyramidConfig: "pyramid", LabConfig: "lab", ConditionConfig: "condition"}


def _build(cls: type[T], table: Any, where: str) -> T:
    if not isinstance(table, dict):
        raise UsageError(f"configuration: {where or 'the file'} must be a table")
    hints = get_type_hints(cls)
    unknown = sorted(set(table) - {f.name for f in fields(cls)})  # type: ignore[arg-type]
    if unknown:
        raise UsageError(f"configuration: unknown key {where}{unknown[0]}")
    values = {name: _value(hints[name], value, f"{where}{name}") for name, value in table.items()}
    try:
        return cls(**values)
    except TypeError as error:  # a key without a default is missing
        raise UsageError(f"configuration: {str(error).split('() ')[-1]}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint == Network:
        kind = value.get("kind") if isinstance(value, dict) else None
        chosen = next((cls for cls, name in _KINDS.items() if name == kind), None)
        if chosen is None:
            raise UsageError(f"configuration: network.kind must be one of {', '.join(_KINDS.values())}")
        return _build(chosen, {k: v for k, v in value.items() if k != "kind"}, f"{where}.")
    if is_dataclass(hint):
        return _build(hint, value, f"{where}.")  # type: ignore[arg-type]
    wrong = UsageError(f"configuration: {where} is {value!r}, which is not {_describe(hint)}")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise wrong
        return value
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if not isinstance(value, list | tuple) or (items[-1] is not Ellipsis and len(value) != len(items)):
            raise wrong
        return tuple(_value(items[0], item, where) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise wrong
    return value


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) in (tuple, Union, types.UnionType):
        return str(hint)
    return f"of type {hint.__name__}"


def _check(config: RunConfig) -> None:
    """What types alone do not say."""
    network, data = config.network, config.data
    for name, value in (
        ("data.size", data.size),
        ("stage1.batch", config.stage1.batch),
        ("rounds.batch", config.rounds.batch),
        ("log.save_every", config.log.save_every),
        ("log.sheet_every", config.log.sheet_every),
        ("log.test_photos", config.log.test_photos),
    ):
        if value < 1:
            raise UsageError(f"configuration: {name} must be at least 1")
    depth = network.levels if isinstance(network, PyramidConfig) else 2
    if data.size % (1 << depth):
        raise UsageError(f"configuration: data.size must be a multiple of {1 << depth}")
    if isinstance(network, PyramidConfig):
        if not len(network.couplings) == len(network.features) == len(network.hidden) <= network.levels:
            raise UsageError("configuration: network.couplings, features and hidden need one entry per flow")
        if not 2 <= network.fine_crop <= data.size or network.fine_crop % 2:
            raise UsageError("configuration: network.fine_crop must be even, and no larger than data.size")
        if not 0 < network.noise[0] <= network.noise[1]:
            raise UsageError("configuration: network.noise must be a range above 0")
