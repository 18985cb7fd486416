"""Which channels a benchmark sends containers through, and by which methods these are made."""

from __future__ import annotations

from dataclasses import dataclass

from stegcinn.codecs import CODECS
from stegcinn.evaluation.channels.channel import AS_SENT
from stegcinn.evaluation.channels.encoders import SAMPLINGS
from stegcinn.evaluation.channels.steps import KERNELS

ROBUST = "robust"


@dataclass(frozen=True)
class ChannelPlan:
    """What is run: every method in every photo, through every channel."""

    preset: str
    photos: int | None  # at most, drawn from the folder; None: all
    methods: tuple[str, ...]  # see `methods.Method.parse`
    channels: tuple[str, ...]  # see `Channel.parse`
    seed: int = 0


METHODS = (
    *(f"{ROBUST}@{load}" for load in ("64B", "256B", "768B") if ROBUST in CODECS), *(f"{name}@256B" for name in CODECS
    if name in ("jpeg", "exact")), "dwtdct@4bytes", "dwtdct@12bytes", "lsb@256B",
)  # fmt: skip
MESSENGERS = ("fit-1600+jpeg-q62-420-progressive", "fit-1600+jpeg-q70", "fit-1280+jpeg-q87")
CHAINS = ("jpeg-q75+jpeg-q80", "jpeg-q85+jpeg-q75", "jpeg-q75+jpeg-q75", "webp-q80+jpeg-q75", "resize-0.75+resize-1.5")
OTHERS = (
    "noise-1", "noise-2", "crop-1", "crop-1+jpeg-q75", "rotate-90", "rotate-90+jpeg-q75", "mirror", "canvas-q75",
    "canvas-q92",
)  # fmt: skip
FACTORS = (0.5, 0.6, 0.75, 0.9, 1.1, 1.3, 1.5)

FEW = (
    AS_SENT, "png", *(f"jpeg-q{quality}" for quality in (40, 50, 60, 75, 85, 95)), "jpeg-q75-422", "jpeg-q75-444",
    "jpeg-q75-420-optimized", "jpeg-q75-420-progressive", "mozjpeg-q75", "magick-q75", "ffmpeg-v3", "webp-q80",
    "avif-q75", *(f"resize-{factor:g}+jpeg-q75" for factor in (0.6, 0.75, 1.3)), *MESSENGERS, *CHAINS[:2], *OTHERS,
)  # fmt: skip
ALL = (
    AS_SENT, "png", *(f"jpeg-q{q}-{sampling}" for sampling in SAMPLINGS for q in range(40, 100, 5)),
    "jpeg-q75-420-optimized", "jpeg-q75-420-progressive", "jpeg-q75-420-optimized-progressive",
    *(f"mozjpeg-q{q}" for q in (60, 75, 85)), *(f"magick-q{q}" for q in (60, 75, 85, 92)),
    *(f"ffmpeg-v{scale}" for scale in (2, 3, 5)), *(f"webp-q{q}" for q in (60, 70, 80, 90)),
    *(f"avif-q{q}" for q in (60, 75, 90)), *MESSENGERS, *CHAINS,
    *(f"resize-{factor:g}-{kernel}+jpeg-q75" for kernel in KERNELS for factor in FACTORS), *OTHERS,
)  # fmt: skip
PLANS = {
    "small": ChannelPlan("small", photos=16, methods=METHODS, channels=FEW),
    "paper": ChannelPlan("paper", photos=None, methods=METHODS, channels=ALL),
}
