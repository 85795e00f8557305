"""A gallery of all widgets: ``python -m workbench.widgets [--dark] [--zoom 1.5] [--contrast] [--save PICTURE.png]``."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from workbench.widgets import icons, theme
from workbench.widgets.bar_chart import LabelBars
from workbench.widgets.beam_view import BeamRow, BeamView
from workbench.widgets.branch_tree import BranchRow, BranchTree
from workbench.widgets.chat_view import ChatView
from workbench.widgets.data_table import DataTable
from workbench.widgets.entity_text import EntityText, Span
from workbench.widgets.flow_strip import FlowStrip
from workbench.widgets.knob import Knob
from workbench.widgets.line_plot import LinePlot
from workbench.widgets.naming import named
from workbench.widgets.pane_frame import PaneFrame
from workbench.widgets.probability_table import ProbabilityTable, format_percent
from workbench.widgets.quiet import QuietComboBox, QuietSpinBox
from workbench.widgets.tensor_grid import TensorGrid
from workbench.widgets.token_strip import Chip, TokenStrip
from workbench.widgets.trace_bar import Stage, TraceBar
from workbench.widgets.turn_view import Passage, ShownTurn

_CODE = """from transformers import AutoTokenizer

# The same ids as in the pane.
tokenizer = AutoTokenizer.from_pretrained("SmolLM2-135M-Instruct")
print(tokenizer("The quick brown fox", add_special_tokens=True)["input_ids"], 0.7)
"""


@dataclass(frozen=True)
class _Row:
    id: int
    text: str
    rank: int
    logit: float
    probability: float
    after: float
    cut_by: str | None
    scores: tuple[float, ...] = ()
    why: str = ""


def _chips(strength: bool) -> list[Chip]:
    text = "<|im_start|>/user/\n/The/ quick/ brown/ fox/ jumps/ over/\t/  /你好/ 世界/🙂/ שלום/ Über/matik/./\n"
    pieces = [*text.split("/"), "<|im_end|>", "<pad>"]
    return [
        Chip(
            piece,
            special=piece.startswith("<"),
            strength=(0.5 + 0.5 * math.sin(number)) if strength and not piece.startswith("<") else None,
            tip=f"token {number}",
            muted=piece == "<pad>",
        )
        for number, piece in enumerate(pieces)
    ]


def _tokens() -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    for strength in (False, True):
        strip = named(TokenStrip(), f"gallery.chips_{strength}", "Chips")
        strip.set_tokens(_chips(strength))
        strip.set_selected(5)
        column.addWidget(strip)
    table = DataTable()
    rows = [(n, piece.text, 300 * n, 1 / (n + 1), piece.special) for n, piece in enumerate(_chips(False))]
    table.set_rows(("#", "token", "id", "share", "special"), rows)
    table.select_row(2)
    column.addWidget(table, 1)
    tree = named(BranchTree(), "gallery.branches", "Branches")
    fox = ("a", "The quick brown fox")
    tree.set_rows(
        [
            BranchRow(1, *fox, None, "run 1", None, "", 128, "max_new_tokens"),
            BranchRow(2, *fox, 1, "leaps", 1, " leaps", 34, "end token"),
            BranchRow(3, *fox, 2, "⏎", 12, "\n", 60, "stopped"),
            BranchRow(4, "b", "Once upon a time", None, "run 4", None, "", 7, "writing…"),
        ],
        current=2,
    )
    column.addWidget(tree, 1)
    return page


def _numbers() -> QWidget:
    page = QWidget()
    grid = QGridLayout(page)
    table = ProbabilityTable()
    shares = [0.713, 0.129, 0.06, 0.02, 0.0004, 0.00003]
    table.set_candidates(
        [
            _Row(4000 + n, text, n + 1, 18.2 - n, p, p / 0.9, None, (26.0 - n / 0.7,) * 2)
            if n < 3
            else _Row(
                4000 + n, text, n + 1, 18.2 - n, p, 0.0, "top_p", (26.0 - n / 0.7, -math.inf), "90.2 % stand above"
            )
            for n, (text, p) in enumerate(zip((" jumps", " leaps", " runs", " hops", "\n", " 跳"), shares, strict=True))
        ],
        ("temperature", "top_p"),
    )
    table.set_chosen(4001)
    table.select_row(2)
    funnel = named(TraceBar(), "gallery.funnel", "What each knob removed")
    funnel.set_stages(
        [
            Stage("all", "49,152 · 2.70 bits", 1.0),
            Stage("temperature", "reshapes", 1.0),
            Stage("top_p", "−49,149 · 9.80 %", 0.902, "−49,152 · > 99.99 %"),
            Stage("kept", "3 · 1.10 bits", 0.902),
        ]
    )
    grid.addWidget(funnel, 0, 0, 1, 2)
    grid.addWidget(table, 1, 0, 1, 2)
    bars = LabelBars()
    bars.set_bars([(label, score, format_percent(score)) for label, score in (("POSITIVE", 0.98), ("NEGATIVE", 0.02))])
    grid.addWidget(bars, 2, 0)
    entities = EntityText()
    text = "Hugging Face is a company based in New York City."
    entities.set_spans(text, [Span(0, 12, "ORG"), Span(35, 48, "LOC"), Span(35, 43, "GPE")])
    grid.addWidget(entities, 2, 1)
    tensor = TensorGrid("gallery.tensor")
    tensor.set_tensor("logits", "float32", np.random.default_rng(0).normal(size=(2, 12, 49152)).astype(np.float32))
    grid.addWidget(tensor, 3, 0, 1, 2)
    return page


_ANSWER = """It **jumps** over `lazy` dogs, see [the story](https://example.org/fox):

```python
fox.jump(over=dog)  # 1.2 m
```

| animal | speed |
|---|---|
| fox | 50 km/h |
| dog | 30 km/h |
"""


def _chat() -> QWidget:
    view = named(ChatView("gallery.chat"), "gallery.chat", "Conversation")
    asked = "What does the <b>quick</b> brown fox do?"
    view.set_turns(
        [
            ShownTurn(
                1, "You", True, asked, (Passage("plain", asked),), 2, 3, "edited by you", ("edit", "copy", "delete")
            ),
            ShownTurn(
                2,
                "Assistant",
                False,
                _ANSWER,
                (Passage("thinking", "A fox. It *jumps*.", 34), Passage("markdown", _ANSWER)),
                1,
                2,
                "128 tokens · seed 6",
                ("regenerate", "edit", "tokens", "copy", "delete"),
            ),
        ]
    )
    view.set_current(2)
    return view


def _plot() -> QWidget:
    plot = LinePlot("gallery.loss", "Loss", "optimizer step", "loss (nats)")
    plot.add_series("train", smooth=True)
    plot.add_series("evaluation", dashed=True)
    noise = np.random.default_rng(0).normal(size=400)
    steps = list(range(400))
    plot.set_series("train", steps, [3 * math.exp(-n / 90) + 0.4 + 0.1 * float(noise[n]) for n in steps])
    plot.set_series("evaluation", steps[50::50], [3 * math.exp(-n / 90) + 0.5 for n in steps[50::50]])
    return plot


def _beams() -> QWidget:
    view = named(BeamView(), "gallery.beams", "Beams")
    steps = [
        [(" jumps", -0.4, 0), (" leaps", -1.9, 0), (" runs", -2.6, 0)],
        [(" over", -0.7, 0), (" across", -2.2, 0), (" over", -2.4, 1)],
        [(" the", -0.9, 0), (" a", -2.6, 0), (" the", -2.7, 2)],
        [(" lazy", -1.2, 0), (" fence", -3.1, 0), (" wall", -3.3, 1), ("<|im_end|>", -1.4, 2, True)],
        [(" dog", -1.3, 0), (" cat", -3.2, 0), ("\n", -3.9, 1)],
        [(" and", -3.0, 0), (",", -3.2, 0), (" 跳", -4.0, 1), (".", -0.35, 0, True)],
    ]
    whole = "The quick brown fox"
    view.set_steps([[BeamRow(row[0], row[1], row[2], len(row) > 3, whole + row[0]) for row in rows] for rows in steps])
    view.set_winner((5, 3))
    view.set_selected((4, 1))
    return view


def _controls() -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.addWidget(Knob("gallery.temperature", "temperature", 0.05, 3.0, 0.7, step=0.05, tip="Usually 0.2 to 1.5"))
    column.addWidget(Knob("gallery.top_k", "top_k", 0, 500, 0, step=1, decimals=0, off=0))
    column.addWidget(Knob("gallery.rate", "learning rate", 1e-6, 1e-2, 5e-5, decimals=8, log=True))
    row = QHBoxLayout()
    for text, role, drawing in (("Generate", "primary", "play"), ("Stop", "", "stop"), ("Delete", "danger", "trash")):
        button = QPushButton(text)
        theme.set_role(button, role)
        icons.put(button, drawing, {"primary": "accent_text", "danger": "error"}.get(role, "text"))
        row.addWidget(button)
    off = QPushButton("Disabled")
    off.setEnabled(False)
    row.addWidget(off)
    column.addLayout(row)
    row = QHBoxLayout()
    for number, box in enumerate(
        (QCheckBox("special"), QCheckBox("padding"), QRadioButton("left"), QRadioButton("right"))
    ):
        box.setChecked(number % 2 == 0)
        row.addWidget(box)
    column.addLayout(row)
    row = QHBoxLayout()
    combo = QuietComboBox()
    combo.addItems(["bfloat16", "float32"])
    search = QLineEdit()
    search.setPlaceholderText("search")
    for widget in (combo, QuietSpinBox(), search):
        row.addWidget(widget)
    column.addLayout(row)
    for visible in (True, False):
        progress = QProgressBar()
        progress.setValue(43)
        progress.setTextVisible(visible)
        column.addWidget(progress)
    tabs = QTabWidget()
    tabs.addTab(QWidget(), "Chat")
    tabs.addTab(QWidget(), "Plain")
    column.addWidget(tabs, 1)
    return page


class _Gallery(PaneFrame):
    """Everything on one page."""

    def __init__(self) -> None:
        super().__init__("gallery", "Gallery")
        self.set_code(_CODE)
        self.show_code()
        self.show_notice(
            "Could not load SmolLM2-135M on cuda:0.",
            "The device has 0.2 GB free and the weights need 0.3 GB.",
            "Load it on the CPU, or as bfloat16.",
            "torch.OutOfMemoryError: …",
            action=("Load on the CPU", self.clear_notices),
        )
        self.show_notice("The text was cut at 128 tokens.", kind="warning")
        strip = FlowStrip()
        strip.set_boxes([
            ("hub", "SmolLM2-135M-Instruct", "269 MB"), ("tokenizer", "tokenizer", "1×12 ids + mask"),
            ("playground", "LlamaForCausalLM", "135M bfloat16 cpu"), ("probabilities", "logits", "1×12×49 152"),
            ("playground", "text", "+34 tokens"),
        ])  # fmt: skip
        self.body.addWidget(strip)
        row = QHBoxLayout()
        row.addWidget(_tokens(), 1)
        row.addWidget(_numbers(), 1)
        self.body.addLayout(row, 1)
        row = QHBoxLayout()
        column = QVBoxLayout()
        column.addWidget(_plot(), 3)
        column.addWidget(_beams(), 2)
        row.addLayout(column, 1)
        row.addWidget(_chat(), 1)
        row.addWidget(_controls(), 1)
        self.body.addLayout(row, 1)


def main() -> int:
    """Show the gallery, or save its picture."""
    parser = argparse.ArgumentParser(prog="python -m workbench.widgets", description="A gallery of all widgets.")
    parser.add_argument("--dark", action="store_true", help="the dark look")
    parser.add_argument("--contrast", action="store_true", help="high contrast")
    parser.add_argument("--zoom", type=float, default=1.0, help="0.6 to 3")
    parser.add_argument("--save", metavar="PNG", help="save a picture and leave")
    arguments = parser.parse_args()
    app = QApplication(sys.argv[:1])
    theme.apply(app, arguments.dark, arguments.zoom, arguments.contrast)
    gallery = _Gallery()
    gallery.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    gallery.resize(round(1900 * arguments.zoom), round(1300 * arguments.zoom))
    gallery.show()
    if not arguments.save:
        return app.exec()
    # Plots draw what they were given a moment later.
    QTimer.singleShot(500, app.quit)
    app.exec()
    return 0 if gallery.grab().save(arguments.save) else 1


if __name__ == "__main__":
    sys.exit(main())
