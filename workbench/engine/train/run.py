"""A whole run: data, tokenizer, model, Trainer, and the checkpoint that comes out of it, now or after a break."""

from __future__ import annotations

import contextlib
import os
import shutil
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.engine import models
from workbench.engine.errors import DataError, InputError, OutOfMemory, OutOfSpace, WorkbenchError, explain
from workbench.engine.hub.local import plain_checkpoint
from workbench.engine.task import Cancelled, Progress, Silent, Task
from workbench.engine.train import callbacks, checkpoints, methods, ranks, record
from workbench.engine.train.build import build
from workbench.engine.train.card import write_card
from workbench.engine.train.folder import RunFolder, put_in_place
from workbench.engine.train.heads.gathered import on_disk
from workbench.engine.train.means import check_means
from workbench.engine.train.probes import Probing
from workbench.engine.train.record import Record
from workbench.engine.train.rows import split_rows
from workbench.engine.train.seeds import StepSeed
from workbench.engine.train.settings import best_metric, check, training_arguments, training_threads
from workbench.engine.train.stopping import not_counted
from workbench.engine.train.threads import computing_with
from workbench.engine.train.wishes import Saved, Wishes
from workbench.engine.values import Best, TrainResult, TrainSpec

_RESULT = ".result"


class TooLarge(OutOfMemory):
    """The memory did not suffice for a step.

    Attributes:
        smaller: The same run with half the rows at once and twice the batches a step, or None when a batch is one row.
    """

    smaller: TrainSpec | None = None


def fine_tune(
    spec: TrainSpec, *, resume: Path | None = None, wishes: Wishes | None = None, task: Task | None = None
) -> TrainResult:
    """Fine-tune a checkpoint with transformers' Trainer.

    The losses are those of the script that ``codegen.train(spec)`` writes, bit for bit, on the same number of threads;
    those of a run that was stopped and goes on are those of one that was not.

    Args:
        spec: The run. ``output_dir`` must not exist yet. It is there from the beginning of the run, with ``run.toml``
            and the curve as it grows, and stays when the run fails or its process is killed; a run that is stopped
            before its first step leaves nothing.
        resume: The folder of a run that goes on after its last complete checkpoint, or from the start where it has
            none. It takes the place of ``output_dir``.
        wishes: What is asked of the run while it goes on: to pause, to evaluate, to save, or to leave nothing. They are
            granted before the next optimizer step, and the losses and the weights stay those of a run without them.
        task: Is sent a `TrainPoint` for every optimizer step and every evaluation, those of before included when it
            goes on, and a `Saved` for every checkpoint that was asked for or could not be written, and hears of the
            steps. When it is cancelled after the first step, the step at work is finished and the checkpoint is kept.

    Returns:
        The new checkpoint: model (float32), tokenizer, ``trainer_state.json`` with the log history, a model card, and
        ``run.toml``. It is of the last step, or where ``load_best_model_at_end`` says so of the best evaluation, for
        which one that a person asked for does not count.

    Raises:
        WorkbenchError: The settings, the data, the checkpoint or the room on this machine don't allow the run, the
            loss became something else than a number, or the memory did not suffice (`TooLarge`).
        Cancelled: The person stopped it before the first step was done, or discards it; nothing is kept.

    References:
        transformers, Trainer: TrainingArguments, TrainerCallback
    """
    wishes = wishes or Wishes()
    what = f"Could not train {spec.checkpoint.name}."
    if resume is not None:
        spec = replace(spec, output_dir=resume)
    elif ranks.writes() and spec.output_dir.exists():
        raise InputError(what, why=f"The folder {spec.output_dir} exists already.", remedy="Choose another run name.")
    folder = ranks.folder(spec.output_dir, task or Silent())
    check(spec, models.describe(spec.checkpoint))
    check_means(spec)
    with on_disk(spec.output_dir.parent):
        return _fine_tune(spec, resume, wishes, folder)


