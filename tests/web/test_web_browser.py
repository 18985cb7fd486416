"""The page in a real browser: Debian's chromium, headless, over the real server."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from web_server import SLOW, TOKEN, Client, png, running

import stegcinn
from fakes import RELEASED
from stegcinn.carriers.evidence.search import as_decoded
from stegcinn.codecs import CODECS, load_codec
from stegcinn.codecs.base import judge

playwright = pytest.importorskip("playwright.sync_api")
data = pytest.importorskip("skimage.data")
expect = playwright.expect

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SECONDS = 1000  # in milliseconds
expect.set_options(timeout=30 * SECONDS)
LONG = 120 * SECONDS  # for what takes the codec some seconds on an idle machine
NOTHING = "no payload found: there is none, the password is wrong, or the image was altered"
FASTEST = "exact"
STUCK = 8 * SECONDS  # no wait for anything but the codec takes as long, even on a slow machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::stegcinn.StegcinnWarning"),
    pytest.mark.skipif(BROWSER is None, reason="no browser is installed: apt-get install chromium"),
    pytest.mark.skipif(not RELEASED, reason="the weights are not there"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server with the released codecs."""
    with running(prepare=None) as client:
        yield client


@pytest.fixture(scope="module")
def quick() -> Iterator[Client]:
    """A server with the codec of the tests, which takes no time, or a minute."""
    with running() as client:
        yield client


class Tab:
    """A page, watched for errors and for connections to anywhere else."""

    def __init__(self, browser: Any, client: Client, token: str = TOKEN, **options: Any) -> None:
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30 * SECONDS)
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.trouble.append(message.text))
        self.page.on("dialog", lambda dialog: self.trouble.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self._check(request.url, client.address))
        self.page.goto(f"{client.address}/#{token}")

    def _check(self, url: str, address: str) -> None:
        if not url.startswith((f"{address}/", f"blob:{address}/")):
            self.trouble.append(f"request to {url}")

    def __getitem__(self, name: str) -> Any:
        return self.page.locator(f"#{name}")

    def ready(self) -> Tab:
        expect(self["version"]).not_to_be_empty()
        return self

    def choose(self, host: Path | None = None, file: Path | None = None, message: str | None = None) -> Tab:
        if host:
            self["hide-photo"].set_input_files(host)
            expect(self["hide-capacity"]).to_contain_text(re.compile("Takes|nothing"), timeout=LONG)
        if file:
            self.page.get_by_role("radio", name="File").check()
            self["hide-file"].set_input_files(file)
        if message is not None:
            self.page.get_by_role("radio", name="Message").check()
            self["hide-message"].fill(message)
        return self

    def drop(self, place: str, files: dict[str, bytes]) -> None:
        """Files by name, dropped on an element."""
        transfer = self.page.evaluate_handle(
            """(files) => {
                const transfer = new DataTransfer();
                for (const [name, bytes] of files) transfer.items.add(new File([new Uint8Array(bytes)], name));
                return transfer;
            }""",
            [[name, list(content)] for name, content in files.items()],
        )
        self[place].dispatch_event("drop", {"dataTransfer": transfer})

    def hide(self, password: str = "") -> Tab:
        self["hide-password"].fill(password)
        self["hide-start"].click()
        return self

    def hidden(self, folder: Path) -> Path:
        """The container, downloaded."""
        expect(self["hide-result"]).to_be_visible(timeout=LONG)
        return self.download("hide-download", folder)

    def download(self, link: str, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self[link].click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def reveal(self, image: Path, password: str = "") -> Tab:
        self["tab-reveal"].click()
        self["reveal-image"].set_input_files(image)
        expect(self["reveal-image-size"]).to_contain_text("pixels")
        self["reveal-password"].fill(password)
        self["reveal-start"].click()
        return self

    def revealed(self) -> Tab:
        expect(self["reveal-result"]).to_be_visible(timeout=LONG)
        return self


def told(reason: str) -> str:
    """As the page begins and ends a sentence."""
    return f"{reason[0].upper()}{reason[1:]}."


class Opener(AbstractContextManager["Opener"]):
    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._tabs: list[Tab] = []

    def __call__(self, client: Client, **options: Any) -> Tab:
        self._tabs.append(Tab(self._browser, client, **options))
        return self._tabs[-1]

    def __exit__(self, *_: object) -> None:
        trouble = [line for tab in self._tabs for line in tab.trouble]
        for tab in self._tabs:
            tab.context.close()
        assert trouble == []


@pytest.fixture
def tabs(browser: Any) -> Iterator[Opener]:
    with Opener(browser) as opener:
        yield opener


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """As a JPEG decoder left it, in a file without loss."""
    buffer, path = io.BytesIO(), tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()[100:292, 120:312]).save(buffer, "JPEG", quality=95)
    Image.open(buffer).save(path)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """For the server with the codec that takes no time."""
    path = tmp_path / "small.png"
    path.write_bytes(png())
    return path


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    path = tmp_path / "downloads"
    path.mkdir()
    return path


# hide and reveal


