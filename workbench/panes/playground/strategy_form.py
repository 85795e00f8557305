"""Controls for what stands for a whole run, and why one of them can't be had."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QLabel

from workbench.engine.generate import strategies
from workbench.engine.values import Sampling, Strategy
from workbench.panes.playground.knobs import Choice, Control, Number, Reason, Switch, is_off
from workbench.panes.playground.words import Tokens
from workbench.widgets import theme
from workbench.widgets.exact_text import ExactTextEdit
from workbench.widgets.naming import named
from workbench.widgets.theme import px
from workbench.widgets.visible_text import drawable

#: Which way of generating, as `strategies.supports` names it, a field belongs to.
_WAYS = {"num_beams": "beams", "num_return_sequences": "sequences", "prompt_lookup_num_tokens": "prompt_lookup",
         "assisted": "assisted", "assistant_early_exit": "early_exit", "use_mtp": "mtp", "token_healing": "healing",
         "guidance_scale": "guidance", "threads": "threads", "compiled": "compiled"}  # fmt: skip
#: Fields that do nothing while others are all off.
_NEEDS = {
    "length_penalty": (("num_beams",), "It acts with beams: set num_beams above 1."),
    "early_stopping": (("num_beams",), "It acts with beams: set num_beams above 1."),
    "num_assistant_tokens": (
        ("assisted", "assistant_early_exit"),
        "It acts with guesses by a model: switch assisted on, or set assistant_early_exit.",
    ),
    "negative_prompt": (("guidance_scale",), "It acts with guidance: move guidance_scale away from 1."),
}


class Text(Control):
    """A text of any length.

    Args:
        field: As for `Control`.
        label: What it is called.
        tip: As for `Control`.
        hint: Shown while it is empty.
    """

    def __init__(self, field: str, label: str, tip: str, hint: str) -> None:
        super().__init__(field, f"{tip}. In transformers: {field}", label)
        title = QLabel(label)
        title.setToolTip(self.tip)
        self.editor = named(ExactTextEdit(), f"playground.{field}", label, self.tip)
        self.editor.setPlaceholderText(hint)
        title.setBuddy(self.editor)
        self.column.addWidget(title)
        self.column.addWidget(self.editor)
        self.setFocusProxy(self.editor)
        self._fit()
        self.editor.textChanged.connect(self.edited)
        self.editor.textChanged.connect(self._fit)

    def read(self) -> object:
        """The text."""
        return self.editor.text()

    def show_value(self, value: str) -> None:
        """Show a text."""
        if value != self.read():
            self.editor.set_text(drawable(value))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the zoom."""
        super().changeEvent(event)
        if event.type() in theme.CHANGES and hasattr(self, "editor"):
            self._fit()

    def _fit(self) -> None:
        lines = min(6, max(2, self.editor.blockCount()))
        self.editor.setFixedHeight(lines * self.editor.fontMetrics().lineSpacing() + px(self, 20))


class Strings(Text):
    r"""Strings, one a line; a line break inside one is written ``\n``."""

    def read(self) -> tuple[str, ...]:
        """The strings, each once, in their order."""
        lines = self.editor.text().split("\n")
        return tuple(dict.fromkeys(_unescape(line) for line in lines if line))

    def show_value(self, value: tuple[str, ...]) -> None:
        """Show strings; the lines stay as they were typed while they say the same."""
        if value != self.read():
            self.editor.set_text(drawable("\n".join(_escape(each) for each in value)))


