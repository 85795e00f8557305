"""A run that is stopped, fails or is killed goes on as if nothing had been; what it wrote is whole or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import forked
from workbench.engine import models
from workbench.engine.errors import DataError, InputError, OutOfSpace, WorkbenchError
from workbench.engine.task import Cancelled, Silent
from workbench.engine.train import Saved, TooLarge, Wishes, checkpoints, fine_tune, look, record, resume
from workbench.engine.train.folder import CURVE, RunFolder, is_running
from workbench.engine.values import Best, Checkpoint, DataSource, Method, TrainPoint, TrainResult, TrainSpec

CHILD = """
import os, signal, sys
from pathlib import Path
from workbench.engine.train import checkpoints, fine_tune, record
from workbench.engine.task import Silent
from workbench.engine.values import TrainPoint

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

class Until(Silent):
    def send(self, part):
        if isinstance(part, TrainPoint) and part.step == int(sys.argv[3]) and part.loss is not None:
            MOMENTS[sys.argv[2]]()

def after(name, then):
    real = getattr(checkpoints, name)
    def patched(*given):
        real(*given)
        then()
    setattr(checkpoints, name, patched)

def at_rename():
    real = os.replace
    def patched(source, target):
        real(source, target)
        if str(target).endswith(".old"):
            die()
    os.replace = patched