def test_a_file(tabs: Opener, client: Client, photo: Path, tmp_path: Path, downloads: Path) -> None:
    secret = tmp_path / "report 1.bin"
    secret.write_bytes(os.urandom(3000))
    tab = tabs(client).ready().choose(photo, secret)
    expect(tab["hide-thumbnail"]).to_have_js_property("naturalWidth", 192)
    expect(tab["hide-photo-size"]).to_have_text(re.compile(r"192 × 192 pixels, \d+ kB"))
    room = stegcinn.capacity(photo)
    small = room.per_codec["stealth"]
    assert 3000 < small < room.bytes
    expect(tab["hide-capacity"]).to_have_text(f"Takes up to {room.bytes:,} bytes, but any change can be proved.")
    expect(tab["hide-outcome"]).to_contain_text("A PNG comes out, which loses nothing: photo-hidden.png, about ")
    expect(tab["hide-advice"]).to_have_class("advice amber")
    expect(tab["hide-advice-text"]).to_have_text(told(as_decoded("JPEG")))
    expect(tab["hide-fit-text"]).to_have_text(re.compile(r"Fits: 3,000 bytes, \d+ % of what the photo takes\."))
    tab["hide-photo-step"].get_by_text("Details").click()
    for line in (f"{room.bpp:.2f} bits per pixel", f"{small:,} bytes", f"{room.bytes:,} bytes"):
        expect(tab["hide-room-facts"]).to_contain_text(line)

    tab.hide("correct horse battery")
    expect(tab["hide-result-title"]).to_be_focused(timeout=LONG)
    container = tab.hidden(downloads)
    assert container.name == "photo-hidden.png"  # not the host's: nobody takes one for the other
    expect(tab["hide-verdict"]).to_have_attribute("data-verdict", "provable")
    expect(tab["hide-verdict"]).to_contain_text(f"Can be proved. {told(as_decoded('JPEG'))}")
    expect(tab["hide-facts"]).to_contain_text("report 1.bin, 3,000 bytes")
    expect(tab["hide-facts"]).to_contain_text("with your password")
    expect(tab["hide-notes"]).to_be_hidden()
    expect(tab["hide-more-facts"]).to_be_hidden()  # until somebody wants to know
    tab["hide-result"].get_by_text("Details").click()
    facts = tab["hide-more-facts"].inner_text()
    assert f" % of {small:,} bytes with codec stealth" in facts
    assert "identical at every pixel" in facts
    assert stegcinn.reveal(container, password="correct horse battery") == secret.read_bytes()

    before, after = tab["compare-before"], tab["compare-after"]
    for image in (before, after):
        expect(image).to_have_js_property("naturalWidth", 192)
    tab["compare-cut"].focus()
    tab.page.keyboard.press("Home")
    assert "100% 0px 0px" in before.evaluate("e => getComputedStyle(e).clipPath")
    tab.page.get_by_role("radio", name="Gray").check()
    assert before.evaluate("e => e.src") != after.evaluate("e => e.src")
    tab.page.get_by_role("radio", name="Difference").check()
    expect(before).to_be_hidden()
    expect(after).to_have_js_property("naturalWidth", 192)

    tab.reveal(container, "correct horse battery").revealed()
    expect(tab["reveal-result-title"]).to_have_text("report 1.bin")
    expect(tab["reveal-preview-hint"]).to_have_text("No preview for this kind of file.")
    file = tab.download("reveal-download", downloads)
    assert file.name == "report 1.bin"
    assert file.read_bytes() == secret.read_bytes()


def test_a_message(tabs: Opener, client: Client, photo: Path, downloads: Path) -> None:
    text = "Meet me at noon – naïve 漢字\n\t<b>not bold</b> &amp;"
    tab = tabs(client).ready().choose(photo, message=text)
    container = tab.hide().hidden(downloads)
    expect(tab["hide-facts"]).to_contain_text("no: anyone with stegcinn can read it")
    assert stegcinn.reveal(container) == text.encode()
    tab.reveal(container).revealed()
    expect(tab["reveal-text"]).to_have_text(text, use_inner_text=True)
    assert tab["reveal-text"].locator("*").count() == 0
    file = tab.download("reveal-download", downloads)
    assert (file.name, file.read_bytes()) == ("message.txt", text.encode())


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("page.html", b"<!doctype html><script>alert(1)</script><img src=x onerror=alert(2)>"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(3)'><script>alert(4)</script></svg>"),
    ],
)
def test_a_page_or_drawing_is_shown_as_text(
    tabs: Opener, quick: Client, small: Path, tmp_path: Path, downloads: Path, name: str, payload: bytes
) -> None:
    (tmp_path / name).write_bytes(payload)
    tab = tabs(quick).ready().choose(small, tmp_path / name)
    tab.reveal(tab.hide().hidden(downloads)).revealed()
    expect(tab["reveal-text"]).to_have_text(payload.decode())
    assert tab.download("reveal-download", downloads).read_bytes() == payload


def test_a_picture_is_shown(tabs: Opener, quick: Client, small: Path, tmp_path: Path, downloads: Path) -> None:
    Image.new("RGB", (21, 13), "red").save(tmp_path / "red.png")
    tab = tabs(quick).ready().choose(small, tmp_path / "red.png")
    tab.reveal(tab.hide().hidden(downloads)).revealed()
    expect(tab["reveal-picture"]).to_be_visible()
    expect(tab["reveal-picture"]).to_have_js_property("naturalWidth", 21)