def _fine_tune(spec: TrainSpec, resume: Path | None, wishes: Wishes, folder: RunFolder) -> TrainResult:
    what = f"Could not train {spec.checkpoint.name}."
    rows = split_rows(spec, folder)
    made = record.record_of(spec, rows, training_arguments(spec, spec.output_dir, cpu=True))
    made = replace(made, processes=ranks.world())
    try:
        start = None if resume is None else _take_up(folder, made)
        if resume is None:
            _begin(folder, made)
    except OSError as error:
        folder.release()
        raise explain(error, what) from error
    run = _Run(made, folder, wishes)
    try:
        with computing_with(training_threads(spec)):
            trainer = build(spec, rows, spec.output_dir, folder)
            ranks.check_alike(made, 0 if start is None else checkpoints.step_of(start))
            ranks.check_spread(trainer, folder.log)
            stopped = run.train(trainer, start)
        kept = {} if run.best is None else {"best_step": run.best.step}
        folder.note("ended", state="stopped" if stopped else "finished", step=run.step, **kept)
    except Cancelled:
        if resume is None or wishes.discarding:
            folder.remove()
        raise
    except BaseException as error:
        told = _failed(error, run, folder, new=resume is None)
        if told is error:
            raise
        raise told from error
    finally:
        folder.release()
    checkpoint = plain_checkpoint(spec.output_dir, spec.output_dir.name, "run")
    sizes = len(rows.train), len(rows.evaluation)
    return TrainResult(checkpoint, tuple(folder.points), stopped, *sizes, rows.labels, run.best)


def resume(folder: Path, *, wishes: Wishes | None = None, task: Task | None = None) -> TrainResult:
    """Go on with a run that was stopped, failed or was killed, by its ``run.toml``.

    Args:
        folder: The run's folder.
        wishes: As for `fine_tune`.
        task: As for `fine_tune`.

    Raises:
        WorkbenchError: As for `fine_tune`; it is no folder of a run; or the data are not those it was begun with.
        Cancelled: As for `fine_tune`; the checkpoint that it would have gone on from is still there.
    """
    return fine_tune(record.read(folder).spec, resume=folder, wishes=wishes, task=task)


