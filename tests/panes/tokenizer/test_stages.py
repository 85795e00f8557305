"""How the text came to be tokens, and the whole vocabulary, are seen beside the positions, and cost nothing unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QItemSelectionModel
from pytestqt.qtbot import QtBot

from tests.panes.tokenizer.person import FOX, column
from workbench.engine.models import LoadedModel
from workbench.runtime.session import Session

POSITIONS, STAGES, VOCABULARY = range(3)


@pytest.fixture
def seen(typed: None, find: Callable[[str], Any], settle: Callable[[], None]) -> None:
    """As typed, with the stages on show."""
    find("tabs").setCurrentIndex(STAGES)
    settle()


@pytest.fixture
def listed(typed: None, find: Callable[[str], Any], settle: Callable[[], None]) -> None:
    """As typed, with the vocabulary on show."""
    find("tabs").setCurrentIndex(VOCABULARY)
    settle()


def choose_stage(find: Callable[[str], Any], name: str) -> None:
    table = find("stages")
    place = table.model().index(column(table, "stage").index(name), 0)
    # Not selectRow: it extends the selection where a test before this one left Shift held down for Qt.
    select = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
    table.selectionModel().setCurrentIndex(place, select)


@pytest.mark.usefixtures("typed")
def test_hidden_tabs_do_no_work(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None], qtbot: QtBot
) -> None:
    assert find("table").isVisible()
    assert find("stages").model().rowCount() == find("vocabulary").model().rowCount() == 0
    session.set_prompt("the fox")
    settle()
    assert find("stages").model().rowCount() == 0
    find("tabs").setCurrentIndex(STAGES)
    settle()
    assert "".join(chip.text for chip in find("stage_parts").chips) == "theĠfox"


@pytest.mark.usefixtures("seen")
def test_each_stage_is_a_row_and_the_chosen_ones_parts_are_chips(
    find: Callable[[str], Any], llama: LoadedModel
) -> None:
    assert column(find("stages"), "stage") == ["normalizer", "pre-tokenizer", "model", "post-processor", "decoder"]
    backend = llama.tokenizer.backend_tokenizer
    words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(FOX)]
    assert [chip.text for chip in find("stage_parts").chips] == words
    choose_stage(find, "model")
    pieces = llama.tokenizer.tokenize(FOX)
    assert [chip.text for chip in find("stage_parts").chips] == pieces
    assert "BPE" in find("stage_note").text()
    choose_stage(find, "decoder")
    assert find("stage_parts").text() == FOX


@pytest.mark.usefixtures("seen")
def test_a_click_on_a_word_shows_its_merges(
    find: Callable[[str], Any], llama: LoadedModel, settle: Callable[[], None]
) -> None:
    parts, merges = find("stage_parts"), find("merges")
    parts.token_clicked.emit(1)
    settle()
    word = parts.chips[1].text
    pieces = [token.value for token in llama.tokenizer.backend_tokenizer.model.tokenize(word)]
    after = column(merges, "the word after it")
    assert after[0].split() == list(word)
    assert after[-1].split() == pieces
    assert column(merges, "step") == list(range(len(after)))
    assert "BPE cuts “Ġquick” (·quick) into “" in find("word").text()


@pytest.mark.usefixtures("seen")
def test_the_stages_follow_the_text_and_the_chosen_word_stays_while_it_is_there(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None]
) -> None:
    find("stage_parts").token_clicked.emit(1)
    settle()
    session.set_prompt("A quick one")
    settle()
    assert [chip.text for chip in find("stage_parts").chips] == ["A", "Ġquick", "Ġone"]
    assert find("stage_parts").selected == 1
    assert find("merges").model().rowCount() > 0
    session.set_prompt("None")
    settle()
    assert find("merges").model().rowCount() == 0
    assert "click one of its words" in find("word").text()


@pytest.mark.usefixtures("seen")
def test_the_switch_for_special_tokens_reaches_the_post_processor(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    settle()
    choose_stage(find, "post-processor")
    assert find("stage_parts").chips[0].text == "[CLS]"
    find("add_special_tokens").setChecked(False)
    settle()
    assert find("stage_parts").chips[0].text != "[CLS]"


@pytest.mark.usefixtures("seen")
def test_another_model_shows_the_pieces_it_considered(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(bert)
    session.set_prompt("quick")
    settle()
    find("stage_parts").token_clicked.emit(0)
    settle()
    chosen = [
        piece for piece, yes in zip(*(column(find("merges"), name) for name in ("piece", "chosen")), strict=True) if yes
    ]
    assert chosen == bert.tokenizer.tokenize("quick")
    assert "WordPiece cuts “quick” into “" in find("word").text()


@pytest.mark.usefixtures("seen")
def test_a_click_on_an_added_token_says_that_the_model_never_sees_it(
    find: Callable[[str], Any], session: Session, settle: Callable[[], None]
) -> None:
    session.set_prompt("a<|im_end|>")
    settle()
    find("stage_parts").token_clicked.emit(1)
    settle()
    assert "never sees it" in find("word").text()
    assert find("merges").model().rowCount() == 0


@pytest.mark.usefixtures("typed")
def test_a_slow_tokenizer_says_what_can_not_be_shown(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None]
) -> None:
    from transformers import ByT5Tokenizer

    find("tabs").setCurrentIndex(STAGES)
    session.set_model(replace(llama, tokenizer=ByT5Tokenizer()))
    settle()
    assert "written in Python" in find("stage_note").text()
    assert "no merges" in find("word").text()
    choose_stage(find, "model")
    assert "".join(chip.text for chip in find("stage_parts").chips).startswith("The")
    find("tabs").setCurrentIndex(VOCABULARY)
    settle()
    assert find("vocabulary").model().rowCount() == len(ByT5Tokenizer())


@pytest.mark.usefixtures("seen")
def test_without_a_tokenizer_the_stages_are_empty(
    find: Callable[[str], Any], session: Session, llama: LoadedModel, settle: Callable[[], None]
) -> None:
    session.set_model(replace(llama, tokenizer=None))
    settle()
    find("tabs").setCurrentIndex(VOCABULARY)
    settle()
    assert find("stages").model().rowCount() == find("vocabulary").model().rowCount() == 0


@pytest.mark.usefixtures("listed")
def test_the_vocabulary_is_the_librarys(find: Callable[[str], Any], llama: LoadedModel) -> None:
    table = find("vocabulary")
    vocabulary = llama.tokenizer.get_vocab()
    assert dict(zip(column(table, "piece"), column(table, "id"), strict=True)) == vocabulary
    marked = [piece for piece, kind in zip(column(table, "piece"), column(table, "marked"), strict=True) if kind]
    assert set(marked) == set(llama.tokenizer.get_added_vocab())
    assert f"{len(vocabulary):,} of {len(vocabulary):,}" in find("found").text()


@pytest.mark.usefixtures("listed")
def test_the_vocabulary_is_searched_by_text_id_pattern_and_mark(
    find: Callable[[str], Any], settle: Callable[[], None]
) -> None:
    table, query, kind = find("vocabulary"), find("find"), find("find_kind")
    word = next(piece for piece in column(table, "piece") if len(piece) > 2 and piece.startswith("Ġ"))
    query.setText(word.replace("Ġ", " "))
    settle()
    assert word in column(table, "piece")
    assert all(word in piece for piece in column(table, "piece"))
    assert word.replace("Ġ", "·") in column(table, "token")
    for by, asked, wanted in (("id", "7", [7]), ("regex", "^<.im_(start|end)", None), ("special", "im_", None)):
        kind.setCurrentIndex(kind.findData(by))
        query.setText(asked)
        settle()
        if wanted is not None:
            assert column(table, "id") == wanted
        else:
            assert column(table, "piece") == ["<|im_start|>", "<|im_end|>"]
    query.setText("no such token")
    settle()
    assert table.model().rowCount() == 0
    assert find("found").text().startswith("0 of")


@pytest.mark.usefixtures("listed")
def test_a_bad_pattern_is_told_beside_the_search_and_a_good_one_clears_it(
    find: Callable[[str], Any], settle: Callable[[], None]
) -> None:
    kind = find("find_kind")
    kind.setCurrentIndex(kind.findData("regex"))
    find("find").setText("(q")
    settle()
    assert "no regular expression" in find("found").text()
    assert find("vocabulary").model().rowCount() == 0
    find("find").setText("(q)")
    settle()
    assert find("vocabulary").model().rowCount() > 0
    assert "tokens" in find("found").text()


@pytest.mark.usefixtures("listed")
def test_another_checkpoint_brings_its_own_vocabulary(
    find: Callable[[str], Any], session: Session, bert: LoadedModel, settle: Callable[[], None], qtbot: QtBot
) -> None:
    session.set_model(bert)
    settle()
    qtbot.waitUntil(lambda: find("vocabulary").model().rowCount() == len(bert.tokenizer), timeout=20_000)
