"""The state of the window: what is loaded, what was asked, what came out, what is selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from workbench.engine.values import Checkpoint, Encoding, Logits, Sampling, Step

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: Bytes of raw logits kept for the steps of one generation; the oldest are dropped first.
LOGITS_BUDGET = 128 * 2**20


class Session(QObject):
    """Frozen values of the UI thread.

    ``set_x`` returns early when nothing changes, drops what no longer holds, and then announces.

    Attributes:
        model: The loaded model with its tokenizer, or None.
        prompt: The plain text that Tokenizer and Playground share.
        encoding: What went (or would go) into the model last, or None.
        steps: The tokens generated after ``encoding``.
        next_logits: What was scored as the token after ``encoding`` while there are no steps, or None.
        selection: A position in ``encoding`` followed by ``steps``, or None.
        sampling: The knobs.
        offline: Whether the network is switched off.

    Signals:
        model_changed(), prompt_changed(), encoding_changed(), steps_reset(), step_added(Step), next_logits_changed(),
        selection_changed(), sampling_changed(), offline_changed(): After the value of that name changed.
        local_changed(): What lies on this machine (cache, starters, runs) may have changed.
    """

    model_changed = Signal()
    prompt_changed = Signal()
    encoding_changed = Signal()
    steps_reset = Signal()
    step_added = Signal(object)
    next_logits_changed = Signal()
    selection_changed = Signal()
    sampling_changed = Signal()
    offline_changed = Signal()
    local_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model: LoadedModel | None = None
        self.prompt = ""
        self.encoding: Encoding | None = None
        self.next_logits: Logits | None = None
        self.selection: int | None = None
        self.sampling = Sampling()
        self.offline = False
        self._steps: list[Step] = []
        self._logits_bytes = 0
        self._oldest_with_logits = 0

    @property
    def steps(self) -> Sequence[Step]:
        """The generated steps, oldest first; not to be changed."""
        return self._steps

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The loaded model's checkpoint."""
        return self.model.checkpoint if self.model else None

    def set_model(self, model: LoadedModel | None) -> None:
        """Take a loaded model (or none); what an older one computed is dropped."""
        if model is self.model:
            return
        self.model = model
        self.set_encoding(None)
        self.model_changed.emit()

    def set_prompt(self, prompt: str) -> None:
        """Take the shared plain text."""
        if prompt == self.prompt:
            return
        self.prompt = prompt
        self.prompt_changed.emit()

    def set_encoding(self, encoding: Encoding | None) -> None:
        """Take what goes into the model; steps that followed another input are dropped."""
        if encoding == self.encoding:
            return
        self.encoding = encoding
        self.set_next_logits(None)
        self.clear_steps()
        self.encoding_changed.emit()

    def clear_steps(self) -> None:
        """Drop all generated steps."""
        had = bool(self._steps)
        self._steps = []
        self._logits_bytes = 0
        self._oldest_with_logits = 0
        self.set_selection(None)
        if had:
            self.steps_reset.emit()

    def set_next_logits(self, logits: Logits | None) -> None:
        """Take the scores of the token after ``encoding``, which nothing has been chosen from yet."""
        if logits is self.next_logits:
            return
        self.next_logits = logits
        self.next_logits_changed.emit()

    def add_step(self, step: Step) -> None:
        """Take one more generated token; the oldest logits go when the budget is full."""
        self.set_next_logits(None)
        self._steps.append(step)
        self._logits_bytes += step.logits.nbytes if step.logits else 0
        while self._logits_bytes > LOGITS_BUDGET:
            oldest = self._steps[self._oldest_with_logits]
            self._logits_bytes -= oldest.logits.nbytes if oldest.logits else 0
            self._steps[self._oldest_with_logits] = replace(oldest, logits=None)
            self._oldest_with_logits += 1
        self.step_added.emit(step)

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

    def set_offline(self, offline: bool) -> None:
        """Switch the network off or on."""
        if offline == self.offline:
            return
        self.offline = offline
        self.offline_changed.emit()
