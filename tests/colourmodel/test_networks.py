"""The colour model at work: tiles without seams, any size, and nothing seen that is not settled yet."""

from __future__ import annotations

import numpy as np
import pytest

from photos import crop
from stegcinn.carriers.luma import luma_of
from stegcinn.colourmodel import cells, mixture, networks
from stegcinn.colourmodel.cells import PHASES
from stegcinn.colourmodel.networks import HALO, ColourModel, plane
from stegcinn.runtime.weights import release

WHOLE = 10_000
STEPS = [(level, phase) for level in range(8) for phase in range(len(PHASES))]


@pytest.fixture(scope="module")
def model() -> ColourModel:
    return ColourModel(release("exact-1"))


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    top, left = np.random.default_rng(seed).integers(0, 100, 2)
    return crop("coffee", height, width, top, left)


def maps(model, rgb, level, phase, luma=None, **options) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (P, h, w) and guesses (2, h, w) of a phase, put together; where no part is, 0."""
    luma = luma_of(rgb) if luma is None else luma
    size = plane(luma, level, phase).shape
    parameters, guesses = np.zeros((mixture.PARAMETERS, *size), np.uint8), np.zeros((2, *size), np.int16)
    for part in model.parts(rgb, luma, level, phase, **options):
        where = (slice(None), part.rows, part.columns)
        parameters[where] = part.tile.parameters
        guesses[where] = part.tile.guess_r, part.tile.guess_b
    return parameters, guesses


def differs(a, b) -> np.ndarray:
    """Where (h, w) two results of `maps` differ in anything."""
    return (a[0] != b[0]).any(axis=0) | (a[1] != b[1]).any(axis=0)


# -- tiles and sizes


@pytest.mark.parametrize("tile", [128, 37, 8])
@pytest.mark.parametrize("size", [(65, 64), (77, 131)])
def test_tiles_have_no_seams(model, size, tile):
    rgb = photo(*size)
    for level, phase in STEPS:
        if level > 2 and tile > 8:  # a single tile
            continue
        whole = maps(model, rgb, level, phase, tile=WHOLE)
        assert not differs(maps(model, rgb, level, phase, tile=tile), whole).any(), (level, phase)
        if level < 3:
            assert len(np.unique(whole[0])) > 50


def test_the_usual_tile_leaves_no_seam_either(model):
    rgb = photo(70, 300)
    for phase in range(3):
        assert len(list(model.parts(rgb, luma_of(rgb), 0, phase))) == 2
        assert not differs(maps(model, rgb, 0, phase), maps(model, rgb, 0, phase, tile=WHOLE)).any()


@pytest.mark.parametrize("size", [(65, 64), (77, 131), (64, 64), (1, 1), (1, 9), (2, 1), (3, 5)])
def test_all_phases_settle_every_pixel_once(model, size):
    rgb = photo(*size)
    top = (max(size) - 1).bit_length()
    times = np.zeros(size, int)
    times[:: 1 << top, :: 1 << top] += 1
    assert times.sum() == 1  # the coarsest lattice is a single pixel
    for level in range(top):
        for phase in range(3):
            for part in model.parts(rgb, luma_of(rgb), level, phase, tile=16):
                shape = part.tile.luma.shape
                assert part.rgb.shape == (*shape, 3)
                assert part.tile.parameters.shape == (mixture.PARAMETERS, *shape)
                assert part.tile.guess_r.shape == part.tile.guess_b.shape == part.tile.chosen.shape == shape
                assert np.array_equal(part.tile.luma, luma_of(part.rgb))
                assert part.tile.chosen.all()
                plane(times, level, phase)[part.rows, part.columns] += 1
    assert (times == 1).all()


def test_parts_are_views_of_the_image_in_raster_order(model):
    rgb = photo(77, 131)
    luma, corners = luma_of(rgb), []
    for part in model.parts(rgb, luma, 1, 2, tile=10):
        corners.append((part.rows.start, part.columns.start))
        assert np.shares_memory(part.rgb, rgb)
        assert np.array_equal(part.rgb, plane(rgb, 1, 2)[part.rows, part.columns])
        part.rgb[...] = 0
    assert corners == sorted(corners)
    assert len(corners) == 2 * 4
    assert not plane(rgb, 1, 2).any()


def test_pixels_may_change_while_networks_run_ahead(model):
    rgb = photo(64, 200)
    luma = luma_of(rgb)
    for level, phase in ((0, 0), (0, 2), (1, 1)):
        expected, painted = maps(model, rgb, level, phase, tile=8), rgb.copy()
        parameters = np.zeros_like(expected[0])
        for part in model.parts(painted, luma, level, phase, tile=8):
            parameters[:, part.rows, part.columns] = part.tile.parameters
            part.rgb[...] = 255
        assert np.array_equal(parameters, expected[0])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_threads_does_not_matter(model, workers, monkeypatch):
    rgb = photo(64, 131)
    expected = maps(model, rgb, 0, 1, tile=WHOLE)
    monkeypatch.setattr(networks, "WORKERS", workers)
    assert not differs(maps(model, rgb, 0, 1, tile=8), expected).any()


def test_a_generator_that_is_given_up_ends(model):
    rgb = photo(64, 131)
    parts = model.parts(rgb, luma_of(rgb), 0, 0, tile=8)
    next(parts)
    parts.close()
    assert next(parts, None) is None


# -- what is asked for


def test_tiles_without_a_chosen_pixel_are_passed_over(model):
    rgb = photo(64, 80)
    luma = luma_of(rgb)
    chosen = np.zeros((32, 40), bool)
    chosen[5, 3] = chosen[5, 39] = chosen[31, 17] = True
    parts = list(model.parts(rgb, luma, 0, 0, chosen, tile=16))
    assert [(p.rows.start, p.columns.start) for p in parts] == [(0, 0), (0, 32), (16, 16)]
    for part in parts:
        assert np.array_equal(part.tile.chosen, chosen[part.rows, part.columns])
    everywhere = maps(model, rgb, 0, 0)
    here = maps(model, rgb, 0, 0, chosen=chosen, tile=16)
    assert not differs(here, everywhere)[chosen].any()
    assert list(model.parts(rgb, luma, 0, 0, np.zeros((32, 40), bool))) == []


def test_tiles_that_are_not_kept_are_passed_over(model):
    rgb = photo(64, 80)
    luma = luma_of(rgb)
    keep = np.array([False, True, False, True, False, False])
    parts = list(model.parts(rgb, luma, 0, 2, tile=16, keep=keep))
    assert [(p.rows.start, p.columns.start) for p in parts] == [(0, 16), (16, 0)]
    whole = maps(model, rgb, 0, 2)
    for part in parts:
        assert np.array_equal(part.tile.parameters, whole[0][:, part.rows, part.columns])
    with pytest.raises(ValueError, match="zip"):
        list(model.parts(rgb, luma, 0, 2, tile=16, keep=keep[:5]))


# -- what is seen


def settled_before(size: tuple[int, int], level: int, phase: int) -> np.ndarray:
    """Which pixels are settled before a phase."""
    settled = np.zeros(size, bool)
    settled[:: 2 << level, :: 2 << level] = True
    for earlier in range(phase):
        plane(settled, level, earlier)[...] = True
    return settled


@pytest.mark.parametrize(("level", "phase"), [(level, phase) for level in range(4) for phase in range(3)])
def test_what_is_not_settled_yet_is_not_seen(model, level, phase):
    rgb = photo(66, 91)
    luma = luma_of(rgb)
    expected = maps(model, rgb, level, phase)
    open_ = ~settled_before(luma.shape, level, phase)
    other = rgb.copy()
    other[open_] = np.random.default_rng(0).integers(0, 256, (open_.sum(), 3))
    assert not differs(maps(model, other, level, phase, luma), expected).any()
    other[~open_] = 255 - other[~open_]
    assert differs(maps(model, other, level, phase, luma), expected).mean() > 0.9


@pytest.mark.parametrize(("level", "phase"), [(0, 0), (0, 1), (0, 2), (1, 2), (2, 1)])
@pytest.mark.parametrize("channel", [0, 2])
def test_a_settled_colour_is_seen_from_within_reach(model, level, phase, channel):
    rgb = photo(150, 143)
    luma = luma_of(rgb)
    expected = maps(model, rgb, level, phase)
    for place in range(phase + 1):
        i, j = cells.PLACES[place]
        row, column = 12 if level == 0 else 8, 9  # a cell
        stride = 1 << level
        other = rgb.copy()
        other[(2 * row + i) * stride, (2 * column + j) * stride, channel] ^= 128
        seen = differs(maps(model, other, level, phase, luma), expected)
        rows, columns = np.nonzero(seen)
        assert seen[row, column]
        assert seen.sum() > 9
        assert np.abs(rows - row).max() <= HALO
        assert np.abs(columns - column).max() <= HALO
        assert np.ptp(rows) >= 4


def test_the_luma_of_all_pixels_is_seen(model):
    rgb = photo(64, 64)
    luma = luma_of(rgb)
    for level, phase in ((0, 0), (0, 1), (0, 2), (1, 0)):
        expected = maps(model, rgb, level, phase)
        for i, j in cells.PLACES:
            other = luma.copy()
            other[(16 + i) << level, (16 + j) << level] ^= 128
            assert differs(maps(model, rgb, level, phase, other), expected).any()
        finer = luma.copy()
        finer[(16 << level) + 1 :: 2 << level] ^= 128
        if level:
            assert not differs(maps(model, rgb, level, phase, finer), expected).any()


def test_green_is_not_seen_but_through_the_luma(model):
    rgb = photo(64, 64)
    other = rgb.copy()
    other[..., 1] ^= 255
    for phase in range(3):
        assert not differs(maps(model, other, 0, phase, luma_of(rgb)), maps(model, rgb, 0, phase)).any()


# -- what was trained


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 96), (128, 64)])
def test_parameters_are_those_that_were_trained(model, size):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from stegcinn.training.colourmodel.network import ColourModel as Trained

    weights = release("exact-1")
    trained = Trained(tuple(tuple(w) for w in weights.config["widths"])).eval()
    trained.load_state_dict(load_file(str(weights.folder / "exact.safetensors")))
    rgb = photo(*size)
    x = torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float()
    y = torch.from_numpy(luma_of(rgb).astype(np.float32))[None, None]
    for level in range(5):
        with torch.no_grad():
            parameters, rest = (t[:, :, 0].numpy() for t in trained._cells(x, y, level, min(level, 2)))
        for phase in range(3):
            found = maps(model, rgb, level, phase, tile=24)
            assert np.array_equal(found[0], parameters[:, phase])
            assert np.array_equal(found[1], rest[:2, phase])


# -- tables


def test_coarse_levels_share_their_tables(model):
    tables = [model.tables(level) for level in range(6)]
    assert all(tables[level] is tables[2] for level in range(2, 6))
    logistic = release("exact-1").array("logistic.npy")
    assert len(logistic) == 3
    for level in range(3):
        assert np.array_equal(tables[level].logistic, logistic[level])
    assert not np.array_equal(tables[0].logistic, tables[1].logistic)


def test_tables_without_tails(model):
    cut = model.tables(1, reach=6.0)
    assert cut is model.tables(1, reach=6.0)
    assert cut is not model.tables(1)
    expected = [mixture.without_tails(table, 6.0) for table in model.tables(1).logistic]
    assert np.array_equal(cut.logistic, expected)
    assert not np.array_equal(cut.logistic, model.tables(1).logistic)


@pytest.mark.parametrize("y", [0, 15, 16, 128, 255])
def test_the_root_is_a_table_over_the_luma(model, y):
    tile = model.root(np.full((1, 1), y, np.uint8))
    table = release("exact-1").array("root.npy")
    assert table.shape == (mixture.ROOT_BINS, mixture.PARAMETERS)
    assert np.array_equal(tile.parameters[:, 0, 0], table[y // 16])
    assert (tile.guess_r.item(), tile.guess_b.item(), tile.luma.item(), tile.chosen.item()) == (0, 0, y, True)


def test_single_pixels_have_the_distributions_of_the_whole(model):
    rgb = photo(150, 141)
    luma = luma_of(rgb)
    for level, phase in ((0, 2), (1, 0)):
        height, width = plane(luma, level, phase).shape
        rows, columns = np.array([0, height - 1, 3, height // 2]), np.array([width - 1, 0, 5, width // 2])
        tile = model.at(rgb, luma, level, phase, rows, columns)
        whole = [part.tile for part in model.parts(rgb, luma, level, phase, tile=256)]
        assert len(whole) == 1
        assert np.array_equal(tile.parameters[:, 0], whole[0].parameters[:, rows, columns])
        assert np.array_equal(tile.guess_r[0], whole[0].guess_r[rows, columns])
        assert np.array_equal(tile.guess_b[0], whole[0].guess_b[rows, columns])
        assert np.array_equal(tile.luma[0], plane(luma, level, phase)[rows, columns])
