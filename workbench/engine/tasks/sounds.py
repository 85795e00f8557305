"""Sounds as a model's feature extractor prepares them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, first_line
from workbench.engine.generate.sounds import KINDS as KINDS
from workbench.engine.generate.sounds import LONGEST as LONGEST
from workbench.engine.generate.sounds import read as read
from workbench.engine.generate.sounds import resampled as resampled
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.tasks.processors import feature_extractor
from workbench.engine.values import Sound

if TYPE_CHECKING:
    import numpy as np

SOUND = (("audio", "Sound"),)
"""The input of a task on a sound."""

SEEDED = ("univnet",)
"""Architectures whose feature extractors draw noise besides."""

CUT = ("clap",)
"""Architectures whose feature extractors draw by numpy's own generator which part of a long sound is heard."""

FILLED = {"moonshine_streaming": 80}
"""Architectures whose processors fill a sound up to a multiple of so many samples, as their encoders want it."""

LISTED = ("gemma4_audio",)
"""Architectures whose feature extractors fail on a sound that is not one of several."""

WHOLE = ("nemotron3_5_transcribe_audio",)
"""Architectures that want as many frames as make whole positions, which a larger one's processor sees to."""

#: Seconds of what may be too short for a model.
_SHORT = 1.0


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
    import numpy
    import torch

    extractor, samples = heard(request)
    kind = request.model.facts.model_type
    if kind in FILLED:
        arguments |= {"padding": True, "pad_to_multiple_of": FILLED[kind]}
    if kind in SEEDED:
        arguments["generator"] = numpy.random.default_rng(request.options.seed)
    try:
        given = [samples] if kind in LISTED else samples
        with _drawn(request.options.seed):
            made = extractor(given, sampling_rate=extractor.sampling_rate, return_tensors="pt", **arguments)
    except (ValueError, RuntimeError, IndexError) as error:
        raise too_short(len(samples), extractor.sampling_rate, error) from error
    tensors = {name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)}
    if kind in WHOLE:
        missing = -tensors["input_features"].shape[1] % request.model.model.config.subsampling_factor
        tensors["input_features"] = torch.nn.functional.pad(tensors["input_features"], (0, 0, 0, missing))
        tensors["attention_mask"] = torch.nn.functional.pad(tensors["attention_mask"], (0, missing))
    aside = {"samples": torch.from_numpy(samples)[None], "sampling_rate": torch.tensor([extractor.sampling_rate])}
    # Some cut a long sound into parts, a row each.
    cut = arguments.get("truncation", True) and all(tensor.shape[0] == 1 for tensor in tensors.values())
    return Inputs(tensors, aside, heard=left(extractor, len(samples)) if cut else 0.0)


def left(extractor: Any, count: int) -> float:
    """Seconds that a feature extractor leaves of a sound, as it does without a word; 0.0 where it takes all of it.

    Args:
        extractor: Of the library.
        count: Samples of the sound, at the extractor's rate.
    """
    takes, rate = inspect.signature(type(extractor).__call__).parameters, extractor.sampling_rate
    # Where it fuses, CLAP's shrinks the whole beside the parts that it draws.
    most = extractor.nb_max_samples if getattr(extractor, "truncation", "") == "rand_trunc" else None
    if "truncation" in takes and takes["truncation"].default is True:
        told = takes["max_length"].default if "max_length" in takes else None
        names = {"default_audio_length": rate, "n_samples": 1, "num_max_samples": 1}
        own = (getattr(extractor, name, 0) * each for name, each in names.items())
        most = told or next(filter(None, own), None)
    if type(extractor).__name__ == "ASTFeatureExtractor":
        # It counts in frames of ten milliseconds.
        most = extractor.max_length * rate // 100
    return most / rate if most is not None and count > most else 0.0


@contextmanager
def _drawn(seed: int) -> Iterator[None]:
    import numpy

    before = numpy.random.get_state()
    numpy.random.seed(seed)
    try:
        yield
    finally:
        numpy.random.set_state(before)


@contextmanager
def long_enough(request: Request) -> Iterator[None]:
    """Say of what fails on a sound of less than a second that it is too short.

    Raises:
        InputError: It is.
    """
    import soundfile

    try:
        yield
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        found = soundfile.info(request.given.audio) if request.given.audio is not None else None
        if found is None or found.duration >= _SHORT:
            raise
        raise too_short(found.frames, found.samplerate, error) from error


def too_short(count: int, rate: int, error: Exception) -> InputError:
    """What to say of a sound that a model can't make anything of, mostly as it is too short."""
    return InputError(
        "The sound could not be prepared.",
        why=f"It has {count:,} samples ({count / rate:.3f} seconds at {rate:,} a second), "
        f"and the model says: {first_line(error)}",
        remedy="Take one of at least a second." if count < _SHORT * rate else "Take another one.",
    )
