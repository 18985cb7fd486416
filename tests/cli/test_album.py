"""The command album, and reveal of a folder: names, copies, refusals; killed at any moment, it goes on."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from command import FAKE, Outcome, Run, finish, one_error, spawn
from PIL import Image

from fakes import pixels
from jpegs import picture, saved
from stegcinn.album import folder as album_folder
from stegcinn.album import working
from stegcinn.album.folder import STATE
from stegcinn.sealing import keys

SECRET = np.random.default_rng(3).bytes(1800)


@pytest.fixture
def photos(workplace: Path) -> Path:
    """Six photos, one of them in a folder below and one a JPEG file, and what is none."""
    folder = Path("photos")
    (folder / "more").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(pixels(number)).save(folder / f"{number}.png")
    Image.fromarray(pixels(4)).save(folder / "more" / "4.webp", lossless=True)
    (folder / "5.JPG").write_bytes(saved(picture(300, 300), quality=90, subsampling=0))
    (folder / "small.png").write_bytes(_png(pixels(9, 63)))
    (folder / "notes.txt").write_text("no photo")
    (folder / ".hidden.png").write_bytes(_png(pixels(8)))
    Path("secret.bin").write_bytes(SECRET)
    return folder


@pytest.fixture
def album(run: Run, photos: Path) -> Run:
    def album(*options: str | Path, out: str = "out", file: str | Path = "secret.bin") -> Outcome:
        return run("album", photos, file, "-o", out, "--jobs", "1", *options)

    return album


def _png(rgb: np.ndarray) -> bytes:
    path = Path("made.png")
    Image.fromarray(rgb).save(path)
    data = path.read_bytes()
    path.unlink()
    return data


def files(folder: str | Path) -> dict[str, bytes]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_folder_becomes_an_album_and_gives_the_file_back(album: Run, run: Run, photos: Path) -> None:
    before = files(photos)
    made = album("--spare", "1")
    assert made.code == 0
    assert files(photos) == before
    out = files("out")
    assert set(out) == {"0.png", "1.png", "2.png", "3.png", "more/4.png", "5.JPG", "small.png"}
    header, *rows = made.out.decode().splitlines()
    assert header.split() == ["bytes", "disturbance", "codec", "photo"]
    carrying = {row.split()[3]: int(row.split()[0].replace(",", "")) for row in rows}
    same = {name for name in out if out[name] == before.get(name)}
    assert same == set(out) - set(carrying)
    assert "small.png" in same
    assert f"hid 1,800 bytes in {len(carrying)} of 7 photos in out: any 1 of them may be lost" in made.err
    assert "left out: photos/notes.txt is not a photo" in made.err
    assert "without a password" in made.err
    Path("secret.bin").unlink()
    assert run("reveal", "out").code == 0
    assert Path("secret.bin").read_bytes() == SECRET
    one_error(run("reveal", "out"), 2, "secret.bin already exists")


def test_metadata_are_left_out_of_containers_and_copies(album: Run, run: Run, photos: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    for name in ("5.JPG", "6.jpg"):
        (photos / name).write_bytes(saved(picture(300, 300), quality=90, subsampling=0, exif=exif))
    (photos / "gray.jpg").write_bytes(saved(picture(300, 300)[..., 0], quality=90, exif=exif))
    (photos / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe1\xff")
    jpegs = {"5.JPG", "6.jpg", "gray.jpg"}
    kept, bare = (
        album(*options, "--codec", "jpeg", out=out) for out, options in (("a", ()), ("b", ("--strip-metadata",)))
    )
    assert (kept.code, bare.code) == (0, 0)
    assert {name for name, file in files("a").items() if b"a maker" in file} == jpegs
    assert not any(b"a maker" in file for file in files("b").values())
    assert "gray.jpg" in files("b")
    assert np.array_equal(np.asarray(Image.open("b/gray.jpg")), np.asarray(Image.open(photos / "gray.jpg")))
    assert run("reveal", "b", "-o", "got").code == 0
    assert Path("got").read_bytes() == SECRET


def test_a_copy_that_cannot_be_bare_is_told(album: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = saved(picture(64, 64), quality=90)
    (photos / "black.jpg").write_bytes(saved(np.zeros((64, 64, 3), np.uint8), quality=90))
    monkeypatch.setattr(working, "stripped", lambda file: other)
    made = album("--strip-metadata")
    assert made.code == 0
    assert "black.jpg is copied with its metadata: " in made.err
    assert files("out")["black.jpg"] == files(photos)["black.jpg"]


def test_files_may_be_lost_renamed_shuffled_and_put_among_others(album: Run, run: Run) -> None:
    assert album("--spare", "40%").code == 0
    names = [name for name in files("out") if name != "small.png"]
    Path("shuffled").mkdir()
    random.Random(0).shuffle(names)
    for number, name in enumerate(names):
        shutil.copy(Path("out", name), Path("shuffled", f"IMG_{number}{Path(name).suffix.lower()}"))
    for number in range(5):
        Image.fromarray(pixels(100 + number)).save(Path("shuffled", f"foreign{number}.png"))
    Path("shuffled", "cut.png").write_bytes(Path("out", names[0]).read_bytes()[:900])
    Path("shuffled", "text.txt").write_text("no photo")
    Path("shuffled", "IMG_0.png" if Path("shuffled", "IMG_0.png").exists() else "IMG_1.png").unlink()
    outcome = run("reveal", "shuffled", "-o", "back.bin", "--json")
    told = json.loads(outcome.out)
    assert Path("back.bin").read_bytes() == SECRET
    assert (told["bytes"], told["name"], told["output"]) == (1800, "secret.bin", "back.bin")
    assert told["shares_found"] == told["shares"] - 1
    assert told["shares_bytes"] >= told["shares_needed_bytes"] > 1800
    several = sorted(str(path) for path in Path("shuffled").glob("IMG*"))
    outcome = run("reveal", *several, "-o", "back2.bin")
    assert outcome.err.startswith(f"stegcinn: revealed 1,800 bytes into back2.bin from {told['shares_found']} of")
    assert "are needed)" in outcome.err


def test_too_few_files_say_how_much_is_missing(album: Run, run: Run) -> None:
    made = album("--json")
    used = [photo["output"] for photo in json.loads(made.out)["photos"] if photo["codec"]]
    for name in used[1:]:
        Path("out", name).unlink()
    one_error(run("reveal", "out", "-o", "x"), 4, f"this is one of {len(used)} shares of an album", "bytes are missing")
    one_error(run("reveal", Path("out", used[0])), 4, "give all its photos at once, or their folder")
    Path("out", used[0]).unlink()
    one_error(run("reveal", "out"), 4, "no payload found")


def test_json(album: Run) -> None:
    made = album("--json", "--only-used", "--full")
    told = json.loads(made.out)
    assert set(files("out")) == {photo["output"] for photo in told["photos"]}
    assert told["photos_used"] == len(told["photos"])
    assert all(photo["codec"] and photo["bytes"] and photo["disturbance"] for photo in told["photos"])
    assert {photo["codec"] for photo in told["photos"]} == {"stealth", "jpeg"}
    assert told["bytes"] == 1800
    assert told["needed"] > 1800
    assert (told["output"], told["judgement"]) == ("out", "safe")
    assert told["spare"] >= 1
    assert told["disturbance"] > told["level"] > 0
    assert set(told) == {
        "output", "bytes", "needed", "photos_used", "spare", "level", "disturbance", "judgement", "photos", "seconds",
    }  # fmt: skip


def test_names_that_would_meet(run: Run, workplace: Path) -> None:
    Path("photos").mkdir()
    for number, name in enumerate(("a.png", "a.webp", "A.tif", "b.bmp")):
        Image.fromarray(pixels(number)).save(Path("photos", name))
    Path("secret.bin").write_bytes(SECRET)
    assert run("album", "photos", "secret.bin", "-o", "out", "--full", "--jobs", "1").code == 0
    assert len({name.casefold() for name in files("out")}) == 4
    assert {"a.png", "b.png"} < set(files("out"))
    assert run("reveal", "out", "-o", "back").code == 0


def test_from_standard_input_there_is_no_name(run: Run, photos: Path) -> None:
    assert run("album", photos, "-", "-o", "out", "--jobs", "1", stdin=b"meet me at noon").code == 0
    assert run("reveal", "out").out == b"meet me at noon"


def test_the_name_is_left_out_where_it_does_not_fit(run: Run, workplace: Path) -> None:
    Path("photos").mkdir()
    Image.fromarray(pixels(0)).save("photos/0.png")
    name = 200 * "n"
    Path(name).write_bytes(SECRET[:1000])
    made = run("album", "photos", name, "-o", "out", "--jobs", "1")
    assert f"the name {name} was left out to make the payload fit" in made.err
    assert run("reveal", "out").out == SECRET[:1000]


def test_refusals(album: Run, run: Run, photos: Path) -> None:
    Path("full").mkdir()
    Path("full/x").touch()
    one_error(album(out="full"), 2, "full is not empty; name a new folder")
    one_error(album(out="photos"), 2, "lie in each other")
    one_error(album(out="photos/out"), 2, "lie in each other")
    one_error(run("album", "photos/more", "secret.bin", "-o", "photos"), 2, "lie in each other")
    one_error(album(out="secret.bin"), 2, "secret.bin is no folder")
    one_error(album(out="no/where"), 2, "in a directory that does not exist")
    one_error(album("--spare", "x"), 2, "the spare is a number of photos")
    one_error(album("--codec", "none"), 2, "this version does not have codec 'none'")
    one_error(album(file="nothing"), 2, "nothing cannot be read")
    Path("large").write_bytes(np.random.default_rng(0).bytes(20_000))
    one_error(album(file="large"), 3, "it needs 20,000 bytes and these 7 photos take")
    one_error(album("--safe", file="large"), 3, "these 7 photos take")
    assert album("--safe", "--full").code == 2
    assert not Path("out").exists()


def test_refusals_of_reveal(run: Run, photos: Path) -> None:
    one_error(run("reveal", "photos", "nothing.png"), 5, "nothing.png cannot be opened")
    one_error(run("reveal", "photos/0.png", "-"), 2, "not several")
    one_error(run("reveal", "photos"), 4, "no payload found")
    one_error(run("reveal", "photos/0.png", "photos/1.png"), 4, "no payload found")


def test_a_folder_with_one_container_is_revealed(run: Run, photos: Path) -> None:
    Path("few").mkdir()
    assert run("hide", "photos/0.png", "-m", "noon", "-o", "few/a.png").code == 0
    shutil.copy("photos/1.png", "few/b.png")
    assert run("reveal", "few").out == b"noon"
    assert run("hide", "photos/2.png", "-m", "midnight", "-o", "few/c.png").code == 0
    one_error(run("reveal", "few"), 2, "hold 2 payloads; one is few/a.png: name those of one")


# -- stopped and begun anew


def interrupted(monkeypatch: pytest.MonkeyPatch, album: Run, after: int, *options: str) -> None:
    """Stop after so many files."""
    write, count = album_folder.write_atomic, 0

    def stopping(*args: object, **kwargs: object) -> None:
        nonlocal count
        if count == after:
            raise KeyboardInterrupt
        count += 1
        write(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(album_folder, "write_atomic", stopping)
        assert album(*options).code == 130


@pytest.mark.parametrize("after", [0, 1, 2, 4, 6])
def test_what_was_stopped_goes_on(album: Run, run: Run, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    interrupted(monkeypatch, album, after, "--full")
    had = files("out")
    assert len(had) == after
    assert all(secret not in had.get(STATE, b"") for secret in (SECRET[:16], SECRET[:16].hex().encode()))
    made = album("--full")
    assert made.code == 0
    assert ("going on with the album in out" in made.err) == (STATE in had) == (after > 0)
    found = files("out")
    assert STATE not in found
    assert all(found[name] == had[name] for name in had if name != STATE)
    assert set(found) == {"0.png", "1.png", "2.png", "3.png", "more/4.png", "5.JPG", "small.png"}
    assert run("reveal", "out", "-o", "back").code == 0
    assert Path("back").read_bytes() == SECRET


def test_two_albums_never_mix(album: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_stretch", lambda password, salt, *_: (password + salt)[:32].ljust(32))
    interrupted(monkeypatch, album, 3)
    had = files("out")
    Path("other.bin").write_bytes(SECRET[::-1])
    Path("shorter.bin").write_bytes(SECRET[5:])
    Path("key").write_text("p")
    one_error(album(file="shorter.bin"), 2, "begun with another file")
    outcome = album("--password-file", "key")
    assert "is not what belongs to this album: another file or password" in outcome.err
    one_error(album("--spare", "1"), 2, "begun with other photos or options")
    shutil.copy("other.bin", "secret.bin")
    assert "is not what belongs to this album" in album().err
    Image.fromarray(pixels(50)).save("photos/new.png")
    one_error(album(), 2, "begun with other photos or options")
    assert files("out") == had
    Path("photos/new.png").unlink()
    Path("out", STATE).write_text("{")
    one_error(album(), 2, "cannot be read; name a new folder")


def test_a_photo_that_changed_meanwhile_is_refused(album: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(monkeypatch, album, 2, "--full")
    Image.fromarray(pixels(50)).save("photos/3.png")
    assert "photos/3.png has changed meanwhile" in album("--full").err


SLOW = (
    FAKE
    + """
    fakes.LsbCodec.seconds = 0.02
    sys.exit(main(["album", "photos", "secret.bin", "-o", "out", "--jobs", "1", "--full"]))
"""
)


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(run: Run, workplace: Path) -> None:
    Path("photos").mkdir()
    for number in range(12):
        Image.fromarray(pixels(number)).save(Path("photos", f"{number}.png"))
    Path("secret.bin").write_bytes(SECRET)
    had: dict[str, bytes] = {}
    kills = 0
    while True:
        process = spawn(SLOW)
        while process.poll() is None and len(files("out")) < len(had) + 2:
            time.sleep(0.005)
        killed = process.poll() is None
        process.kill()
        outcome = finish(process)
        if not killed:
            break
        kills += 1
        found = files("out")
        assert all(found[name] == data for name, data in had.items())
        for name in found.keys() - {STATE}:
            with Image.open(Path("out", name)) as image:
                image.load()
        had = found
        assert kills < 30
    assert outcome.code == 0
    assert kills > 3
    assert set(files("out")) == {f"{number}.png" for number in range(12)}
    assert run("reveal", "out", "-o", "back").code == 0
    assert Path("back").read_bytes() == SECRET
