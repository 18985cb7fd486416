"""Why any change to a photo can be proved: its pixels have a structure that changes leave.

What is looked for, what is not, and how surely it is found: docs/threat-model.md.
"""

from __future__ import annotations

from stegcinn.carriers.evidence.colours import has_palette, is_toned
from stegcinn.carriers.evidence.lattices import decoder_of, decoder_of_area
from stegcinn.carriers.evidence.levels import has_gaps
from stegcinn.carriers.evidence.repeats import is_enlarged
from stegcinn.runtime.arrays import UInt8

_HALVE = "and experts can prove any change; halve it first to be safer"

PALETTE = f"this photo has colours that stand apart, as from a palette, {_HALVE}"
TONED = "the gray-scale of this photo tells its colours, and experts can prove any change; take one that is not toned"
STRETCHED = f"the contrast of this photo was stretched, so that levels are missing, {_HALVE}"
ENLARGED = f"this photo was enlarged by repeating pixels, {_HALVE}"


def as_decoded(kind: str, *, partly: bool = False) -> str:
    """That a photo, or a part of it, is what a decoder of `kind`, as in "JPEG", made."""
    article = "an" if kind.startswith("A") else "a"
    return f"{'part of ' if partly else ''}this photo is as {article} {kind} decoder left it, {_HALVE}"


def find_evidence(rgb: UInt8, kind: str | None = None) -> str | None:
    """Why any change to a photo (H, W, 3) can be proved, in one line that says what to do; None if nothing is found.

    `kind`: that of the lossy file whose pixels these are, see `lossy_kind`. Of a gray photo, decoders are told by
    its file alone.
    """
    if kind is not None:
        return as_decoded(kind)
    if decoder := decoder_of(rgb):
        return as_decoded(decoder.kind)
    if decoder := decoder_of_area(rgb):
        return as_decoded(decoder.kind, partly=True)
    if is_toned(rgb):
        return TONED
    if has_palette(rgb):
        return PALETTE
    if is_enlarged(rgb):
        return ENLARGED
    return STRETCHED if has_gaps(rgb) else None