def strategy_controls() -> list[Control]:
    """One for each field of `Strategy`."""
    return [
        Number("num_beams", 1, 16, 1, off=1,
               tip="Sequences kept side by side by beam search, the likeliest as a whole winning; usually 2 to 8"),
        Number("length_penalty", -4.0, 4.0, 1.0, step=0.1, decimals=2,
               tip="Exponent of the length that beam scores are divided by: above 0 favours long sequences, below 0 "
               "short ones; usually 0.6 to 2"),
        Choice("early_stopping", {False: "when no better is likely", True: "when enough are complete",
                                  "never": "when no better is possible"},
               "When beam search ends; in transformers: False, True and never"),
        Number("num_return_sequences", 1, 8, 1, off=1, tip="Sequences to write, shown side by side; usually 2 to 4"),
        Number("prompt_lookup_num_tokens", 0, 32, 0, off=0,
               tip="Guesses as many tokens ahead by looking them up in the text so far; the text stays the same (in "
               "half precision, but for rounding) and comes faster where it repeats the prompt; usually 3 to 10"),
        Switch("assisted", "Lets the second checkpoint, a smaller one, guess tokens ahead; in transformers: "
               "assistant_model"),
        Number("assistant_early_exit", 0, 64, 0, off=0,
               tip="Lets the model's own layers up to this one guess tokens ahead, and the whole model check them: the "
               "same text (in half precision, but for rounding), faster with checkpoints trained to leave off early; "
               "usually a quarter of the layers"),
        Number("num_assistant_tokens", 1, 64, 20,
               tip="Tokens that the second checkpoint, or the lower layers, guess at a time; usually 5 to 20"),
        Switch("use_mtp", "Lets the checkpoint's layers for multi-token prediction guess tokens ahead"),
        Switch("token_healing", "Lets the last token of a plain prompt become a longer one that begins like it, as the "
               "model likes best: for prompts that end within a word or a link. A chat is left as it is"),
        Number("guidance_scale", 0.0, 10.0, 1.0, step=0.1, decimals=2, off=1.0,
               tip="Classifier-free guidance: how much the prompt counts against the negative prompt; the model runs "
               "twice for each token; usually 1.2 to 3"),
        Text("negative_prompt", "Negative prompt", "What guidance leads away from; empty means no prompt at all",
             "What to lead away from"),
        Strings("stop_strings", "Stop strings", r"The run ends when the new text holds one of them. One a line; \n "
                r"stands for a line break, \\ for a backslash", r"\n\n"),
        Tokens("eos_token_ids", "End tokens", "Single tokens that end the run, instead of the checkpoint's own",
               "the checkpoint's own", empty=None),
        Number("tokens_per_second", 0.0, 50.0, 0.0, step=1, decimals=1, off=0.0,
               tip="Writes no faster than this, for the projector; usually 2 to 10"),
        Number("threads", 0, max(2, os.cpu_count() or 1), 0, off=0,
               tip="CPU threads that share the model's work; the text is the same with any number. Off leaves it to "
               "torch, which takes one a core: usually the fastest, but for tiny models and a machine that is busy"),
        Switch("compiled", "Runs the model as code that torch.compile builds for this machine, over a static cache: "
               "the same text, a little faster. The first run waits for the building, half a minute or more, and so "
               "does Stop; worth it for long texts alone"),
    ]  # fmt: skip


def strategy_reasons(sampling: Sampling, strategy: Strategy, offers: Mapping[str, str]) -> dict[str, Reason]:
    """Why controls of the strategy don't act, or would not.

    Args:
        sampling: The knobs.
        strategy: What stands for a run.
        offers: Of the loaded model, as `strategies.supports` gives it; empty without one.
    """
    reasons: dict[str, Reason] = {}
    now = strategies.conflicts(sampling, strategy)
    for field, way in _WAYS.items():
        clashes = now
        if is_off(strategy, field):
            then = strategies.conflicts(sampling, _switched_on(strategy, field))
            clashes = {name: then[name] for name in strategies.EXCLUDED if name in then and name not in now}
        why = offers.get(way) or clashes.get(way)
        if not why and is_off(strategy, field):
            why = next(iter(clashes.values()), "")
        if why:
            reasons[field] = Reason(why)
    for field, (others, sentence) in _NEEDS.items():
        if all(is_off(strategy, other) for other in others):
            reasons[field] = Reason(sentence, inert=True, told=False)
    return reasons


def _switched_on(strategy: Strategy, field: str) -> Strategy:
    if field == "num_beams":
        return replace(strategy, num_beams=max(2, strategy.num_return_sequences))
    on = {
        "num_return_sequences": 2,
        "prompt_lookup_num_tokens": 1,
        "assisted": True,
        "assistant_early_exit": 1,
        "use_mtp": True,
        "token_healing": True,
        "guidance_scale": 2.0,
        "threads": 1,
        "compiled": True,
    }
    return replace(strategy, **{field: on[field]})


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _unescape(text: str) -> str:
    signs = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\([ntr\\])", lambda match: signs[match[1]], text)
