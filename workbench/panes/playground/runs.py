"""The one generation that runs: from the engine's parts to a branch of the session, wherever one looks meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from workbench.engine import forward, generate
from workbench.engine.errors import InputError, WorkbenchError
from workbench.engine.generate import Generation
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Knobs
from workbench.engine.task import Task
from workbench.engine.values import BeamStep, Branch, Logits, Message, Sequenced, Start, Step
from workbench.panes.playground.branches import name_of
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session

#: Characters of what would be cut off that are shown.
_SHOWN = 160


class TooLong(InputError):
    """The prompt does not fit, and would without its beginning.

    Args:
        error: What the engine said.
        dropped: Tokens that would go from the left.
        beginning: Their text, empty when the tokenizer can't say.
    """

    def __init__(self, error: InputError, dropped: int, beginning: str) -> None:
        shown = beginning if len(beginning) <= _SHOWN else f"{beginning[:_SHOWN]}…"
        start = f": “{shown}”" if shown else ""
        remedy = f"{error.remedy} Truncate left cuts off the first {dropped:,} tokens{start}."
        super().__init__(error.what, why=error.why, remedy=remedy)
        self.dropped, self.beginning = dropped, beginning


@dataclass(frozen=True, eq=False, slots=True)
class Growth:
    """What a run grows out of.

    Attributes:
        parent: Key of the branch.
        steps: What is taken over, the forced one included.
        name: Of the new branch; empty for a plain one.
        extends: Go on in the parent itself.
        messages: The chat that the prompt was made from.
    """

    parent: int | None = None
    steps: tuple[Step, ...] = ()
    name: str = ""
    extends: bool = False
    messages: tuple[Message, ...] = ()


class Runs(QObject):
    """Starts generations one at a time, and writes what they give into the session.

    Args:
        session: Gives model, knobs and strategy; takes the branches.
        runner: Whose model lane does the work.

    Attributes:
        kept: The model's cache of the last run, from which branches go on.
        beams: What beam search has done in this run so far.

    Signals:
        changed(): A run began or ended.
        began_branch(): What runs has its branch now.
        grew(): A token came, to the branch that is looked at or to another one.
        beams_grew(): Beam search made a step.
        failed(WorkbenchError, str): It ended with an error; details for the notice.
        refused(WorkbenchError): A knob that was moved can't be had; the run goes on with what stood before.
        cancelled_(): It was stopped before it gave anything.
        ended(): It gave what it could; the branch is complete.
    """

    changed = Signal()
    began_branch = Signal()
    grew = Signal()
    beams_grew = Signal()
    failed = Signal(object, str)
    refused = Signal(object)
    cancelled_ = Signal()
    ended = Signal()

    def __init__(self, session: Session, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._runner = session, runner
        self.kept = generate.KeptCache()
        self.beams: list[BeamStep] = []
        self._job: Job | None = None
        self._knobs: Knobs | None = None
        self._growth = Growth()
        #: The branches that are being written, in the order of the sequences, with all their steps.
        self._written: dict[int, list[Step]] = {}
        self._shown: int | None = None
        self._begun = False
        self._announcing = False
        session.branches_changed.connect(self._on_branches_changed)
        session.encoding_changed.connect(self._on_encoding_changed)
        session.sampling_changed.connect(self._on_sampling_changed)

    @property
    def active(self) -> bool:
        """Whether something runs."""
        return self._job is not None

    @property
    def keys(self) -> tuple[int, ...]:
        """The branches that are being written: several where several sequences are."""
        return tuple(self._written)

    def steps_of(self, key: int) -> Sequence[Step]:
        """Of a branch that is being written, so far; not to be changed."""
        return self._written[key]

    def generate(
        self,
        prompt: str,
        messages: tuple[Message, ...],
        *,
        truncate: bool = False,
        images: tuple[Path, ...] = (),
        sounds: tuple[Path, ...] = (),
    ) -> None:
        """Continue a prompt or answer a chat; the branch that was looked at is left.

        Args:
            prompt: The plain prompt.
            messages: The chat instead, with its own files.
            truncate: Cut the beginning off what is too long.
            images: Pictures of the plain prompt.
            sounds: Its sounds.

        Raises:
            InputError: A knob is out of its range.
        """
        knobs = Knobs(self._session.sampling)
        job = self._new_job(
            _generate,
            self._session.model,
            prompt,
            messages,
            knobs,
            strategy=self._session.strategy,
            second=self._session.second,
            truncate=truncate,
            images=images,
            sounds=sounds,
            kept=self.kept,
        )
        self._session.clear_steps()
        self._session.set_next_logits(None)
        self._begin(job, knobs, Growth(messages=messages))

    def grow(
        self,
        start: Start,
        steps: tuple[Step, ...],
        forced: Step | None,
        *,
        parent: Branch | None = None,
        name: str = "",
    ) -> None:
        """Go on from within a text, or from its end.

        Args:
            start: What the text started from.
            steps: Those that are taken over.
            forced: The step the person chose to come next, or None.
            parent: The branch they are of, if they are of one.
            name: Of the new branch.

        Raises:
            InputError: A knob is out of its range.
        """
        knobs, session = Knobs(self._session.sampling), self._session
        # One text goes on in the same branch where the same strategy holds; anything else is another way to go on.
        extends = (
            parent is not None
            and forced is None
            and len(steps) == len(parent.steps)
            and session.strategy == parent.strategy
            and session.strategy.num_return_sequences == session.strategy.num_beams == 1
        )
        job = self._new_job(
            generate.branch,
            session.model,
            start,
            steps,
            forced.token_id if forced is not None else None,
            knobs,
            strategy=session.strategy,
            second=session.second,
            kept=self.kept,
        )
        taken = steps if forced is None else (*steps, forced)
        key, messages = (None, ()) if parent is None else (parent.key, parent.messages)
        self._begin(job, knobs, Growth(key, taken, name, extends, messages))

    def can_fork(self, index: int, token_id: int) -> bool:
        """Whether there is a step to put another token in the place of, and such a token."""
        session = self._session
        known = index < len(session.branch.steps) if session.branch is not None else False
        vocabulary = session.vocabulary
        return (
            (known or (index == 0 and session.next_logits is not None))
            and session.start is not None
            and vocabulary is not None
            and 0 <= token_id < len(vocabulary)
        )

    def fork(self, index: int, token_id: int) -> None:
        """Go on with another token at a step of the branch that is looked at; see `can_fork`.

        Raises:
            InputError: A knob is out of its range.
        """
        session, branch = self._session, self._session.branch
        start, vocabulary = session.start, session.vocabulary
        assert start is not None and vocabulary is not None
        steps = branch.steps if branch is not None else ()
        logits = session.next_logits
        step = steps[index] if index < len(steps) else Step(0, token_id, "", logits, session.sampling, 0.0, 0.0, 0)
        situation = branch.situation(index) if branch is not None else None
        before = tuple(steps[:index])
        forced = generate.forced_step(step, token_id, vocabulary, before=before, situation=situation)
        name = name_of(vocabulary.spell([token_id])[0], token_id)
        self.grow(start, before, forced, parent=branch, name=name)

    def score(
        self,
        prompt: str,
        messages: tuple[Message, ...],
        *,
        images: tuple[Path, ...] = (),
        sounds: tuple[Path, ...] = (),
    ) -> None:
        """Score the token after a prompt or a chat; as for `generate`."""
        asked = (self._session.model, prompt, messages, images, sounds)
        job = Job("Score the next token", _score, *asked, pane="playground")
        job.succeeded.connect(self._on_scored)
        self._session.clear_steps()
        self._session.set_next_logits(None)
        self._begin(job, None, Growth())

    def stop(self) -> None:
        """Stop within a token; what there is stays."""
        if self._job is not None:
            self._job.cancel()

    def abandon(self) -> None:
        """Stop, and hear no more of it; what there is stays."""
        if self._job is None:
            return
        self._job.abandon()
        self._job = self._knobs = None
        self._close("stopped")
        self.changed.emit()

    # The work.

    def _new_job(self, function: object, *args: object, **kwargs: object) -> Job:
        checkpoint = self._session.checkpoint
        built = ", once its code is built" if self._session.strategy.compiled else ""
        job = Job(
            f"Generate with {checkpoint.name if checkpoint else 'a model'}",
            function,  # type: ignore[arg-type]
            *args,
            pane="playground",
            stops=f"within a token{built}; the text is kept",
            **kwargs,  # type: ignore[arg-type]
        )
        job.succeeded.connect(self._on_generated)
        return job

    def _begin(self, job: Job, knobs: Knobs | None, growth: Growth) -> None:
        job.part_ready.connect(self._on_part)
        job.failed.connect(self._on_failed)
        job.cancelled_.connect(self._on_cancelled)
        job.finished.connect(self._on_finished)
        self._job, self._knobs, self._growth = job, knobs, growth
        self._written, self._begun = {}, False
        self.beams = []
        self.changed.emit()
        self._runner.start(job, Lane.MODEL, slot="playground.generate")

    def _on_part(self, part: object) -> None:
        if self.sender() is not self._job:
            return
        if isinstance(part, Start):
            self._on_start(part)
        elif isinstance(part, Step):
            self._add(0, part)
        elif isinstance(part, Sequenced):
            self._add(part.index, part.step)
        elif isinstance(part, BeamStep):
            self.beams.append(part)
            self.beams_grew.emit()

    def _add(self, sequence: int, step: Step) -> None:
        key = self.keys[sequence]
        self._written[key].append(step)
        if key == self._shown:
            self._session.add_step(step)
        self.grew.emit()

    def _on_start(self, start: Start) -> None:
        growth, strategy = self._growth, self._session.strategy
        self._announcing = True
        if self._knobs is None:
            self._session.set_start(start)
        elif growth.extends and growth.parent is not None:
            self._written[growth.parent] = list(growth.steps)
            self._session.end(growth.parent, "")
        else:
            first = self._session.begin(
                start, name=growth.name, parent=growth.parent, steps=growth.steps, messages=growth.messages
            )
            self._written[first] = list(growth.steps)
            # Beam search knows its sequences only at the end.
            for number in range(2, strategy.num_return_sequences + 1 if strategy.num_beams == 1 else 2):
                self._written[self._beside(first, number, growth.steps)] = list(growth.steps)
        self._begun = True
        self._announcing = False
        self.began_branch.emit()

    def _beside(self, first: int, number: int, steps: tuple[Step, ...]) -> int:
        """Begin the branch of another sequence of the same run."""
        branch = next(branch for branch in self._session.branches if branch.key == first)
        return self._session.begin(
            branch.start,
            name=f"{branch.name} · {number}",
            parent=first,
            steps=steps,
            messages=branch.messages,
            show=False,
        )

    def _on_generated(self, result: Generation) -> None:
        if self.sender() is not self._job or not self._written:
            return
        before = self._growth.steps
        texts = result.sequences if len(result.sequences) > 1 else (result.steps,)
        first = self.keys[0]
        for number, steps in enumerate(texts):
            key = self.keys[number] if number < len(self._written) else self._beside(first, number + 1, before)
            self._written[key] = [*before, *steps]
        self.grew.emit()
        self._close(result.reason, tuple(result.beams))
        self.ended.emit()

    def _on_scored(self, logits: Logits) -> None:
        if self.sender() is self._job and self._session.branch is None:
            self._session.set_next_logits(logits)

    def _on_failed(self, error: WorkbenchError) -> None:
        job = self.sender()
        if job is not self._job:
            return
        details = job.details if isinstance(job, Job) and not isinstance(error, InputError) else ""
        self._close("failed")
        self.failed.emit(error, details)

    def _on_cancelled(self) -> None:
        if self.sender() is self._job:
            self._close("stopped")
            self.cancelled_.emit()

    def _on_finished(self) -> None:
        if self.sender() is self._job:
            self._job = self._knobs = None
            self.changed.emit()

    def _close(self, reason: str, beams: tuple[BeamStep, ...] = ()) -> None:
        """Complete the branches; one without a token is none."""
        written, self._written = self._written, {}
        eos = next((branch.start.eos for branch in self._session.branches if branch.key in written), ())
        self._announcing = True
        for number, (key, steps) in enumerate(written.items()):
            if not steps:
                if any(branch.key == key for branch in self._session.branches):
                    self._session.prune(key)
                continue
            whole = key == self._shown and len(self._session.steps) == len(steps)
            self._session.end(
                key,
                reason if not number else _reason_of(steps, reason, eos),
                steps=None if whole else tuple(steps),
                beams=(beams or tuple(self.beams)) if not number else (),
            )
        self._announcing = False

    # What the session says.

    def _on_branches_changed(self) -> None:
        branch = self._session.branch
        self._shown = branch.key if branch is not None else None
        if self._shown in self._written:
            # Looked at again while it is being written: what came meanwhile is added.
            for step in self._written[self._shown][len(self._session.steps) :]:
                self._session.add_step(step)

    def _on_encoding_changed(self) -> None:
        if self._begun and not self._announcing and self._session.branch is None:
            # Another text is being looked at; what still comes does not follow it.
            self.abandon()

    def _on_sampling_changed(self) -> None:
        if self._knobs is None:
            return
        try:
            self._knobs.current = self._session.sampling
        except InputError as error:
            self.refused.emit(error)


def _reason_of(steps: Sequence[Step], first: str, eos: Sequence[int]) -> str:
    """Why another sequence of a run ended whose first one ended for the reason given."""
    if steps[-1].token_id in eos:
        return "eos"
    return "length" if first == "eos" else first


def _generate(
    model: LoadedModel,
    text: str,
    messages: tuple[Message, ...],
    knobs: Knobs,
    *,
    truncate: bool,
    task: Task,
    **kwargs: Any,
) -> Generation:
    """`generate.run`; a prompt that is too long is looked at once more, for what would have to go."""
    try:
        return generate.run(model, text, messages, knobs, truncate=truncate, task=task, **kwargs)
    except InputError as error:
        if truncate or kwargs["images"] or kwargs["sounds"]:
            raise
        try:
            reserve = knobs.current.max_new_tokens
            cut = prepare_start(model, text, messages, truncate=True, reserve=reserve, task=task)
        except WorkbenchError:
            raise error from None
        if not cut.dropped:
            raise
        first = next((token.offsets for token in cut.encoding.tokens if token.offsets and not token.special), None)
        raise TooLong(error, cut.dropped, cut.encoding.text[: first[0]] if first else "") from error


def _score(
    model: LoadedModel,
    text: str,
    messages: tuple[Message, ...],
    images: tuple[Path, ...],
    sounds: tuple[Path, ...],
    *,
    task: Task,
) -> Logits:
    """Encode, announce the start, and score what could follow it."""
    start = prepare_start(model, text, messages, images, sounds, task=task)
    task.send(start)
    return forward.next_token(model, start, task=task)


def missing(model: LoadedModel | None) -> str:
    """What keeps a model from generating, and on a second line what to do."""
    if model is None:
        return "No model is loaded.\nLoad a causal language model, such as the SmolLM2 starter, to generate text."
    if model.tokenizer is None:
        return f"{model.checkpoint.name} has no tokenizer.\nLoad a checkpoint that has one to generate text."
    return (
        f"{model.checkpoint.name} was loaded as {model.head}, which does not generate text.\n"
        "Load a causal language model, such as the SmolLM2 starter."
    )