def test_what_only_begins_like_a_picture_is_not_shown(
    tabs: Opener, quick: Client, small: Path, tmp_path: Path, downloads: Path
) -> None:
    (tmp_path / "red.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    tab = tabs(quick).ready().choose(small, tmp_path / "red.png")
    tab.reveal(tab.hide().hidden(downloads)).revealed()
    expect(tab["reveal-preview-hint"]).to_have_text("No preview for this kind of file.")
    expect(tab["reveal-picture"]).to_be_hidden()


# what goes wrong


def test_wrong_password_and_lossy_container(tabs: Opener, client: Client, photo: Path, downloads: Path) -> None:
    tab = tabs(client).ready().choose(photo, message="secret")
    container = tab.hide("right").hidden(downloads)
    for password in ("wrong", ""):
        tab.reveal(container, password)
        expect(tab["reveal-error"]).to_have_text(NOTHING, timeout=LONG)
        expect(tab["reveal-result"]).to_be_hidden()
        expect(tab["reveal-password"]).to_be_focused()
    lossy = downloads / "lossy.jpg"
    Image.open(container).save(lossy, quality=95)
    tab.reveal(lossy, "right")
    expect(tab["reveal-image-notes"]).to_be_hidden()  # it might hold something
    expect(tab["reveal-error"]).to_have_text(NOTHING, timeout=LONG)
    tab.reveal(container, "right").revealed()
    expect(tab["reveal-error"]).to_be_hidden()


def test_too_large_a_payload(tabs: Opener, client: Client, photo: Path, tmp_path: Path) -> None:
    room = stegcinn.capacity(photo).bytes
    secret = tmp_path / "large.bin"
    size = 2 * room  # a little more than the capacity, which is a promise, may happen to fit
    secret.write_bytes(os.urandom(size))
    tab = tabs(client).ready().choose(photo, secret)
    expect(tab["hide-fit-text"]).to_have_text(f"Does not fit: {size:,} bytes, and the photo takes {room:,} bytes.")
    expect(tab["hide-start"]).to_be_disabled()
    secret.write_bytes(b"a" * size)  # now it does
    tab.choose(file=secret)
    expect(tab["hide-fit-text"]).to_contain_text(re.compile(r"Fits: [\d,]+ bytes, \d+ bytes compressed, "))
    expect(tab["hide-start"]).to_be_enabled()


def test_what_is_no_photo(tabs: Opener, quick: Client, small: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no photo")
    tab = tabs(quick).ready()
    tab["hide-photo"].set_input_files(tmp_path / "text.png")
    words = "text.png: the image is not a photo in a known format (PNG, JPEG, "
    expect(tab["hide-photo-error"]).to_contain_text(words)
    tab["hide-start"].click()
    expect(tab["hide-error"]).to_have_text("choose a photo first")
    expect(tab["hide-photo"]).to_be_focused()
    tab.choose(small)
    expect(tab["hide-photo-error"]).to_be_hidden()
    tab["hide-start"].click()
    expect(tab["hide-error"]).to_have_text("choose a file to hide, or type a message")


def test_no_token_and_no_server(tabs: Opener, browser: Any, small: Path) -> None:
    with running() as other:
        lost = tabs(other, token="wrong")
        expect(lost["trouble"]).to_contain_text("open the address that stegcinn serve printed")
        expect(lost["hide-start"]).to_be_disabled()
        assert len(lost.trouble) == 1  # the browser's own words on status 401
        lost.trouble.clear()
        tab = tabs(other).ready()
    tab["hide-photo"].set_input_files(small)
    expect(tab["hide-photo-error"]).to_contain_text("the server does not answer: is stegcinn serve still running?")
    tab.trouble.clear()


def test_an_upload_that_the_server_forgot_is_sent_again(
    tabs: Opener, quick: Client, small: Path, downloads: Path
) -> None:
    tab = tabs(quick)
    names: list[str] = []
    tab.page.on("response", lambda answer: answer.url.endswith("/uploads") and names.append(answer.json()["id"]))
    tab.ready().choose(small, message="secret")
    expect(tab["hide-fit-text"]).to_contain_text("Fits")
    for name in list(names):
        quick.ask("DELETE", f"/api/uploads/{name}")
    tab.hide().hidden(downloads)
    tab.trouble.clear()  # the browser's own words on status 404


# cancelling, size, many


def test_cancel(tabs: Opener, quick: Client, small: Path, tmp_path: Path, downloads: Path) -> None:
    slow = tmp_path / "slow.png"
    slow.write_bytes(png(SLOW))
    tab = tabs(quick).ready().choose(message="secret")
    tab["hide-photo"].set_input_files(slow)
    expect(tab["hide-photo-size"]).to_contain_text("97 × 96")
    tab.hide()
    expect(tab["hide-cancel"]).to_be_focused()
    expect(tab["hide-working-text"]).to_have_text(re.compile(r"Hiding … [\d.]+ %"))
    expect(tab["hide-progress"]).to_have_attribute("value", re.compile(r"0\.0[1-9]"))
    expect(tab["hide-photo"]).to_be_disabled()
    tab["hide-cancel"].click()
    expect(tab["hide-said"]).to_have_text("Cancelled: nothing was kept.")
    expect(tab["hide-error"]).to_be_hidden()  # it is none
    expect(tab["hide-working"]).to_be_hidden()
    expect(tab["hide-start"]).to_be_focused()
    tab.choose(small).hide().hidden(downloads)
    expect(tab["hide-said"]).to_be_hidden()


# How long each frame of the page and each answer of the server took, in milliseconds.
WATCH = """() => {
    window.took = { frames: [], answers: [] };
    let last = performance.now();
    const frame = (now) => {
        took.frames.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const ask = async () => {
        const start = performance.now();
        await (await fetch("/openapi.json")).text();
        took.answers.push(performance.now() - start);
        setTimeout(ask, 50);
    };
    ask();
}"""


def test_twelve_megapixels(tabs: Opener, client: Client, tmp_path: Path, downloads: Path) -> None:
    large = tmp_path / "large.jpg"
    image = np.asarray(Image.fromarray(data.coffee()).resize((4000, 3000), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = np.random.default_rng(0).integers(-4, 5, image.shape, dtype=np.int16)
    Image.fromarray(np.clip(image + noise, 0, 255).astype(np.uint8)).save(large, quality=92)
    tab = tabs(client).ready()
    tab.page.evaluate(WATCH)
    tab.page.get_by_text("Advanced").click()
    tab["hide-codec"].select_option(FASTEST)
    tab["hide-format"].select_option("png")
    tab.choose(large, message="twelve megapixels")
    expect(tab["hide-photo-size"]).to_contain_text("4000 × 3000 pixels")
    container = tab.hide().hidden(downloads)
    tab.page.get_by_role("radio", name="Detail").check()
    expect(tab["compare-after"]).to_have_js_property("naturalWidth", 640)
    tab.reveal(container).revealed()
    expect(tab["reveal-text"]).to_have_text("twelve megapixels")
    for name, took in tab.page.evaluate("() => took").items():
        # a page or server that waits for the codec is stuck for all the time that it takes, far longer on any machine
        assert np.median(took) < SECONDS, (name, np.median(took))
        assert max(took) < STUCK, (name, max(took))


def test_two_tabs_at_once(tabs: Opener, client: Client, photo: Path, tmp_path: Path) -> None:
    pair = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        pair.append(tabs(client).ready().choose(photo, message=f"message {number}"))
    for tab in pair:
        tab.hide("password")
    for number, tab in enumerate(pair):
        container = tab.hidden(tmp_path / str(number))
        assert stegcinn.reveal(container, password="password") == f"message {number}".encode()
        tab.reveal(container, "password")
    for number, tab in enumerate(pair):
        expect(tab.revealed()["reveal-text"]).to_have_text(f"message {number}")


# the page itself

CONTRAST = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (c) => c <= 0.04045 * 255 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = channels(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest(".stage")) continue;
        const [a, b] = [light(channels(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => x - y);
        if ((b + 0.05) / (a + 0.05) < 4.5) poor.push(`${element.tagName} ${element.textContent.trim()}`);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_width_and_contrast(
    tabs: Opener, quick: Client, tmp_path: Path, downloads: Path, scheme: str, width: int
) -> None:
    photo = tmp_path / ("a-name-that-goes-on-and-on-" * 6 + ".png")
    photo.write_bytes(png(1200, 700))
    tab = tabs(quick, viewport={"width": width, "height": 740}, color_scheme=scheme).ready()

    def check() -> None:
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert tab.page.evaluate(CONTRAST) == []

    check()
    for name in ("tab-reveal", "tab-hide"):
        tab[name].hover()
        check()
        tab[name].click()
        check()
    tab["hide-start"].click()
    expect(tab["hide-error"]).to_be_visible()
    check()
    tab.choose(photo, message="x" * 300)
    tab.page.get_by_text("Advanced").click()
    tab["hide-password"].fill("correct horse battery")
    expect(tab["hide-fit-text"]).to_contain_text("Fits")
    check()
    container = tab.hide("correct horse battery").hidden(downloads)
    check()
    tab.page.get_by_role("radio", name="Detail").check()
    check()
    tab.reveal(container, "correct horse battery").revealed()
    check()


def test_keyboard(tabs: Opener, quick: Client) -> None:
    tab = tabs(quick).ready()
    press = tab.page.keyboard.press
    reached = []
    for _ in range(14):
        press("Tab")
        reached.append(
            tab.page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()")
        )
    order = ["tab-hide", "hide-photo", "hide-file", "hide-password", "Show", "Advanced", "hide-start"]
    assert [name for name in reached if name in order][: len(order)] == order
    tab["tab-hide"].focus()
    press("ArrowRight")
    expect(tab["tab-reveal"]).to_be_focused()
    expect(tab["tab-reveal"]).to_have_attribute("aria-selected", "true")
    expect(tab["reveal"]).to_be_visible()
    expect(tab["hide"]).to_be_hidden()
    press("Home")
    expect(tab["hide"]).to_be_visible()
    unnamed = tab.page.evaluate(
        """() => [...document.querySelectorAll("input, select, textarea, button")].filter((e) =>
            !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).map((e) => e.id)"""
    )
    assert unnamed == []


def test_dropping(tabs: Opener, quick: Client, small: Path) -> None:
    tab = tabs(quick).ready()
    tab.drop("hide-photo-step", {"p.png": small.read_bytes()})
    tab.drop("hide-payload-step", {"f.txt": b"hi"})
    expect(tab["hide-photo-name"]).to_have_text("p.png")
    expect(tab["hide-file-text"]).to_have_text("f.txt")
    expect(tab["hide-fit-text"]).to_contain_text("Fits: 2 bytes")
    expect(tab["stray"]).to_be_hidden()


def test_no_file_is_swallowed(tabs: Opener, quick: Client, small: Path, tmp_path: Path) -> None:
    """Whatever is dropped and not taken is told."""
    tab = tabs(quick).ready()
    tab.drop("hide-payload-step", {"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"})
    expect(tab["hide-file-text"]).to_have_text("a.txt")
    expect(tab["stray"]).to_have_text("b.txt, c.txt were not taken: one file at a time; several go into a ZIP archive.")
    tab.drop("version", {"r.png": b"r"})
    expect(tab["stray"]).to_have_text("r.png was not taken: drop it on Photo or on What to hide.")
    tab.drop("hide-payload-step", {"d.txt": b"dd"})
    expect(tab["stray"]).to_be_hidden()
    (tmp_path / "slow.png").write_bytes(png(SLOW))
    tab["hide-photo"].set_input_files(tmp_path / "slow.png")
    expect(tab["hide-photo-size"]).to_contain_text("97 × 96")
    tab.hide()
    expect(tab["hide-cancel"]).to_be_focused()
    tab.drop("hide-payload-step", {"e.txt": b"e"})
    expect(tab["stray"]).to_have_text("e.txt was not taken: wait until this is done, or cancel it.")
    expect(tab["live"]).to_have_text("e.txt was not taken: wait until this is done, or cancel it.")
    tab["hide-cancel"].click()
    expect(tab["hide-file-text"]).to_have_text("d.txt")
    tab["tab-reveal"].click()
    expect(tab["stray"]).to_be_hidden()
    tab.drop("version", {"r.png": b"r"})
    expect(tab["stray"]).to_have_text("r.png was not taken: drop it on Image.")


def test_passwords_are_rated_and_shown(tabs: Opener, quick: Client) -> None:
    tab = tabs(quick).ready()
    rated = {}
    for password in (
        "",
        "12345678",
        "password1",
        "aaaaaaaaaaaa",
        "correct horse battery",
        "lively mango under seven rivers",
    ):
        tab["hide-password"].fill(password)
        rated[password] = tab["hide-strength"].inner_text().split()[0].strip(".:")
    assert list(rated.values()) == ["Without", "Weak", "Weak", "Weak", "Fair", "Strong"]
    tab.page.get_by_role("button", name="Show the password").first.click()
    expect(tab["hide-password"]).to_have_attribute("type", "text")
    tab.page.get_by_role("button", name="Hide the password").first.click()
    expect(tab["hide-password"]).to_have_attribute("type", "password")


def test_what_is_quiet(tabs: Opener, client: Client, tmp_path: Path, downloads: Path) -> None:
    photo = tmp_path / "astronaut.png"
    Image.fromarray(data.astronaut()[100:292, 120:312]).save(photo)
    room = stegcinn.capacity(photo)
    stealth = room.per_codec["stealth"]
    assert 0 < room.safe_bytes < stealth
    tab = tabs(client).ready().choose(photo, message="x")
    expect(tab["hide-capacity"]).to_have_text(
        f"Takes up to {room.bytes:,} bytes, {room.safe_bytes:,} bytes of them quiet against the attackers measured."
    )
    expect(tab["hide-photo-notes"]).to_be_hidden()
    expect(tab["hide-advice"]).to_be_hidden()
    assert tab["hide-zones"].locator("i").evaluate_all("all => all.map((part) => part.dataset.verdict)") == [
        "safe", "noticeable"
    ]  # fmt: skip
    assert tab["hide-legend"].locator("li").all_text_contents() == [
        f"quiet up to {room.safe_bytes:,} bytes", f"may be noticed up to {room.bytes:,} bytes"
    ]  # fmt: skip
    expect(tab["hide-fit-text"]).to_contain_text(told(judge(None, safe=True).reason))
    quiet, noticed = (tab["hide-zones"].locator(f"[data-verdict={name}]") for name in ("safe", "noticeable"))
    needle = tab["hide-zones"].locator("b")

    def within(part: Any) -> bool:
        box, at = part.bounding_box(), needle.bounding_box()
        return bool(box["x"] <= at["x"] + at["width"] / 2 <= box["x"] + box["width"])

    assert within(quiet)
    tab.hide("a password").hidden(downloads)
    expect(tab["hide-verdict"]).to_have_text(
        re.compile(r"Quiet\. This payload is quiet against the attackers measured\.")
    )
    expect(tab["hide-halved"]).to_be_hidden()
    expect(tab["hide-notes"]).to_be_hidden()
    (tmp_path / "more.bin").write_bytes(os.urandom(2 * room.safe_bytes))
    tab.choose(file=tmp_path / "more.bin")
    expect(tab["hide-fit-text"]).to_contain_text(told(judge(None, safe=False).reason))
    assert within(noticed)
    tab.hide("a password").hidden(downloads)
    expect(tab["hide-verdict"]).to_contain_text(
        "May be noticed. A trained attacker may notice this payload (disturbance "
    )


def test_a_photo_that_proves_any_change_is_halved(
    tabs: Opener, client: Client, tmp_path: Path, downloads: Path
) -> None:
    photo, buffer = tmp_path / "coffee.png", io.BytesIO()
    Image.fromarray(data.coffee()).save(buffer, "JPEG", quality=95)
    Image.open(buffer).save(photo)
    tab = tabs(client).ready().choose(photo, message="x")
    expect(tab["hide-legend"]).to_contain_text("any change can be proved, up to ")
    tab.hide("a password").hidden(downloads)
    tab["hide-halved"].click()
    expect(tab["hide-verdict"]).to_contain_text("Quiet.", timeout=LONG)
    expect(tab["hide-result-title"]).to_be_focused()
    expect(tab["hide-halved"]).to_be_hidden()
    expect(tab["hide-notes"]).to_contain_text("is halved to ")
    expect(tab["hide-halve"]).to_be_checked()
    assert stegcinn.reveal(tab.hidden(downloads), password="a password") == b"x"
    expect(tab["hide-capacity"]).to_contain_text("quiet against the attackers measured", timeout=LONG)
    expect(tab["hide-advice"]).to_have_class("advice")
    tab["hide-halve"].uncheck()
    expect(tab["hide-capacity"]).to_contain_text("but any change can be proved", timeout=LONG)
    expect(tab["hide-size"]).to_have_value("")


def test_a_jpeg_stays_a_jpeg(tabs: Opener, client: Client, tmp_path: Path, downloads: Path) -> None:
    photo = tmp_path / "coffee.jpg"
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    Image.fromarray(data.coffee()).save(photo, quality=90, exif=exif)
    size = f"about {len(photo.read_bytes()) / 1000:.0f} kB"
    tab = tabs(client).ready().choose(photo, message="x")
    expect(tab["hide-outcome"]).to_have_text(
        f"A JPEG comes out, the file that it was but for some colours: photo-hidden.jpg, {size}, as the photo has."
    )
    expect(tab["hide-advice"]).to_be_hidden()
    container = tab.hide("a password").hidden(downloads)
    assert container.name == "photo-hidden.jpg"
    assert stegcinn.reveal(container, password="a password") == b"x"
    assert b"a maker" in container.read_bytes()
    tab.page.get_by_role("radio", name="Difference").check()
    expect(tab["compare-caption"]).to_contain_text("The changes of the stored colours (Cb and Cr), ")
    tab["hide-result"].get_by_text("Details").click()
    expect(tab["hide-more-facts"]).to_contain_text("identical at every pixel")
    tab.page.get_by_text("Advanced").click()
    tab["hide-strip"].check()
    assert b"a maker" not in tab.hide("a password").hidden(downloads).read_bytes()

    tab["hide-format"].select_option("png")
    expect(tab["hide-advice-text"]).to_contain_text("Or let it stay a JPEG: choose JPG as File format", timeout=LONG)
    expect(tab["hide-outcome"]).to_contain_text("photo-hidden.png, about 4")
    tab.reveal(container, "a password").revealed()
    expect(tab["reveal-text"]).to_have_text("x")


# several photos


def album_of(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(png(seed=number))
    return paths


def test_several_photos_are_an_album(tabs: Opener, quick: Client, tmp_path: Path, downloads: Path) -> None:
    photos, secret = album_of(tmp_path, 5), tmp_path / "report.bin"
    secret.write_bytes(os.urandom(1500))
    tab = tabs(quick).ready()
    tab["hide-photo"].set_input_files(photos[:4])
    expect(tab["hide-album-title"]).to_have_text(re.compile(r"4 photos, \d+ kB"))
    expect(tab["hide-photo-drop"]).to_be_hidden()
    expect(tab["hide-channel"]).to_be_hidden()  # albums are sent as files
    lines = tab["hide-album-list"].locator("li")
    expect(lines).to_have_count(4)
    for line in lines.all():
        expect(line).to_have_text(re.compile(r"\d\.png\d+ bytes quiet"))
        expect(line.locator("img")).to_have_js_property("naturalWidth", 96)
    tab.choose(file=secret)
    quiet = r"Fits: 1,500 bytes, of about [\d,]+ bytes that stay quiet\."
    expect(tab["hide-fit-text"]).to_have_text(re.compile(quiet))
    tab["hide-spare"].select_option("50%")
    few = r"1,500 bytes are more than the about [\d,]+ bytes that stay quiet: if they fit at all, they may be noticed\."
    expect(tab["hide-fit-text"]).to_have_text(re.compile(few))
    expect(tab["hide-start"]).to_be_enabled()
    tab["hide-spare"].select_option("1")
    tab.drop("hide-photo-step", {photos[4].name: photos[4].read_bytes()})  # comes to the others
    expect(lines).to_have_count(5)
    tab.hide("correct horse battery")
    expect(tab["hide-album-result-title"]).to_be_focused(timeout=LONG)
    expect(tab["hide-album-verdict"]).to_have_attribute("data-verdict", "safe")
    expect(tab["hide-album-facts"]).to_contain_text("report.bin, 1,500 bytes")
    expect(tab["hide-album-facts"]).to_contain_text(re.compile(r"any \d of the \d may be missing"))
    expect(tab["hide-album-table"].locator("tr")).to_have_count(5)
    file = tab.download("hide-album-download", downloads)
    assert file.name == "photos-hidden.zip"
    shutil.unpack_archive(file, tmp_path / "out")
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == [f"{number}.png" for number in range(5)]
    carrying = [path for path in made if path.read_bytes() != (tmp_path / path.name).read_bytes()]

    tab["tab-reveal"].click()
    tab["reveal-image"].set_input_files(carrying[:2])
    expect(tab["reveal-album-list"].locator("li")).to_have_count(2)
    tab["reveal-password"].fill("correct horse battery")
    tab["reveal-start"].click()
    words = f"these are 2 of the {len(carrying)} photos of an album, too few: "
    expect(tab["reveal-error"]).to_contain_text(words, timeout=LONG)
    tab["reveal-image"].set_input_files(carrying[1:])  # those that are there already are not taken twice
    expect(tab["reveal-error"]).to_be_hidden()
    expect(tab["reveal-album-list"].locator("li")).to_have_count(len(carrying))
    tab["reveal-start"].click()
    tab.revealed()
    expect(tab["reveal-result-title"]).to_have_text("report.bin")
    expect(tab["reveal-result-text"]).to_have_text(
        f"1,500 bytes, put together from {len(carrying)} of {len(carrying)} photos"
    )
    assert tab.download("reveal-download", downloads).read_bytes() == secret.read_bytes()

    tab["reveal-album-other"].click()
    expect(tab["reveal-result"]).to_be_hidden()
    expect(tab["reveal-image-drop"]).to_be_visible()
    tab["tab-hide"].click()
    tab["hide-album-other"].click()
    expect(tab["hide-album"]).to_be_hidden()
    expect(tab["hide-channel"]).to_be_visible()
    tab.choose(photos[0])


def test_what_is_no_photo_is_left_out_of_an_album(tabs: Opener, quick: Client, tmp_path: Path) -> None:
    tab = tabs(quick).ready()
    tab["hide-photo"].set_input_files([*album_of(tmp_path, 1), __file__])
    expect(tab["hide-album-list"]).to_contain_text("left out: the image is not a photo in a known format")
    tab.choose(message="x").hide("a password")
    expect(tab["hide-album-table"]).to_contain_text("0.png", timeout=LONG)
    expect(tab["hide-album-table"].locator("tr")).to_have_count(1)
    tab.page.evaluate("async () => (await import('./api.js')).setLimits({ max_album: 2, max_album_bytes: 1e9 })")
    tab.drop("hide-photo-step", {"more.png": b"x"})
    expect(tab["hide-album-error"]).to_have_text("2 photos at once at most: use stegcinn in a shell for more")
    expect(tab["hide-album-list"].locator("li")).to_have_count(2)


def test_an_album_is_for_no_channel(tabs: Opener, quick: Client, tmp_path: Path) -> None:
    tab = tabs(quick).ready()
    tab.page.get_by_text("Advanced").click()
    tab["hide-channel"].select_option("whatsapp")
    expect(tab["hide-strip"]).to_be_disabled()
    tab["hide-photo"].set_input_files(album_of(tmp_path, 2))
    words = "several photos are sent as files: none of them is made for WhatsApp now"
    expect(tab["hide-photo-notes"]).to_have_text(words)
    expect(tab["hide-strip"]).to_be_enabled()
    expect(tab["hide-codec"]).to_be_hidden()
    tab["hide-album-other"].click()
    expect(tab["hide-photo-notes"]).to_be_hidden()
    expect(tab["hide-channel"]).to_have_value("")


def test_an_album_is_cancelled(tabs: Opener, quick: Client, tmp_path: Path) -> None:
    (tmp_path / "slow.png").write_bytes(png(SLOW))
    tab = tabs(quick).ready().choose(message="x")
    tab["hide-photo"].set_input_files([tmp_path / "slow.png", *album_of(tmp_path, 1)])
    expect(tab["hide-album-title"]).to_contain_text("2 photos")
    tab.hide("a password")
    expect(tab["hide-cancel"]).to_be_focused()
    expect(tab["hide-album-add"]).to_be_disabled()
    tab["hide-cancel"].click()
    expect(tab["hide-said"]).to_have_text("Cancelled: nothing was kept.")
    expect(tab["hide-album-result"]).to_be_hidden()


def test_a_photo_is_sent_through_a_channel(tabs: Opener, quick: Client, tmp_path: Path, downloads: Path) -> None:
    photo = tmp_path / "coffee.png"
    Image.fromarray(data.coffee()).save(photo)
    tab = tabs(quick).ready()
    assert tab["hide-channel"].locator("option").all_text_contents()[:2] == [
        "as it is (no recompression)", "by Signal, standard quality"
    ]  # fmt: skip
    tab["hide-channel"].select_option("signal")
    tab["hide-photo"].set_input_files(photo)
    words = re.compile(r"Up to [\d,]+ bytes come through Signal, standard quality\.")
    expect(tab["hide-capacity"]).to_have_text(words, timeout=LONG)
    expect(tab["hide-outcome"]).to_contain_text("A JPEG of 600 × 400 pixels comes out, as small as it would arrive: ")
    expect(tab["hide-legend"]).to_contain_text("comes through up to ")
    tab.page.get_by_text("Advanced").click()
    for name in ("hide-codec", "hide-colors", "hide-format", "hide-strip"):
        expect(tab[name]).to_be_disabled()
    tab.choose(message="through Signal").hide("a password")
    container = tab.hidden(downloads)
    assert container.name == "photo-hidden.jpg"
    expect(tab["hide-result-text"]).to_contain_text("Send it as a photo by Signal, standard quality;")
    expect(tab["hide-facts"]).to_contain_text("tried through JPEG of quality 67 to 85 at 600x400 pixels")
    for name in ("compare-before", "compare-after"):
        expect(tab[name]).to_have_js_property("naturalWidth", 600)
    Image.open(container).save(downloads / "arrived.jpg", quality=70)
    tab.reveal(downloads / "arrived.jpg", "a password").revealed()
    expect(tab["reveal-text"]).to_have_text("through Signal")
    tab["tab-hide"].click()
    tab["hide-channel"].select_option("")
    expect(tab["hide-capacity"]).to_contain_text("Takes", timeout=LONG)
    expect(tab["hide-format"]).to_be_enabled()


def test_where_a_photo_can_hide_is_shown_over_it(tabs: Opener, quick: Client, small: Path, tmp_path: Path) -> None:
    tab = tabs(quick).ready().choose(small)
    expect(tab["hide-map"]).to_be_hidden()
    tab["hide-map-show"].click()
    expect(tab["hide-map"]).to_be_visible()
    expect(tab["hide-map"]).to_have_js_property("naturalWidth", 96)
    assert tab["hide-map"].bounding_box() == tab["hide-thumbnail"].bounding_box()
    expect(tab["hide-map-show"]).to_have_attribute("aria-pressed", "true")
    expect(tab["hide-map-hint"]).to_be_visible()
    tab["hide-map-show"].click()
    expect(tab["hide-map"]).to_be_hidden()
    expect(tab["hide-map-show"]).to_have_attribute("aria-pressed", "false")
    tab["hide-map-show"].click()
    (tmp_path / "gray.png").write_bytes(png(mode="L"))
    tab.choose(tmp_path / "gray.png")
    expect(tab["hide-photo-notes"]).to_contain_text("this photo is gray")
    for name in ("hide-map", "hide-map-show", "hide-map-hint"):
        expect(tab[name]).to_be_hidden()


# What every live region says, with its name, from the start of the page on.
LISTEN = """() => {
    window.said = [];
    new MutationObserver((changes) => {
        for (const { target } of changes) {
            const element = target.nodeType === 1 ? target : target.parentElement;
            const live = element?.closest("[aria-live], [role=status], [role=alert]");
            if (live?.textContent) said.push(`${live.id}: ${live.textContent}`);
        }
    }).observe(document, { subtree: true, childList: true, characterData: true });
}"""


def test_live_regions_speak_at_start_and_end(tabs: Opener, quick: Client, tmp_path: Path) -> None:
    slow = tmp_path / "slow.png"
    slow.write_bytes(png(SLOW))
    tab = tabs(quick).ready()
    tab.page.evaluate(LISTEN)
    tab.choose(message="secret")
    tab["hide-photo"].set_input_files(slow)
    expect(tab["hide-capacity"]).to_contain_text(" 2 %")
    tab.hide("correct horse battery")
    expect(tab["hide-working-text"]).to_contain_text(" 2 %")
    tab["hide-cancel"].click()
    expect(tab["hide-said"]).to_be_visible()
    said = list(dict.fromkeys(tab.page.evaluate("() => said")))
    assert said == [
        "live: Measuring how much the photo takes.",
        "hide-strength: Fair: fine against the curious. Add a word or two.",
        "live: Hiding …",
        "live: Cancelled: nothing was kept.",
    ]  # fmt: skip


def test_choices_are_the_servers(tabs: Opener, quick: Client, small: Path, downloads: Path) -> None:
    small.write_bytes(png(160, 128))
    tab = tabs(quick).ready().choose(small, message="secret")
    values = tab["hide-codec"].locator("option").evaluate_all("all => all.map((option) => option.value)")
    assert values == ["", *CODECS]
    assert tab["hide-codec"].locator("option").all_text_contents() == [
        "Automatic", *(load_codec(name).label for name in CODECS)
    ]  # fmt: skip
    expect(tab["hide-codec"]).to_have_value("")
    tab.page.get_by_text("Advanced").click()
    tab["hide-colors"].select_option("generate")
    expect(tab["hide-fit-text"]).to_contain_text("Fits: 6 bytes")
    tab["hide-format"].select_option("webp")
    tab["hide-size"].select_option("half")
    container = tab.hide().hidden(downloads)
    assert container.name == "photo-hidden.webp"
    image = Image.open(io.BytesIO(container.read_bytes()))
    assert image.format == "WEBP"
    assert image.size == (80, 64)
    expect(tab["hide-more-facts"]).to_contain_text("exact, generate")


def test_who_leaves_leaves_nothing_at_the_server(tabs: Opener, quick: Client, tmp_path: Path) -> None:
    slow = tmp_path / "slow.png"
    slow.write_bytes(png(SLOW))
    tab = tabs(quick)
    names: dict[str, str] = {}

    def note(answer: Any) -> None:
        if answer.request.method == "POST":
            names[answer.url.rsplit("/", 1)[1]] = answer.json()["id"]

    tab.page.on("response", note)
    tab.ready().choose(message="secret")["hide-photo"].set_input_files(slow)
    expect(tab["hide-capacity"]).to_contain_text("%")
    tab.hide()
    expect(tab["hide-working-text"]).to_contain_text("%")
    assert quick.job(names["hide"])["state"] == "running"
    tab.page.goto("about:blank")

    def kept() -> bool:
        jobs = [quick.ask("GET", f"/api/jobs/{names[kind]}").status for kind in ("hide", "measure")]
        return {*jobs, quick.ask("POST", "/api/look", {"photo": names["uploads"]}).status} != {404}

    deadline = time.monotonic() + 10
    while kept() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not kept()
    tab.trouble.clear()  # about:blank is not our address
