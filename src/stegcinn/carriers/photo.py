"""An 8-bit photo, read from the files that Pillow decodes and the tests cover.

Only the pixels, the alpha channel, an RGB colour profile and a PNG's gamma, colour space and resolution survive
reading. All other metadata (EXIF with its GPS position, thumbnails, XMP, comments) is dropped on purpose: a container
must not tell more about its sender than the picture does, and an old thumbnail would show the colours from before the
embedding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from random import SystemRandom
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from stegcinn.carriers import heic
from stegcinn.carriers.evidence.lossy import lossy_kind
from stegcinn.carriers.evidence.search import find_evidence
from stegcinn.carriers.foreign import FORMATS, MAX_PROFILE, Chunks, is_raw_preview, opened, readable, shown_by
from stegcinn.carriers.luma import is_gray, luma_of
from stegcinn.errors import ImageError, StegcinnError
from stegcinn.runtime.arrays import Bool, UInt8

MIN_SIDE = 64
MAX_PIXELS = 50_000_000
MAX_EDGE = 4  # pixels that go at each side of a photo that is halved, at most; nobody misses as few

_STRIP = 256  # rows converted at a time

Edges = tuple[float, float, float, float]
Halving = Callable[[int, int], Edges]  # the edges that go of a photo, by its width and height


@dataclass(frozen=True, eq=False)
class Photo:
    """An 8-bit photo: `rgb` HxWx3 uint8, `alpha` HxW uint8 or None, `icc_profile` an RGB profile or None.

    `shown`: what a PNG file told of how it is to be shown, kept where it is saved as one; see `foreign.shown_by`.
    `lossy` says of what kind the lossy file was whose pixels these are, as in "JPEG"; None if they come from elsewhere.
    Its arrays are not to be changed: what is computed of them is kept. Raises ValueError for arrays of another shape
    or dtype. Photos compare by identity.
    """

    rgb: UInt8
    alpha: UInt8 | None = None
    icc_profile: bytes | None = None
    shown: Chunks = ()
    lossy: str | None = None

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ValueError(f"rgb must be HxWx3 uint8, not {self.rgb.dtype} {self.rgb.shape}")
        alpha = self.alpha
        if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != self.rgb.shape[:2]):
            raise ValueError(f"alpha must be HxW uint8, not {alpha.dtype} {alpha.shape}")

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.rgb[..., 0].size

    @cached_property
    def luma(self) -> UInt8:
        """The gray-scale, HxW uint8, see `luma_of`."""
        return luma_of(self.rgb)

    @cached_property
    def visible(self) -> Bool:
        """Which pixels are seen, HxW: not those that are fully transparent, whose colours programs change at will."""
        return np.ones(self.rgb.shape[:2], np.bool_) if self.alpha is None else self.alpha > 0

    @cached_property
    def bared(self) -> Photo:
        """The same with black pixels for those that are not seen; itself if all are."""
        if self.visible.all():
            return self
        return self.with_rgb(np.where(self.visible[..., None], self.rgb, np.uint8(0)))

    @cached_property
    def is_gray(self) -> bool:
        """True if R == G == B at every pixel that is seen."""
        return is_gray(self.bared.rgb)

    @cached_property
    def evidence(self) -> str | None:
        """Why any change to it can be proved, in one line that says what to do; None if nothing is found."""
        return find_evidence(self.rgb, self.lossy)

    def to_pil(self) -> Image.Image:
        """Return a PIL image of mode RGB, or RGBA with alpha; a profile is in `info["icc_profile"]`."""
        image = Image.fromarray(self.rgb if self.alpha is None else np.dstack([self.rgb, self.alpha]))
        if self.icc_profile is not None:
            image.info["icc_profile"] = self.icc_profile
        return image

    def with_rgb(self, rgb: UInt8) -> Photo:
        """Return the same photo with other colours: HxWx3 uint8 of the same size, else ValueError."""
        if rgb.shape != self.rgb.shape:
            raise ValueError(f"rgb must keep the shape {self.rgb.shape}, not {rgb.shape}")
        return dataclasses.replace(self, rgb=np.ascontiguousarray(rgb), lossy=None)

    def halved(self, edges: Edges = (0.0, 0.0, 0.0, 0.0)) -> Photo:
        """The photo at half its width and height, rounded down (Lanczos): it no longer shows how it was compressed.

        `edges`: how many pixels to leave out at the left, top, right and bottom; fractions move the kernel's phase.
        ImageError if a side would be under MIN_SIDE.
        """
        rgb, alpha = _planes(_half(self.to_pil(), edges))
        return Photo(rgb, alpha, self.icc_profile, self.shown)


def no_edges(width: int, height: int) -> Edges:
    """Edges for `Photo.halved` of a whole photo of that size."""
    return 0.0, 0.0, 0.0, 0.0


def drawn_edges(width: int, height: int) -> Edges:
    """Edges up to MAX_EDGE, from the system's generator: an original is then not the half at once."""
    most = min(MAX_EDGE, max(0, min(height, width) - 2 * MIN_SIDE) / 2)
    left, top, right, bottom = (SystemRandom().uniform(0, most) for _ in range(4))
    return left, top, right, bottom


