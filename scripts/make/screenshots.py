"""Take the pictures of the page that are in docs/, with Debian's chromium.

python scripts/make/screenshots.py [DIR]

The photos are scikit-image's; the page is served by `stegcinn serve` as users have it.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from skimage import data

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "lively mango under seven rivers"
PATIENCE = 120_000  # ms
SECRET = "Meet me at noon, where the coffee is."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("docs", nargs="?", type=Path, default=Path("docs"), metavar="DIR", help="default: docs")
    docs = parser.parse_args().docs
    serve = [sys.executable, "-m", "stegcinn", "serve", "--no-browser"]
    with (
        subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as driver,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            take(browser, address, docs, Path(folder))
        finally:
            server.send_signal(signal.SIGINT)


def take(browser: Any, address: str, docs: Path, folder: Path) -> None:
    Image.fromarray(data.coffee()).save(folder / "coffee.jpg", quality=95)
    Image.open(folder / "coffee.jpg").save(folder / "coffee.png")
    (folder / "where.txt").write_text(SECRET)
    container = folder / "photo-hidden.jpg"

    page = open_page(browser, address, 1000, "light")
    page.set_input_files("#hide-photo", folder / "coffee.jpg")
    page.set_input_files("#hide-file", folder / "where.txt")
    page.fill("#hide-password", PASSWORD)
    fits(page)
    page.click("#hide-start")
    page.wait_for_selector("#hide-result:not([hidden])", timeout=PATIENCE)
    settle(page)
    page.screenshot(path=docs / "web-hide.png", full_page=True)
    with page.expect_download() as download:
        page.click("#hide-download")
    download.value.save_as(container)

    page = open_page(browser, address, 1000, "dark")
    page.click("#tab-reveal")
    page.set_input_files("#reveal-image", container)
    page.fill("#reveal-password", PASSWORD)
    page.click("#reveal-start")
    page.wait_for_selector("#reveal-result:not([hidden])", timeout=PATIENCE)
    settle(page)
    page.screenshot(path=docs / "web-reveal.png", full_page=True)

    page = open_page(browser, address, 360, "light")
    page.set_input_files("#hide-photo", folder / "coffee.png")
    page.get_by_role("radio", name="Message").check()
    page.fill("#hide-message", SECRET)
    fits(page)
    page.click("#hide-map-show")
    page.wait_for_selector("#hide-map:not([hidden])", timeout=PATIENCE)
    settle(page)
    page.screenshot(path=docs / "web-narrow.png", full_page=True)

    page = open_page(browser, address, 1000, "light")
    page.set_input_files("#hide-photo", album(folder / "album"))
    page.set_input_files("#hide-file", folder / "where.txt")
    page.select_option("#hide-spare", "1")
    page.fill("#hide-password", PASSWORD)
    fits(page)
    page.click("#hide-start")
    page.wait_for_selector("#hide-album-result:not([hidden])", timeout=PATIENCE)
    settle(page)
    page.screenshot(path=docs / "web-album.png", full_page=True)


def album(folder: Path) -> list[Path]:
    """Some photos."""
    folder.mkdir()
    photos = {"coffee": data.coffee(), "astronaut": data.astronaut(), "cat": data.chelsea(), "rocket": data.rocket()}
    for name, rgb in photos.items():
        Image.fromarray(rgb).save(folder / f"{name}.png")
    return sorted(folder.iterdir())


def open_page(browser: Any, address: str, width: int, scheme: str) -> Any:
    page = browser.new_context(viewport={"width": width, "height": 720}, color_scheme=scheme).new_page()
    page.goto(address)
    page.wait_for_selector("#version:not(:empty)")
    return page


def fits(page: Any) -> None:
    page.wait_for_selector('#hide-fit[data-fits="true"]', timeout=PATIENCE)


def settle(page: Any) -> None:
    """Nothing focused or hovered, images decoded."""
    page.evaluate("() => document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main()
