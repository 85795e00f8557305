"""Jobs: outcomes, order, cancelling, superseding, and threads that end."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from workbench.engine.errors import InputError, OutOfMemory
from workbench.engine.task import Progress, Task
from workbench.runtime.jobs import Job, Lane, Runner, State


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.shut_down()


def test_a_job_succeeds_with_its_parts_in_order_and_finishes_last(qtbot: QtBot, runner: Runner) -> None:
    def count(up_to: int, *, task: Task) -> str:
        for number in range(up_to):
            task.send(number)
            task.report(Progress(number + 1, up_to, "steps"))
        return "done"

    heard: list[object] = []
    job = Job("Counting", count, 50)
    job.part_ready.connect(heard.append)
    job.progressed.connect(lambda progress: heard.append("progress"))
    job.succeeded.connect(heard.append)
    job.finished.connect(lambda: heard.append("finished"))
    with qtbot.waitSignal(job.finished):
        runner.start(job, Lane.IO)
    assert [part for part in heard if isinstance(part, int)] == list(range(50))
    assert heard[-2:] == ["done", "finished"]
    assert job.progress == Progress(50, 50, "steps"), "the last progress is always shown"
    assert job.state is State.DONE


def test_the_call_runs_on_a_thread_of_the_lane(qtbot: QtBot, runner: Runner) -> None:
    threads: list[object] = []
    job = Job("Who am I", lambda *, task: threading.get_ident())
    job.succeeded.connect(threads.append)
    with qtbot.waitSignal(job.finished):
        runner.start(job, Lane.MODEL)
    assert threads != [threading.get_ident()]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InputError("Empty.", why="No text.", remedy="Type some."), InputError),
        (MemoryError(), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), OutOfMemory),
    ],
)
def test_a_failure_is_worded_and_the_lane_goes_on(qtbot: QtBot, runner: Runner, error: Exception, kind: type) -> None:
    def fail(*, task: Task) -> None:
        raise error

    job = Job("Failing", fail)
    with qtbot.waitSignals([job.failed, job.finished]):
        runner.start(job, Lane.MODEL)
    assert isinstance(job.error, kind)
    assert job.error.what
    assert "fail" in job.details
    after = Job("After", lambda *, task: None)
    with qtbot.waitSignal(after.succeeded):
        runner.start(after, Lane.MODEL)


def test_a_failure_holds_nothing_of_what_the_call_worked_with(qtbot: QtBot, runner: Runner) -> None:
    class Weights:
        pass

    held: list[weakref.ref[Weights]] = []

    def compute(weights: Weights) -> None:
        held.append(weakref.ref(weights))
        raise RuntimeError("shapes differ")

    def fail(*, task: Task) -> None:
        weights = Weights()
        try:
            compute(weights)
        except RuntimeError as error:
            raise InputError("It failed.", why="Shapes differ.", remedy="Change them.") from error

    job = Job("Failing", fail)
    with qtbot.waitSignal(job.finished):
        runner.start(job, Lane.MODEL)
    assert isinstance(job.error, InputError)
    assert "shapes differ" in job.details
    gc.collect()
    assert held[0]() is None


def test_cancel_stops_running_work_and_frees_waiting_work_at_once(qtbot: QtBot, runner: Runner) -> None:
    gate = threading.Event()

    def wait(*, task: Task) -> None:
        while not gate.wait(0.005):
            task.check()

    running, waiting = Job("Running", wait), Job("Waiting", wait)
    with qtbot.waitSignal(running.started):
        runner.start(running, Lane.MODEL)
    runner.start(waiting, Lane.MODEL)
    with qtbot.waitSignal(waiting.finished):
        waiting.cancel()
    assert waiting.state is State.CANCELLED
    assert running.state is State.RUNNING
    with qtbot.waitSignals([running.cancelled_, running.finished]):
        running.cancel()
    assert runner.active == []


def test_a_newer_job_in_a_slot_silences_the_older(qtbot: QtBot, runner: Runner) -> None:
    gate = threading.Event()
    results: list[object] = []

    def slow(value: str, *, task: Task) -> str:
        gate.wait(5)
        return value

    older, newer = Job("Older", slow, "stale"), Job("Newer", slow, "fresh")
    for job in (older, newer):
        job.succeeded.connect(results.append)
    with qtbot.waitSignal(older.started):
        runner.start(older, Lane.TEXT, slot="encode")
    with qtbot.waitSignals([older.finished, newer.finished]):
        runner.start(newer, Lane.TEXT, slot="encode")
        gate.set()
    assert results == ["fresh"]


def test_quiet_jobs_are_not_announced(qtbot: QtBot, runner: Runner) -> None:
    announced: list[Job] = []
    runner.job_added.connect(announced.append)
    job = Job("Encoding", lambda *, task: None, quiet=True)
    with qtbot.waitSignal(job.finished):
        runner.start(job, Lane.TEXT)
    assert announced == []
    assert runner.jobs == []


def test_shutting_down_cancels_and_ends_every_thread(qtbot: QtBot) -> None:
    runner = Runner()
    never = threading.Event()

    def wait(*, task: Task) -> None:
        while not never.wait(0.005):
            task.check()

    jobs = [Job(f"Endless {lane.name}", wait) for lane in Lane]
    for job, lane in zip(jobs, Lane, strict=True):
        runner.start(job, lane)
    runner.shut_down()
    qtbot.waitUntil(lambda: all(job.state is State.CANCELLED for job in jobs))


def test_emitting_leaves_reference_counts_alone() -> None:
    """PySide6 6.12.0 takes a reference to True with each emit: on Python 3.11 the program dies after some hundred."""
    job = Job("Emitting", lambda *, task: None)
    before = sys.getrefcount(True)
    for _ in range(100):
        job.started.emit()
    assert abs(sys.getrefcount(True) - before) < 50


def test_the_newest_progress_is_shown_even_when_the_work_then_stands_still(qtbot: QtBot, runner: Runner) -> None:
    gate = threading.Event()

    def stall(*, task: Task) -> None:
        for done in range(44):
            task.report(Progress(done, 100, "bytes"))
        gate.wait(10)

    job = Job("Stalling", stall)
    runner.start(job, Lane.IO)
    qtbot.waitUntil(lambda: job.progress == Progress(43, 100, "bytes"))
    with qtbot.waitSignal(job.finished):
        gate.set()


def test_the_time_left_does_not_count_the_time_it_was_halted(qtbot: QtBot, runner: Runner) -> None:
    go_on = threading.Event()

    def work(*, task: Task) -> None:
        # Half a second is the least that time left is told of.
        threading.Event().wait(0.6)
        task.report(Progress(50, 100, "steps", "Paused", halted=True))
        go_on.wait(20)
        task.report(Progress(50, 100, "steps"))
        while not task.cancelled:
            threading.Event().wait(0.01)

    job = runner.start(Job("Halting", work), Lane.IO)
    qtbot.waitUntil(lambda: job.progress is not None and job.progress.halted)
    assert job.remaining is None
    qtbot.waitUntil(lambda: job.elapsed > 3.0)
    go_on.set()
    qtbot.waitUntil(lambda: job.progress is not None and not job.progress.halted)
    assert job.remaining is not None
    assert job.remaining < 0.7 * job.elapsed
    with qtbot.waitSignal(job.finished):
        job.cancel()


def test_a_runner_that_is_gone_is_not_called_back(qtbot: QtBot) -> None:
    runner = Runner()
    job = Job("Ending", lambda *, task: None, quiet=True)
    with qtbot.waitSignal(job.finished):
        runner.start(job, Lane.TEXT)
    runner.shut_down()
    # What was on its way to it comes before the end of it.
    with qtbot.waitSignal(runner.destroyed):
        runner.deleteLater()
        del runner


def test_the_time_left_counts_only_what_was_done_since_it_began(qtbot: QtBot, runner: Runner) -> None:
    def work(*, task: Task) -> None:
        threading.Event().wait(0.6)
        # 90 of 100 were there before, as when a download goes on: half of the rest is done, half is left.
        task.report(Progress(95, 100, "bytes", start=90))
        while not task.cancelled:
            threading.Event().wait(0.01)

    job = runner.start(Job("Going on", work), Lane.IO)
    qtbot.waitUntil(lambda: job.progress is not None and job.remaining is not None)
    assert job.remaining == pytest.approx(job.elapsed, rel=0.2)
    with qtbot.waitSignal(job.finished):
        job.cancel()
