"""A sound from the microphone, where there is one; the package miniaudio hears it."""

from __future__ import annotations

import importlib.util
import queue
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tasks import sounds
from workbench.engine.values import Sound

if TYPE_CHECKING:
    import numpy as np

#: Samples a second; what nearly all models of speech were trained on.
RATE = 16_000
#: Seconds after which a recording ends by itself.
LONGEST = 600.0
#: Ways into the machine's sound, as miniaudio has them; None tries all of them.
BACKENDS: list[Any] | None = None

_WAIT = 0.1


def installed() -> bool:
    """Whether what hears is installed; a microphone may be missing all the same."""
    return importlib.util.find_spec("miniaudio") is not None


def record(path: Path, stop: threading.Event, *, task: Task | None = None) -> Path:
    """Record one channel until it is stopped, and write it as a WAV file.

    Args:
        path: The file.
        stop: Set to end it; what was heard until then is kept.
        task: Hears of seconds; a cancel keeps nothing.

    Returns:
        The path.

    Raises:
        NotSupported: miniaudio is not installed.
        InputError: There is no microphone, it can't be used, or nothing was heard.
        OSError: The file can't be written.
    """
    import numpy

    task = task or Silent()
    if not installed():
        raise NotSupported(
            "Nothing can be recorded.",
            why="The microphone is heard by the package miniaudio, which is not installed.",
            remedy="Install miniaudio beside this program, or record with another program and choose its file.",
        )
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    device = _open(heard)
    parts: list[np.ndarray] = []
    began = time.monotonic()
    try:
        while not stop.wait(_WAIT) and time.monotonic() - began < LONGEST:
            task.check()
            task.report(Progress(time.monotonic() - began, None, "seconds"))
    finally:
        device.close()
    while not heard.empty():
        parts.append(numpy.frombuffer(heard.get(), numpy.float32))
    samples = numpy.concatenate(parts) if parts else numpy.zeros(0, numpy.float32)
    if not len(samples):
        raise InputError(
            "Nothing was recorded.", why="The microphone gave no samples.", remedy="Record for longer than a moment."
        )
    sounds.save(Sound(samples, RATE), path)
    return path


def _open(heard: queue.SimpleQueue[bytes]) -> Any:
    import miniaudio

    def keep() -> Generator[None, bytes]:
        while True:
            data = yield
            heard.put(bytes(data))

    taking = keep()
    next(taking)
    try:
        device = miniaudio.CaptureDevice(
            input_format=miniaudio.SampleFormat.FLOAT32, nchannels=1, sample_rate=RATE, backends=BACKENDS
        )
        device.start(taking)
    except miniaudio.MiniaudioError as error:
        said = str(error.args[0] if error.args else error).rstrip(".")
        raise InputError(
            "The microphone can't be used.",
            why=f"The system says: {said}.",
            remedy="Connect one and allow its use, or choose a file.",
        ) from error
    return device
