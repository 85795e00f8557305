"""Frames of a video: of a file, of an animated picture, or of a folder of pictures.

Files that films come in are decoded by PyAV, which the library's own pipeline uses; it is installed apart. Animated
GIF, WebP and PNG, and folders of pictures, need Pillow alone.

References:
    transformers, Pipelines: VideoClassificationPipeline; PyAV, Container.decode
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import pictures
from workbench.engine.task import Silent, Task

if TYPE_CHECKING:
    import numpy as np

VIDEO = (("video", "Video"),)
"""The input of a task on a video."""

FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv")
"""Endings of files that PyAV decodes."""

ANIMATED = (".gif", ".webp", ".png", ".apng")
"""Endings of pictures that may move; Pillow is enough for them."""

STILLS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_PIXELS = 50_000_000


def sampled(path: Path, count: int, step: int = 1, *, task: Task | None = None) -> np.ndarray:
    """The frames that a model looks at: ``count`` of them from the beginning on, ``step`` apart, as the pipeline does.

    Args:
        path: A video, an animated picture, or a folder of pictures, which are taken in the order of their names.
        count: Frames; 1 or more.
        step: From one to the next; 1 takes every frame.
        task: Asked whether to stop, at each frame.

    Returns:
        uint8 of shape ``(count, height, width, 3)``.

    Raises:
        InputError: There is no such video, it can't be read, it has no frames, or too few.
        NotSupported: PyAV is needed for it and is not installed.
    """
    import numpy

    return _kept(path, numpy.linspace(0, count * step - 1, num=count, dtype=numpy.int64), task or Silent(), step)


def spread(path: Path, count: int, *, task: Task | None = None) -> np.ndarray:
    """The frames that a model looks at where it has a video processor: ``count`` of them over the whole video.

    Args:
        path: As for `sampled`.
        count: As for `sampled`.
        task: As for `sampled`.

    Returns:
        As `sampled` does.

    Raises:
        InputError: As for `sampled`.
        NotSupported: As for `sampled`.

    References:
        transformers, BaseVideoProcessor.sample_frames
    """
    import numpy

    task = task or Silent()
    total = 0
    with closing(frames(path)) as every:
        for _ in every:
            task.check()
            total += 1
    # Too short a video is refused with its length.
    total = max(total, count)
    return _kept(path, numpy.arange(0, total, total / count).astype(numpy.int64)[:count], task)


def _kept(path: Path, wanted: np.ndarray, task: Task, step: int | None = None) -> np.ndarray:
    import numpy

    count = len(wanted)
    kept: list[np.ndarray] = []
    seen = 0
    with closing(frames(path)) as every:
        for index, frame in enumerate(every):
            task.check()
            seen = index + 1
            if index in wanted:
                kept.append(frame)
            if seen > wanted[-1]:
                break
    if not seen:
        raise InputError(f"The video {path.name} can't be used.", why="It has no frames.", remedy="Take another one.")
    if len(kept) < count:
        raise InputError(
            f"The video {path.name} is too short.",
            why=f"It has {seen:,} frames, and the model looks at {count:,}" + (f", {step:,} apart." if step else "."),
            remedy="Take a longer one" + (", or a smaller step between frames." if step else "."),
        )
    if len({frame.shape for frame in kept}) > 1:
        raise InputError(
            f"The video {path.name} can't be used.",
            why="Its frames are of different sizes.",
            remedy="Make them one size.",
        )
    return numpy.stack(kept)


def sheet(frames: np.ndarray) -> np.ndarray:
    """Frames, or masks of them, as one picture: row by row, about as many beside as below one another.

    Args:
        frames: Of shape ``(frames, height, width, …)``.

    Returns:
        Of shape ``(rows * height, columns * width, …)``; what is left over is 0.
    """
    import numpy

    count, height, width = frames.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    made = numpy.zeros((rows * columns, *frames.shape[1:]), frames.dtype)
    made[:count] = frames
    made = made.reshape(rows, columns, *frames.shape[1:]).swapaxes(1, 2)
    return made.reshape(rows * height, columns * width, *frames.shape[3:])


def place(number: int, frames: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a frame on their `sheet`, in pixels."""
    row, column = divmod(number, math.ceil(math.sqrt(len(frames))))
    height, width = frames.shape[1:3]
    return column * width, row * height, (column + 1) * width, (row + 1) * height


