"""The knobs of generate(), in step with the session: always at hand the usual ones, folded away the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from workbench.engine.errors import InputError
from workbench.engine.generate.elsewhere import ELSEWHERE
from workbench.engine.generate.strategies import EXCLUDED, LEFT, MOVED, conflicts, supports
from workbench.engine.presets import of_checkpoint
from workbench.engine.sampling import check
from workbench.engine.values import Sampling, Strategy
from workbench.panes.playground.knobs import (
    Control,
    Form,
    Reason,
    encoder_knobs,
    is_off,
    more_sampling,
    repetition_and_length,
    usual_knobs,
)
from workbench.panes.playground.presets import PresetBar
from workbench.panes.playground.strategy_form import strategy_controls, strategy_reasons
from workbench.panes.playground.watermark import WatermarkControl
from workbench.panes.playground.words import Lines, Reader, word_knobs
from workbench.runtime.presets import Presets
from workbench.widgets import theme
from workbench.widgets.foldable import Foldable
from workbench.widgets.naming import named
from workbench.widgets.theme import px, set_role

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel


class Controls(QWidget):
    """One control for each field of `Sampling` and of `Strategy`, and the presets.

    Args:
        presets: The saved presets; those of the person's data folder when None.

    Attributes:
        tint: Whether the output is tinted.

    Signals:
        sampling_edited(Sampling), strategy_edited(Strategy): The person moved a control, or chose a preset.
    """

    sampling_edited = Signal(object)
    strategy_edited = Signal(object)

    def __init__(self, presets: Presets | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._offers: Mapping[str, str] = {}
        self._vocabulary: int | None = None
        self._refused = ""
        self._taken = Sampling()
        usual, strategy = usual_knobs(), strategy_controls()
        folds = {
            "more": more_sampling(),
            "repetition": repetition_and_length(),
            "words": word_knobs(),
            "encoder": encoder_knobs(),
            "watermark": [WatermarkControl()],
        }
        self._sampling: Form[Sampling] = Form(Sampling(), [*usual, *chain(*folds.values())], self)
        self._strategy: Form[Strategy] = Form(Strategy(), strategy, self)
        self._groups = [
            _Group("", "", usual),
            _Group("more", "More sampling", folds["more"]),
            _Group("repetition", "Repetition and length", folds["repetition"]),
            _Group("words", "Words", folds["words"]),
            _Group("encoder", "Encoder", folds["encoder"]),
            _Group("watermark", "Watermark", folds["watermark"]),
            _Group("strategy", "Strategy", strategy),
        ]
        self._ends = next(control.editor for control in strategy if control.field == "eos_token_ids")
        self._bar = PresetBar(presets or Presets(parent=self))
        self._area = QScrollArea()
        self.tint = named(
            QCheckBox("Tint by surprise"),
            "playground.tint",
            "Tint by surprise",
            "The stronger the tint, the less probable the token was before the knobs acted; full at 10 bits (1/1,024)",
        )
        self.tint.setChecked(True)
        self._lay_out()

        self._sampling.edited.connect(self._on_sampling)
        self._strategy.edited.connect(self._on_strategy)
        self._bar.chosen.connect(self._on_preset)
        self._show_what_acts()

    def show_sampling(self, sampling: Sampling) -> None:
        """Show where the knobs stand, without announcing it."""
        # What was refused may still be typed at, while the session holds what stood before it.
        if sampling == self._taken:
            return
        self._taken, self._refused = sampling, ""
        self._sampling.show_value(sampling)
        self._show_what_acts()

    def show_strategy(self, strategy: Strategy) -> None:
        """Show what stands for a run, without announcing it."""
        if strategy != self._strategy.value:
            self._strategy.show_value(strategy)
            self._show_what_acts()

    def show_model(self, model: LoadedModel | None, second: LoadedModel | None = None) -> None:
        """Offer what a loaded model (and a second one) supports, and read typed words with its tokenizer.

        Words that are ids of another checkpoint's become this one's, and that is announced. A model that writes no text
        is as good as none.
        """
        if model is not None and not model.generates:
            model = None
        self._offers = supports(model, second) if model is not None else {}
        self._bar.show_own(of_checkpoint(model) if model is not None else None)
        self._vocabulary = model.model.config.get_text_config(decoder=True).vocab_size if model is not None else None
        if model is not None:
            reader = Reader(model.tokenizer, self._vocabulary)
            self._ends.setPlaceholderText(_own_ends(model, reader))
            for control in (*self._sampling.controls.values(), *self._strategy.controls.values()):
                if isinstance(control, Lines):
                    control.show_reader(reader)
        self._show_what_acts()

    def minimumSizeHint(self) -> QSize:
        """As wide as the knobs need, so that they are only ever scrolled down."""
        content: QWidget | None = self._area.widget()
        width = content.minimumSizeHint().width() if content is not None else 0
        return QSize(width + self._area.verticalScrollBar().sizeHint().width(), px(self, 160))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "_column"):
            self._space()

    def _lay_out(self) -> None:
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = QWidget()
        self._column = QVBoxLayout(content)
        for group in self._groups:
            self._column.addWidget(group)
        self._column.addWidget(_without_control())
        self._note = QLabel("Knobs act on the next token, while text comes, and on the distribution at once.")
        self._note.setWordWrap(True)
        set_role(self._note, "muted")
        self._column.addWidget(self._note)
        self._column.addWidget(self.tint)
        self._column.addStretch(1)
        self._area.setWidget(content)
        self._outside = QVBoxLayout(self)
        self._outside.addWidget(self._bar)
        self._outside.addWidget(self._area, 1)
        self._space()

    def _space(self) -> None:
        self._column.setContentsMargins(px(self, 4), 0, px(self, 8), 0)
        self._column.setSpacing(px(self, 4))
        self._outside.setContentsMargins(0, 0, 0, 0)
        self._outside.setSpacing(px(self, 8))

    def _on_sampling(self) -> None:
        sampling = self._sampling.value
        try:
            check(sampling, self._vocabulary)
        except InputError as error:
            self._refused = f"Not taken: {error}"
        else:
            self._refused = ""
        self._show_what_acts()
        if not self._refused:
            self._taken = sampling
            self.sampling_edited.emit(sampling)

    def _on_strategy(self) -> None:
        self._show_what_acts()
        self.strategy_edited.emit(self._strategy.value)

    def _on_preset(self, sampling: Sampling, strategy: Strategy) -> None:
        self._sampling.show_value(sampling)
        self._strategy.show_value(strategy)
        self._taken, self._refused = sampling, ""
        self._show_what_acts()
        self.sampling_edited.emit(sampling)
        self.strategy_edited.emit(strategy)

    def _show_what_acts(self) -> None:
        sampling, strategy = self._sampling.value, self._strategy.value
        knobs, clashes = self._sampling.controls, conflicts(sampling, strategy)
        reasons = {field: Reason(clashes[field], inert=field not in EXCLUDED) for field in knobs if field in clashes}
        reasons |= {field: Reason(self._offers[field]) for field in knobs if self._offers.get(field)}
        reasons |= strategy_reasons(sampling, strategy, self._offers)
        for group in self._groups:
            group.show_what_acts(sampling if group.key != "strategy" else strategy, reasons, self._refused)
        self._bar.show_knobs(sampling, strategy)


class _Group(QWidget):
    """Controls that stand together, foldable under a title, with what is to be said about them.

    Args:
        key: Last part of the heading's object name, ``playground.fold_<key>``.
        title: Of the heading; empty for one that is always open.
        controls: In their order.
    """

    def __init__(self, key: str, title: str, controls: Sequence[Control]) -> None:
        super().__init__()
        self.key, self._controls = key, controls
        self._said = QLabel()
        self._said.setWordWrap(True)
        set_role(self._said, "muted")
        self._said.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(px(self, 8))
        self._fold = None
        inside = column
        if title:
            names = ", ".join(control.field for control in controls)
            self._fold = Foldable(f"playground.fold_{key}", title, f"Opens and closes: {names}")
            column.addWidget(self._fold)
            inside = self._fold.body
        for control in controls:
            inside.addWidget(control)
        inside.addWidget(self._said)

    def show_what_acts(self, value: Sampling | Strategy, reasons: Mapping[str, Reason], refused: str) -> None:
        """Enable what can act, say why the others can't, and count those that do.

        Args:
            value: What the controls show.
            reasons: By field, why it does not act.
            refused: Why what was typed can't be taken; said where words are.
        """
        said: dict[str, list[str]] = {}
        acting = 0
        for control in self._controls:
            reason, off = reasons.get(control.field), is_off(value, control.field)
            if reason is None:
                control.tell("", True)
                acting += not off
                continue
            control.tell(reason.sentence, not reason.inert and not off)
            if reason.told:
                said.setdefault(reason.sentence, []).append(control.label)
        sentences = [f"{', '.join(labels)}: {sentence[:1].lower()}{sentence[1:]}" for sentence, labels in said.items()]
        if refused and self.key == "words":
            sentences.append(refused)
        if self.key == "strategy":
            sentences.append(f"Not here: {', '.join(MOVED.values())}. {LEFT}")
        self._said.setText("\n".join(sentences))
        self._said.setVisible(bool(sentences))
        if self._fold is not None:
            self._fold.set_note(f"{acting} on" if acting else "")


def _without_control() -> Foldable:
    """The settings of generate() that are not here, and where they are instead."""
    names: dict[str, list[str]] = {}
    for name, sentence in ELSEWHERE.items():
        names.setdefault(sentence, []).append(name)
    said = QLabel("\n\n".join(f"{', '.join(each)}: {sentence}" for sentence, each in names.items()))
    said.setWordWrap(True)
    set_role(said, "muted")
    fold = Foldable(
        "playground.fold_elsewhere", "Without a control", "Settings of generate() that are not here, and why"
    )
    fold.body.addWidget(said)
    return fold


def _own_ends(model: LoadedModel, reader: Reader) -> str:
    """What ends a run when nothing else is said."""
    config = model.model.generation_config
    own = config.eos_token_id if config is not None else None
    ids = own if isinstance(own, list) else [] if own is None else [own]
    return "\n".join(f"the checkpoint's own: {reader.spell((each,))} {each}" for each in ids) or "none of its own"