MOMENTS = {
    "step": die,
    "weights": lambda: setattr(checkpoints.Sealed, "_save_rng_state", die),
    "manifest": lambda: setattr(checkpoints, "write_whole", die),
    "sealed": lambda: after("seal", die),
    "rotation": at_rename,
}
spec = record.read(Path(sys.argv[1])).spec
fine_tune(spec, task=Until())
"""


class Person(Silent):
    """Keeps what a run says and presses Stop when ``until`` says so of a part."""

    def __init__(self, until: Callable[[Any], object] = lambda part: False) -> None:
        self.parts: list[Any] = []
        self.cancelled = False
        self._until = until

    def send(self, part: object) -> None:
        self.parts.append(part)
        self.cancelled |= bool(self._until(part))

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled


def _at(step: int) -> Callable[[Any], bool]:
    return lambda part: isinstance(part, TrainPoint) and part.loss is not None and part.step == step


def _curve(points: tuple[TrainPoint, ...]) -> list[Any]:
    return [(p.step, p.total, p.epoch, p.loss, p.grad_norm, p.learning_rate, p.eval_loss, p.metrics) for p in points]


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _mounted(folder: Path, how: str) -> Path:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a disk can't be mounted here")
    return folder


def _same(one: TrainResult, other: TrainResult) -> None:
    assert _curve(one.points) == _curve(other.points)
    assert _weights(one.checkpoint.path) == _weights(other.checkpoint.path)


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({}, (3, 6, 11)),
        ({"gradient_accumulation_steps": 2, "batch_size": 4, "eval_steps": 2, "bf16": True}, (4, 6, 9)),
        ({"group_by_length": True, "gradient_accumulation_steps": 4, "batch_size": 3}, (2, 4, 7)),
        ({"task": "fill-mask", "columns": {"text": "text"}, "batch_size": 4, "eval_steps": 5}, (5, 12, 17)),
        ({"task": "text-generation", "columns": {"text": "text"}, "batch_size": 2, "max_length": 16}, (7,)),
        ({"early_stopping_patience": 2, "learning_rate": 0.3, "epochs": 12.0}, (8,)),
    ],
    ids=["plain", "accumulated, evaluated between, bf16", "grouped, accumulated", "masks", "causal", "early stopping"],
)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(
    spec: TrainSpec, tiny_llama: Checkpoint, tmp_path: Path, changes: dict[str, Any], stops: tuple[int, ...]
) -> None:
    if changes.get("task") == "text-generation":
        changes = changes | {"checkpoint": tiny_llama}
    whole = fine_tune(replace(spec, output_dir=tmp_path / "whole", **changes))
    for stop in stops:
        part = replace(spec, output_dir=tmp_path / f"stopped at {stop}", **changes)
        stopped = fine_tune(part, task=Person(_at(stop)))
        assert stopped.stopped
        assert stopped.points[-1].step in (stop, stop + 1)
        assert models.load(stopped.checkpoint).missing == ()
        person = Person()
        _same(resume(part.output_dir, task=person), whole)
        assert _curve(tuple(person.parts)) == _curve(whole.points), "the curve of before is told again"


def test_an_adapter_goes_on_bit_for_bit(spec: TrainSpec, tmp_path: Path) -> None:
    spec = replace(spec, method=Method(kind="lora", dropout=0.1), epochs=2.0)
    whole = fine_tune(replace(spec, output_dir=tmp_path / "whole"))
    fine_tune(spec, task=Person(_at(8)))
    again = resume(spec.output_dir)
    assert _curve(again.points) == _curve(whole.points)
    name = "adapter_model.safetensors"
    assert (spec.output_dir / name).read_bytes() == (whole.checkpoint.path / name).read_bytes()


def test_a_run_stopped_twice_and_while_it_waited_is_still_the_same(spec: TrainSpec, whole: TrainResult) -> None:
    wishes = Wishes()

    def pause(part: object) -> bool:
        if _at(4)(part):
            wishes.pause()
            threading.Timer(0.2, lambda: setattr(person, "cancelled", True)).start()
        return False

    person = Person(pause)
    assert [point.step for point in fine_tune(spec, wishes=wishes, task=person).points] == [1, 2, 3, 4]
    assert resume(spec.output_dir, task=Person(_at(9))).stopped
    _same(resume(spec.output_dir), whole)


def test_a_run_may_be_stopped_in_an_evaluation(spec: TrainSpec, tmp_path: Path) -> None:
    spec = replace(spec, eval_fraction=0.5, batch_size=4, eval_steps=3, epochs=1.0)
    whole = fine_tune(replace(spec, output_dir=tmp_path / "whole"))

    class Impatient(Person):
        def report(self, progress: Any) -> None:
            self.cancelled |= progress.note.startswith("Evaluating, batch 2")

    stopped = fine_tune(spec, task=Impatient())
    assert [point.step for point in stopped.points] == [1, 2, 3]
    _same(resume(spec.output_dir), whole)


@pytest.mark.parametrize(
    ("moment", "step", "kept"),
    [("step", 10, 6), ("weights", 11, 6), ("manifest", 11, 6), ("sealed", 11, 6), ("rotation", 17, 12)],
)
def test_a_killed_run_goes_on_after_its_last_whole_checkpoint(
    spec: TrainSpec, whole: TrainResult, tmp_path: Path, moment: str, step: int, kept: int
) -> None:
    if moment == "rotation":
        spec = replace(spec, epochs=4.0)
        whole = fine_tune(replace(spec, output_dir=tmp_path / "whole"))
    (tmp_path / "plan").mkdir()
    plan = record.write(record.Record(spec), tmp_path / "plan").rename(tmp_path / "plan" / "plan.toml")
    child = forked.run("-c", CHILD, str(plan), moment, str(step))
    assert child.returncode == -signal.SIGKILL, child.stderr
    folder = spec.output_dir
    assert not is_running(folder)
    found = [checkpoints.step_of(each) for each in checkpoints.complete(folder)]
    assert kept in found
    # What has the name of a checkpoint is one: any reader of the folder may trust it.
    assert sorted(f"checkpoint-{each}" for each in found) == [name for name in _names(folder) if name[0] == "c"][:-1]
    logged = [json.loads(line) for line in (folder / CURVE).read_text().splitlines()]
    assert [line["step"] for line in logged if "loss" in line][-1] >= step
    _same(resume(folder), whole)
    assert not [name for name in _names(folder) if name.startswith((".", "checkpoint"))]


def test_a_run_killed_before_its_first_checkpoint_starts_again(spec: TrainSpec, whole: TrainResult) -> None:
    folder = RunFolder(spec.output_dir, Silent())
    folder.make()
    record.write(record.read(whole.checkpoint.path), spec.output_dir)
    folder.send(TrainPoint(step=1, total=18, epoch=0.1, loss=9.0))
    folder.release()
    with (spec.output_dir / CURVE).open("a") as file:
        file.write('{"step": 2, "total"')
    _same(resume(spec.output_dir), whole)


def test_a_checkpoint_that_was_damaged_is_passed_over(spec: TrainSpec, whole: TrainResult) -> None:
    fine_tune(spec, task=Person(_at(14)))
    six, newest = checkpoints.complete(spec.output_dir)[-2:]
    content = bytearray((newest / "optimizer.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (newest / "optimizer.pt").write_bytes(content)
    lines: list[str] = []
    person = Person()
    person.log = lines.append  # type: ignore[method-assign]
    _same(resume(spec.output_dir, task=person), whole)
    assert any("optimizer.pt is not as it was written" in line for line in lines)
    assert six.name == "checkpoint-12"


@pytest.mark.parametrize("how", ["cut", "gone", "no manifest"])
def test_a_checkpoint_without_all_its_files_is_none(spec: TrainSpec, how: str) -> None:
    fine_tune(spec, task=Person(_at(8)))
    newest = checkpoints.complete(spec.output_dir)[-1]
    checkpoints.verify(newest)
    if how == "cut":
        os.truncate(newest / "optimizer.pt", 100)
    else:
        (newest / {"gone": "scheduler.pt", "no manifest": checkpoints.MANIFEST}[how]).unlink()
    assert [each.name for each in checkpoints.complete(spec.output_dir)] == ["checkpoint-6"]
    with pytest.raises(WorkbenchError, match="Could not go on from"):
        checkpoints.verify(newest)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not say what a descriptor stands for")
def test_everything_is_on_the_disk_before_a_checkpoint_has_its_name(
    spec: TrainSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a power loss can undo is what was not forced onto the disk; pulling the plug is no test.
    order: list[tuple[str, Path]] = []
    sync, move = os.fsync, os.replace

    def syncing(descriptor: int) -> None:
        sync(descriptor)
        order.append(("forced", Path(f"/proc/self/fd/{descriptor}").readlink()))

    def moving(source: Any, target: Any) -> None:
        move(source, target)
        order.append(("named", Path(target)))

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", moving)
    fine_tune(spec, task=Person(until=_at(8)))
    for kept in checkpoints.complete(spec.output_dir):
        hidden = spec.output_dir / ".partial" / kept.name
        named = order.index(("named", kept))
        manifest = order.index(("forced", hidden / f".{checkpoints.MANIFEST}.partial"))
        files = [file.relative_to(kept) for file in kept.rglob("*") if file.is_file() and file.name != "manifest.json"]
        assert len(files) > 5
        assert all(order.index(("forced", hidden / file)) < manifest for file in files)
        assert manifest < order.index(("forced", hidden)) < named < order.index(("forced", spec.output_dir), named)


def test_what_is_kept_of_a_run_holds_no_pickle_but_the_optimizer_and_is_rotated(spec: TrainSpec) -> None:
    kept: list[list[str]] = []

    def look(part: Any) -> bool:
        if isinstance(part, TrainPoint) and spec.output_dir.exists():
            kept.append([each.name for each in checkpoints.complete(spec.output_dir)])
        return False

    fine_tune(replace(spec, save_steps=2, epochs=2.0), task=Person(lambda part: look(part) or _at(10)(part)))
    assert max(map(len, kept)) == 2
    assert [each.name for each in checkpoints.complete(spec.output_dir)] == ["checkpoint-10", "checkpoint-11"]
    files = {path.name for path in spec.output_dir.rglob("*") if path.is_file()}
    assert "training_args.bin" not in files
    assert {name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl"))} == {
        "optimizer.pt", "scheduler.pt", "rng_state.pth",
    }  # fmt: skip


def test_checkpoints_change_neither_losses_nor_weights(spec: TrainSpec, tmp_path: Path) -> None:
    _same(
        fine_tune(replace(spec, save_steps=-1, output_dir=tmp_path / "never")),
        fine_tune(replace(spec, save_steps=1)),
    )


def test_a_long_epoch_has_checkpoints_in_between(spec: TrainSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_DUE_AFTER", 0.0)
    fine_tune(replace(spec, epochs=1.0), task=Person(_at(3)))
    assert [each.name for each in checkpoints.complete(spec.output_dir)] == ["checkpoint-3", "checkpoint-4"]


def test_paths_written_by_hand_are_seen_from_their_file(spec: TrainSpec, tmp_path: Path) -> None:
    assert spec.data.path is not None
    shutil.copytree(spec.checkpoint.path, tmp_path / "base")
    (tmp_path / "plan.toml").write_text(
        '[spec]\ntask = "text-classification"\nmax_steps = 2\noutput_dir = "out"\n'
        '[spec.checkpoint]\nname = "base"\npath = "base"\n'
        f'[spec.data]\npath = "{spec.data.path.name}"\n[spec.columns]\ntext = "text"\nlabel = "label"\n'
    )
    result = fine_tune(record.read(tmp_path / "plan.toml").spec)
    assert result.checkpoint.path == tmp_path / "out"
    assert result.points[-1].step == 2


def test_a_finished_run_keeps_its_result_alone(spec: TrainSpec) -> None:
    fine_tune(spec)
    assert not list(spec.output_dir.glob("checkpoint-*"))


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_at_a_checkpoint_is_told_and_the_training_goes_on(
    spec: TrainSpec, whole: TrainResult, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, saves = os.fsync, []

    def full(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}") if sys.platform == "linux" else ""
        if path.endswith("optimizer.pt"):
            saves.append(path)
            if len(saves) == at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    seen: list[list[str]] = []

    def look(part: Any) -> bool:
        if isinstance(part, Saved):
            seen.append([each.name for each in checkpoints.complete(spec.output_dir)])
        return False

    person = Person(look)
    result = fine_tune(spec, task=person)
    _same(result, whole)
    (told,) = [part for part in person.parts if isinstance(part, Saved)]
    assert isinstance(told.error, OutOfSpace)
    assert f"checkpoint of step {6 * at}; the training goes on" in told.error.what
    assert seen == [["checkpoint-6"][: at - 1]]
    assert not list(spec.output_dir.glob(".*"))


def test_a_disk_that_is_really_full_leaves_the_last_good_checkpoint(
    spec: TrainSpec, whole: TrainResult, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.name != "posix"
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(disk)], capture_output=True
        ).returncode
    ):
        pytest.skip("a small disk can't be mounted here")
    try:
        folder = disk / "run"
        person = Person()
        usage = shutil.disk_usage
        with pytest.MonkeyPatch.context() as patch:
            # The check before the run would refuse it.
            patch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=10**9))
            filler = disk / "filler"

            def fill(part: Any) -> bool:
                if _at(9)(part):
                    patch.setattr(shutil, "disk_usage", usage)
                    filler.write_bytes(b"x" * (usage(disk).free - 60_000))
                return False

            person = Person(fill)
            with pytest.raises(OutOfSpace, match="Could not save the result") as failure:
                fine_tune(replace(spec, output_dir=folder), task=person)
        assert "checkpoint of step 6 is kept" in failure.value.remedy
        assert [part.step for part in person.parts if isinstance(part, Saved) and part.error] == [12]
        assert [each.name for each in checkpoints.complete(folder)] == ["checkpoint-6"]
        assert not (folder / "config.json").exists()
        filler.unlink()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=10**9))
            _same(resume(folder), whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_nan_keeps_the_last_good_checkpoint_and_says_so(spec: TrainSpec) -> None:
    person = Person()
    wild = replace(spec, learning_rate=1e30, warmup_steps=8, save_steps=1)
    with pytest.raises(WorkbenchError, match=r"stopped at step 3: ") as failure:
        fine_tune(wild, task=person)
    # The loss of step 3 is that of the weights after step 2; those after step 1 gave a finite one.
    assert [each.name for each in checkpoints.complete(spec.output_dir)] == ["checkpoint-1"]
    assert "checkpoint of step 1 is kept" in failure.value.remedy
    loaded = models.load(Checkpoint("kept", spec.output_dir / "checkpoint-1"))
    assert all(bool(torch.isfinite(weight).all()) for weight in loaded.model.parameters())
    assert max(weight.abs().max().item() for weight in loaded.model.parameters()) < 10
    ended = json.loads((spec.output_dir / CURVE).read_text().splitlines()[-1])
    assert (ended["event"], ended["state"]) == ("ended", "failed")
    assert "learning rate" in ended["why"]
    assert not is_running(spec.output_dir)


def test_a_learning_rate_of_ten_is_drawn_as_badly_as_it_goes(spec: TrainSpec) -> None:
    result = fine_tune(replace(spec, learning_rate=10.0, warmup_steps=0, lr_scheduler_type="constant"))
    losses = [point.loss for point in result.points if point.loss is not None]
    assert max(losses) > 5 > losses[0], "it went up, and no step is told as 0"
    assert result.points[-1].eval_loss is not None


def test_out_of_memory_says_which_smaller_run_does_the_same(spec: TrainSpec, tmp_path: Path) -> None:
    script = (
        "import resource, sys, psutil; from pathlib import Path; from dataclasses import replace\n"
        "from workbench.engine.train import TooLarge, fine_tune, record\n"
        "from workbench.engine.task import Silent; from workbench.engine.values import TrainPoint\n"
        "class Limit(Silent):\n"
        "    def send(self, part):\n"
        "        if isinstance(part, TrainPoint) and part.step == 1:\n"
        "            size = psutil.Process().memory_info().vms\n"
        "            resource.setrlimit(resource.RLIMIT_AS, (size + 20_000_000, size + 20_000_000))\n"
        "spec = record.read(Path(sys.argv[1])).spec\n"
        "try:\n"
        "    fine_tune(spec, task=Limit())\n"
        "except TooLarge as error:\n"
        "    small = error.smaller\n"
        "    print(small.batch_size, small.gradient_accumulation_steps, error)\n"
    )
    if sys.platform != "linux":
        pytest.skip("the limit on memory is Linux's")
    data = tmp_path / "long.csv"
    data.write_text("text,label\n" + "".join(f"{'very ' * 120}{n},{n % 2}\n" for n in range(2000)), encoding="utf-8")
    large = replace(spec, data=DataSource(data), batch_size=600, max_length=128, epochs=1.0)
    (tmp_path / "plan").mkdir()
    plan = record.write(record.Record(large), tmp_path / "plan").rename(tmp_path / "plan" / "plan.toml")
    child = forked.run("-c", script, str(plan))
    assert child.stdout.startswith("300 2 The training stopped at step 2. "), child.stderr
    assert "batches of 300 and twice the accumulation" in child.stdout
    assert json.loads((spec.output_dir / CURVE).read_text().splitlines()[-1])["state"] == "failed"
    # Nothing of it is lost: the smaller run takes its place.
    assert record.read(spec.output_dir).spec.batch_size == 600


def test_too_large_for_one_row_offers_no_smaller_run() -> None:
    assert TooLarge("what").smaller is None


def test_a_run_goes_on_with_half_the_batch_and_twice_the_accumulation(spec: TrainSpec) -> None:
    fine_tune(spec, task=Person(_at(8)))
    smaller = replace(spec, batch_size=4, gradient_accumulation_steps=2)
    result = fine_tune(smaller, resume=spec.output_dir)
    assert [point.step for point in result.points if point.loss is not None] == list(range(1, 19))
    assert record.read(spec.output_dir).spec.batch_size == 4


def test_two_runs_in_one_folder_are_refused(spec: TrainSpec) -> None:
    refused: list[str] = []

    def second(part: Any) -> bool:
        if _at(2)(part):
            assert is_running(spec.output_dir)
            for start in (lambda: fine_tune(spec), lambda: resume(spec.output_dir)):
                with pytest.raises(InputError) as failure:
                    start()
                refused.append(failure.value.why)
        return False

    result = fine_tune(replace(spec, max_steps=3), task=Person(second))
    assert [("exists already" in why, "goes on in its folder" in why) for why in refused] == [(1, 0), (0, 1)]
    assert [point.step for point in result.points if point.loss is not None] == [1, 2, 3]


def test_a_folder_that_cannot_be_written_to_is_told(spec: TrainSpec, tmp_path: Path) -> None:
    locked = _mounted(tmp_path / "locked", "size=50m,ro")
    try:
        with pytest.raises(WorkbenchError, match=r"Could not train tiny-bert\. Permission was denied"):
            fine_tune(replace(spec, output_dir=locked / "run"))
    finally:
        subprocess.run(["umount", str(locked)], check=True)


def test_a_run_whose_data_changed_is_not_resumed(spec: TrainSpec) -> None:
    fine_tune(spec, task=Person(_at(8)))
    before = {path: path.read_bytes() for path in spec.output_dir.rglob("*") if path.is_file()}
    assert spec.data.path is not None
    spec.data.path.write_text(spec.data.path.read_text().replace("wonderful", "wonderous"), encoding="utf-8")
    with pytest.raises(DataError, match="is not as it was when the run began"):
        resume(spec.output_dir)
    assert {path: path.read_bytes() for path in spec.output_dir.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("changed", ["folder", "evaluation"])
def test_a_folder_and_a_source_to_evaluate_on_have_their_fingerprints(
    spec: TrainSpec, changed: str, tmp_path: Path
) -> None:
    folder, other = tmp_path / "reviews", tmp_path / "held out.csv"
    folder.mkdir()
    (folder / "b.csv").write_bytes(spec.data.path.read_bytes())
    (folder / "a.csv").write_bytes(spec.data.path.read_bytes())
    other.write_bytes(spec.data.path.read_bytes())
    spec = replace(spec, data=DataSource(folder), evaluation=DataSource(other), max_steps=4, epochs=1.0)
    fine_tune(spec, task=Person(until=_at(2)))
    read = record.read(spec.output_dir)
    each = hashlib.sha256(other.read_bytes()).hexdigest()
    assert read.evaluation_fingerprint == each
    # As sha256sum lists them, so that anybody can check it.
    assert read.fingerprint == hashlib.sha256(f"{each}  a.csv\n{each}  b.csv\n".encode()).hexdigest()
    card = (spec.output_dir / "README.md").read_text(encoding="utf-8")
    assert each in card and read.fingerprint in card and "held out (drawn" not in card

    (folder / "notes.md").write_text("no data", encoding="utf-8")
    file = folder / "a.csv" if changed == "folder" else other
    file.write_text(file.read_text(encoding="utf-8").replace("film 7,", "film 8,"), encoding="utf-8")
    with pytest.raises(DataError, match=f"{'reviews' if changed == 'folder' else 'held out.csv'} is not as it was"):
        resume(spec.output_dir)
    file.write_bytes((folder / "b.csv").read_bytes())
    assert not resume(spec.output_dir).stopped, "what is no data may come and go"


def test_stop_while_a_run_is_taken_up_leaves_it_as_it_was(spec: TrainSpec) -> None:
    fine_tune(spec, task=Person(_at(8)))
    kept = [each.name for each in checkpoints.complete(spec.output_dir)]
    weights = _weights(spec.output_dir)
    person = Person()
    person.cancelled = True
    with pytest.raises(Cancelled):
        resume(spec.output_dir, task=person)
    assert [each.name for each in checkpoints.complete(spec.output_dir)] == kept
    assert _weights(spec.output_dir) == weights
    assert resume(spec.output_dir).points[-1].step == 18


def test_run_toml_makes_the_spec_again(spec: TrainSpec, tmp_path: Path) -> None:
    odd = replace(
        spec, rows=40, columns={"text": "a “quoted” \\ column\n"}, method=Method(kind="lora", targets=("a", "b")),
        arguments={"optim": "adamw_torch", "adam_beta1": 0.8, "use_liger_kernel": False},
        head_options={"prefix": "a: ", "max_target_length": 9}, probes=("one", "two ||| “three”"), probe_steps=7,
        probe_tokens=3, evaluation=DataSource(tmp_path / "other.csv", split="test"), load_best_model_at_end=True,
        data=DataSource(None, "someone/reviews", config="en", split="train", revision="0" * 40),
    )  # fmt: skip
    record.write(record.Record(odd, labels=("ä", "b|c"), best=Best(3, "f1", 0.25)), tmp_path)
    read = record.read(tmp_path)
    assert read.spec == replace(odd, output_dir=tmp_path)
    assert read.best == Best(3, "f1", 0.25)
    assert read.labels == ("ä", "b|c")


def test_other_versions_and_unknown_settings_are_told_when_a_run_goes_on(spec: TrainSpec) -> None:
    fine_tune(spec, task=Person(_at(8)))
    path = spec.output_dir / record.NAME
    now = version("torch")
    written = path.read_text().replace(f'torch = "{now}"', 'torch = "1.0"')
    path.write_text(written.replace("[spec]", "[spec]\nfuture = 3", 1))
    lines: list[str] = []
    person = Person()
    person.log = lines.append  # type: ignore[method-assign]
    resume(spec.output_dir, task=person)
    assert f"The run began with torch 1.0; with {now} its losses may differ." in lines
    assert "This version does not know these settings of the run: future." in lines


def test_settings_that_this_version_does_not_know_are_named_not_fatal(spec: TrainSpec, tmp_path: Path) -> None:
    path = record.write(record.Record(spec), tmp_path)
    path.write_text(path.read_text().replace("[spec]", "[spec]\nfuture = 3", 1))
    read = record.read(tmp_path)
    assert read.dropped == ("future",)
    assert read.spec.seed == spec.seed


@pytest.mark.parametrize("content", ["", "[spec]\n", "= 3", 'format = 99\n[spec]\ntask = "x"', "\x00"])
def test_what_is_no_record_of_a_run_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="The file is not there"):
        record.read(tmp_path)
    (tmp_path / record.NAME).write_text(content)
    with pytest.raises(InputError, match="no record of a run"):
        record.read(tmp_path)


def test_the_record_holds_data_versions_and_arguments(spec: TrainSpec) -> None:
    fine_tune(replace(spec, max_steps=1))
    read = record.read(spec.output_dir)
    assert spec.data.path is not None
    assert read.fingerprint == hashlib.sha256(spec.data.path.read_bytes()).hexdigest()
    assert (read.train_rows, read.eval_rows, read.labels) == (48, 12, ("0", "1"))
    assert read.versions["torch"] == version("torch")
    assert read.arguments["learning_rate"] == spec.learning_rate
    assert "output_dir" not in read.arguments


def test_the_default_dtype_of_another_thread_does_not_reach_a_step(
    spec: TrainSpec, whole: TrainResult, tiny_llama: Checkpoint
) -> None:
    stop = threading.Event()
    loaded: list[str] = []

    def load() -> None:
        while not stop.is_set():
            loaded.append(models.load(tiny_llama, dtype="bfloat16").dtype)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        result = fine_tune(replace(spec, save_steps=1))
    finally:
        stop.set()
        thread.join()
    assert loaded
    _same(result, whole)


def test_another_trainer_beside_a_run_does_not_reach_it(spec: TrainSpec) -> None:
    bf16 = replace(spec, bf16=True, epochs=2.0)
    whole = fine_tune(replace(bf16, output_dir=spec.output_dir.with_name("alone")))
    looked: list[int] = []

    def beside(part: object) -> bool:
        if _at(2)(part) or _at(7)(part):
            thread = threading.Thread(target=lambda: looked.append(look(spec).rows))
            thread.start()
            while thread.is_alive():
                # Between two steps the lock is free, and the other thread needs it to load the model.
                thread.join(0.01)
        return False

    _same(fine_tune(bf16, task=Person(beside)), whole)
    assert looked == [48, 48]