def seconds(path: Path) -> float:
    """How long a video lasts; of a folder of pictures, each counts as a second.

    Raises:
        InputError: As for `sampled`.
        NotSupported: As for `sampled`.
    """
    if path.is_dir():
        return float(sum(1 for _ in frames(path)))
    if path.suffix.lower() in (*ANIMATED, *STILLS):
        from PIL import Image, ImageSequence

        with Image.open(path, formats=pictures.FORMATS) as moving:
            return float(sum(frame.info.get("duration", 0) for frame in ImageSequence.Iterator(moving))) / 1000
    import av

    with av.open(str(path)) as container:
        return float((container.duration or 0) / av.time_base)


def strip(path: Path, *, task: Task | None = None, count: int = 4, step: int = 15, side: int = 240) -> np.ndarray:
    """The beginning of a video as small frames beside one another.

    Args:
        path: As for `sampled`.
        task: Asked whether to stop, at each frame.
        count: Frames at most.
        step: From one to the next.
        side: Pixels of a frame's height.

    Returns:
        uint8 of shape ``(side, width, 3)``.

    Raises:
        InputError: As for `sampled`.
        NotSupported: As for `sampled`.
    """
    import numpy
    from PIL import Image

    task = task or Silent()
    kept: list[np.ndarray] = []
    with closing(frames(path)) as every:
        for index, frame in enumerate(every):
            task.check()
            if index % step == 0:
                picture = Image.fromarray(frame)
                width = max(1, round(picture.width * side / picture.height))
                kept.append(numpy.asarray(picture.resize((width, side))))
            if len(kept) == count:
                break
    if not kept:
        raise InputError(f"The video {path.name} can't be used.", why="It has no frames.", remedy="Take another one.")
    return numpy.concatenate(kept, axis=1)


def frames(path: Path) -> Generator[np.ndarray]:
    """The frames one by one, each uint8 of shape ``(height, width, 3)``.

    Raises:
        InputError: There is no such video, or it can't be read.
        NotSupported: PyAV is needed for it and is not installed.
    """
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise InputError(
            f"The video {path.name} can't be used.", why=f"There is no file {path}.", remedy="Choose it again."
        )
    return _of_picture(path) if path.suffix.lower() in (*ANIMATED, *STILLS) else _of_film(path)


def _of_folder(folder: Path) -> Generator[np.ndarray]:
    import numpy

    def place(path: Path) -> list[tuple[int, str]]:
        # frame 10 comes after frame 9.
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name.lower())]

    # macOS leaves a "._frame.png" beside each "frame.png" on foreign disks.
    stills = (path for path in folder.iterdir() if path.suffix.lower() in STILLS and not path.name.startswith("."))
    for path in sorted(stills, key=place):
        yield numpy.asarray(pictures.read(path))


def _of_picture(path: Path) -> Generator[np.ndarray]:
    import numpy
    from PIL import Image, ImageOps, ImageSequence

    pictures.read(path)  # refuses what is damaged, too large or no picture
    with Image.open(path, formats=pictures.FORMATS) as moving:
        try:
            for frame in ImageSequence.Iterator(moving):
                yield numpy.asarray(ImageOps.exif_transpose(frame).convert("RGB"))
        except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
            raise _damaged(path, error) from error


def _of_film(path: Path) -> Generator[np.ndarray]:
    if importlib.util.find_spec("av") is None:
        raise NotSupported(
            f"The video {path.name} can't be read.",
            why="Films are decoded by PyAV, which is not installed.",
            remedy="Install transformers-workbench[video], or take an animated GIF or a folder of pictures.",
        )
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return
            stream = container.streams.video[0]
            if stream.codec_context.width * stream.codec_context.height > _PIXELS:
                raise InputError(
                    f"The video {path.name} can't be used.",
                    why=f"Its frames are larger than {_PIXELS // 1_000_000} million pixels.",
                    remedy="Make it smaller; models look at a few hundred pixels a side.",
                )
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    said = first_line(error).rstrip(".")
    return InputError(
        f"The video {path.name} can't be used.",
        why=f"It is damaged, or no video: {said}.",
        remedy="Save it as MP4, or take another one.",
    )
