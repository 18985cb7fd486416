"""The quality number that a quantisation table was made with."""

from __future__ import annotations

from collections.abc import Sequence

from stegcinn.carriers.jpegfile.markers import BLOCK

# Tables K.1 and K.2 of ITU-T T.81, natural order, which libjpeg and most others scale.
LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61,       12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,       14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,     24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,   72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99,       18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,       47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)  # fmt: skip


def standard_table(quality: int, chroma: bool) -> tuple[int, ...]:
    """The table of 64 steps, natural order, that libjpeg uses at a quality of 1 to 100 in baseline files."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(max((step * scale + 50) // 100, 1), 255) for step in (CHROMA if chroma else LUMA))


def estimated_quality(table: Sequence[int], chroma: bool) -> tuple[int, bool]:
    """The quality whose standard table is nearest, by the mean ratio of the steps, and whether it is that very table.

    `table` has 64 steps in natural order. At 100 and 99 all steps or nearly all are 1.
    """
    if len(table) != BLOCK:
        raise ValueError(f"a table has {BLOCK} steps, not {len(table)}")

    def distance(quality: int) -> float:
        pairs = zip(table, standard_table(quality, chroma), strict=True)
        return sum(max(a, b) / min(a, b) for a, b in pairs)

    best = min(range(1, 101), key=distance)
    return best, tuple(table) == standard_table(best, chroma)