class _Run:
    """A run in its folder, from the first step to the result.

    Attributes:
        trains: Whether a step was tried.
        saves: Whether the result is being saved.
        best: Which evaluation the result is of; None for the last step.
    """

    def __init__(self, made: Record, folder: RunFolder, wishes: Wishes) -> None:
        self.spec = made.spec
        self.trains = False
        self.saves = False
        self.best: Best | None = None
        self._made = made
        self._folder = folder
        self._wishes = wishes
        self._trainer: Any = None
        self._saved: dict[int, Saved] = {}

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self._trainer.state.global_step if self._trainer is not None else 0

    def train(self, trainer: checkpoints.Sealed, start: Path | None) -> bool:
        """Train, save the result and move it into its place.

        Returns:
            Whether the person stopped it early.

        Raises:
            Cancelled: Nothing is to be kept.
        """
        self._trainer, folder = trainer, self._folder
        trainer.unsaved, trainer.say = self._on_unsaved, folder.log
        stopped = self._train(start)
        self._leave()
        self.best = self._best()
        weights = ranks.whole_weights(trainer)
        if not ranks.writes():
            trainer.accelerator.wait_for_everyone()
            return stopped
        folder.report(Progress(self.step, trainer.state.max_steps, "steps", "Saving"))
        shutil.rmtree(folder.path / _RESULT, ignore_errors=True)
        self.saves = True
        self._made = replace(self._made, best=self.best)
        self._save(folder.path / _RESULT, weights)
        self._leave()
        put_in_place(folder.path / _RESULT, folder.path)
        record.write(self._made, folder.path)
        if not stopped:
            # They were kept to go on from, and there is nowhere to go.
            checkpoints.clear(folder.path)
        trainer.accelerator.wait_for_everyone()
        return stopped

    def _train(self, start: Path | None) -> bool:
        trainer, task = self._trainer, self._folder
        if ranks.world() > 1:
            callbacks.attach(trainer, ranks.Agreeing, task.task)
        granting = callbacks.attach(trainer, callbacks.Granting, self._wishes, task, self._evaluate, self._save_now)
        spec, rows = self._made.spec, len(trainer.train_dataset)
        every = spec.probe_steps if spec.probes else 0
        watch = callbacks.attach(trainer, callbacks.Watch, task, rows, lambda: granting.waited, every)
        callbacks.attach(trainer, Probing, spec, task, watch.pace.probed, ranks.is_spread(trainer))
        callbacks.attach(trainer, checkpoints.Saving, spec.save_steps)
        self._lock = callbacks.attach(trainer, callbacks.StepLock)
        callbacks.attach(trainer, StepSeed)
        if start is not None:
            # The patience of an early stopping goes on as well.
            trainer.args.restore_callback_states_from_checkpoint = True
            trainer.args.eval_on_start = _lacks_evaluation(trainer, start)
        self._lock.take()
        self.trains = True
        try:
            trainer.train(resume_from_checkpoint=None if start is None else str(start))
        except Cancelled:
            # It was an evaluation or a pause that was left; the weights are those after the last step.
            self._leave()
            if 0 < self.step < trainer.state.max_steps:
                trainer.save_state_to_resume()
            trainer.load_best()
        finally:
            self._lock.release()
        if self.step == 0:
            task.check()
        return task.cancelled and (self.step < trainer.state.max_steps or not self._evaluated())

    def _best(self) -> Best | None:
        state, spec = self._trainer.state, self.spec
        if not spec.load_best_model_at_end or state.best_metric is None or not state.best_global_step:
            return None
        return Best(state.best_global_step, best_metric(spec), float(state.best_metric))

    def _leave(self) -> None:
        if self._wishes.discarding:
            raise Cancelled

    def _evaluated(self) -> bool:
        return any("eval_loss" in logs and logs["step"] == self.step for logs in self._trainer.state.log_history)

    def _evaluate(self) -> None:
        import torch

        if self._evaluated():
            return
        self._lock.take()
        try:
            # The loader of an evaluation draws from the generator that the next batch may be drawn from.
            with torch.random.fork_rng(devices=[]), not_counted(self._trainer):
                self._trainer.evaluate()
        finally:
            self._lock.release()

    def _save_now(self) -> None:
        """Save the weights as they are beside the run's folder; a failure is told and the run goes on."""
        step, place = self.step, self._folder.path
        self._folder.report(Progress(step, self._trainer.state.max_steps, "steps", "Saving"))
        known = self._saved.get(step)
        if known is not None and known.error is None:
            self._folder.send(known)
            return
        stem = f"{place.name}-step-{step}"
        folder, number = place.with_name(stem), 1
        while folder.exists():
            number += 1
            folder = place.with_name(f"{stem}-{number}")
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            self._save(partial)
            record.write(self._made, partial)
            os.replace(partial, folder)
            self._saved[step] = Saved(step, plain_checkpoint(folder, folder.name, "run"))
        except Exception as error:
            told = explain(error, f"Could not save step {step:,}; the training goes on.")
            self._saved[step] = Saved(step, error=told, details=traceback.format_exc())
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._folder.send(self._saved[step])

    def _save(self, folder: Path, weights: dict[str, Any] | None = None) -> None:
        trainer = self._trainer
        model = trainer.accelerator.unwrap_model(trainer.model)
        # save_model() would add training_args.bin, a pickle.
        methods.save(model, folder, self._made.spec.checkpoint, weights)
        trainer.processing_class.save_pretrained(folder)
        # Where its checkpoints lie is nobody's business who gets the result, and they may be gone.
        replace(trainer.state, best_model_checkpoint=None).save_to_json(str(folder / "trainer_state.json"))
        (folder / "training_args.json").write_text(trainer.args.to_json_string() + "\n", encoding="utf-8")
        write_card(self._made, self._folder.points, model, folder)
        for file in folder.glob("*.safetensors"):
            # They are written for the owner alone; other files of the run are not.
            file.chmod(0o644)

    def _on_unsaved(self, step: int, error: Exception) -> None:
        what = f"Could not write the checkpoint of step {step:,}; the training goes on."
        told = checkpoints.explain_save(error, what, self._folder.path)
        self._folder.send(Saved(step, error=told, details="".join(traceback.format_exception(error))))


def _begin(folder: RunFolder, made: Record) -> None:
    folder.make()
    try:
        if ranks.writes():
            record.write(made, folder.path)
    except BaseException:
        folder.remove()
        raise


