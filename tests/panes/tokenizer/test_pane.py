"""The Tokenizer pane shows what the library makes of the text, live, and all its views point at the same token."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QMimeData, Qt
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from tests.panes.tokenizer.person import FOX, column
from tests.tiny_tokenizers import KINDS
from workbench.engine import tokens
from workbench.engine.models import LoadedModel
from workbench.engine.tokens.standing import standing
from workbench.engine.values import Checkpoint
from workbench.panes.tokenizer import TokenizerPane
from workbench.runtime.session import Session
from workbench.widgets import theme


def hub_button(pane: TokenizerPane) -> QPushButton | None:
    buttons = (button for button in pane.findChildren(QPushButton) if button.text() == "Open Hub")
    return next((button for button in buttons if button.isVisible()), None)


def test_without_a_model_it_asks_for_one(qtbot: QtBot, pane: TokenizerPane, find: Callable[[str], Any]) -> None:
    assert not find("text").isVisible()
    with qtbot.waitSignal(pane.hub_requested):
        qtbot.mouseClick(hub_button(pane), Qt.MouseButton.LeftButton)


def test_a_checkpoint_without_a_tokenizer_says_so(
    pane: TokenizerPane, find: Callable[[str], Any], session: Session, llama: LoadedModel
) -> None:
    session.set_model(replace(llama, tokenizer=None))
    assert hub_button(pane) is not None
    assert not find("text").isVisible()
    assert not pane.busy


@pytest.mark.usefixtures("typed")
def test_the_table_is_what_the_library_returns(find: Callable[[str], Any], llama: LoadedModel) -> None:
    wanted = llama.tokenizer(FOX, return_offsets_mapping=True)
    table = find("table")
    assert column(table, "position") == list(range(len(wanted["input_ids"])))
    assert column(table, "id") == wanted["input_ids"]
    assert column(table, "attention_mask") == wanted["attention_mask"]
    assert column(table, "offsets") == [f"{start}:{end}" for start, end in wanted["offset_mapping"]]
    assert column(table, "word") == wanted.word_ids()
    assert column(table, "token_type_ids") == [None] * len(wanted["input_ids"])
    assert bytes.fromhex(" ".join(column(table, "bytes"))) == FOX.encode()
    assert column(table, "piece") == llama.tokenizer.convert_ids_to_tokens(wanted["input_ids"])
    assert not any(column(table, "special"))


@pytest.mark.usefixtures("typed")
def test_chips_show_characters_or_bytes_and_never_a_replacement_character(find: Callable[[str], Any]) -> None:
    faces = [chip.text for chip in find("chips").chips]
    assert "".join(face for face in faces if not face.startswith("‹")) == FOX
    assert "‹F0›" in faces
    assert "🦊" in faces
    assert find("decoded").text() == FOX
    assert find("decoded").tabStopDistance() == find("text").tabStopDistance()
    assert not any("\N{REPLACEMENT CHARACTER}" in str(cell) for cell in column(find("table"), "token"))


@pytest.mark.usefixtures("typed")
def test_typing_encodes_at_once_and_shares_the_text(
    qtbot: QtBot, find: Callable[[str], Any], session: Session, settle: Callable[[], None], llama: LoadedModel
) -> None:
    text = find("text")
    text.moveCursor(QTextCursor.MoveOperation.End)
    for letter in " over":
        qtbot.keyClick(text, letter)
    assert session.prompt == FOX + " over"
    settle()
    assert column(find("table"), "id") == llama.tokenizer(FOX + " over")["input_ids"]
    assert find("summary").text().startswith("28 characters · 31 bytes · ")


@pytest.mark.usefixtures("typed")
def test_the_prompt_of_another_pane_is_followed_character_for_character(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None], llama: LoadedModel
) -> None:
    odd = "a\u00a0b\u2028c\r\nd\0\u202eשלום\u202c👩\u200d👩\u200d👧"
    session.set_prompt(odd)
    settle()
    assert session.prompt == odd
    assert column(find("table"), "id") == llama.tokenizer(odd)["input_ids"]
    assert find("verdict").text() == "equals the text"


@pytest.mark.usefixtures("typed")
def test_only_the_newest_text_is_shown(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None], llama: LoadedModel
) -> None:
    seen = []
    find("table").model().modelReset.connect(lambda: seen.append(find("table").model().rowCount()))
    for end in range(1, 12):
        session.set_prompt("x " * 30_000 + "y" * end)
    session.set_prompt("The end")
    settle()
    assert column(find("table"), "id") == llama.tokenizer("The end")["input_ids"]
    assert seen[-1] == len(llama.tokenizer("The end")["input_ids"])
    assert len(seen) <= 2


@pytest.mark.usefixtures("typed")
def test_a_selected_chip_is_marked_in_table_and_text(qtbot: QtBot, find: Callable[[str], Any]) -> None:
    chips = find("chips")
    chips.setFocus()
    qtbot.keyClick(chips, Qt.Key.Key_End)
    last = len(chips.chips) - 1
    assert find("table").selected_row == last
    assert find("text").marked() == chips.chips[last].text
    qtbot.keyClick(chips, Qt.Key.Key_Home)
    assert find("table").selected_row == 0
    assert FOX.startswith(find("text").marked())


@pytest.mark.usefixtures("typed")
def test_a_selected_row_marks_the_whole_character_its_bytes_belong_to(find: Callable[[str], Any]) -> None:
    table = find("table")
    table.selectRow(column(table, "bytes").index("9F"))
    assert find("text").marked() == "🦊"
    assert find("chips").selected == column(table, "bytes").index("9F")


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("place", [0, 5, 17, 18, 19, 24])
def test_the_cursor_selects_the_token_it_stands_in(find: Callable[[str], Any], place: int) -> None:
    text, table = find("text"), find("table")
    text.moveCursor(QTextCursor.MoveOperation.End if place == 0 else QTextCursor.MoveOperation.Start)
    cursor = text.textCursor()
    cursor.setPosition(place)
    text.setTextCursor(cursor)
    start, end = (int(part) for part in column(table, "offsets")[table.selected_row].split(":"))
    # Beyond the fox, Qt counts one place more than there are characters.
    character = min(place - (place > 16), len(FOX) - 1)
    assert start <= character < end


@pytest.mark.usefixtures("typed")
def test_the_session_selection_is_in_step_while_the_encodings_are_equal(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None]
) -> None:
    find("table").selectRow(1)
    assert session.selection is None
    session.set_encoding(tokens.encode(llama.tokenizer, FOX))
    session.set_selection(4)
    assert find("table").selected_row == 4
    assert find("chips").selected == 4
    find("table").selectRow(2)
    assert session.selection == 2
    session.set_prompt("another text")
    settle()
    find("table").selectRow(1)
    assert session.selection == 2


def test_special_tokens_can_be_left_out(
    qtbot: QtBot, find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    session.set_prompt("the quick fox")
    settle()
    assert column(find("table"), "token")[0] == "[CLS]"
    assert column(find("table"), "special") == [True, False, False, False, True]
    assert column(find("table"), "token_type_ids") == [0] * 5
    assert find("decoded").toPlainText() == "[CLS] the quick fox [SEP]"
    assert find("verdict").text() == "equals the text once special tokens are left out"
    find("add_special_tokens").click()
    settle()
    assert column(find("table"), "token") == ["the", "quick", "fox"]
    assert find("verdict").text() == "equals the text"


def test_what_decoding_loses_is_said(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    session.set_prompt("the Quick fox")
    settle()
    assert "differs from the text from character 5 on" in find("verdict").text()


def test_truncation_and_padding_to_a_length(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    session.set_prompt("the quick brown fox")
    settle()
    assert not find("max_length").isEnabled()
    find("truncation").click()
    find("max_length").setValue(4)
    settle()
    assert column(find("table"), "token") == ["[CLS]", "the", "quick", "[SEP]"]
    assert find("shape").text() == "input_ids [1 × 4] · 2 tokens cut off"
    find("padding").setCurrentText("max_length")
    find("max_length").setValue(8)
    find("padding_side").setCurrentText("left")
    settle()
    assert column(find("table"), "attention_mask") == [0, 0, 1, 1, 1, 1, 1, 1]
    assert [chip.muted for chip in find("chips").chips] == [True] * 2 + [False] * 6
    assert find("shape").text() == "input_ids [1 × 8] · 2 positions of padding (25.0 %) · padded with [PAD]"


def test_a_batch_is_one_rectangle_with_its_padding_counted(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    lines = ["the quick brown fox", "", "the film", "what a city"]
    session.set_prompt("\n".join(lines))
    find("batch").click()
    settle()
    assert find("shape").text() == "3 rows of 4 to 6 tokens: no rectangle without padding"
    find("padding").setCurrentText("longest")
    settle()
    assert find("shape").text() == "input_ids [3 × 6] · 3 positions of padding (16.7 %) · padded with [PAD]"
    grid = find("grid")
    assert grid.isVisible()
    assert grid.shape == (3, 6)
    wanted = bert.tokenizer([line for line in lines if line], padding=True)["input_ids"]
    for row in range(3):
        grid.setCurrentIndex(grid.model().index(row, 1))
        assert column(find("table"), "id") == wanted[row]
        assert find("table").selected_row == 1
        assert find("text").marked() in ("the", "what")
    find("batch").click()
    settle()
    assert not grid.isVisible()


def test_the_cursor_finds_its_line_in_a_batch(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    session.set_prompt("the fox\n\nwhat a film")
    find("batch").click()
    settle()
    text = find("text")
    cursor = text.textCursor()
    cursor.setPosition(len("the fox\n\nwhat a fi"))
    text.setTextCursor(cursor)
    assert text.marked() == "film"
    assert find("decoded").toPlainText() == "[CLS] what a film [SEP]"


@pytest.mark.usefixtures("typed")
def test_half_a_character_is_refused_in_the_pane_and_forgotten_when_it_is_gone(
    find: Callable[[str], Any], pane: TokenizerPane, session: Session, settle: Callable[[], None]
) -> None:
    session.set_prompt("ab\ud83e")
    settle()
    assert "only half of a character" in find("notice").accessibleDescription()
    assert find("table").model().rowCount() == 0
    session.set_prompt("ab")
    settle()
    assert pane.findChild(QWidget, "tokenizer.notice") is None
    assert column(find("table"), "token") == ["a", "b"]


def test_a_loaded_tokenizer_works_on_when_its_files_are_gone(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None], tmp_path: Path
) -> None:
    session.set_model(replace(llama, checkpoint=Checkpoint("gone", tmp_path / "nowhere")))
    session.set_prompt("still alive")
    settle()
    assert column(find("table"), "id") == llama.tokenizer("still alive")["input_ids"]


@pytest.mark.usefixtures("typed")
def test_an_empty_text_is_no_error(
    find: Callable[[str], Any], pane: TokenizerPane, session: Session, settle: Callable[[], None]
) -> None:
    session.set_prompt("")
    settle()
    assert find("table").model().rowCount() == 0
    assert find("summary").text() == "0 characters · 0 bytes · 0 tokens"
    assert pane.findChild(QWidget, "tokenizer.notice") is None


@pytest.mark.usefixtures("typed")
def test_a_pasted_megabyte_is_encoded_whole(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None], llama: LoadedModel
) -> None:
    twice = "The quick brown fox jumps over the lazy dog. " * 2
    pasted = f"{(twice + chr(10)) * 5_500}{twice * 5_500}\n"  # Half of it on one line.
    source = QMimeData()
    source.setText(pasted)
    text = find("text")
    text.selectAll()
    text.insertFromMimeData(source)
    settle()
    assert session.prompt == pasted
    table = find("table")
    wanted = llama.tokenizer(pasted, verbose=False)["input_ids"]
    assert table.model().rowCount() == len(wanted)
    assert "longer than the 256 tokens" in find("shape").text()
    # Chips are laid out around the selection, the table holds every position.
    table.selectRow(len(wanted) - 1)
    chips = find("chips")
    assert chips.chips[chips.selected].text == "\n"
    assert text.marked() == "\n"


@pytest.mark.usefixtures("typed")
def test_shift_enter_is_an_ordinary_line_break(find: Callable[[str], Any], session: Session) -> None:
    text = find("text")
    text.moveCursor(QTextCursor.MoveOperation.End)
    press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier, "\n")
    QApplication.sendEvent(text, press)
    assert session.prompt == FOX + "\n"


def test_a_hidden_pane_catches_up_when_it_is_shown(
    qtbot: QtBot,
    pane: TokenizerPane,
    find: Callable[[str], Any],
    session: Session,
    llama: LoadedModel,
    settle: Callable[[], None],
) -> None:
    session.set_model(llama)
    settle()
    pane.hide()
    session.set_prompt(FOX)
    assert not pane.busy
    pane.show()
    settle()
    assert column(find("table"), "id") == llama.tokenizer(FOX)["input_ids"]


def test_the_code_gives_the_same_ids(
    qtbot: QtBot,
    find: Callable[[str], Any],
    session: Session,
    bert: LoadedModel,
    settle: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    session.set_model(bert)
    session.set_prompt("the quick brown fox\nthe film")
    find("batch").click()
    find("padding").setCurrentText("longest")
    find("max_length").setValue(3)
    find("show_code").click()
    settle()
    script = tmp_path / "script.py"
    script.write_text(find("code").code, encoding="utf-8")
    given = runpy.run_path(str(script))["encoded"]
    assert given["input_ids"] == bert.tokenizer(["the quick brown fox", "the film"], padding=True)["input_ids"]
    assert "[PAD]" in capsys.readouterr().out
    find("truncation").click()
    settle()
    script.write_text(find("code").code, encoding="utf-8")
    assert {len(row) for row in runpy.run_path(str(script))["encoded"]["input_ids"]} == {3}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("text", "Text"),
        ("batch", "One text a line"),
        ("add_special_tokens", "add_special_tokens"),
        ("truncation", "truncation"),
        ("padding", "padding"),
        ("padding_side", "padding_side"),
        ("max_length", "max_length"),
        ("decoded", "decode(ids)"),
        ("chips", "Tokens"),
        ("grid", "Batch"),
        ("table", "Positions"),
    ],
)
def test_every_control_says_what_it_is(find: Callable[[str], Any], name: str, label: str) -> None:
    assert find(name).accessibleName() == label
    assert find(name).toolTip()


@pytest.fixture(params=[1.0, 1.25, 1.5])
def dressed(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[None]:
    theme.apply(qapp, False, 1.5)
    theme.apply(qapp, False, request.param)
    yield
    theme.apply(qapp, False)


@pytest.mark.parametrize("width", [420, 700])
def test_no_control_is_squeezed_in_a_small_pane(
    qtbot: QtBot, dressed: None, pane: TokenizerPane, find: Callable[[str], Any], typed: None, width: int
) -> None:
    pane.resize(width, 380)
    names = ("padding", "padding_side", "max_length", "decoded", "stages", "merges")
    find("tabs").setCurrentIndex(1)

    def nothing_is_squeezed() -> None:
        parts = {name: find(name) for name in names}
        least = {name: part.minimumHeight() or part.minimumSizeHint().height() for name, part in parts.items()}
        assert {name: part.height() for name, part in parts.items() if part.height() < least[name]} == {}, least
        assert pane.width() == width

    qtbot.waitUntil(nothing_is_squeezed)


@pytest.mark.usefixtures("typed")
def test_characters_per_token_leave_out_what_is_put_around_the_text_alone(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None], bert: LoadedModel
) -> None:
    session.set_model(bert)
    session.set_prompt("the [SEP] fox")
    settle()
    count = len(bert.tokenizer("the [SEP] fox", add_special_tokens=False)["input_ids"])
    assert find("summary").text().endswith(f"(3 special) · {13 / count:.2f} characters per token")


@pytest.mark.parametrize("place", ["start", "end"])
def test_keys_in_a_long_text_show_at_once_what_the_whole_comes_to(
    qtbot: QtBot, find: Callable[[str], Any], session: Session, settle, pane, llama: LoadedModel, place: str
) -> None:
    session.set_model(llama)
    long = "The quick brown fox jumps over the lazy dog. " * 400
    session.set_prompt(long)
    settle()
    text = find("text")
    text.setFocus()
    text.moveCursor(QTextCursor.MoveOperation.Start if place == "start" else QTextCursor.MoveOperation.End)
    shown: list[tuple[int, ...]] = []
    for letter in "ab c":
        qtbot.keyClick(text, letter)
        wanted = text.text()
        qtbot.waitUntil(lambda wanted=wanted: pane.encoding is not None and pane.encoding.text == wanted)
        assert pane.encoding.input_ids == tuple(llama.tokenizer(wanted, verbose=False)["input_ids"])
        shown.append(pane.encoding.input_ids)
    assert len(set(shown)) == 4
    settle()
    assert column(find("table"), "id") == llama.tokenizer(text.text(), verbose=False)["input_ids"]
    assert session.prompt == text.text()
    assert find("verdict").text().startswith("equals the text")
    chips = find("chips")
    assert chips.chips[chips.selected].text != ""


# What the vocabulary says of each piece.


@pytest.mark.usefixtures("typed")
def test_the_merge_rank_of_each_piece_stands_in_the_table(
    qtbot: QtBot, find: Callable[[str], Any], llama: LoadedModel
) -> None:
    table = find("table")
    qtbot.waitUntil(lambda: "merge rank" in table.columns)
    ranks = standing(llama.tokenizer)
    ids = llama.tokenizer(FOX)["input_ids"]
    assert column(table, "merge rank") == [ranks.of(each) for each in ids]
    assert any(rank is not None for rank in column(table, "merge rank"))
    assert column(table, "id") == ids


def test_a_unigram_model_shows_its_scores_and_word_piece_none(
    qtbot: QtBot, find: Callable[[str], Any], session: Session, llama: LoadedModel, bert: LoadedModel, settle: Any
) -> None:
    unigram = KINDS["unigram"]()
    session.set_model(replace(llama, tokenizer=unigram))
    session.set_prompt("the fox")
    settle()
    table = find("table")
    scores = dict(json.loads(unigram.backend_tokenizer.to_str())["model"]["vocab"])
    assert column(table, "score") == [scores[piece] for piece in column(table, "piece")]
    session.set_model(bert)
    settle()
    assert not {"score", "merge rank"} & set(table.columns)
    assert column(table, "id") == bert.tokenizer("the fox")["input_ids"]


def test_token_types_take_room_only_where_there_are_some(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    table = find("table")
    for model, hidden in ((llama, True), (bert, False), (llama, True)):
        session.set_model(model)
        session.set_prompt("the fox")
        settle()
        place = table.columns.index("token_type_ids")
        assert table.isColumnHidden(place) == hidden
        assert [table.isColumnHidden(each) for each in range(len(table.columns))].count(True) == hidden


def test_the_vocabulary_lists_ranks_too(
    qtbot: QtBot, find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(llama)
    settle()
    find("tabs").setCurrentIndex(2)
    table = find("vocabulary")
    qtbot.waitUntil(lambda: table.model().rowCount() == len(llama.tokenizer))
    ranks = standing(llama.tokenizer)
    assert column(table, "merge rank") == [ranks.of(each) for each in range(len(llama.tokenizer))]


# Texts and checkpoints that are hard on it.

ODD = {
    "only special tokens": "<|im_start|><|im_end|><|endoftext|><|im_end|>",
    "control characters": "a\0b\x1b[0m\x07\x7f\u200b\ufeff\u0085c",
    "mixed direction": "abc שלום 123 \u202eمرحبا\u202c \u2067ab\u2069!",
    "combining storm": ("e" + "\u0301\u0323\u20dd" * 40 + " ") * 4,
    "joined emoji": "👩\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 🇩🇪",
    "line breaks of all kinds": "a\r\nb\rc\u2028d\u2029e\x0bf",
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_text_is_cut_as_the_library_cuts_it_and_comes_back(
    find: Callable[[str], Any], pane: TokenizerPane, session: Session, llama: LoadedModel, settle: Any, kind: str
) -> None:
    session.set_model(llama)
    session.set_prompt(ODD[kind])
    settle()
    table = find("table")
    assert column(table, "id") == llama.tokenizer(ODD[kind])["input_ids"]
    assert find("verdict").text() == "equals the text"
    assert session.prompt == ODD[kind]
    assert pane.findChild(QWidget, "tokenizer.notice") is None
    assert all(column(table, "special")) == (kind == "only special tokens")
    for position in (0, table.model().rowCount() - 1):
        table.selectRow(position)
        assert find("chips").selected == position


def test_ten_megabytes_without_a_space_are_shown_and_nothing_is_lost(
    qtbot: QtBot, find: Callable[[str], Any], session: Session, settle: Callable[[], None], bert: LoadedModel
) -> None:
    session.set_model(bert)
    settle()
    text = "thecapitalof" * 840_000
    session.set_prompt(text)
    qtbot.waitUntil(lambda: find("summary").text().startswith(f"{len(text):,} characters"), timeout=120_000)
    settle()
    assert session.prompt == text
    table = find("table")
    assert column(table, "token")[0::2] == ["[CLS]", "[SEP]"]
    assert column(table, "offsets") == ["0:0", f"0:{len(text)}", "0:0"]
    table.selectRow(1)
    assert find("chips").selected == 1
    # An unknown word is as long as the text, and no chip and no cell draws all of it.
    assert len(find("chips").chips[1].text) < 300
    assert len(find("chips").chips[1].tip) < 2000
    assert max(len(str(cell)) for cell in table.row(1)) < 2000
    session.set_prompt("short again")
    settle()
    assert column(table, "id") == bert.tokenizer("short again")["input_ids"]


def test_a_tokenizer_of_another_vocabulary_size_is_told_where_its_ids_are_beyond_the_model(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None]
) -> None:
    strange = tokens.own_tokenizer(llama.tokenizer)
    strange.add_tokens(["<new>"])
    session.set_model(replace(llama, tokenizer=strange))
    session.set_prompt("The fox")
    settle()
    assert "does not belong" not in find("shape").text()
    session.set_prompt("The <new> fox")
    settle()
    assert "id 384 does not belong to this model, which has vectors for 384 ids" in find("shape").text()
    assert column(find("table"), "id") == strange("The <new> fox")["input_ids"]


@pytest.mark.parametrize("kind", ["slow_bytes", "slow_sentence_piece_unigram"])
def test_a_tokenizer_without_offsets_says_what_it_does_not_say(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None], kind: str
) -> None:
    slow = KINDS[kind]()
    session.set_model(replace(llama, tokenizer=slow))
    session.set_prompt("The fox 🦊")
    settle()
    table = find("table")
    assert column(table, "id") == slow("The fox 🦊")["input_ids"]
    assert {*column(table, "offsets"), *column(table, "word")} == {None}
    in_bytes = kind == "slow_bytes"
    assert column(table, "bytes")[-5:-1] == (["F0", "9F", "A6", "8A"] if in_bytes else [None] * 4)
    said = "offsets or words" if in_bytes else "offsets, bytes or words"
    assert f"written in Python, and says no {said}" in find("shape").text()
    assert ("score" in table.columns) == ("sentence_piece" in kind)
    session.set_model(llama)
    settle()
    assert "written in Python" not in find("shape").text()
