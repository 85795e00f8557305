"""The distribution of any step, from the logits kept with it: right, at once, and without a model run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QPlainTextEdit, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.values import Checkpoint, Sampling
from workbench.panes.probabilities import ProbabilitiesPane
from workbench.runtime import session as session_module
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.probability_table import ProbabilityTable

PROMPT = "The quick brown fox"
KNOBS = Sampling(temperature=1.2, top_k=30, top_p=0.9, repetition_penalty=1.2, max_new_tokens=12, seed=1)


@pytest.fixture(scope="module")
def llama(tiny_llama: Checkpoint) -> LoadedModel:
    return models.load(tiny_llama)


@pytest.fixture
def session(llama: LoadedModel) -> Session:
    """Twelve steps behind a prompt."""
    session = Session()
    session.set_model(llama)
    session.set_sampling(KNOBS)
    session.set_encoding(generate.prepare(llama, PROMPT))
    for step in generate.stream(llama, session.encoding, KNOBS).steps:
        session.add_step(step)
    return session


@pytest.fixture
def pane(qtbot: QtBot, session: Session) -> Iterator[ProbabilitiesPane]:
    runner = Runner()
    pane = ProbabilitiesPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(700, 600)
    pane.show()
    yield pane
    assert runner.jobs == [], "a model ran for it"
    runner.shut_down()


def table(pane: ProbabilitiesPane) -> ProbabilityTable:
    found = pane.findChild(ProbabilityTable, "probabilities.table")
    assert found is not None
    return found


def text(pane: ProbabilitiesPane, name: str) -> str:
    found = pane.findChild(QLabel, f"probabilities.{name}")
    assert found is not None, name
    return found.text()


def control(pane: ProbabilitiesPane, kind: type, name: str) -> QWidget:
    found = pane.findChild(kind, f"probabilities.{name}")
    assert found is not None, name
    return found


def expected(session: Session, index: int, count: int, knobs: Sampling) -> list[tuple[int, float, float, str | None]]:
    before = [*session.encoding.input_ids, *(step.token_id for step in session.steps[:index])]
    made = Distribution(session.steps[index].logits, before)
    return [(row.id, row.probability, row.after, row.cut_by) for row in made.top(count, knobs, None)]


def shown(pane: ProbabilitiesPane) -> list[tuple[int, float, float, str | None]]:
    return [(row.id, row.probability, row.after, row.cut_by) for row in table(pane).candidates]


def select(session: Session, index: int) -> None:
    session.set_selection(len(session.encoding.tokens) + index)


def test_it_shows_the_selected_step_and_else_the_latest(pane, session):
    assert shown(pane)[:50] == expected(session, 11, 50, KNOBS)
    select(session, 3)
    assert shown(pane)[:50] == expected(session, 3, 50, KNOBS)
    assert "step 4 of 12" in text(pane, "title")
    control(pane, QAbstractButton, "latest").click()
    assert session.selection is None
    assert shown(pane)[:50] == expected(session, 11, 50, KNOBS)


def test_moving_a_knob_redraws_at_once_from_kept_logits(pane, session):
    select(session, 5)
    for change in ({"temperature": 0.3}, {"top_k": 3}, {"top_p": 0.2}, {"min_p": 0.5}, {"do_sample": False}):
        knobs = replace(KNOBS, **change)
        session.set_sampling(knobs)
        assert shown(pane)[:50] == expected(session, 5, 50, knobs), change


def test_the_step_buttons_move_the_shared_selection(pane, session):
    select(session, 5)
    control(pane, QAbstractButton, "next").click()
    assert session.selected_step.index == 6
    control(pane, QAbstractButton, "previous").click()
    control(pane, QAbstractButton, "previous").click()
    assert session.selected_step.index == 4
    control(pane, QSpinBox, "step").setValue(1)
    assert session.selected_step.index == 0
    assert not control(pane, QAbstractButton, "previous").isEnabled()


@pytest.mark.parametrize(("index", "count"), [(0, 10), (1, 50), (2, 200)])
def test_as_many_candidates_as_asked_for_and_the_chosen_one(pane, session, index, count):
    select(session, 2)
    control(pane, QComboBox, "top").setCurrentIndex(index)
    rows = [row.id for row in table(pane).candidates]
    chosen = session.steps[2].token_id
    assert rows[:count] == [row[0] for row in expected(session, 2, count, KNOBS)]
    assert chosen in rows
    assert len(rows) == count + (chosen not in rows[:count])


def test_the_summary_states_entropy_kept_removed_and_the_chosen_token(pane, session):
    select(session, 4)
    step = session.steps[4]
    before = [*session.encoding.input_ids, *(each.token_id for each in session.steps[:4])]
    made = Distribution(step.logits, before)
    trace = made.trace(KNOBS)
    summary = text(pane, "summary")
    assert f"{trace.kept} of 384 tokens kept" in summary
    assert f"{made.entropy:.2f} bits raw" in summary
    assert f"{trace.entropy:.2f} bits after" in summary
    assert f"top_k removed {trace.removed_count['top_k']}" in summary
    assert f"rank {step.rank}" in summary
    assert "it is possible" in summary
    other = next(row for row in range(384) if row != step.token_id)
    assert other is not None
    session.set_sampling(replace(KNOBS, top_k=1))
    if made.trace(replace(KNOBS, top_k=1)).possible(step.token_id):
        assert "it is possible" in text(pane, "summary")
    else:
        assert "not possible: cut by top_k" in text(pane, "summary")


def test_a_token_that_would_now_be_cut_says_by_what(pane, session):
    unlikely = next(step.index for step in session.steps if step.rank > 5)
    select(session, unlikely)
    session.set_sampling(replace(KNOBS, top_k=1, repetition_penalty=1.0))
    assert "not possible: cut by top_k" in text(pane, "summary")
    session.set_sampling(replace(KNOBS, do_sample=False, repetition_penalty=1.0))
    assert "not possible: cut by greedy decoding" in text(pane, "summary")


def test_the_scored_next_token_is_shown_before_anything_is_chosen(qtbot, llama):
    session, runner = Session(), Runner()
    session.set_model(llama)
    pane = ProbabilitiesPane(session, runner)
    qtbot.addWidget(pane)
    pane.show()
    assert pane.is_empty
    from workbench.engine import forward

    session.set_encoding(generate.prepare(llama, PROMPT))
    session.set_next_logits(forward.next_token(llama, session.encoding))
    assert not pane.is_empty
    assert "not chosen yet" in text(pane, "title")
    assert "brown fox" in text(pane, "title")
    made = Distribution(session.next_logits, session.encoding.input_ids)
    assert [row[0] for row in shown(pane)] == [row.id for row in made.top(50, session.sampling, None)]


def test_dropped_logits_are_named_not_drawn_as_zeros(qtbot, session, llama, monkeypatch):
    monkeypatch.setattr(session_module, "LOGITS_BUDGET", 4 * session.steps[0].logits.nbytes)
    steps = list(session.steps)
    session.clear_steps()
    for step in steps:
        session.add_step(step)
    pane = ProbabilitiesPane(session, Runner())
    qtbot.addWidget(pane)
    pane.show()
    select(session, 0)
    assert pane.is_empty
    assert any("dropped" in label.text() for label in pane.findChildren(QLabel))
    select(session, 11)
    assert not pane.is_empty


def test_a_prompt_position_says_that_it_was_given(pane, session):
    session.set_selection(1)
    assert pane.is_empty
    assert any("was given, not chosen" in label.text() for label in pane.findChildren(QLabel))
    session.set_selection(None)
    assert not pane.is_empty


def test_it_follows_the_newest_token_while_text_comes(pane, session, llama, qtbot):
    last = session.steps[-1]
    session.add_step(replace(last, index=12))
    qtbot.waitUntil(lambda: "step 13 of 13" in text(pane, "title"), timeout=5000)


def test_while_hidden_it_computes_nothing_and_catches_up_when_shown(pane, session):
    pane.hide()
    select(session, 2)
    before = shown(pane)
    session.set_sampling(replace(KNOBS, temperature=0.2))
    assert shown(pane) == before
    pane.show()
    assert shown(pane)[:50] == expected(session, 2, 50, session.sampling)


def test_another_model_leaves_nothing_behind(pane, session, tiny_llama):
    session.set_model(models.load(tiny_llama))
    assert pane.is_empty


def test_the_shown_code_prints_the_same_candidates(pane, session):
    select(session, 3)
    control(pane, QAbstractButton, "show_code").click()
    code = pane.findChild(QPlainTextEdit, "probabilities.code").toPlainText()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    printed = [line.split()[:3] for line in done.stdout.strip().splitlines()]
    rows = {row[0]: row for row in shown(pane)} | {row[0]: row for row in expected(session, 3, 384, KNOBS)}
    assert len(printed) == 10
    for token_id, before, after in printed:
        assert float(before) == pytest.approx(rows[int(token_id)][1], abs=1e-5)
        assert float(after) == pytest.approx(rows[int(token_id)][2], abs=1e-5)
