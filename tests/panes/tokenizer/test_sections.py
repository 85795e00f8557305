"""A batch, a conversation and a comparison beside the text show what the library gives; unseen they cost nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot
from tokenizers import AddedToken
from transformers import ByT5Tokenizer

from tests.engine.test_template import BRACKETED
from tests.panes.tokenizer.person import column
from workbench.engine import hub, tokens
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer import TokenizerPane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.token_grid import WORD

LINES = "The quick brown 🦊 jumps\nthe fox\n\nover the lazy dog"
TEXT, BATCH, CHAT, COMPARE = range(4)
POSITIONS, STAGES, VOCABULARY = range(3)


@pytest.fixture
def open_section(
    session: Session, llama: LoadedModel, find: Callable[[str], Any], settle: Callable[[], None]
) -> Callable[[int], None]:
    """Load the tiny llama with some lines of text, and open a section."""

    def open_section(section: int) -> None:
        session.set_model(llama)
        session.set_prompt(LINES)
        settle()
        find("sections").setCurrentIndex(section)
        settle()

    return open_section


def choose(box: Any, value: object) -> None:
    box.setCurrentIndex(box.findData(value))


def grid(find: Callable[[str], Any], row: int, position: int) -> Any:
    model = find("batch_grid").model()
    return model.data(model.index(row, position))


def numbers(find: Callable[[str], Any]) -> list[list[int]]:
    model = find("batch_tensor_grid").model()
    rows, columns = range(model.rowCount()), range(model.columnCount())
    return [[model.data(model.index(row, at), Qt.ItemDataRole.UserRole) for at in columns] for row in rows]


def test_every_control_has_a_name_a_label_and_a_tooltip(pane: TokenizerPane) -> None:
    kinds = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit)
    names = []
    for widget in pane.findChildren(QWidget):
        # What Qt builds into a control of ours has no name of its own.
        parents = []
        parent = widget.parentWidget()
        while parent is not None and parent is not pane:
            parents.append(parent)
            parent = parent.parentWidget()
        inner = any(isinstance(each, (*kinds, QTabBar)) for each in parents)
        if not isinstance(widget, kinds) or inner or widget.objectName().startswith("qt_"):
            continue
        assert re.fullmatch(r"tokenizer(\.[a-z0-9_]+)+", widget.objectName()), type(widget)
        assert widget.accessibleName() and widget.toolTip(), widget.objectName()
        names.append(widget.objectName())
    assert len(names) == len(set(names)) > 40


# Batch.


def test_a_section_that_is_not_seen_does_no_work(
    find: Callable[[str], Any], open_section: Callable[[int], None]
) -> None:
    open_section(TEXT)
    assert find("batch_grid").shape == (0, 0)
    assert find("chat_text").text() == ""
    assert find("compare_measures").model().rowCount() == 0


def test_the_lines_of_the_text_are_one_rectangle(
    find: Callable[[str], Any], open_section: Callable[[int], None], llama: LoadedModel
) -> None:
    open_section(BATCH)
    wanted = llama.tokenizer(LINES.split("\n"), padding=True, return_tensors="pt")
    ids = wanted["input_ids"]
    assert find("batch_grid").shape == tuple(ids.shape)
    assert numbers(find) == ids.tolist()
    assert f"input_ids [{ids.shape[0]} × {ids.shape[1]}] int64" in find("batch_summary").text()
    wasted = int((wanted["attention_mask"] == 0).sum())
    assert f"{wasted} wasted on padding ({wasted / ids.numel() * 100:.1f} %)" in find("batch_note").text()
    choose(find("batch_tensor"), "attention_mask")
    assert numbers(find) == wanted["attention_mask"].tolist()
    assert grid(find, 1, ids.shape[1] - 1) == llama.tokenizer.pad_token


def test_every_switch_reaches_the_call(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], llama: LoadedModel
) -> None:
    open_section(BATCH)
    choose(find("batch_padding"), "max_length")
    choose(find("batch_truncation"), "longest_first")
    find("batch_max_length").setValue(16)
    find("batch_multiple").setValue(8)
    find("batch_overflow").setChecked(True)
    find("batch_stride").setValue(2)
    choose(find("batch_side"), "left")
    choose(find("batch_cut_side"), "left")
    find("batch_special").setChecked(False)
    find("batch_special_mask").setChecked(True)
    find("batch_paired").setChecked(True)
    find("batch_pairs").set_text("over\nthe lazy dog")
    settle()
    tokenizer = tokens.own_tokenizer(llama.tokenizer)
    tokenizer.truncation_side = "left"
    wanted = tokenizer(
        LINES.split("\n"),
        ["over", "the lazy dog", "", ""],
        add_special_tokens=False,
        padding="max_length",
        truncation="longest_first",
        max_length=16,
        stride=2,
        pad_to_multiple_of=8,
        padding_side="left",
        return_overflowing_tokens=True,
        return_special_tokens_mask=True,
    )
    box = find("batch_tensor")
    assert [box.itemData(number) for number in range(box.count())] == list(wanted)
    for name in ("input_ids", "attention_mask", "special_tokens_mask"):
        choose(box, name)
        assert numbers(find) == wanted[name]
    choose(box, "overflow_to_sample_mapping")
    assert numbers(find) == [wanted["overflow_to_sample_mapping"]]


def test_lines_given_in_words_say_the_word_of_each_token(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], llama: LoadedModel
) -> None:
    open_section(BATCH)
    find("batch_words").setChecked(True)
    settle()
    lines = [line.split() for line in LINES.split("\n")]
    wanted = llama.tokenizer(lines, is_split_into_words=True, padding=True)
    assert numbers(find) == wanted["input_ids"]
    model = find("batch_grid").model()
    for row in range(len(lines)):
        said = [model.index(row, column).data(WORD) for column in range(model.columnCount())]
        assert said == wanted.word_ids(row)
    apart = sum(
        llama.tokenizer(" ".join(line))["input_ids"] != llama.tokenizer(line, is_split_into_words=True)["input_ids"]
        for line in lines
    )
    assert f"{apart} texts with other ids than as running text" in find("batch_note").text()
    assert "says no words" not in find("batch_note").text()


def test_a_tokenizer_that_says_no_words_is_told_of(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    session: Session,
    llama: LoadedModel,
) -> None:
    open_section(BATCH)
    session.set_model(replace(llama, tokenizer=ByT5Tokenizer()))
    find("batch_texts").set_text("the fox\njumps")
    find("batch_words").setChecked(True)
    settle()
    assert "written in Python, and says no words" in find("batch_note").text()
    assert find("batch_grid").model().index(0, 0).data(WORD) is None


def test_switches_without_effect_are_off_and_a_refusal_is_told_in_place(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], pane: TokenizerPane
) -> None:
    open_section(BATCH)
    assert not find("batch_stride").isEnabled()
    assert not find("batch_cut_side").isEnabled()
    choose(find("batch_padding"), False)
    settle()
    assert not find("batch_side").isEnabled()
    assert "no ragged edge" in find("batch_summary").text()
    assert find("batch_grid").shape[0] == 4
    choose(find("batch_truncation"), "only_second")
    find("batch_max_length").setValue(3)
    settle()
    assert "no second text" in find("batch_summary").text()
    assert find("batch_grid").shape == (0, 0)
    assert pane.notices == []


def test_own_texts_stay_until_the_lines_are_taken_again(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], session: Session
) -> None:
    open_section(BATCH)
    find("batch_texts").insertPlainText("mine\n")
    session.set_prompt("another")
    settle()
    assert find("batch_texts").text() == "mine\n" + LINES
    assert find("batch_grid").shape[0] == 5
    find("batch_take").click()
    settle()
    assert find("batch_texts").text() == "another"
    assert find("batch_grid").shape[0] == 1


def test_a_text_that_is_too_long_is_not_taken(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], session: Session
) -> None:
    open_section(TEXT)
    session.set_prompt("word " * 50_000)
    settle()
    find("sections").setCurrentIndex(BATCH)
    settle()
    assert find("batch_texts").text() == ""
    assert "too long" in find("batch_texts").placeholderText()
    assert "no text yet" in find("batch_summary").text()


# Chat template.


def test_the_conversation_is_written_and_each_line_says_whose_it_is(
    find: Callable[[str], Any], open_section: Callable[[int], None], llama: LoadedModel
) -> None:
    open_section(CHAT)
    messages = [
        {"role": find(f"chat_message_{n}_role").currentText(), "content": find(f"chat_message_{n}_content").text()}
        for n in range(1, 5)
    ]
    wanted = llama.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    view = find("chat_text")
    assert view.text() == wanted
    assert [view.name_of(line) for line in (0, 1, 2, 4, 8)] == ["system", "", "user", "assistant", "prompt"]
    grounds = {wanted[each.start : each.end]: each.tint for each in view.grounds}
    assert "".join(grounds) == wanted
    assert len(set(grounds.values())) == 4
    chips = find("chat_tokens").chips
    ids = llama.tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert len(chips) == len(ids)
    # A chip has the tint of the part it begins in.
    place = 0
    for chip in chips:
        assert chip.group == next(each.tint for each in view.grounds if each.start <= place < each.end)
        place += len(chip.text)
    assert f"{len(ids)} tokens" in find("chat_summary").text()
    assert "no {% generation %}" in find("chat_note").text()
    assert find("chat_template").text() == llama.tokenizer.chat_template


def test_messages_are_edited_as_a_list(
    qtbot: QtBot, find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None]
) -> None:
    open_section(CHAT)
    find("chat_message_1_remove").click()
    find("chat_message_1_down").click()
    find("chat_message_add").click()
    find("chat_message_4_role").setCurrentText("critic")
    find("chat_message_4_content").insertPlainText("Hm.")
    find("chat_generation_prompt").setChecked(False)
    settle()
    text = find("chat_text").text()
    assert text.split("<|im_end|>\n")[:4] == [
        "<|im_start|>assistant\nParis.",
        "<|im_start|>user\nWhat is the capital of France?",
        "<|im_start|>user\nAnd of Italy?",
        "<|im_start|>critic\nHm.",
    ]
    find("chat_continue").setChecked(True)
    settle()
    assert find("chat_text").text() == text.removesuffix("<|im_end|>\n")
    find("chat_generation_prompt").setChecked(True)
    assert not find("chat_continue").isChecked()


def test_a_copy_of_the_template_is_edited_and_its_errors_are_marked_by_line(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], llama: LoadedModel
) -> None:
    open_section(CHAT)
    own = llama.tokenizer.chat_template
    template, reset = find("chat_template"), find("chat_reset")
    assert not reset.isEnabled()
    template.setPlainText("a\n{{ messages[0].content }}\n{{ 1 / 0 }}")
    settle()
    assert "Line 3" in find("chat_summary").text()
    assert "division by zero" in find("chat_note").text()
    assert template.marked_line == 3
    assert "your copy" in find("chat_template_title").text()
    template.setPlainText("a\n{{ messages[0].content }}")
    settle()
    assert template.marked_line is None
    assert find("chat_text").text() == "a\nYou are brief."
    assert "can't be told" in find("chat_note").text()
    assert llama.tokenizer.chat_template == own
    reset.click()
    settle()
    assert template.text() == own
    assert find("chat_text").text().startswith("<|im_start|>system")


def test_the_assistant_mask_dims_what_is_not_the_assistants(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None]
) -> None:
    open_section(CHAT)
    assert not find("chat_mask").isEnabled()
    find("chat_template").setPlainText(BRACKETED)
    settle()
    find("chat_mask").setChecked(True)
    bright = "".join(chip.text for chip in find("chat_tokens").chips if not chip.muted)
    assert bright.strip() == "Paris."
    assert "of them the assistant's" in find("chat_summary").text()


def test_tools_reach_the_template_and_bad_json_is_marked(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None]
) -> None:
    open_section(CHAT)
    find("chat_tools_fold").click()
    find("chat_tool_example").click()
    find("chat_variables").insertPlainText('{"mood": "glad"}')
    find("chat_template").setPlainText("{{ tools[0].function.name }} {{ mood }} {{ messages | length }}")
    settle()
    assert find("chat_text").text() == "get_weather glad 4"
    find("chat_tools").setPlainText("[\n{]")
    settle()
    assert find("chat_tools").marked_line == 2
    assert "Line 2, column 2" in find("chat_note").text()


def test_a_checkpoint_without_a_template_says_so_and_takes_one(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    session: Session,
    bert: LoadedModel,
) -> None:
    open_section(CHAT)
    session.set_model(bert)
    settle()
    assert "no chat template" in find("chat_summary").text()
    assert find("chat_template").text() == ""
    find("chat_template").setPlainText("{% for m in messages %}{{ m.content }} {% endfor %}")
    settle()
    assert find("chat_text").text() == "You are brief. What is the capital of France? Paris. And of Italy? "


# Compare.


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch, llama: LoadedModel, tiny_bert: Checkpoint, tmp_path: Path) -> None:
    """The tiny llama, the tiny bert and a folder without a tokenizer are on this machine."""
    broken = Checkpoint("broken", tmp_path / "broken")
    broken.path.mkdir()
    monkeypatch.setattr(hub, "local_checkpoints", lambda: (llama.checkpoint, tiny_bert, broken))


def tick(find: Callable[[str], Any], name: str) -> None:
    listed = find("compare_list")
    (item,) = listed.findItems(name, Qt.MatchFlag.MatchExactly)
    item.setCheckState(Qt.CheckState.Checked)


@pytest.mark.usefixtures("both")
def test_two_tokenizers_are_measured_on_the_text(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    llama: LoadedModel,
    bert: LoadedModel,
) -> None:
    open_section(COMPARE)
    listed = find("compare_list")
    assert [listed.item(n).text() for n in range(listed.count())] == ["tiny-llama (loaded)", "tiny-bert", "broken"]
    tick(find, "tiny-bert")
    settle()
    table = find("compare_measures")
    assert table.columns == ("measure", "tiny-llama", "tiny-bert")
    for name, tokenizer in (("tiny-llama", llama.tokenizer), ("tiny-bert", bert.tokenizer)):
        ids = tokenizer(LINES, add_special_tokens=False)["input_ids"]
        values = dict(zip(column(table, "measure"), column(table, name), strict=True))
        assert values["tokens"] == len(ids)
        assert values["characters per token"] == len(LINES) / len(ids)
        assert values["bytes per token"] == len(LINES.encode()) / len(ids)
        assert values["unknown tokens"] == ids.count(tokenizer.unk_token_id)
    lost = dict(zip(column(table, "measure"), column(table, "tiny-bert"), strict=True))
    assert lost["characters lost on the round trip"] > 0
    assert set(column(find("compare_trips"), "tokenizer")) == {"tiny-bert"}
    assert all(column(find("compare_trips"), "why"))
    differences = find("compare_differences")
    assert differences.columns == ("characters", "text", "tiny-llama", "tiny-bert")
    fox = next(n for n, text in enumerate(column(differences, "text")) if "🦊" in text)
    assert differences.row(fox)[3] == "[UNK]"
    words = find("compare_words")
    assert set(column(words, "word")) == set(LINES.split())


@pytest.mark.usefixtures("both")
def test_languages_are_compared_when_somebody_looks(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], llama: LoadedModel
) -> None:
    open_section(COMPARE)
    assert find("compare_languages").model().rowCount() == 0
    find("compare_tabs").setCurrentIndex(4)
    settle()
    table = find("compare_languages")
    assert column(table, "language")[0] == "English"
    assert len(set(column(table, "language"))) == 12
    counts = column(table, "tiny-llama")
    assert column(table, "× English") == [count / counts[0] for count in counts]
    assert "unknown" not in table.columns
    tick(find, "tiny-bert")
    settle()
    assert table.columns[3:] == ("tiny-llama", "× English", "tiny-bert", "× English", "unknown")
    assert any(column(table, "unknown"))
    assert table.model().index(8, 2).data() == f"{table.row(8)[2]:,}"


@pytest.mark.usefixtures("both")
def test_numbers_stand_beside_one_another_and_not_at_the_far_edge(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None]
) -> None:
    open_section(COMPARE)
    settle()
    for name, tab in (("compare_measures", 0), ("compare_languages", 4)):
        find("compare_tabs").setCurrentIndex(tab)
        settle()
        header = find(name).horizontalHeader()
        last = header.count() - 1
        assert header.sectionSize(last) <= 2 * header.sectionSizeFromContents(last).width()


def test_two_checkpoints_of_one_name_are_both_compared(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tiny_bert: Checkpoint,
    pane: TokenizerPane,
) -> None:
    other = Checkpoint("tiny-llama", tiny_bert.path)
    monkeypatch.setattr(hub, "local_checkpoints", lambda: (other,))
    open_section(COMPARE)
    tick(find, "tiny-llama")
    settle()
    assert find("compare_measures").columns == ("measure", "tiny-llama", "tiny-llama (2)")
    pane.show_code()
    assert str(tiny_bert.path) in pane.code


@pytest.mark.usefixtures("both")
def test_a_checkpoint_without_a_tokenizer_is_told_and_not_ticked(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None]
) -> None:
    open_section(COMPARE)
    tick(find, "broken")
    settle()
    assert "Could not load the tokenizer of broken" in find("compare_summary").text()
    (item,) = find("compare_list").findItems("broken", Qt.MatchFlag.MatchExactly)
    assert item.checkState() == Qt.CheckState.Unchecked


@pytest.mark.usefixtures("both")
def test_a_file_is_compared_on_until_the_text_is_used_again(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    pane: TokenizerPane,
    tmp_path: Path,
) -> None:
    open_section(COMPARE)
    file, bad = tmp_path / "words.txt", tmp_path / "bad.txt"
    file.write_text("the lazy dog", encoding="utf-8")
    bad.write_bytes(b"\xff\xfe\x00")
    view = find("sections").widget(COMPARE)
    view.open_file(bad)
    settle()
    assert "no UTF-8" in find("compare_note").text()
    view.open_file(file)
    settle()
    assert "12 characters" in find("compare_summary").text()
    assert "words.txt" in find("compare_on").text()
    find("compare_text").click()
    settle()
    assert f"{len(LINES)} characters" in find("compare_summary").text()


@pytest.mark.usefixtures("both")
def test_a_long_comparison_is_a_job_that_can_be_cancelled(
    qtbot: QtBot,
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    runner: Runner,
    tmp_path: Path,
) -> None:
    open_section(COMPARE)
    file = tmp_path / "long.txt"
    file.write_text("a word 🦊 " * 90_000, encoding="utf-8")
    find("sections").widget(COMPARE).open_file(file)
    qtbot.waitUntil(lambda: any(job.title == "Compare tokenizers" for job in runner.active), timeout=20_000)
    assert "Comparing on 810,000 characters" in find("compare_summary").text()
    (job,) = [job for job in runner.active if job.title == "Compare tokenizers"]
    assert not job.quiet
    job.cancel()
    settle()
    assert "was cancelled" in find("compare_summary").text()
    find("compare_text").click()
    settle()
    assert f"{len(LINES)} characters" in find("compare_summary").text()


@pytest.mark.usefixtures("both")
def test_a_slow_tokenizer_is_compared_and_says_what_can_not_be_lined_up(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    session: Session,
    llama: LoadedModel,
) -> None:
    from transformers import ByT5Tokenizer

    open_section(COMPARE)
    session.set_model(replace(llama, tokenizer=ByT5Tokenizer()))
    settle()
    assert "does not say where its tokens stand" in find("compare_note").text()
    assert column(find("compare_measures"), "tiny-llama")[1] == len(LINES.encode())


# Adding a token, and the code of all of it.


def test_a_token_is_added_on_trial(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], llama: LoadedModel
) -> None:
    open_section(TEXT)
    find("tabs").setCurrentIndex(VOCABULARY)
    settle()
    find("add_fold").click()
    find("add_try").click()
    settle()
    assert "no token to add" in find("add_effect").text()
    find("add_token").setText("lazy dog")
    find("add_try").click()
    settle()
    before, after = find("add_before").chips, find("add_after").chips
    assert len(before) == len(llama.tokenizer(LINES)["input_ids"])
    assert "lazy dog" in [chip.text for chip in after]
    assert f"{len(before)} tokens before, {len(after)} after" in find("add_effect").text()
    assert f"id {len(llama.tokenizer)}" in find("add_effect").text()
    assert "lazy dog" not in llama.tokenizer.get_vocab()
    find("add_as_special").setChecked(True)
    assert not find("add_as_normalized").isChecked(), "as the library has it"
    for switch in ("single_word", "lstrip", "rstrip"):
        find(f"add_as_{switch}").setChecked(True)
    find("add_token").setText("lazy")
    find("add_try").click()
    settle()
    grown = tokens.own_tokenizer(llama.tokenizer)
    added = AddedToken("lazy", special=True, single_word=True, lstrip=True, rstrip=True)
    grown.add_tokens([added], special_tokens=True)
    ids = grown(LINES)["input_ids"]
    assert len(find("add_after").chips) == len(ids)
    assert f"It stands in the text {ids.count(len(llama.tokenizer))} time" in find("add_effect").text()


@pytest.mark.usefixtures("both")
def test_every_tab_shows_the_code_of_what_it_shows(
    find: Callable[[str], Any], open_section: Callable[[int], None], settle: Callable[[], None], pane: TokenizerPane
) -> None:
    open_section(TEXT)
    pane.show_code()

    def ran() -> dict[str, Any]:
        settle()
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(pane.code, "script.py", "exec"), names)
        return names

    assert ran()["encoded"]["input_ids"] == [column(find("table"), "id")]
    find("tabs").setCurrentIndex(STAGES)
    assert ran()["words"] == [chip.text for chip in find("stage_parts").chips]
    find("tabs").setCurrentIndex(VOCABULARY)
    find("find").setText("the")
    assert ran()["found"] == column(find("vocabulary"), "id")
    find("add_fold").click()
    find("add_token").setText("lazy dog")
    find("add_try").click()
    assert len(ran()["after"]) == len(find("add_after").chips)
    find("sections").setCurrentIndex(BATCH)
    find("batch_multiple").setValue(8)
    assert ran()["batch"]["input_ids"].tolist() == numbers(find)
    find("sections").setCurrentIndex(CHAT)
    assert ran()["text"] == find("chat_text").text()
    find("chat_template").setPlainText(BRACKETED)
    names = ran()
    assert names["text"] == find("chat_text").text()
    assert f"{sum(names['mask'])} of them" in find("chat_summary").text()
    find("sections").setCurrentIndex(COMPARE)
    settle()
    tick(find, "tiny-bert")
    names = ran()
    measures = find("compare_measures")
    assert names["counts"] == {name: column(measures, name)[1] for name in measures.columns[1:]}
    find("compare_tabs").setCurrentIndex(4)
    counts = ran()["counts"]
    prices = find("compare_languages")
    assert [counts["tiny-bert", name] for name in column(prices, "language")] == column(prices, "tiny-bert")


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("section", [BATCH, CHAT, COMPARE])
def test_without_a_tokenizer_and_with_a_new_one_nothing_of_the_old_stays(
    find: Callable[[str], Any],
    open_section: Callable[[int], None],
    settle: Callable[[], None],
    session: Session,
    llama: LoadedModel,
    bert: LoadedModel,
    section: int,
) -> None:
    open_section(section)
    session.set_model(bert)
    settle()
    if section == BATCH:
        assert numbers(find) == bert.tokenizer(LINES.split("\n"), padding=True)["input_ids"]
    if section == COMPARE:
        assert find("compare_measures").columns == ("measure", "tiny-bert")
    session.set_model(replace(llama, tokenizer=None))
    settle()
    assert find("batch_grid").shape == (0, 0)
    assert find("chat_text").text() == ""
    assert find("compare_trips").model().rowCount() == 0
