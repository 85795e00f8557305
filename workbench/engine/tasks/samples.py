"""Something to try a task on: a picture and a sound that are made here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.generate.page import EXAMPLE, words
from workbench.engine.paths import data_dir
from workbench.engine.tasks import sounds
from workbench.engine.values import Sound

if TYPE_CHECKING:
    import numpy as np

_WIDTH, _HEIGHT = 640, 480
_RATE = 16_000
#: V-JEPA 2 looks at as many.
_FRAMES = 64


def picture() -> Path:
    """A house under a sun, drawn once and kept with the person's data."""
    from PIL import Image, ImageDraw

    path = data_dir() / "samples" / "house.png"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "#bcd9f2")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 330, _WIDTH, _HEIGHT), fill="#7fae5f")
    draw.ellipse((500, 40, 590, 130), fill="#f5c542")
    draw.rectangle((170, 200, 390, 370), fill="#e8dcc6", outline="#7d6b52", width=4)
    draw.polygon(((150, 205), (280, 100), (410, 205)), fill="#a3452c")
    draw.rectangle((255, 280, 305, 370), fill="#6b4a2f")
    for left in (190, 330):
        draw.rectangle((left, 235, left + 40, 275), fill="#8fc1e3", outline="#7d6b52", width=3)
    draw.rectangle((470, 300, 490, 380), fill="#6b4a2f")
    draw.ellipse((430, 200, 530, 315), fill="#3f7d3a")
    image.save(path)
    return path


def small_picture() -> Path:
    """The picture of `picture` at a quarter of its width and height."""
    from PIL import Image

    path = data_dir() / "samples" / "house small.png"
    if not path.is_file():
        with Image.open(picture()) as image:
            image.resize((_WIDTH // 4, _HEIGHT // 4)).save(path)
    return path


def turned_picture() -> Path:
    """The picture of `picture`, seen a little turned and from nearer."""
    from PIL import Image

    path = data_dir() / "samples" / "house turned.png"
    if not path.is_file():
        with Image.open(picture()) as image:
            turned = image.rotate(8, Image.Resampling.BICUBIC).crop((60, 45, _WIDTH - 60, _HEIGHT - 45))
            turned.resize((_WIDTH, _HEIGHT)).save(path)
    return path


def trimap() -> Path:
    """Where the house of `picture` is, where it is not, and, in grey, where its edges are."""
    from PIL import Image, ImageDraw, ImageFilter

    path = data_dir() / "samples" / "house trimap.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        house = Image.new("L", (_WIDTH, _HEIGHT), 0)
        draw = ImageDraw.Draw(house)
        draw.rectangle((168, 200, 392, 372), fill=255)
        draw.polygon(((150, 205), (280, 100), (410, 205)), fill=255)
        edges = Image.new("L", house.size, 128)
        near, inside = house.filter(ImageFilter.MaxFilter(21)), house.filter(ImageFilter.MinFilter(21))
        edges.paste(0, mask=near.point(lambda value: 255 - value))
        edges.paste(255, mask=inside)
        edges.save(path)
    return path


def writing() -> Path:
    """One line of writing, black on white."""
    from PIL import Image, ImageDraw, ImageFont

    path = data_dir() / "samples" / "line.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (_WIDTH, 96), "white")
        ImageDraw.Draw(image).text((24, 22), "Invoice 2024-117", "black", ImageFont.load_default(48))
        image.save(path)
    return path


def page() -> Path:
    """The words of `EXAMPLE` where their boxes are, black on white."""
    from PIL import Image, ImageDraw, ImageFont

    path = data_dir() / "samples" / "page.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (_HEIGHT, _WIDTH), "white")
        draw = ImageDraw.Draw(image)
        for word, box in words(EXAMPLE):
            left, top, right, bottom = (side * size / 1000 for side, size in zip(box, image.size * 2, strict=True))
            size = (right - left) / ImageFont.load_default(100).getlength(word) * 100
            draw.text((left, top), word, "black", ImageFont.load_default(min(size, bottom - top)))
        image.save(path)
    return path


def pages() -> Path:
    """A folder with `page` and `table`."""
    folder = data_dir() / "samples" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    for number, drawn in enumerate((page(), table()), 1):
        copy = folder / f"page {number}.png"
        if not copy.is_file():
            copy.write_bytes(drawn.read_bytes())
    return folder


def table() -> Path:
    """A table of three columns whose head is one cell."""
    from PIL import Image, ImageDraw, ImageFont

    path = data_dir() / "samples" / "table.png"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (_WIDTH, 280), "white")
        draw, font = ImageDraw.Draw(image), ImageFont.load_default(24)
        rows = (("Fruit sold",), ("", "2023", "2024"), ("Apples", "120", "134"), ("Pears", "87", "91"))
        for row, cells in enumerate(rows):
            wide = 600 // len(cells)
            for column, word in enumerate(cells):
                left, top = 20 + column * wide, 20 + row * 60
                draw.rectangle((left, top, left + wide, top + 60), outline="black", width=2)
                draw.text((left + 14, top + 15), word, "black", font)
        image.save(path)
    return path


def video() -> Path:
    """Two seconds of a ball that rolls over the picture of `picture`, as an animated GIF."""
    from PIL import Image, ImageDraw

    path = data_dir() / "samples" / "rolling ball.gif"
    if not path.is_file():
        with Image.open(picture()) as image:
            ground = image.resize((320, 240))
        frames = []
        for step in range(_FRAMES):
            frame = ground.copy()
            left = -30 + step * 350 // _FRAMES
            ImageDraw.Draw(frame).ellipse((left, 180, left + 40, 220), fill="#d1495b", outline="#7a1f2b", width=2)
            frames.append(frame)
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=2000 // _FRAMES, loop=0)
    return path


def tensors(made: Mapping[str, np.ndarray]) -> Path:
    """A file of NumPy with arrays that were drawn, named by what it holds.

    Args:
        made: By their names; those of one name and shape are taken for the same.
    """
    import numpy

    held = " ".join(f"{name} {'x'.join(map(str, each.shape))}" for name, each in made.items())
    path = data_dir() / "samples" / f"{held}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(made)
        numpy.savez(path, **arrays)
    return path


def sound() -> Path:
    """Two seconds of a rising tone with pauses, made once and kept with the person's data."""
    import numpy

    path = data_dir() / "samples" / "tones.wav"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = numpy.arange(2 * _RATE) / _RATE
    tone = numpy.sin(2 * numpy.pi * (220 + 110 * seconds) * seconds) * (numpy.sin(2 * numpy.pi * 2 * seconds) > 0)
    sounds.save(Sound((0.4 * tone).astype(numpy.float32), _RATE), path)
    return path
