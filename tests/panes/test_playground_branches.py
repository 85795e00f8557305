"""The playground branches: any token can be another one, and every way a text went stays to be walked to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QTreeWidget
from pytestqt.qtbot import QtBot

from tests import tiny_captions
from tests.tiny_seq2seq import build_tiny_llava, build_tiny_t5, picture
from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.values import Branch, Sampling, Start, Step, Strategy
from workbench.panes.playground import PlaygroundPane
from workbench.panes.playground.alternatives import Alternatives, bar
from workbench.panes.playground.attached import Attached
from workbench.panes.playground.beams import winner
from workbench.panes.playground.sequences import PARTING, Columns
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.beam_view import BeamView
from workbench.widgets.branch_tree import BranchTree
from workbench.widgets.notice import NoticeCard
from workbench.widgets.tinted_text import TintedText

PROMPT = "The quick brown fox"
GREEDY = Sampling(do_sample=False, repetition_penalty=1.3, max_new_tokens=8)
HOT = Sampling(temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=8, seed=5)


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, llama: LoadedModel) -> PlaygroundPane:
    session.set_model(llama)
    session.set_prompt(PROMPT)
    session.set_sampling(GREEDY)
    pane = PlaygroundPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    pane.show()
    return pane


@pytest.fixture
def finished(qtbot: QtBot, runner: Runner, pane: PlaygroundPane) -> Callable[[], None]:
    """Waits until no job is left and what followed from its end is done."""
    return lambda: qtbot.waitUntil(lambda: not runner.active and not pane.is_running, timeout=60_000)


@pytest.fixture
def slow(llama: LoadedModel) -> Iterator[None]:
    """A model as slow as real ones: the tiny one is done before a hand could do anything."""
    pace = threading.Event()

    def wait(*_: object) -> None:
        pace.wait(0.01)

    hook = llama.model.register_forward_pre_hook(wait)
    yield
    hook.remove()


def button(pane: PlaygroundPane, name: str) -> QAbstractButton:
    found = pane.findChild(QAbstractButton, f"playground.{name}")
    assert found is not None, name
    return found


def tree(pane: PlaygroundPane) -> BranchTree:
    return pane.findChild(BranchTree, "playground.branches")


def output(pane: PlaygroundPane) -> TintedText:
    return pane.findChild(TintedText, "playground.output")


def popup(pane: PlaygroundPane) -> Alternatives:
    return pane.findChild(Alternatives)


def candidates(pane: PlaygroundPane) -> QTreeWidget:
    return pane.findChild(QTreeWidget, "playground.alternatives_list")


def status(pane: PlaygroundPane) -> str:
    return pane.findChild(QLabel, "playground.status").text()


def notice(pane: PlaygroundPane) -> str:
    return " ".join(label.text() for card in pane.findChildren(NoticeCard) for label in card.findChildren(QLabel))


def ids(branch: Branch | Session) -> tuple[int, ...]:
    return tuple(step.token_id for step in branch.steps)


def wanted(llama: LoadedModel, prefix: tuple[int, ...], sampling: Sampling) -> tuple[int, ...]:
    """What follows these new ids, from scratch."""
    encoding = generate.prepare(llama, PROMPT)
    steps = [Step(index, token, "", None, sampling, 0.0, 1.0, 1) for index, token in enumerate(prefix)]
    return generate.branch(llama, Start(encoding), steps, None, sampling).ids


def after_steps(session: Session, count: int, act: Callable[[], object]) -> None:
    def on_step(step: Step) -> None:
        if step.index == count - 1:
            session.step_added.disconnect(on_step)
            act()

    session.step_added.connect(on_step)


def run(pane: PlaygroundPane, finished: Callable[[], None]) -> Branch:
    pane.run_main_action()
    finished()
    return pane._session.branch


def test_another_token_at_a_step_makes_a_branch_that_goes_on_from_there(pane, session, llama, finished):
    first = run(pane, finished)
    other = 40
    assert other != first.steps[3].token_id
    pane.branch_at(3, other)
    finished()
    branch = session.branch
    assert branch.parent == first.key
    assert ids(branch)[:4] == (*ids(first)[:3], other)
    assert ids(branch)[4:] == wanted(llama, ids(branch)[:4], GREEDY)
    assert branch.steps[3].forced and not branch.steps[4].forced
    assert [step.index for step in branch.steps] == list(range(len(branch.steps)))
    assert branch.steps[3].probability == pytest.approx(float(Distribution(first.steps[3].logits).probabilities[other]))
    assert branch.name == session.vocabulary.spell([other])[0].strip()
    assert branch.reason == "length"
    shown = output(pane).toPlainText()
    assert shown == PROMPT + branch.text
    kept = next(each for each in session.branches if each.key == first.key)
    assert ids(kept) == ids(first)


def test_branches_can_be_walked_by_a_click_and_the_output_follows(pane, session, finished):
    first = run(pane, finished)
    pane.branch_at(2, 40)
    finished()
    tree(pane).walked.emit(first.key)
    assert session.branch.key == first.key
    assert output(pane).toPlainText() == PROMPT + first.text
    assert [row.fork for row in tree(pane).rows] == [None, 3]
    assert not tree(pane).isHidden()
    assert "max_new_tokens" in status(pane)


def test_an_edited_prompt_keeps_the_old_tree_and_walking_back_shows_its_prompt(pane, session, finished):
    first = run(pane, finished)
    session.set_prompt("Once upon a time")
    second = run(pane, finished)
    assert tree(pane).topLevelItemCount() == 2
    pane._on_walked(first.key)
    assert session.prompt == PROMPT
    session.set_prompt("Nothing has been made of this yet")
    tree(pane).walked.emit(second.key)
    assert output(pane).toPlainText() == "Once upon a time" + second.text
    assert session.prompt == "Nothing has been made of this yet"


def test_the_alternatives_are_the_steps_own_and_choosing_one_branches(pane, session, finished, qtbot):
    first = run(pane, finished)
    session.set_selection(len(session.encoding.tokens) + 2)
    qtbot.keyClick(output(pane), Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert popup(pane).isVisible()
    step = first.steps[2]
    best = Distribution(step.logits, first.situation(2)).top(10, step.sampling, session.vocabulary)
    shown = candidates(pane)
    assert [shown.topLevelItem(row).data(0, Qt.ItemDataRole.UserRole) for row in range(10)] == [c.id for c in best]
    assert [row for row in range(10) if shown.topLevelItem(row).text(3) == "chosen"] == [
        row for row in range(10) if best[row].id == step.token_id
    ]
    other = next(row for row in range(10) if best[row].id != step.token_id)
    shown.setCurrentItem(shown.topLevelItem(other))
    qtbot.keyClick(shown, Qt.Key.Key_Return)
    assert not popup(pane).isVisible()
    finished()
    assert ids(session)[:3] == (*ids(first)[:2], best[other].id)
    assert len(session.branches) == 2


def test_a_click_on_the_selected_token_opens_the_alternatives(pane, session, finished, qtbot):
    run(pane, finished)
    text = output(pane)
    number = next(number for number, step in enumerate(session.steps) if len(step.text.strip()) > 1)
    session.set_selection(len(session.encoding.tokens) + number)
    place = text.viewport().mapFromGlobal(text.place_of(number).center())
    place.setX(place.x() + 6)
    qtbot.mouseClick(text.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert popup(pane).isVisible()
    assert f"Step {number + 1}" in " ".join(label.text() for label in popup(pane).findChildren(QLabel))


def test_branches_folded_away_leave_the_room_to_the_output(pane, session, finished, qtbot):
    run(pane, finished)
    fold = button(pane, "branches_fold")
    assert not tree(pane).isVisible()
    qtbot.waitUntil(lambda: 0 < fold.mapTo(pane, fold.rect().topLeft()).y() - _below(pane) < 40)
    fold.click()
    assert tree(pane).isVisible()
    qtbot.waitUntil(lambda: tree(pane).height() > 80)
    fold.click()
    qtbot.waitUntil(lambda: button(pane, "generate").mapTo(pane, fold.rect().topLeft()).y() - _below(pane) < 80)


def _below(pane: PlaygroundPane) -> int:
    text = output(pane)
    return text.mapTo(pane, text.rect().bottomLeft()).y()


def test_a_typed_token_must_be_one(pane, session, llama, finished, qtbot):
    run(pane, finished)
    pane.open_alternatives(1)
    field = pane.findChild(QLineEdit, "playground.alternatives_token")
    taken = button(pane, "alternatives_take")
    word = "xylophone zebra"
    parts = llama.tokenizer(word, add_special_tokens=False)["input_ids"]
    assert len(parts) > 1
    field.setText(word)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    said = " ".join(label.text() for label in popup(pane).findChildren(QLabel))
    assert f"{len(parts)} tokens" in said and str(parts[0]) in said
    assert popup(pane).isVisible() and taken.isVisible()
    taken.click()
    finished()
    assert ids(session)[1] == parts[0]

    pane.open_alternatives(0)

    def read(text: str) -> list[int]:
        return llama.tokenizer(text, add_special_tokens=False)["input_ids"]

    words = ((token, session.vocabulary.spell([token])[0]) for token in range(60, 400))
    single = next((token, text) for token, text in words if text.isalpha() and read(text) == [token])
    field.setText(single[1])
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert not popup(pane).isVisible()
    finished()
    assert ids(session)[0] == single[0]


def test_a_step_whose_scores_were_let_go_can_still_be_branched_from(pane, session, finished, monkeypatch):
    monkeypatch.setattr("workbench.runtime.session.LOGITS_BUDGET", 1)
    first = run(pane, finished)
    pane.open_alternatives(2)
    assert "let go" in " ".join(label.text() for label in popup(pane).findChildren(QLabel))
    popup(pane).hide()
    pane.branch_at(2, 40)
    finished()
    assert ids(session)[:3] == (*ids(first)[:2], 40)


def test_continue_goes_on_in_the_same_branch_with_the_knobs_as_they_are_now(pane, session, llama, finished):
    first = run(pane, finished)
    session.set_sampling(replace(HOT, max_new_tokens=5))
    button(pane, "continue").click()
    finished()
    assert session.branch.key == first.key
    assert ids(session)[:8] == ids(first)
    assert ids(session)[8:] == wanted(llama, ids(first), session.sampling)
    assert len(session.steps) == 13
    assert session.branch.reason == "length"
    assert len(session.branches) == 1


def test_continue_with_another_strategy_is_another_branch(pane, session, finished):
    first = run(pane, finished)
    session.set_strategy(Strategy(stop_strings=("zzz",)))
    button(pane, "continue").click()
    finished()
    assert session.branch.parent == first.key
    assert ids(session)[:8] == ids(first)
    assert len(ids(session)) > 8


def test_walking_away_from_what_is_written_loses_nothing(pane, session, runner, finished, slow, llama):
    first = run(pane, finished)
    session.set_sampling(replace(GREEDY, max_new_tokens=40))
    after_steps(session, 5, lambda: tree(pane).walked.emit(first.key))
    pane.branch_at(2, 40)
    finished()
    assert session.branch.key == first.key
    assert ids(session) == ids(first)
    other = session.branches[1]
    assert ids(other)[3:] == wanted(llama, ids(other)[:3], session.sampling)
    assert other.reason == "length"


def test_walking_back_shows_what_came_meanwhile(pane, session, runner, qtbot, finished, slow):
    first = run(pane, finished)
    session.set_sampling(replace(GREEDY, max_new_tokens=60))
    pane.branch_at(2, 40)
    qtbot.waitUntil(lambda: len(session.steps) > 4 and session.branch.key != first.key)
    key = session.branch.key
    tree(pane).walked.emit(first.key)
    row = next(number for number, row in enumerate(tree(pane).rows) if row.key == key)
    before = tree(pane).rows[row].tokens
    qtbot.waitUntil(lambda: len(pane._runs.steps_of(key)) > before + 3)
    tree(pane).walked.emit(key)
    assert len(session.steps) >= before + 3
    finished()
    assert [step.index for step in session.steps] == list(range(63))
    assert output(pane).pieces == 63


def test_another_token_while_text_comes_stops_it_first(pane, session, finished, slow):
    session.set_sampling(replace(GREEDY, max_new_tokens=100))
    after_steps(session, 6, lambda: pane.branch_at(1, 40))
    pane.run_main_action()
    finished()
    first, second = session.branches
    assert first.reason == "stopped"
    assert 6 <= len(first.steps) < 100
    assert second.parent == first.key
    assert ids(second)[:2] == (ids(first)[0], 40)


def test_two_branches_stand_side_by_side_with_the_parting_marked(pane, session, finished):
    first = run(pane, finished)
    pane.branch_at(3, 40)
    finished()
    second = session.branch
    tree(pane).compare_requested.emit((first.key, second.key))
    columns = pane.findChild(Columns)
    assert columns.isVisible() and not output(pane).isVisible()
    for branch in (first, second):
        shared = "".join(step.text for step in branch.steps[:3])
        assert columns.text_of(branch.key) == shared + PARTING + "".join(step.text for step in branch.steps[3:])
    assert "token 4" in " ".join(label.text() for label in columns.findChildren(QLabel))
    button(pane, "column_1").click()
    assert session.branch.key == first.key
    assert columns.isVisible()
    button(pane, "one_text").click()
    assert output(pane).isVisible()


def test_delete_takes_what_grew_out_of_it_and_says_how_many(pane, session, finished):
    first = run(pane, finished)
    pane.branch_at(3, 40)
    finished()
    second = session.branch
    pane.branch_at(5, 41)
    finished()
    tree(pane).prune_requested.emit(second.key)
    assert [branch.key for branch in session.branches] == [first.key]
    assert session.branch.key == first.key
    assert "1 branch that grew out of it" in notice(pane)


def test_what_is_being_written_is_not_deleted(pane, session, finished, slow):
    first = run(pane, finished)
    session.set_sampling(replace(GREEDY, max_new_tokens=40))
    after_steps(session, 6, lambda: tree(pane).prune_requested.emit(first.key))
    pane.branch_at(2, 40)
    finished()
    assert len(session.branches) == 2
    assert "being written" in notice(pane)


def test_several_sequences_come_side_by_side(pane, session, llama, finished):
    session.set_sampling(HOT)
    session.set_strategy(Strategy(num_return_sequences=3))
    pane.run_main_action()
    finished()
    expected = generate.run(llama, PROMPT, (), HOT, strategy=session.strategy)
    assert [ids(branch) for branch in session.branches] == [
        tuple(step.token_id for step in steps) for steps in expected.sequences
    ]
    first, *others = session.branches
    assert all(other.parent == first.key and other.reason for other in others)
    columns = pane.findChild(Columns)
    assert columns.isVisible()
    assert columns.keys == tuple(branch.key for branch in session.branches)
    assert [columns.count(branch.key) for branch in session.branches] == [8, 8, 8]
    button(pane, "column_3").click()
    assert session.branch.key == others[1].key
    button(pane, "one_text").click()
    assert output(pane).isVisible() and output(pane).pieces == 8


def test_the_beams_are_shown_with_the_way_to_the_text_that_was_taken(pane, session, llama, finished):
    session.set_strategy(Strategy(num_beams=3))
    pane.run_main_action()
    finished()
    expected = generate.run(llama, PROMPT, (), GREEDY, strategy=session.strategy)
    assert ids(session) == expected.ids
    assert len(session.branch.beams) == len(expected.beams)
    beams = pane.findChild(BeamView, "playground.beams")
    assert beams.isVisible()
    assert len(beams.steps) == len(expected.beams)
    assert all(len(rows) >= 3 for rows in beams.steps[:-1])
    assert winner(session.branch.beams, ids(session)) is not None
    session.set_strategy(Strategy())
    run(pane, finished)
    assert not beams.isVisible()


def test_beams_give_several_texts_side_by_side(pane, session, finished):
    session.set_strategy(Strategy(num_beams=3, num_return_sequences=2))
    pane.run_main_action()
    finished()
    assert len(session.branches) == 2
    assert pane.findChild(Columns).keys == tuple(branch.key for branch in session.branches)


def test_an_encoder_decoder_shows_what_is_read_and_what_the_decoder_starts_with(pane, session, finished, tmp_path):
    session.set_model(models.load(build_tiny_t5(tmp_path / "t5")))
    assert not pane.is_empty
    first = run(pane, finished)
    assert first.start.decoder_start
    shown = output(pane).toPlainText()
    start = "".join(session.vocabulary.spell(first.start.decoder_start))
    assert shown.startswith(f"Encoder reads\n{PROMPT}\nDecoder writes\n{start}")
    pane.branch_at(2, 40)
    finished()
    assert ids(session)[:3] == (*ids(first)[:2], 40)
    assert len(session.steps) > 3
    button(pane, "next_token").click()
    finished()
    assert session.next_logits is not None


def test_pictures_are_taken_where_the_checkpoint_takes_them(pane, session, finished, printed, tmp_path):
    images = pane.findChild(Attached)
    assert not images.isVisible()
    shown = picture(tmp_path)
    images.add([shown])
    assert images.images == ()
    session.set_model(models.load(build_tiny_llava(tmp_path / "llava")))
    images.clear()
    assert images.isVisible()
    images.add([shown, tmp_path / "llava" / "config.json"])
    assert images.images == (shown,)
    assert "was not taken" in notice(pane)
    button(pane, "show_code").click()
    before = pane.findChild(QPlainTextEdit, "playground.code").toPlainText()
    branch = run(pane, finished)
    assert branch.start.images == (shown,)
    assert printed(before)[-1] == str(list(ids(branch))), "the code knew where the picture goes before it ran"
    button(pane, "file_1").click()
    assert images.images == ()
    assert not run(pane, finished).start.images


def test_a_model_that_reads_a_picture_and_no_text_writes_about_it(pane, session, finished, printed, tmp_path):
    button(pane, "show_code").click()
    session.set_model(models.load(tiny_captions.build(tmp_path / "trocr", "trocr"), device="cpu"))
    session.set_prompt("")
    session.set_sampling(GREEDY)
    assert run(pane, finished) is None
    assert "writes about one picture" in notice(pane)
    shown = picture(tmp_path)
    pane.findChild(Attached).add([shown])
    branch = run(pane, finished)
    assert branch.start.images == (shown,) and len(branch.steps) == 8
    assert output(pane).toPlainText().startswith(f"Encoder reads\n{shown.name}\nDecoder writes\n")
    assert printed(pane.findChild(QPlainTextEdit, "playground.code").toPlainText())[-1] == str(list(ids(branch)))
    pane.branch_at(2, 40)
    finished()
    assert ids(session)[:3] == (*ids(branch)[:2], 40)
    button(pane, "next_token").click()
    finished()
    assert session.next_logits is not None


@pytest.mark.parametrize("kind", ["t5", "llava", "trocr"])
def test_a_token_chosen_after_next_token_follows_all_that_was_scored(pane, session, finished, tmp_path, kind):
    builds = {"t5": build_tiny_t5, "llava": build_tiny_llava, "trocr": partial(tiny_captions.build, kind="trocr")}
    session.set_model(models.load(builds[kind](tmp_path / kind), device="cpu"))
    session.set_sampling(replace(GREEDY, repetition_penalty=1.0))
    if kind != "t5":
        session.set_prompt("" if kind == "trocr" else PROMPT)
        pane.findChild(Attached).add([picture(tmp_path)])
    button(pane, "next_token").click()
    finished()
    best = int(np.argmax(session.next_logits.float32()))
    pane.branch_at(0, best)
    finished()
    chosen = session.branch
    plain = run(pane, finished)
    assert chosen.start == replace(plain.start, kept=1)
    assert ids(chosen)[: len(plain.steps)] == ids(plain)


def test_a_dropped_picture_is_taken_and_a_dropped_text_is_not_touched(pane, session, tmp_path):
    session.set_model(models.load(build_tiny_llava(tmp_path / "llava")))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picture(tmp_path)))])
    field = pane.findChild(QPlainTextEdit, "playground.prompt").viewport()
    keys = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    # Qt drops only on what a drag has entered.
    assert QApplication.sendEvent(field, QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *keys))
    assert QApplication.sendEvent(field, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *keys))
    assert [path.name for path in pane.findChild(Attached).images] == ["stripes.png"]
    assert session.prompt == PROMPT


def test_stop_before_the_first_token_leaves_no_branch(pane, session, runner, finished):
    pane.run_main_action()
    pane.stop_main_action()
    finished()
    assert all(branch.steps for branch in session.branches)
    assert button(pane, "generate").isEnabled()
    assert run(pane, finished).reason == "length"


def test_two_generations_started_at_once_are_one(pane, session, runner, finished):
    pane.run_main_action()
    pane.run_main_action()
    assert len(runner.active) == 1
    button(pane, "next_token").click()
    finished()
    assert len(session.branches) == 1


def test_unloading_while_text_comes_keeps_what_came(pane, session, finished, slow):
    session.set_sampling(replace(GREEDY, max_new_tokens=100))
    after_steps(session, 5, lambda: session.set_model(None))
    pane.run_main_action()
    finished()
    assert pane.is_empty
    assert not session.steps
    branch = session.branches[0]
    assert branch.reason == "stopped"
    assert 5 <= len(branch.steps) < 100


def test_a_branch_of_another_checkpoint_is_not_gone_on_from(pane, session, finished, tmp_path):
    from tests import tiny

    run(pane, finished)
    first = session.branches[0]
    session.set_model(models.load(replace(tiny.build_tiny_llama(tmp_path / "another"), name="another")))
    pane._on_walked(first.key)
    pane.branch_at(2, 40)
    assert "another checkpoint" in notice(pane)
    assert not pane.is_running


def test_knobs_that_leave_no_token_are_named(pane, session, llama, finished):
    every = tuple(range(llama.model.config.vocab_size))
    session.set_sampling(replace(HOT, suppress_tokens=every))
    pane.run_main_action()
    finished()
    assert "leave no token" in notice(pane) or "suppress_tokens" in notice(pane)
    assert not session.steps


def test_a_knob_that_can_not_be_had_is_told_and_the_run_goes_on(pane, session, finished, slow):
    session.set_sampling(replace(HOT, max_new_tokens=20))
    after_steps(session, 4, lambda: session.set_sampling(replace(HOT, max_new_tokens=20, temperature=-1.0)))
    branch = run(pane, finished)
    assert "temperature" in notice(pane)
    assert {step.sampling.temperature for step in branch.steps} == {1.0}
    assert len(branch.steps) == 20


def test_scores_that_come_late_are_not_put_behind_another_text(pane, session, finished, slow):
    first = run(pane, finished)
    button(pane, "next_token").click()
    tree(pane).walked.emit(first.key)
    finished()
    assert session.next_logits is None
    assert ids(session) == ids(first)


def test_settings_that_exclude_each_other_are_told(pane, session, finished):
    session.set_strategy(Strategy(num_return_sequences=3))
    pane.run_main_action()
    finished()
    assert "go together" in notice(pane)
    assert not session.branches


def test_truncate_left_says_what_goes_and_then_runs(pane, session, finished):
    session.set_prompt("Once upon a time " + "fox " * 300)
    session.set_sampling(replace(GREEDY, max_new_tokens=4))
    pane.run_main_action()
    finished()
    assert "too long" in notice(pane)
    assert "“Once upon a time fox" in notice(pane)
    said = notice(pane)
    next(each for each in pane.findChildren(QPushButton) if each.text() == "Truncate left").click()
    finished()
    assert session.start.dropped > 40
    assert f"first {session.start.dropped:,} tokens" in said
    assert len(session.steps) == 4
    assert notice(pane) == ""


def test_a_chat_answer_can_be_branched_and_the_turn_follows(pane, session, finished):
    button(pane, "chat_mode").click()
    pane._texts.chat_input.setPlainText("Who are you?")
    pane.run_main_action()
    finished()
    first = session.branch
    assert pane.turns[-1].content == first.text
    pane.branch_at(2, 40)
    finished()
    assert session.branch.messages == first.messages
    assert pane.turns[-1].content == session.branch.text != first.text
    tree(pane).walked.emit(first.key)
    assert pane.turns[-1].content == first.text


def test_the_status_says_speed_memory_and_reason(pane, session, finished):
    run(pane, finished)
    said = status(pane)
    for part in ("8 tokens", "tokens/s", "logits", "ended at max_new_tokens", "cache"):
        assert part in said


def test_the_shown_code_writes_the_branch_again(pane, session, finished, printed):
    session.set_sampling(HOT)
    button(pane, "show_code").click()
    run(pane, finished)
    pane.branch_at(3, 40)
    finished()
    button(pane, "continue").click()
    finished()
    assert len(session.steps) == 20
    code = pane.findChild(QPlainTextEdit, "playground.code").toPlainText()
    written = printed(code)[-1]
    assert written in (str(list(ids(session)[12:])), str(list(ids(session))))


def test_a_moved_knob_shows_the_code_of_what_comes_next(pane, session, finished):
    button(pane, "show_code").click()
    run(pane, finished)
    session.set_sampling(replace(GREEDY, max_new_tokens=77))
    assert "77" in pane.findChild(QPlainTextEdit, "playground.code").toPlainText()


def test_bars_are_as_long_as_the_share():
    assert bar(0.0) == ""
    assert len(bar(1.0)) == 16
    assert bar(0.5) == "█" * 8
    assert bar(1.5) == bar(1.0)


def test_a_recorded_session_is_read_without_a_model_and_says_what_going_on_needs(
    pane: PlaygroundPane, session: Session, finished: Callable[[], None]
) -> None:
    pane.run_main_action()
    finished()
    branch = session.branch
    assert branch is not None
    words = session.vocabulary
    session.set_model(None)
    session.adopt([branch], words)
    assert not pane.is_empty
    assert branch.text.strip() in output(pane).toPlainText()
    pane.run_main_action()
    assert "No model is loaded" in notice(pane)
