"""Picture files as arrays: PPM, PGM and NPY by ourselves, PNG, JPEG and others through Pillow where it is installed.

May import: core; numpy; Pillow inside functions.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.core.errors import WorkloadError

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN_ENDS = (".ppm", ".pgm", ".npy")
PILLOW_ENDS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif")
ENDS = (*OWN_ENDS, *PILLOW_ENDS)
_NETPBM = re.compile(rb"(P[56])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s")
_FLAT, _DEEP = 2, 3
_RGB = 3
_MOST_PIXELS = 1 << 28


def is_picture(path: Path) -> bool:
    """True for a file that ends as pictures do and is not hidden."""
    return path.suffix.lower() in ENDS and not path.name.startswith(".")


def read_picture(path: Path, channels: int | None = None) -> NDArray[np.uint8]:
    """Return (channels, height, width) bytes; grey is repeated for three channels, and colours are averaged for one.

    Raises WorkloadError for a file that is no picture, or one of 16 bits.
    """
    pixels = _read_any(path, keep_palette=False)
    planes = pixels[None] if pixels.ndim == _FLAT else np.moveaxis(pixels, -1, 0)
    have = planes.shape[0]
    if channels is None or channels == have:
        return np.ascontiguousarray(planes)
    if have == 1:
        return np.repeat(planes, channels, axis=0)
    if channels == 1:
        return np.asarray(np.rint(planes[:_RGB].mean(axis=0, keepdims=True)), dtype=np.uint8)
    if channels < have:
        return np.ascontiguousarray(planes[:channels])
    raise WorkloadError(f"{path} has {have} channels, and {channels} were asked for.")


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return the class of each pixel, (height, width): the value itself, or the number in the palette."""
    classes = _read_any(path, keep_palette=True)
    if classes.ndim != _FLAT:
        raise WorkloadError(
            f"The mask {path} has {classes.shape[-1]} channels; expected one, whose values are the classes.",
            hint="Save it as grey or with a palette.",
        )
    return classes


def _read_any(path: Path, *, keep_palette: bool) -> NDArray[np.uint8]:
    end = path.suffix.lower()
    try:
        if end == ".npy":
            return _check_array(path, np.load(path, allow_pickle=False))
        if end in OWN_ENDS:
            return _read_netpbm(path)
        return _read_with_pillow(path, keep_palette=keep_palette)
    except (OSError, ValueError, EOFError, SyntaxError) as error:  # Pillow raises SyntaxError for some broken PNG
        raise WorkloadError(f"{path} could not be read as a picture: {error}.") from error


def _check_array(path: Path, found: Any) -> NDArray[np.uint8]:
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.ndim not in {_FLAT, _DEEP}:
        what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise WorkloadError(f"{path} holds {what}; expected uint8 (height, width) or (height, width, channels).")
    return found


def _read_netpbm(path: Path) -> NDArray[np.uint8]:
    content = path.read_bytes()
    header = _NETPBM.match(content)
    if header is None or int(header[4]) != np.iinfo(np.uint8).max:
        raise WorkloadError(f"{path} is no binary PPM or PGM (P6, P5) of 8 bits.")
    width, height, deep = int(header[2]), int(header[3]), header[1] == b"P6"
    shape = (height, width, _RGB) if deep else (height, width)
    size = width * height * (_RGB if deep else 1)
    if not 0 < width * height <= _MOST_PIXELS or len(content) - header.end() < size:
        raise WorkloadError(f"{path} is cut off: {len(content) - header.end()} bytes of pixels, expected {size}.")
    return np.frombuffer(content, np.uint8, size, header.end()).reshape(shape)


def _read_with_pillow(path: Path, *, keep_palette: bool) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError as error:
        raise WorkloadError(
            f"{path} needs Pillow to be read.", hint=f"pip install pillow, or use {', '.join(OWN_ENDS)}."
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as picture:
                if picture.mode.startswith("I") or picture.mode == "F":
                    raise WorkloadError(f"{path} has more than 8 bits a pixel; expected 8.")
                if picture.mode in {"L", "RGB"} or (keep_palette and picture.mode == "P"):
                    return np.asarray(picture)
                return np.asarray(picture.convert("L" if keep_palette or picture.mode in {"1", "LA"} else "RGB"))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise WorkloadError(f"{path} is refused: {error}") from error
