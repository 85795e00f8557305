"""Checkpoints to go on from: complete or not there, checked when they are read, the oldest dropped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import CheckpointError, OutOfSpace, WorkbenchError, explain
from workbench.engine.models import LOAD_LOCK
from workbench.engine.train.record import write_whole
from workbench.engine.train.seeds import seed_epoch

if TYPE_CHECKING:
    from torch import nn
    from transformers import Trainer as _Trainer
    from transformers import TrainerControl, TrainerState, TrainingArguments
else:
    _Trainer = object

#: Names every file of a complete checkpoint with its size and hash.
MANIFEST = "manifest.json"
#: Complete checkpoints that are kept while a run goes on: the weights of the newest may be the first bad ones.
_KEPT = 2
#: Seconds after which a checkpoint is due within an epoch; writing one takes a second or two.
_DUE_AFTER = 300.0
#: Bytes free below which a disk is taken for full when a write fails.
_FULL = 1_000_000
_STEP = re.compile(r"checkpoint-(\d+)")
_PICKLED_ARGUMENTS = "training_args.bin"


class Sealed(_Trainer):
    """A Trainer whose checkpoints appear whole; one that can't be written is told and the training goes on.

    The checkpoint is written into a hidden folder, every file is forced onto the disk and named in a manifest with its
    hash, and the folder then gets its name. Neither a kill nor a full disk leaves a checkpoint that is half there.

    With ``load_best_model_at_end`` the checkpoint of the best evaluation is kept beside the newest, and its weights are
    taken back at the end.

    Attributes:
        unsaved: Told the step and the error when a checkpoint can't be written.
        say: Told why the best checkpoint could not be taken back.

    References:
        transformers, Trainer: resume_from_checkpoint
    """

    unsaved: Callable[[int, Exception], object]
    say: Callable[[str], object]
    _kept_best: tuple[float | None, int | None] = (None, None)
    _hidden: str | None = None
    _sealed_step = -1
    _opens_epoch = False

    def save_state_to_resume(self) -> None:
        """Write a checkpoint of the state as it is, as after a step."""
        self._save_checkpoint(self.model, None)

    def _get_output_dir(self, trial: Any) -> str:
        return self._hidden or super()._get_output_dir(trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        step = self.state.global_step
        if step == self._sealed_step:
            return
        run = Path(self.args.output_dir)
        hidden = run / ".partial"
        made = hidden / f"checkpoint-{step}"
        try:
            if self.args.should_save:
                shutil.rmtree(hidden, ignore_errors=True)
            self.accelerator.wait_for_everyone()
            self._note_best(run)
            self._hidden = str(hidden)
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                if self._note_best(run):
                    # It was written with the hidden folder's name in it.
                    self.state.save_to_json(str(made / "trainer_state.json"))
                seal(made)
                _put(made, run / made.name)
                rotate(run, _KEPT, self.state.best_model_checkpoint)
            self._sealed_step = step
        except Exception as error:
            # Another process may wait for this one where there are several; going on without it would hang.
            if self.args.world_size > 1:
                raise
            if self.state.best_global_step == step:
                # The best is the best of those that are kept.
                self.state.best_metric, self.state.best_global_step = self._kept_best
            self.unsaved(step, error)
        finally:
            self._hidden = None
            if self.args.should_save:
                shutil.rmtree(hidden, ignore_errors=True)

    def load_best(self) -> None:
        """Take the weights of the best evaluation back, where the run is to end with them and there was one.

        Trainer does so itself when a run ends, but not when an evaluation is left.
        """
        self._note_best(Path(self.args.output_dir))
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None:
            self._load_best_model()

    def _finalize_training(self, *arguments: Any, **more: Any) -> Any:
        # Another process may still be moving it into its place.
        self.accelerator.wait_for_everyone()
        self._note_best(Path(self.args.output_dir))
        return super()._finalize_training(*arguments, **more)

    def _load_best_model(self) -> None:
        try:
            verify(Path(self.state.best_model_checkpoint or ""))
            super()._load_best_model()
        except CheckpointError as error:
            self.say(f"{error.what} {error.why} The result is the last step, not the best evaluation.")
            self.state.best_global_step = None
        # The first process may delete it as soon as it has it.
        self.accelerator.wait_for_everyone()

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        kept = self.state.best_metric, self.state.best_global_step
        best = super()._determine_best_metric(metrics, trial)
        if best:
            self._kept_best = kept
        # By "best", what is told here replaces whatever else a checkpoint was due for.
        return best or self.control.should_save

    def _evaluate(self, trial: Any, ignore_keys_for_eval: Any, skip_scheduler: bool = False) -> dict[str, float]:
        metrics: dict[str, float] = super()._evaluate(trial, ignore_keys_for_eval, skip_scheduler)
        if skip_scheduler:
            # The evaluation that a stop had left out; its checkpoint is there, the run goes on from it.
            self._determine_best_metric(metrics, trial)
            self._note_best(Path(self.args.output_dir))
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        # A pickle, in which a token would stand in clear.
        Path(output_dir or self.args.output_dir, _PICKLED_ARGUMENTS).unlink(missing_ok=True)

    def _run_epoch(self, **arguments: Any) -> None:
        self._opens_epoch = True
        super()._run_epoch(**arguments)

    def get_batch_samples(self, *arguments: Any) -> Any:
        """The batches of a step; the order of an epoch is drawn with the first, and nobody else draws meanwhile."""
        with LOAD_LOCK:
            if self._opens_epoch:
                self._opens_epoch = False
                seed_epoch(self.args, self.state)
            return super().get_batch_samples(*arguments)

    def _note_best(self, run: Path) -> bool:
        """Say where the best one lies, or will in a moment; the base class looks beside the one it writes."""
        best = self.state.best_global_step
        known = bool(best) and (best == self.state.global_step or (run / f"checkpoint-{best}").is_dir())
        if known:
            self.state.best_model_checkpoint = str(run / f"checkpoint-{best}")
        return known


class Saving:
    """Says when a checkpoint is due: every so many steps, or after each epoch and five minutes; and at a stop.

    At the end of an epoch it is written after the evaluation. None is written after the last step: the result follows.
    Attach it after what stops a run.

    Args:
        steps: ``TrainSpec.save_steps``.
    """

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._last = 0.0
        self._due = False

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_step_end(self, _: TrainingArguments, state: TrainerState, control: TrainerControl, **__: object) -> None:
        """Have one written when it is due within an epoch."""
        if state.global_step >= state.max_steps:
            return
        late = self._steps == 0 and time.monotonic() - self._last > _DUE_AFTER
        self._due = late or control.should_training_stop or (self._steps > 0 and state.global_step % self._steps == 0)
        if self._due and not _at_epoch_end(state):
            control.should_save = True

    def on_epoch_end(self, _: TrainingArguments, state: TrainerState, control: TrainerControl, **__: object) -> None:
        """Have one written when it is due at the end of an epoch."""
        if state.global_step < state.max_steps and (self._due or self._steps == 0):
            control.should_save = True

    def on_save(self, *_: object, **__: object) -> None:
        """It was written."""
        self._last = time.monotonic()
        self._due = False


def seal(folder: Path) -> None:
    """Force every file onto the disk and name it in the manifest, which is written last.

    Raises:
        OSError: The disk is full, or fails.
    """
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        # safetensors writes them for the owner alone; other files of the run are not.
        path.chmod(0o644)
        with path.open("rb+") as file:
            files[path.relative_to(folder).as_posix()] = {
                "size": path.stat().st_size,
                "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
            os.fsync(file.fileno())
    write_whole(folder / MANIFEST, json.dumps(files, indent=1) + "\n")
    _sync(folder)


def is_complete(folder: Path) -> bool:
    """Whether a manifest stands in it and every file it names is there in its full length."""
    return not _missing(folder)


def verify(folder: Path) -> None:
    """Read every file of a checkpoint and compare it with the manifest.

    Raises:
        CheckpointError: It is not one of this program, or not as it was written.
    """
    wrong = _missing(folder)
    if not wrong:
        for name, noted in _manifest(folder).items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != noted["sha256"]:
                    wrong = f"{name} is not as it was written."
                    break
    if wrong:
        raise CheckpointError(f"Could not go on from {folder.name}.", why=wrong, remedy="Go on from an earlier one.")


def complete(run: Path) -> tuple[Path, ...]:
    """The complete checkpoints of a run's folder, by step."""
    found = [(step_of(folder), folder) for folder in run.glob("checkpoint-*")]
    return tuple(folder for step, folder in sorted(found) if step >= 0 and is_complete(folder))


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint was written after, by its name, or -1."""
    matched = _STEP.fullmatch(checkpoint.name)
    return int(matched[1]) if matched else -1


def rotate(run: Path, kept: int, best: str | None = None) -> None:
    """Delete all but the newest ``kept`` complete checkpoints and the best one; what is not complete is left alone."""
    for folder in complete(run)[:-kept]:
        if best is None or folder.name != Path(best).name:
            _drop(folder)


def drop_from(run: Path, step: int) -> None:
    """Delete the complete checkpoints of this step and later: their weights have proved bad."""
    for folder in complete(run):
        if step_of(folder) >= step:
            _drop(folder)


def clear(run: Path) -> None:
    """Delete the checkpoints of a run that needs them no more, and what was being written when it was killed."""
    for folder in complete(run):
        _drop(folder)
    sweep(run)


def sweep(run: Path) -> None:
    """Delete what was being written or deleted when a run was killed; nothing must be running there."""
    for path in run.glob(".*"):
        if path.is_dir() and (path.name in (".partial", ".result") or path.name.endswith(".old")):
            shutil.rmtree(path, ignore_errors=True)


def explain_save(error: Exception, what: str, folder: Path) -> WorkbenchError:
    """Word a failure to write; the libraries say in several ways that the disk is full.

    Args:
        error: What was raised.
        what: What could not be written.
        folder: Where to.
    """
    told = explain(error, what)
    full = "os error 28" in str(error) or shutil.disk_usage(folder).free < _FULL
    if full and not isinstance(told, OutOfSpace):
        told = OutOfSpace(what, why="The disk is full.", remedy="Free some space.")
    return told


def _put(made: Path, place: Path) -> None:
    if place.exists():
        _drop(place)
    os.replace(made, place)
    _sync(place.parent)


def _drop(folder: Path) -> None:
    # Renamed first: a kill in the middle of the deletion must not leave half of it under its name.
    gone = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(gone, ignore_errors=True)
    os.replace(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _missing(folder: Path) -> str:
    try:
        files = _manifest(folder)
        for name, noted in files.items():
            if (folder / name).stat().st_size != noted["size"]:
                return f"{name} is cut short."
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"It is not complete, or was not written by this program ({error})."
    return "" if files else "It is empty."


def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = json.loads((folder / MANIFEST).read_bytes())
    return files


def _sync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _at_epoch_end(state: TrainerState) -> bool:
    return float(state.epoch or 0.0).is_integer()
