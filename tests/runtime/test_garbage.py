"""Garbage is collected in the window's thread, whoever asks for it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from workbench.engine.task import Task
from workbench.runtime.jobs import Job, Lane, Runner


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.shut_down()


class _Ring:
    """Refers to itself, so that only a collection ends it."""

    def __init__(self) -> None:
        self.ring = self


def _ask(*, task: Task) -> int:
    task.check()
    return gc.collect()


def _mean(*, task: Task) -> int:
    task.check()
    return gc.collect(2)


@pytest.fixture(autouse=True)
def _as_python_comes() -> Iterator[None]:
    """The suite switches Python's own collections off."""
    gc.enable()
    yield
    gc.disable()


def test_a_collection_that_a_library_asks_for_on_a_lane_is_made_by_the_window(qtbot: QtBot, runner: Runner) -> None:
    ended: list[int] = []
    runner.garbage.start()
    ring = _Ring()
    weakref.finalize(ring, lambda: ended.append(threading.get_ident()))
    del ring
    job = Job("Collect", _ask)
    with qtbot.waitSignal(job.succeeded, timeout=20_000) as found:
        runner.start(job, Lane.TRAIN)
    assert ended == [threading.get_ident()]
    assert found.args[0] > 0


def test_who_means_it_has_old_garbage_collected_too(qtbot: QtBot, runner: Runner) -> None:
    runner.garbage.start()
    ring = _Ring()
    old = weakref.ref(ring)
    gc.collect()
    gc.collect()
    assert any(each is ring for each in gc.get_objects(generation=2))
    del ring
    for function, there in ((_ask, True), (_mean, False)):
        job = Job("Collect", function)
        with qtbot.waitSignal(job.succeeded, timeout=20_000):
            runner.start(job, Lane.MODEL)
        assert (old() is not None) is there


def test_python_collects_nothing_by_itself_while_lanes_have_threads(qtbot: QtBot, runner: Runner) -> None:
    seen: list[Any] = []

    def look(*, task: Task) -> None:
        task.check()
        seen.append((gc.isenabled(), len([_Ring() for _ in range(50_000)])))

    counts: list[int] = []
    hear = lambda phase, _: counts.append(threading.get_ident()) if phase == "start" else None  # noqa: E731
    gc.callbacks.append(hear)
    try:
        job = Job("Litter", look)
        with qtbot.waitSignal(job.finished, timeout=20_000):
            runner.start(job, Lane.IO)
        # What was left lying about is taken away in a turn of the window's own.
        qtbot.waitUntil(lambda: bool(counts))
    finally:
        gc.callbacks.remove(hear)
    assert seen == [(False, 50_000)]
    assert set(counts) == {threading.get_ident()}


def test_afterwards_python_collects_again(qtbot: QtBot, runner: Runner) -> None:
    runner.shut_down()
    assert gc.isenabled()
    library = gc.collect
    runner.garbage.start()
    assert gc.collect != library
    runner.shut_down()
    assert gc.isenabled()
    assert gc.collect == library
