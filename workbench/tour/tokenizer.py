"""A text as ids, texts as a batch, a conversation through the chat template, and two tokenizers on one text."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QListWidget, QTableView, QWidget

from workbench.engine import starters, tokens
from workbench.engine.task import Task
from workbench.runtime.jobs import Lane
from workbench.tour.guide import Step, Tour
from workbench.widgets.token_strip import TokenStrip

_TEXT = "The quick brown fox jumps over the lazy dog. 你好, שלום, café 👩‍🚀!"
_TEXTS = ("A short one.", "A text of some more words, so that the short ones are padded.", "你好, café!")
_QUESTION = "And of Spain?"


def tokenize(tour: Tour) -> None:
    """See ids and merge ranks that equal the tokenizer's."""
    tour.window.show_pane("tokenizer")
    text = tour.find(QWidget, "tokenizer.text")
    text.setPlainText(_TEXT)
    table = tour.find(QTableView, "tokenizer.table")
    expected = tour.model.tokenizer(_TEXT)["input_ids"]
    tour.wait(lambda: table.model().rowCount() == len(expected), 30, f"{len(expected)} rows of tokens")
    shown = [int(cell) for cell in tour.column(table, "id")]
    tour.require(shown == expected, f"ids equal the tokenizer's: {shown} against {expected}")
    tour.wait(lambda: "merge rank" in tour.headers(table), 30, "the merge ranks")
    vocabulary = tour.model.tokenizer.convert_ids_to_tokens(expected)
    merged = [cell != "" for cell in tour.column(table, "merge rank")]
    tour.require(
        merged == [len(piece) > 1 for piece in vocabulary], "every piece of more than a byte was merged at some rank"
    )
    tour.picture("tokenizer")


def see_batch(tour: Tour) -> None:
    """Pad three texts to one rectangle; every tensor equals the tokenizer's."""
    tour.choose_tab("tokenizer.sections", "Batch")
    tour.find(QWidget, "tokenizer.batch_texts").setPlainText("\n".join(_TEXTS))
    tour.choose("tokenizer.batch_padding", "longest")
    expected = tour.model.tokenizer(list(_TEXTS), padding="longest")
    table = tour.find(QTableView, "tokenizer.batch_tensor_grid")
    width = len(expected["input_ids"][0])
    tour.wait(
        lambda: (table.model().rowCount(), table.model().columnCount()) == (len(_TEXTS), width), 30, "a rectangle"
    )
    tensors = tour.find(QComboBox, "tokenizer.batch_tensor")
    names = [tensors.itemData(number) for number in range(tensors.count())]
    tour.require(set(names) == set(expected), f"the tokenizer's tensors: {names} against {list(expected)}")
    for name in names:
        tour.choose("tokenizer.batch_tensor", name)
        shown = [[int(cell) for cell in row] for row in tour.cells(table)]
        tour.require(shown == expected[name], f"{name} equals the tokenizer's: {shown} against {expected[name]}")
    tour.choose("tokenizer.batch_tensor", "input_ids")
    tour.picture("tokenizer-batch")


def see_chat_template(tour: Tour) -> None:
    """Write a conversation through the chat template; text and ids equal ``apply_chat_template()``'s."""
    tour.choose_tab("tokenizer.sections", "Chat template")
    tour.find(QWidget, "tokenizer.chat_message_4_content").setPlainText(_QUESTION)
    messages = [
        {
            "role": tour.find(QComboBox, f"tokenizer.chat_message_{number}_role").currentText(),
            "content": tour.find(QWidget, f"tokenizer.chat_message_{number}_content").toPlainText(),
        }
        for number in range(1, 5)
    ]
    opens = tour.find(QCheckBox, "tokenizer.chat_generation_prompt").isChecked()
    apply: Any = tour.model.tokenizer.apply_chat_template
    expected = apply(messages, add_generation_prompt=opens, tokenize=False)
    text: Any = tour.find(QWidget, "tokenizer.chat_text")
    tour.wait(lambda: _QUESTION in text.text(), 30, "the conversation as text")
    tour.require(text.text() == expected, f"the text equals apply_chat_template()'s: {text.text()!r}")
    ids = apply(messages, add_generation_prompt=opens, return_dict=True)["input_ids"]
    chips = tour.find(TokenStrip, "tokenizer.chat_tokens").chips
    wrong = [chip.tip for chip, each in zip(chips, ids, strict=False) if f" id {each} " not in f" {chip.tip} "]
    tour.require(len(chips) == len(ids) and not wrong, f"{len(ids)} ids equal apply_chat_template()'s: {wrong}")
    tour.picture("tokenizer-chat")


def compare_tokenizers(tour: Tour) -> None:
    """Put MiniLM's tokenizer beside SmolLM2's; the counts equal those of both tokenizers."""
    other = starters.installed("minilm")
    assert other is not None
    tour.choose_tab("tokenizer.sections", "Compare")
    known = tour.find(QListWidget, "tokenizer.compare_list")
    tour.wait(lambda: known.findItems(other.name, Qt.MatchFlag.MatchExactly), 30, f"{other.name} in the list")
    known.findItems(other.name, Qt.MatchFlag.MatchExactly)[0].setCheckState(Qt.CheckState.Checked)
    table = tour.find(QTableView, "tokenizer.compare_measures")
    tour.wait(lambda: table.model().columnCount() == 3, 30, "two tokenizers side by side")

    def load(*, task: Task) -> tokens.Tokenizer:
        return tokens.load_tokenizer(other, task=task)

    both = (tour.model.tokenizer, tour.ask(f"Load the tokenizer of {other.name} to check against it", load, Lane.IO))
    measures = {row[0]: row[1:] for row in tour.cells(table)}
    counted = [f"{len(each(_TEXT, add_special_tokens=False)['input_ids']):,}" for each in both]
    sizes = [f"{len(each):,}" for each in both]
    tour.require(measures["tokens"] == counted, f"tokens as counted by both: {measures['tokens']} against {counted}")
    tour.require(measures["vocabulary"] == sizes, f"their sizes: {measures['vocabulary']} against {sizes}")
    tour.report["tokens"] = dict(zip(tour.headers(table)[1:], map(int, counted), strict=True))
    tour.picture("tokenizer-compare")
    tour.choose_tab("tokenizer.sections", "Text")


STEPS: tuple[tuple[str, Step], ...] = (
    ("tokenize", tokenize),
    ("pad a batch", see_batch),
    ("apply the chat template", see_chat_template),
    ("compare two tokenizers", compare_tokenizers),
)