def decode(
    image: bytes | Image.Image, name: str, *, upright: bool = True, largest: int = MAX_PIXELS,
    halving: Halving | None = None,
) -> tuple[Photo, list[str]]:  # fmt: skip
    """A photo from an encoded file or a PIL image, and what had to be changed on the way, a note each.

    The EXIF orientation of a file is applied if `upright`; an image in memory is as its owner turned it. The result
    shares no memory with the source. CMYK and LAB become sRGB, through the embedded profile where there is one. Of
    several frames, the first is read (of a PIL image, the current one). Samples of more than 8 bits are reduced. Raises
    ImageError, calling the source `name`, for anything that cannot be read in full, for a side under MIN_SIDE, and for
    more than `largest` pixels (judged by the header, before any pixel is decoded). With `halving` it is
    that photo's `halved`, with the edges that are told for its size: less memory is needed for that.
    """
    notes: list[str] = []
    try:
        if isinstance(image, Image.Image):
            return _from_pil(image, name, notes, False, largest, halving), notes
        if heic.is_heic(image):
            heif = heic.opened(image, name)
            width, height = heif.size
            _check_size(width, height, name, largest)
            photo = _from_pil(heic.decoded(heif, notes), name, notes, False, largest, halving)
            return dataclasses.replace(photo, lossy=None if halving else "HEIC"), notes
        with opened(readable(image, name, notes)) as file:
            lossy = None if halving else lossy_kind(file, image)
            photo = _from_pil(file, name, notes, upright, largest, halving)
        return dataclasses.replace(photo, shown=shown_by(image), lossy=lossy), notes
    except StegcinnError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(_too_large(name, largest)) from error
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than there is; use a smaller photo") from error
    except UnidentifiedImageError as error:
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise ImageError(f"{name} is not a photo in a known format ({known}); convert it to PNG first") from error
    except Exception as error:  # a damaged file makes the many decoders raise nearly anything
        if isinstance(image, Image.Image) and ("closed" in str(error) or getattr(image, "fp", image) is None):
            raise ImageError(f"{name} is closed; open it anew, or hide in it before it is closed") from error
        raise ImageError(f"{name} is damaged or cut short; get an intact copy or export it as PNG") from error


def is_photo(file: bytes) -> bool:
    """Whether an encoded file begins as a picture does that Pillow knows."""
    with contextlib.suppress(Exception), Image.open(io.BytesIO(file)):
        return True
    return heic.is_heic(file)


def tells_orientation(file: bytes) -> bool:
    """Whether an encoded file has an EXIF orientation that `decode` applies."""
    with contextlib.suppress(Exception), opened(file) as image:
        return bool(image.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    return False


def _too_large(name: str, largest: int) -> str:
    remedy = "to hide in it, halve it (--halve)" if largest == MAX_PIXELS else "scale it down first"
    return f"{name} has more than {largest:,} pixels; {remedy}"


def _check_size(width: int, height: int, name: str, largest: int = MAX_PIXELS) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name} is {width}x{height} pixels; use a photo with sides of {MIN_SIDE} or more")
    if width * height > largest:
        raise ImageError(_too_large(name, largest))


def from_array(array: npt.NDArray[Any], name: str, *, largest: int = MAX_PIXELS) -> Photo:
    """A photo from an HxW, HxWx3 or HxWx4 array of uint8, copied; ImageError for any other."""
    shape = array.shape
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (3, 4))):
        raise ImageError(f"{name} must be an HxW, HxWx3 or HxWx4 array of uint8, not {array.dtype} {shape}")
    _check_size(shape[1], shape[0], name, largest)
    if array.ndim == 2:
        return Photo(np.repeat(array[..., None], 3, axis=2), None, None)
    return Photo(np.array(array[..., :3], order="C"), array[..., 3].copy() if shape[2] == 4 else None, None)


def _half(image: Image.Image, edges: Edges) -> Image.Image:
    """An image of mode L, RGB or RGBA at half its size, without its edges.

    A JPEG is not decoded at half its scale instead (libjpeg's, Pillow's `draft`): what comes of that is a decoder's
    work like the whole, and any change to it can be proved.
    """
    left, top, right, bottom = edges
    box = (left, top, image.width - right, image.height - bottom)
    size = int(box[2] - box[0]) // 2, int(box[3] - box[1]) // 2
    _check_size(*size, "half of the photo")
    return image.resize(size, Image.Resampling.LANCZOS, box)


