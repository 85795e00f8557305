"""The state of the window: what is loaded, what was asked, what came out, what is selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import (
    BeamStep,
    Branch,
    Checkpoint,
    Encoding,
    Logits,
    Message,
    Sampling,
    Start,
    Step,
    Strategy,
)

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: Bytes of raw logits kept for the steps of all branches. When it is full, steps that are not part of the branch looked
#: at lose theirs first, oldest branch first; then the branch's own oldest steps. Everything else of a step stays.
LOGITS_BUDGET = 512 * 2**20


class Session(QObject):
    """Frozen values of the UI thread.

    ``set_x`` returns early when nothing changes, drops what no longer holds, and then announces.

    Attributes:
        models: All models in memory, in the order they were loaded; any number.
        model: The one of them that all panes use, with its tokenizer, or None.
        second: One of them to compare with, or to guess ahead for the first; or None.
        prompt: The plain text that Tokenizer and Playground share.
        encoding: What went (or would go) into the model last, or None.
        branches: All ways in which texts were continued, oldest first; those of one prompt form a tree.
        branch: The one that is looked at or written, or None while ``encoding`` has none.
        steps: Its tokens, generated after ``encoding``.
        vocabulary: Spells the ids of ``encoding`` and ``steps``, or None without a tokenizer.
        next_logits: What was scored as the token after ``encoding`` while there are no steps, or None.
        selection: A position in ``encoding`` followed by ``steps``, or None.
        sampling: The knobs.
        strategy: What stands for a whole run.
        offline: Whether the network is switched off.

    Signals:
        model_changed(), second_changed(), prompt_changed(), encoding_changed(), steps_reset(), step_added(Step),
        next_logits_changed(), selection_changed(), sampling_changed(), strategy_changed(), offline_changed(): After the
            value of that name changed.
        models_changed(): One was loaded or given up, or has another part now.
        branches_changed(): A branch was begun, ended, named, pruned, or another one is looked at.
        local_changed(): What lies on this machine (cache, starters, runs) may have changed.
    """

    models_changed = Signal()
    model_changed = Signal()
    second_changed = Signal()
    prompt_changed = Signal()
    encoding_changed = Signal()
    steps_reset = Signal()
    step_added = Signal(object)
    next_logits_changed = Signal()
    selection_changed = Signal()
    sampling_changed = Signal()
    strategy_changed = Signal()
    branches_changed = Signal()
    offline_changed = Signal()
    local_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.models: tuple[LoadedModel, ...] = ()
        self.model: LoadedModel | None = None
        self.second: LoadedModel | None = None
        self.prompt = ""
        self.encoding: Encoding | None = None
        self.next_logits: Logits | None = None
        self.selection: int | None = None
        self.sampling = Sampling()
        self.strategy = Strategy()
        self.offline = False
        self.vocabulary: Vocabulary | None = None
        self._vocabularies: dict[int, Vocabulary | None] = {}
        self._branches: dict[int, Branch] = {}
        self._key: int | None = None
        self._scored: Start | None = None
        self._last_key = 0
        self._steps: list[Step] = []
        self._bytes = 0
        self._model_vocabulary: Vocabulary | None = None

    @property
    def steps(self) -> Sequence[Step]:
        """The generated steps, oldest first; not to be changed."""
        return self._steps

    @property
    def branches(self) -> tuple[Branch, ...]:
        """All branches, oldest first. The one that is being written has its steps in `steps` until it ends."""
        return tuple(self._branches.values())

    @property
    def branch(self) -> Branch | None:
        """The branch that is looked at, with all its steps so far."""
        if self._key is None:
            return None
        branch = self._branches[self._key]
        return branch if len(branch.steps) == len(self._steps) else replace(branch, steps=tuple(self._steps))

    @property
    def start(self) -> Start | None:
        """What the steps start from, or would."""
        if self._key is not None:
            return self._branches[self._key].start
        if self._scored is not None:
            return self._scored
        return Start(self.encoding) if self.encoding is not None else None

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The loaded model's checkpoint."""
        return self.model.checkpoint if self.model else None

    def add_model(self, model: LoadedModel) -> None:
        """Keep a model in memory beside the others, for no part yet."""
        if model not in self.models:
            self.models = (*self.models, model)
            self.models_changed.emit()

    def drop_model(self, model: LoadedModel) -> None:
        """Give a model up, whatever its part is."""
        if model is self.model:
            self.set_model(None)
        if model is self.second:
            self.set_second(None)
        if model in self.models:
            self.models = tuple(each for each in self.models if each is not model)
            self.models_changed.emit()

    def set_model(self, model: LoadedModel | None) -> None:
        """Let the panes use another model; what an older one wrote stays among the branches.

        One of `models` leaves the older one in memory. A new one takes its place there, and None gives it up, unless
        it is the second one too.
        """
        if model is self.model:
            return
        before, self.model = self.model, model
        self._place(before, model)
        self._model_vocabulary = None
        self.set_encoding(None)
        self.vocabulary = self._own_vocabulary()
        self.model_changed.emit()
        self.models_changed.emit()

    def set_second(self, model: LoadedModel | None) -> None:
        """Take another second model; what becomes of the older one is as with `set_model`."""
        if model is self.second:
            return
        before, self.second = self.second, model
        self._place(before, model)
        self.second_changed.emit()
        self.models_changed.emit()

    def swap(self) -> None:
        """Let the first and the second model change places."""
        first, second = self.model, self.second
        self.set_model(second)
        self.set_second(first)

    def _place(self, before: LoadedModel | None, model: LoadedModel | None) -> None:
        """Keep `models` in step with what has just become a part of the window."""
        if model is not None and model in self.models:
            return
        gone = before if before is not None and before not in (self.model, self.second) else None
        kept = tuple(each for each in self.models if each is not gone)
        self.models = kept if model is None else (*kept, model)

    def set_prompt(self, prompt: str) -> None:
        """Take the shared plain text."""
        if prompt == self.prompt:
            return
        self.prompt = prompt
        self.prompt_changed.emit()

    def set_encoding(self, encoding: Encoding | None) -> None:
        """Take what goes into the model; branches that followed another input are no longer looked at."""
        if encoding == self.encoding:
            return
        self._leave()
        if self._scored is not None and self._scored.encoding != encoding:
            self._scored = None
        self.encoding = encoding
        self.vocabulary = self._own_vocabulary()
        self.set_next_logits(None)
        self._show_steps([])
        self.encoding_changed.emit()

    def set_start(self, start: Start) -> None:
        """Take what goes into the model, its pictures and the decoder's start included, before it is scored."""
        self._scored = start
        self.set_encoding(start.encoding)

    def clear_steps(self) -> None:
        """Look at ``encoding`` alone; the branches stay."""
        if self._leave():
            self.branches_changed.emit()
        self._show_steps([])

    def set_next_logits(self, logits: Logits | None) -> None:
        """Take the scores of the token after ``encoding``, which nothing has been chosen from yet."""
        if logits is self.next_logits:
            return
        self.next_logits = logits
        self.next_logits_changed.emit()

    # Branches.

    def begin(
        self,
        start: Start,
        *,
        name: str = "",
        parent: int | None = None,
        steps: Sequence[Step] = (),
        messages: Sequence[Message] = (),
        show: bool = True,
    ) -> int:
        """Begin a branch with the model, the strategy and the steps given; further ones come by `add_step`.

        Args:
            start: What the run starts from.
            name: As people see it; a plain one is given when empty.
            parent: Key of the branch it grows out of.
            steps: Those it shares with its parent, with the one that was forced.
            messages: The chat that the prompt was made from.
            show: Look at it; otherwise it only joins the others.

        Returns:
            Its key.
        """
        self._last_key += 1
        key = self._last_key
        checkpoint = self.checkpoint.name if self.checkpoint else ""
        name = name or (f"branch {key}" if parent is not None else f"run {key}")
        self._branches[key] = Branch(
            key, name, parent, start, tuple(steps), self.strategy, checkpoint, messages=tuple(messages)
        )
        self._vocabularies[key] = self._own_vocabulary()
        if show:
            self.walk(key)
        else:
            self.branches_changed.emit()
        return key

    def end(
        self, key: int, reason: str, *, steps: Sequence[Step] | None = None, beams: Sequence[BeamStep] = ()
    ) -> None:
        """Note why a branch ended; one that is not looked at takes its steps now."""
        branch = self._branches.get(key)
        if branch is None:
            return
        mine = self._steps if key == self._key else branch.steps
        self._branches[key] = replace(
            branch, steps=tuple(mine if steps is None else steps), reason=reason, beams=tuple(beams) or branch.beams
        )
        if key == self._key and steps is not None:
            self._show_steps(list(steps))
        self._drop_logits()
        self.branches_changed.emit()

    def adopt(self, branches: Sequence[Branch], vocabulary: Vocabulary | None) -> None:
        """Take branches from a session file, under keys of their own, and look at the last one."""
        keys: dict[int, int] = {}
        for branch in branches:
            self._last_key += 1
            keys[branch.key] = self._last_key
            parent = keys.get(branch.parent) if branch.parent is not None else None
            self._branches[self._last_key] = replace(branch, key=self._last_key, parent=parent)
            self._vocabularies[self._last_key] = vocabulary
        if branches:
            self.walk(self._last_key)

    def walk(self, key: int) -> None:
        """Look at a branch: its prompt becomes ``encoding``, its tokens become ``steps``.

        Raises:
            KeyError: There is no such branch.
        """
        branch = self._branches[key]
        if key == self._key:
            return
        self._leave()
        another = branch.start.encoding != self.encoding
        self.encoding = branch.start.encoding
        self.vocabulary = self._vocabularies[key]
        self.set_next_logits(None)
        self._key = key
        self._show_steps(list(branch.steps))
        self._drop_logits()
        if another:
            self.encoding_changed.emit()
        self.branches_changed.emit()

    def rename(self, key: int, name: str) -> None:
        """Name a branch; an empty name changes nothing."""
        branch = self._branches[key]
        if name.strip() and name != branch.name:
            self._branches[key] = replace(branch, name=name.strip())
            self.branches_changed.emit()

    def prune(self, key: int) -> None:
        """Drop a branch and all that grew out of it; when it was looked at, its parent is looked at instead."""
        gone = {key}
        for branch in self._branches.values():
            if branch.parent in gone:
                gone.add(branch.key)
        parent = self._branches[key].parent
        looked_at = self._key in gone
        if looked_at:
            self._key = None
        for each in gone:
            del self._branches[each], self._vocabularies[each]
        self._bytes = self._measure()
        if looked_at and parent is not None:
            self.walk(parent)
            return
        if looked_at:
            self._show_steps([])
        self.branches_changed.emit()

    def add_step(self, step: Step) -> None:
        """Take one more generated token of the branch that is looked at."""
        self.set_next_logits(None)
        if self._key is None and self.encoding is not None:
            self.begin(Start(self.encoding))
        self._steps.append(step)
        self._bytes += _weight(step)
        if self._bytes > LOGITS_BUDGET:
            self._drop_logits()
        self.step_added.emit(step)

    @property
    def logits_kept(self) -> tuple[int, int]:
        """How many steps of the branch that is looked at still have their logits, and the bytes of all branches'."""
        return sum(step.logits is not None for step in self._steps), self._bytes

    def _leave(self) -> bool:
        """Put the steps of the branch that was looked at back into it."""
        if self._key is None:
            return False
        branch = self._branches[self._key]
        self._branches[self._key] = replace(branch, steps=tuple(self._steps))
        self._key = None
        return True

    def _show_steps(self, steps: list[Step]) -> None:
        had = bool(self._steps)
        self._steps = steps
        self._bytes = self._measure()
        self.set_selection(None)
        if had or steps:
            self.steps_reset.emit()

    def _own_vocabulary(self) -> Vocabulary | None:
        model = self.model
        if model is None or model.tokenizer is None:
            return None
        if self._model_vocabulary is None:
            self._model_vocabulary = Vocabulary(model.tokenizer)
        return self._model_vocabulary

    def _measure(self) -> int:
        """Bytes of all logits that are kept; branches share steps, and what is shared counts once."""
        kept = {id(step.logits): _weight(step) for step in self._steps}
        for branch in self._branches.values():
            if branch.key != self._key:
                kept |= {id(step.logits): _weight(step) for step in branch.steps}
        kept.pop(id(None), None)
        return sum(kept.values())

    def _drop_logits(self) -> None:
        """Keep within the budget, by the policy that stands beside it."""
        self._bytes = self._measure()
        if self._bytes <= LOGITS_BUDGET:
            return
        # An eighth more than needed goes at once, so that this is not gone through again at every step.
        spare = LOGITS_BUDGET - LOGITS_BUDGET // 8
        mine = {id(step.logits) for step in self._steps}
        gone: set[int] = set()
        others = [branch.steps for branch in self._branches.values() if branch.key != self._key]
        for steps in (*others, self._steps):
            for step in steps:
                spared = steps is not self._steps and id(step.logits) in mine
                if self._bytes <= spare or step.logits is None or spared or id(step.logits) in gone:
                    continue
                gone.add(id(step.logits))
                self._bytes -= _weight(step)
        for key, branch in self._branches.items():
            if any(id(step.logits) in gone for step in branch.steps):
                self._branches[key] = replace(branch, steps=tuple(_without(step, gone) for step in branch.steps))
        self._steps[:] = [_without(step, gone) for step in self._steps]

    def set_selection(self, position: int | None) -> None:
        """Select a position of ``encoding`` followed by ``steps``."""
        if position is not None:
            length = (len(self.encoding.tokens) if self.encoding else 0) + len(self._steps)
            if not 0 <= position < length:
                return
        if position == self.selection:
            return
        self.selection = position
        self.selection_changed.emit()

    @property
    def selected_step(self) -> Step | None:
        """The selected generated token, or None when a prompt position or nothing is selected."""
        if self.selection is None:
            return None
        index = self.selection - (len(self.encoding.tokens) if self.encoding else 0)
        return self._steps[index] if 0 <= index < len(self._steps) else None

    def set_sampling(self, sampling: Sampling) -> None:
        """Take the knobs."""
        if sampling == self.sampling:
            return
        self.sampling = sampling
        self.sampling_changed.emit()

    def set_strategy(self, strategy: Strategy) -> None:
        """Take what stands for the next run."""
        if strategy == self.strategy:
            return
        self.strategy = strategy
        self.strategy_changed.emit()

    def set_offline(self, offline: bool) -> None:
        """Switch the network off or on."""
        if offline == self.offline:
            return
        self.offline = offline
        self.offline_changed.emit()


def _weight(step: Step) -> int:
    return sum(logits.nbytes for logits in (step.logits, step.guided) if logits is not None)


def _without(step: Step, gone: set[int]) -> Step:
    return replace(step, logits=None, guided=None) if id(step.logits) in gone else step
