"""Sounds from a file: of any number of channels and any rate, as one channel at the rate a model was trained on."""

from __future__ import annotations

from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, first_line
from workbench.engine.task import Silent, Task
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.tasks.processors import feature_extractor
from workbench.engine.values import Sound

if TYPE_CHECKING:
    import numpy as np

SOUND = (("audio", "Sound"),)
"""The input of a task on a sound."""

KINDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")
"""Endings of files that libsndfile reads."""

#: Seconds of the longest sound that is read; an hour takes half a gigabyte at 48,000 samples a second.
LONGEST = 3600.0
_BLOCK = 1 << 18


def read(path: Path, *, task: Task | None = None) -> Sound:
    """Read a sound, its channels mixed to their mean.

    Args:
        path: A file that libsndfile reads: WAV, FLAC, OGG, MP3, AIFF and others.
        task: Asked whether to stop.

    Raises:
        InputError: There is no such file, it is no sound, it is damaged, empty, or too long.
    """
    import numpy
    import soundfile

    task = task or Silent()
    what = f"The sound {path.name} can't be used."
    if not path.is_file():
        raise InputError(what, why=f"There is no file {path}.", remedy="Choose it again.")
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            if file.frames > LONGEST * rate:
                raise InputError(
                    what,
                    why=f"It lasts {file.frames / rate / 60:,.0f} minutes, and {LONGEST / 60:.0f} are read at most.",
                    remedy="Cut it into parts.",
                )
            parts = []
            for block in file.blocks(_BLOCK, dtype="float32", always_2d=True):
                task.check()
                parts.append(block.mean(axis=1, dtype=numpy.float32))
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        said = str(error).strip().rstrip(".").split(": ")[-1]
        raise InputError(
            what, why=f"It can't be read as a sound: {said}.", remedy="Save it as WAV or FLAC, or take another one."
        ) from error
    samples = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.float32)
    if not len(samples):
        raise InputError(what, why="It has no samples.", remedy="Take another one.")
    return Sound(numpy.nan_to_num(samples), rate)


def resampled(sound: Sound, rate: int) -> np.ndarray:
    """The samples of a sound at another rate, by a polyphase filter; shape ``(samples,)``, float32."""
    import numpy
    from scipy.signal import resample_poly

    if sound.rate == rate:
        return sound.samples
    common = gcd(sound.rate, rate)
    return resample_poly(sound.samples, rate // common, sound.rate // common).astype(numpy.float32)


def save(sound: Sound, path: Path) -> None:
    """Write a sound as a WAV file of 16 bits a sample.

    Raises:
        OSError: The file can't be written.
    """
    import soundfile

    try:
        soundfile.write(path, sound.samples, sound.rate, subtype="PCM_16", format="WAV")
    except soundfile.LibsndfileError as error:
        raise OSError(str(error)) from error


def chosen(request: Request) -> Path:
    """The file of the sound that was given.

    Raises:
        InputError: There is none.
    """
    if request.given.audio is None:
        raise InputError(
            "There is no sound yet.",
            why="No file was chosen.",
            remedy="Drop one on the pane, choose one, or take the example.",
        )
    return request.given.audio


def heard(request: Request) -> tuple[Any, np.ndarray]:
    """The checkpoint's feature extractor, and the sound that was given at the rate it wants.

    Raises:
        InputError: There is no sound, it can't be read, or nothing of it is left at that rate.
        NotSupported: The checkpoint has no feature extractor.
    """
    path = chosen(request)
    extractor = feature_extractor(request.model)
    samples = resampled(read(path, task=request.task), extractor.sampling_rate)
    return extractor, samples


def features(request: Request, **arguments: Any) -> Inputs:
    """The sound as the checkpoint's feature extractor prepares it.

    Returns:
        The tensors; aside ``samples`` of shape ``(1, samples)`` and how many of them make a second.

    Raises:
        InputError: There is no sound, it can't be read, or it is too short.
        NotSupported: The checkpoint has no feature extractor.
    """
    import torch

    extractor, samples = heard(request)
    try:
        made = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt", **arguments)
    except (ValueError, RuntimeError, IndexError) as error:
        raise too_short(len(samples), extractor.sampling_rate, error) from error
    tensors = {name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)}
    aside = {"samples": torch.from_numpy(samples)[None], "sampling_rate": torch.tensor([extractor.sampling_rate])}
    return Inputs(tensors, aside)


def too_short(count: int, rate: int, error: Exception) -> InputError:
    """What to say of a sound that a model can't make anything of."""
    return InputError(
        "The sound could not be prepared.",
        why=f"It has {count:,} samples ({count / rate:.3f} seconds at {rate:,} a second), "
        f"and the model says: {first_line(error)}",
        remedy="Take one of at least a second.",
    )
