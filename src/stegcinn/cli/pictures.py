"""Pictures that say it faster: where a photo can hide, and photos in the order in which they hide best."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from stegcinn import stego
from stegcinn.carriers.base import Source
from stegcinn.carriers.heatmap import heated
from stegcinn.codecs.base import Progress, portions
from stegcinn.errors import UsageError
from stegcinn.ranking import Ranked

SHEET = 24  # photos
COLUMNS = 4
THUMBNAIL = 240, 180  # pixels
CAPTION = 52  # pixels below a thumbnail
GAP = 12  # pixels
NAME = 34  # characters of a name
INK, PAPER = "#222222", "white"
VERDICTS = {"safe": "#2a7d3f", "noticeable": "#a35a00", "provable": "#b3261e"}


def check(path: str | None) -> None:
    """UsageError for a picture that could not be written as PNG, before any work."""
    if path is None:
        return
    if Path(path).suffix.lower() != ".png":
        raise UsageError(f"{path} is a picture to look at, which is written as .png")
    if Path(path).exists():
        raise UsageError(f"{path} already exists; choose another name")


def heat(source: Source, progress: Progress) -> bytes:
    """The photo in gray, and in colours over it how much noise there is to hide in, as PNG."""
    levels = stego.noisiness(source, progress)
    return _png(Image.fromarray(heated(source.photo().luma, levels)))


def sheet(found: Sequence[Ranked], halve: bool, progress: Progress) -> bytes:
    """Thumbnails of the first SHEET photos, in order, with what is safe in each, as PNG."""
    shown = found[:SHEET]
    columns = min(COLUMNS, len(shown))
    cell = THUMBNAIL[0] + GAP, THUMBNAIL[1] + CAPTION + GAP
    rows = -(-len(shown) // columns)
    out = Image.new("RGB", (GAP + columns * cell[0], GAP + rows * cell[1]), PAPER)
    for index, (photo, report) in enumerate(zip(shown, portions(progress, len(shown)), strict=True)):
        row, column = divmod(index, columns)
        _paste(out, photo, index + 1, halve, (GAP + column * cell[0], GAP + row * cell[1]), report)
    return _png(out)


def _paste(out: Image.Image, photo: Ranked, place: int, halve: bool, at: tuple[int, int], progress: Progress) -> None:
    source = Source(photo.host).halved(exact=True) if halve else Source(photo.host)
    safe = stego.measure(source, codec=photo.codec, progress=progress).safe_bytes
    thumbnail = source.photo().to_pil().convert("RGB")
    thumbnail.thumbnail(THUMBNAIL)
    left, top = at
    out.paste(thumbnail, (left, top + THUMBNAIL[1] - thumbnail.height))
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(13)
    name = Path(str(photo.host)).name
    name = name if len(name) <= NAME else f"{name[: NAME - 1]}\u2026"
    verdict = photo.judgement.verdict
    lines = (
        (f"{place}. {name}", INK),
        (f"{safe:,} bytes are safe", INK),
        (f"this payload: {verdict}", VERDICTS[verdict]),
    )
    for number, (line, ink) in enumerate(lines):
        draw.text((left, top + THUMBNAIL[1] + 4 + 16 * number), _printable(line), ink, font)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