def _from_pil(
    image: Image.Image, name: str, notes: list[str], upright: bool, largest: int, halving: Halving | None
) -> Photo:
    """Decode an open image into a Photo, appending to `notes` what the user should be warned of."""
    if is_raw_preview(image):
        raise ImageError(f"{name} is a raw photo, of which only a small preview can be read; develop it to PNG first")
    _check_size(*image.size, name, largest)
    if image.format == "EPS":
        raise ImageError(f"{name} is a PostScript program, not a photo; convert it to PNG first")
    peak = _sample_peak(image, name)  # before decoding, which forgets it
    if getattr(image, "is_animated", False):
        notes.append("holds several frames; only the first (of an open image, the current one) is used")
    image.load()
    _check_size(*image.size, name, largest)  # icons can hold another size than they announce
    orientation = None
    with contextlib.suppress(Exception):  # damaged EXIF must not cost the user the photo
        orientation = image.getexif().get(ExifTags.Base.Orientation) if upright else None

    if peak > 255 or image.mode == "F":
        notes.append("has more than 8 bits per channel and is reduced to 8 bits")
    profile = image.info.get("icc_profile")
    if image.mode in ("CMYK", "LAB"):
        image, profile = _to_srgb(image, profile), None
    elif image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _gray_to_8_bits(image, peak, name)
    elif image.mode == "La":  # converts to nothing else
        image = image.convert("LA")
    if halving:
        if image.mode not in ("L", "RGB", "RGBA") or image.has_transparency_data:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        image = _half(image, halving(*image.size))
    rgb, alpha = _planes(image)
    # The header of a profile names its colour space; one for gray would be wrong for RGB output.
    if not (isinstance(profile, bytes) and profile[16:20] == b"RGB "):
        profile = None
    elif len(profile) > MAX_PROFILE:
        notes.append(f"has a colour profile of more than {MAX_PROFILE:,} bytes: dropped")
        profile = None
    return Photo(_upright(rgb, orientation), None if alpha is None else _upright(alpha, orientation), profile)


def _planes(image: Image.Image) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]:
    """RGB and alpha, strip by strip: conversions of the whole would need several times its memory."""
    width, height = image.size
    mode = "RGBA" if image.has_transparency_data else "RGB"
    rgb = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode == "RGBA" else None
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height))
        pixels = np.asarray(image.crop((0, rows.start, width, rows.stop)).convert(mode))
        rgb[rows] = pixels[..., :3]
        if alpha is not None:
            alpha[rows] = pixels[..., 3]
    return rgb, alpha


def _upright(array: npt.NDArray[np.uint8], orientation: object) -> npt.NDArray[np.uint8]:
    """Rows and columns as an EXIF orientation wants them shown; as they are for any other value."""
    match orientation:
        case 2:
            array = array[:, ::-1]
        case 3:
            array = array[::-1, ::-1]
        case 4:
            array = array[::-1]
        case 5:
            array = array.swapaxes(0, 1)
        case 6:
            array = array[::-1].swapaxes(0, 1)
        case 7:
            array = array[::-1, ::-1].swapaxes(0, 1)
        case 8:
            array = array[:, ::-1].swapaxes(0, 1)
    return np.ascontiguousarray(array)


def _sample_peak(image: Image.Image, name: str) -> int:
    """Return the value of white in the source, as far as Pillow tells: 255, or 4095 or 65535 above 8 bits."""
    tags = getattr(image, "tag_v2", {})
    for codec, _, _, args in getattr(image, "tile", ()):
        if codec == "raw" and tags.get(284) == 2 and max(tags[258]) > 8:
            # PlanarConfiguration, BitsPerSample: Pillow would take each byte for a sample and return noise.
            raise ImageError(f"{name} is a 16-bit TIFF with separate colour planes; convert it to PNG first")
        layout = args if isinstance(args, str) else str(args[0]) if args else ""
        if layout == "I;12":
            return 4095
        if re.search(";16[BLN]$", layout) or (codec.startswith("ppm") and args[1] > 255):
            return 65535
    return 65535 if image.mode.startswith("I;16") else 255


def _gray_to_8_bits(image: Image.Image, peak: int, name: str) -> Image.Image:
    """Scale 0..peak to 0..255, rounded; other modes than I;16 must already be in 0..255."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= peak):  # written so that NaN fails
        raise ImageError(f"{name} has gray values {low:g} to {high:g}, not 0 to {peak}; save it with 8 bits")
    if image.mode == "F" and high <= 1:
        raise ImageError(f"{name} has gray values from 0 to 1, not 0 to 255; save it with 8 bits")
    gray = np.rint(np.multiply(values, np.float32(255 / peak), dtype=np.float32)).astype(np.uint8)
    key = image.info.get("transparency")
    if key is None:
        return Image.fromarray(gray).convert("RGB")
    alpha = np.where(values == key, 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([gray, gray, gray, alpha]))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ImportError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            return ImageCms.buildTransform(source, target, image.mode, "RGB").apply(image)
    return image.convert("RGB")
