"""Pictures of every kind are read as the library reads them, or refused in words; nothing else happens."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers.image_utils import load_image

from workbench.engine.errors import InputError
from workbench.engine.generate import pictures
from workbench.engine.tasks import videos

NOISE = np.random.default_rng(0).integers(0, 255, (61, 97, 4), np.uint8)
COLOURS = Image.fromarray(NOISE[..., :3])


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(path: Path) -> None:
    """A few bytes that say they are 900 million pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def commented(path: Path) -> None:
    """A comment of 200 MB in a few bytes."""
    COLOURS.save(path)
    whole = path.read_bytes()
    said = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 1))
    path.write_bytes(whole[:33] + said + whole[33:])


def moving(path: Path) -> None:
    frames = [Image.fromarray(NOISE[each : each + 20, :30, :3]) for each in range(5)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)


def halved(path: Path) -> None:
    moving(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def turned(path: Path, way: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = way
    COLOURS.save(path, exif=exif)


READ = {
    "cmyk.jpg": lambda path: COLOURS.convert("CMYK").save(path),
    "cmyk.tif": lambda path: COLOURS.convert("CMYK").save(path),
    "lab.tif": lambda path: COLOURS.convert("LAB").save(path),
    "alpha.png": lambda path: Image.fromarray(NOISE).save(path),
    "palette.png": lambda path: COLOURS.quantize(16).save(path, transparency=0),
    "palette.gif": lambda path: COLOURS.quantize(16).save(path, transparency=0),
    "grey.png": lambda path: COLOURS.convert("LA").save(path),
    "bits.tif": lambda path: COLOURS.convert("1").save(path, compression="group4"),
    "dark.png": lambda path: Image.fromarray(NOISE[..., 0].astype(np.uint16)).save(path),
    "moving.gif": moving,
    "one.png": lambda path: Image.new("RGB", (1, 1), "red").save(path),
    "long.png": lambda path: Image.new("RGB", (1, 5000), "red").save(path),
    "wide.png": lambda path: Image.new("RGB", (5000, 1), "red").save(path),
    **{f"turned {way}.jpg": lambda path, way=way: turned(path, way) for way in range(1, 9)},
}
REFUSED = {
    "sixteen.png": (lambda path: Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257).save(path), "more than 8 bits"),
    "whole.tif": (lambda path: Image.fromarray(NOISE[..., 0].astype(np.int32) * 9).save(path), "more than 8 bits"),
    "float.tif": (lambda path: Image.fromarray(NOISE[..., 0] / np.float32(255)).save(path), "more than 8 bits"),
    "bomb.png": (bomb, "larger than"),
    "large.png": (lambda path: Image.new("1", (7200, 7200)).save(path), "larger than"),
    "comment.png": (commented, "damaged"),
    "empty.png": (lambda path: path.write_bytes(b""), "no PNG"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "no PNG"),
    "head.gif": (lambda path: path.write_bytes(b"GIF89a" + bytes(7) + b";"), "no PNG"),
}


@pytest.mark.parametrize("name", list(READ))
def test_pictures_of_every_kind_are_what_the_library_makes_of_them(tmp_path, name) -> None:
    path = tmp_path / name
    READ[name](path)
    ours = pictures.read(path)
    assert ours.mode == "RGB"
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(ours), np.asarray(load_image(opened)))
    # A picture by itself is a film of as many frames as it has.
    frames = list(videos.frames(path))
    assert len(frames) == (5 if name == "moving.gif" else 1)
    assert np.array_equal(frames[0], np.asarray(ours))


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_no_picture_or_too_much_of_one_is_refused_in_words(tmp_path, name) -> None:
    path = tmp_path / name
    spoil, said = REFUSED[name]
    spoil(path)
    for read in (pictures.read, lambda path: list(videos.frames(path))):
        with pytest.raises(InputError) as caught:
            read(path)
        assert said in caught.value.why and name in caught.value.what and caught.value.remedy


def test_a_film_that_breaks_off_is_refused_and_a_folder_without_pictures_has_no_frames(tmp_path) -> None:
    path = tmp_path / "half.gif"
    halved(path)
    with pytest.raises(InputError, match="damaged"):
        list(videos.frames(path))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="no frames"):
        videos.spread(tmp_path / "nothing", 4)
