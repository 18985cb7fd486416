"""A picture that a page draws on a canvas and encodes anew, in a real browser: chromium through Playwright."""

from __future__ import annotations

import base64
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec

from stegcinn.evaluation.channels.encoders import Png, check_quality
from stegcinn.runtime.arrays import UInt8

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# As any page would do it: decode, draw, toBlob
DRAW = """async ([picture, quality]) => {
    const image = new Image();
    image.src = picture;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
    canvas.getContext("2d").drawImage(image, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
    return await new Promise((done) => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result);
        reader.readAsDataURL(blob);
    });
}"""


@dataclass(frozen=True)
class Canvas:
    """The JPEG of `toBlob` at a quality in hundredths, as pages have it that shrink photos before they send them."""

    quality: int

    def __post_init__(self) -> None:
        check_quality(self.quality)

    @property
    def missing(self) -> str | None:
        """The browser, or what drives it."""
        if find_spec("playwright") is None:
            return "Playwright is missing: pip install playwright"
        return None if _browser() else "no browser is installed: apt-get install chromium"

    def __call__(self, rgb: UInt8) -> bytes:
        with ThreadPoolExecutor(1) as thread:  # Playwright's loop must be alone in its thread
            return thread.submit(self._encoded, Png()(rgb)).result()

    def _encoded(self, png: bytes) -> bytes:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=_browser(), args=FLAGS)
            picture = "data:image/png;base64," + base64.b64encode(png).decode()
            made: str = browser.new_page().evaluate(DRAW, [picture, self.quality / 100])
            browser.close()
        return base64.b64decode(made.partition(",")[2])

    def __str__(self) -> str:
        return f"canvas-q{self.quality}"


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)