def _take_up(folder: RunFolder, made: Record) -> Path | None:
    """The checkpoint to go on from, or None at the start."""
    before = record.read(folder.path)
    ranks.check_processes(f"Could not go on with {folder.path.name}.", before, made.processes)
    for source, was, found in (
        (made.spec.data, before.fingerprint, made.fingerprint),
        (made.spec.evaluation, before.evaluation_fingerprint, made.evaluation_fingerprint),
    ):
        if source is not None and was and was != found:
            version = before.versions.get("workbench", __version__)
            other = f" It began with version {version} of the workbench, which may have told data apart otherwise."
            raise DataError(
                f"Could not go on with {folder.path.name}.",
                why=f"{source.name} is not as it was when the run began, so the numbers would be others."
                + (other if version != __version__ else ""),
                remedy="Put the old data back, or start a new run.",
            )
    if before.dropped:
        folder.log(f"This version does not know these settings of the run: {', '.join(before.dropped)}.")
    for name, version in made.versions.items():
        if before.versions.get(name, version) != version:
            folder.log(f"The run began with {name} {before.versions[name]}; with {version} its losses may differ.")
    start = None
    for checkpoint in reversed(checkpoints.complete(folder.path)):
        try:
            checkpoints.verify(checkpoint)
        except WorkbenchError as error:
            folder.log(str(error))
            continue
        start = checkpoint
        break
    folder.take_up(checkpoints.step_of(start) if start is not None else 0)
    if not ranks.writes():
        return start
    checkpoints.sweep(folder.path)
    record.write(replace(made, began=before.began or made.began), folder.path)
    return start


def _failed(error: BaseException, run: _Run, folder: RunFolder, *, new: bool) -> BaseException:
    """What is raised for an error; the folder stays when a step was tried, and its curve tells why the run ended."""
    told = error
    if isinstance(told, Exception) and run.spec.arguments and not run.step:
        told = _of_arguments(told, run.spec)
    if run.trains and isinstance(told, Exception):
        told = _worded(told, run, folder)
        why = told if isinstance(told, WorkbenchError) else explain(told, f"It stopped after step {run.step:,}.")
        with contextlib.suppress(OSError):
            diverged = isinstance(why, callbacks.Diverged)
            folder.note("ended", state="failed", step=run.step, why=str(why), diverged=diverged)
    elif new:
        folder.remove()
    return told


def _of_arguments(error: Exception, spec: TrainSpec) -> Exception:
    """An error of a library before the first step may come of what it was given besides."""
    told = explain(error, f"Could not train {spec.checkpoint.name}.")
    if type(told) is not WorkbenchError:
        return error
    names = ", ".join(spec.arguments)
    return InputError(
        told.what, why=told.why, remedy=f"It may come of the further arguments ({names}): set them otherwise."
    )


def _worded(error: Exception, run: _Run, folder: RunFolder) -> Exception:
    if isinstance(error, callbacks.Diverged):
        checkpoints.drop_from(folder.path, error.bad_from)
    kept = checkpoints.complete(folder.path)
    left = (
        f"The checkpoint of step {checkpoints.step_of(kept[-1]):,} is kept." if kept else "No checkpoint is kept yet."
    )
    if isinstance(error, WorkbenchError):
        error.remedy = f"{error.remedy} {left}".strip()
        return error
    if run.saves:
        told = checkpoints.explain_save(error, f"Could not save the result after step {run.step:,}.", folder.path)
        remedy = "Free some space, then resume the run." if isinstance(told, OutOfSpace) else told.remedy
        told.remedy = f"{remedy} {left}"
        return told
    what = f"The training stopped at step {run.step + 1:,}."
    told = explain(error, what)
    return _too_large(run.spec, what, left) if type(told) is OutOfMemory else error


def _too_large(spec: TrainSpec, what: str, left: str) -> TooLarge:
    half = spec.batch_size // 2
    remedy = (
        f"Start again with batches of {half} and twice the accumulation: the steps stay the same."
        if half
        else "Choose a smaller max_length or a smaller checkpoint, or freeze layers."
    )
    told = TooLarge(
        what,
        why=f"There is not enough free memory for a step with batches of {spec.batch_size} rows "
        f"of up to {spec.max_length:,} tokens.",
        remedy=f"{remedy} {left}",
    )
    if half:
        twice = -(-spec.batch_size * spec.gradient_accumulation_steps // half)
        told.smaller = replace(spec, batch_size=half, gradient_accumulation_steps=twice)
    return told


def _lacks_evaluation(trainer: Any, start: Path) -> bool:
    """Whether the run was stopped before an evaluation that was due after the step of its checkpoint."""
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(start / "trainer_state.json"))
    if any("eval_loss" in logs and logs["step"] == state.global_step for logs in state.log_history):
        return False
    if trainer.args.eval_strategy == "steps":
        return state.global_step % state.eval_steps == 0
    return trainer.args.eval_strategy == "epoch" and float(state.epoch).is_integer()
