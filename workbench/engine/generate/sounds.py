"""Sounds from a file: of any number of channels and any rate, as one channel at the rate a model was trained on."""

from __future__ import annotations

import re
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.task import Silent, Task
from workbench.engine.values import Sound

if TYPE_CHECKING:
    import numpy as np
    import soundfile

KINDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64")
"""Endings of files that libsndfile reads."""

#: Seconds of the longest sound that is read; an hour takes half a gigabyte at 48,000 samples a second.
LONGEST = 3600.0
#: Samples a second of the fastest sound that is read.
_FASTEST = 768_000
_BLOCK = 1 << 18
_ENDLESS = 0x7FFF_0000


def read(path: Path, *, task: Task | None = None) -> Sound:
    """Read a sound, its channels mixed to their mean.

    Args:
        path: A file that libsndfile reads: WAV, FLAC, OGG, MP3, AIFF and others.
        task: Asked whether to stop.

    Raises:
        InputError: There is no such file, it is no sound, it is damaged, cut off, empty, or too long.
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
            _check(file, what)
            parts = []
            for block in file.blocks(_BLOCK, dtype="float32", always_2d=True):
                task.check()
                parts.append(block.mean(axis=1, dtype=numpy.float32))
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        said = str(error).strip().rstrip(".").split(": ")[-1]
        # Of a torn MP3 the library says that there is no such file.
        said = "it is damaged" if "does not exist" in said else said
        raise InputError(
            what, why=f"It can't be read as a sound: {said}.", remedy="Save it as WAV or FLAC, or take another one."
        ) from error
    samples = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.float32)
    if not len(samples):
        raise InputError(what, why="It has no samples.", remedy="Take another one.")
    strange = len(samples) - int(numpy.isfinite(samples).sum())
    if strange:
        raise InputError(
            what,
            why=f"{strange:,} of its {len(samples):,} samples are no numbers (NaN or infinite).",
            remedy="Save it again with the program that made it, or take another one.",
        )
    return Sound(samples, rate)


def _check(file: soundfile.SoundFile, what: str) -> None:
    """Refuse a file by what its header says, before anything is read."""
    minutes = file.frames / file.samplerate / 60
    if minutes * 60 > LONGEST:
        why = f"It lasts {minutes:,.0f} minutes, and {LONGEST / 60:.0f} are read at most."
        raise InputError(what, why=why, remedy="Cut it into parts.")
    if file.samplerate > _FASTEST:
        why = f"It says that {file.samplerate:,} samples make a second; no sound has more than {_FASTEST:,}."
        raise InputError(what, why=why, remedy="Save it again with the program that made it, or take another one.")
    # A stream that was saved while it came says that it is endless.
    cut = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if cut is not None and int(cut[2]) < int(cut[1]) < _ENDLESS:
        why = f"The file is cut off: {int(cut[2]):,} of {int(cut[1]):,} bytes of sound are there."
        raise InputError(what, why=why, remedy="Copy or download it again, or save what is there with another program.")


def resampled(sound: Sound, rate: int) -> np.ndarray:
    """The samples of a sound at another rate, by a polyphase filter; shape ``(samples,)``, float32."""
    import numpy
    from scipy.signal import resample_poly

    if sound.rate == rate:
        return sound.samples
    common = gcd(sound.rate, rate)
    return resample_poly(sound.samples, rate // common, sound.rate // common).astype(numpy.float32)
