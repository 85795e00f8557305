"""What the microphone hears becomes a WAV file; where nothing can be heard it says why."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Cancelled, Progress, Silent
from workbench.engine.tasks import microphone, sounds


class StopsAfter(Silent):
    """Ends a recording, or cancels it, when it has heard of so many seconds."""

    def __init__(self, stop: threading.Event, cancels: bool = False) -> None:
        super().__init__()
        self.stop, self.cancels, self.told = stop, cancels, 0

    def report(self, progress: Progress) -> None:
        assert progress.unit == "seconds"
        self.told += 1
        if self.told == 4:
            self.stop.set()

    def check(self) -> None:
        if self.cancels and self.told:
            raise Cancelled


@pytest.fixture
def silence(monkeypatch):
    """A device that hears nothing but gives samples all the same."""
    miniaudio = pytest.importorskip("miniaudio")
    monkeypatch.setattr(microphone, "BACKENDS", [miniaudio.Backend.NULL])


def test_it_is_recorded_until_it_is_stopped(silence, tmp_path: Path) -> None:
    stop = threading.Event()
    path = microphone.record(tmp_path / "said.wav", stop, task=StopsAfter(stop))
    sound = sounds.read(path)
    assert sound.rate == microphone.RATE
    assert len(sound.samples) > 0 and not sound.samples.any()


def test_a_cancel_keeps_nothing(silence, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        microphone.record(tmp_path / "said.wav", threading.Event(), task=StopsAfter(threading.Event(), cancels=True))
    assert not list(tmp_path.iterdir())


def test_it_ends_by_itself(silence, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(microphone, "LONGEST", 0.3)
    assert microphone.record(tmp_path / "said.wav", threading.Event()).is_file()


def test_a_machine_without_a_microphone_says_so(tmp_path: Path, monkeypatch) -> None:
    miniaudio = pytest.importorskip("miniaudio")
    monkeypatch.setattr(microphone, "BACKENDS", [miniaudio.Backend.WASAPI])
    with pytest.raises(InputError, match="The system says"):
        microphone.record(tmp_path / "said.wav", threading.Event())


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(microphone.importlib.util, "find_spec", lambda _name: None)
    assert not microphone.installed()
    with pytest.raises(NotSupported, match="Install miniaudio beside"):
        microphone.record(tmp_path / "said.wav", threading.Event())
