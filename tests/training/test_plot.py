"""Charts and sheets as PNG files."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from stegcinn.training import plot


def pixels(image, colour):
    """Rows and columns of the pixels of one colour."""
    wanted = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return np.nonzero((np.asarray(image) == wanted).all(-1))


def test_a_line_goes_where_its_points_are():
    rising = plot.chart("rising", {"": [(0, 0), (10, 1)]}, x_label="x")
    rows, columns = pixels(rising, plot.COLOURS[0])
    left, right = rows[columns < 120].mean(), rows[columns > 560].mean()
    assert left > right + 150  # rows count downwards
    assert columns.min() >= plot.LEFT - 3  # points are marked
    assert columns.max() <= plot.WIDTH - plot.RIGHT + 3


def test_what_is_not_finite_is_left_out():
    points = [(0, 0), (1, math.nan), (2, math.inf), (3, 1)]
    with_gaps = np.asarray(plot.chart("", {"a": points}, x_label="x"))
    without = np.asarray(plot.chart("", {"a": [points[0], points[3]]}, x_label="x"))
    np.testing.assert_array_equal(with_gaps, without)
    plot.chart("nothing", {"a": [], "b": [(0, math.nan)]}, x_label="x")
    single = plot.chart("", {"a": [(5, 5)]}, x_label="x")
    assert len(pixels(single, plot.COLOURS[0])[0]) > 10


def test_ticks_are_round():
    assert plot._ticks(0, 1) == [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    assert plot._ticks(-30, 70) == [-20, 0, 20, 40, 60]


def test_a_histogram_shows_densities():
    rng = np.random.default_rng(0)
    image = plot.histogram("z", {"normal": rng.standard_normal(20_000), "narrow": rng.normal(0, 0.3, 20_000)})
    normal, narrow = (pixels(image.crop((0, 0, 500, plot.HEIGHT)), plot.COLOURS[i])[0].min() for i in (0, 1))
    assert narrow < normal  # higher in the middle (the legend is further right)


def test_images_are_stacked(tmp_path):
    charts = [plot.chart(str(i), {}, x_label="") for i in range(2)]
    plot.stack(charts, tmp_path / "two.png")
    with Image.open(tmp_path / "two.png") as image:
        assert image.size == (plot.WIDTH, 2 * plot.HEIGHT)
    assert [p.name for p in tmp_path.iterdir()] == ["two.png"]


def test_a_sheet_has_hosts_beside_their_containers(tmp_path):
    hosts = np.stack([np.full((4, 6, 3), 10 * i, np.uint8) for i in range(5)])
    plot.sheet(hosts, 255 - hosts, tmp_path / "sheet.png", per_row=2)
    with Image.open(tmp_path / "sheet.png") as image:
        sheet = np.asarray(image)
    times = plot.SHOWN_SIDE // 4  # so small a photo would not be seen
    assert sheet.shape == (plot.CAPTION + 3 * 4 * times, 4 * 6 * times, 3)
    photos = sheet[plot.CAPTION :: 4 * times, :: 6 * times, 0]
    assert photos.tolist() == [[0, 255, 10, 245], [20, 235, 30, 225], [40, 215, 255, 255]]  # filled with white
    assert sheet[: plot.CAPTION].std() > 1


def test_a_sheet_is_no_wider_than_its_photos(tmp_path):
    host = np.full((1, 128, 128, 3), 7, np.uint8)
    plot.sheet(host, host, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (256, 128 + plot.CAPTION)


def test_a_short_run_is_drawn_to_be_read():
    points = [(220, 0.9535), (240, 0.9528), (260, 0.9475)]
    chart = plot.chart("accuracy", {"accuracy": points}, x_label="step", span=(0, 260))
    rows, columns = pixels(chart, plot.COLOURS[0])
    axis = plot.WIDTH - plot.LEFT - plot.RIGHT
    assert columns.min() > plot.LEFT + 0.8 * axis  # where the round is in the run
    assert rows.max() - rows.min() < 0.5 * plot.HEIGHT  # noise is not shown as a fall from top to bottom
    mark = np.abs(columns - (plot.LEFT + axis * 240 / 260)) <= 2
    assert np.ptp(rows[mark]) >= 5  # a dot
