"""The distribution of any step, from the logits kept with it: right, at once, and without a model run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QPlainTextEdit, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from tests import tiny_seq2seq
from workbench.engine import forward, generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Logits, Sampling
from workbench.panes.probabilities import ProbabilitiesPane
from workbench.runtime import session as session_module
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets.probability_table import ProbabilityTable, format_percent
from workbench.widgets.trace_bar import TraceBar

PROMPT = "The quick brown fox"
KNOBS = Sampling(temperature=1.2, top_k=30, top_p=0.9, repetition_penalty=1.2, max_new_tokens=12, seed=1)


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


def distribution(session: Session, index: int) -> Distribution:
    return Distribution(session.steps[index].logits, session.branch.situation(index))


def expected(session: Session, index: int, count: int, knobs: Sampling) -> list[tuple[int, float, float, str | None]]:
    made = distribution(session, index)
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


def test_the_funnel_states_what_each_knob_removed_in_true_order(pane, session):
    select(session, 4)
    step = session.steps[4]
    made = distribution(session, 4)
    trace = made.trace(KNOBS)
    stages = control(pane, TraceBar, "funnel").stages
    names = [stage.name for stage in stages]
    assert names == ["all", "repetition_penalty", "temperature", "top_k", "top_p", "kept"]
    assert f"{made.entropy:.2f} bits" in stages[0].words
    top_k = trace.acts[2]
    assert f"removed {top_k.removed_count} tokens · {format_percent(top_k.removed)}" in stages[3].tip
    assert "it stands at 30" in stages[3].tip
    assert stages[-1].words == f"{trace.kept} · {trace.entropy:.2f} bits"
    lefts = [stage.left for stage in stages]
    assert lefts == sorted(lefts, reverse=True)
    assert lefts[-1] == pytest.approx((1 - top_k.removed) * (1 - trace.acts[3].removed))
    summary = text(pane, "summary")
    assert f"entropy {made.entropy:.2f} bits" in summary
    assert f"surprise {step.surprise:.2f} bits" in summary
    assert f"rank {step.rank}" in summary


def test_every_processor_that_acts_has_a_column_with_the_score_after_it(pane, session):
    pane.resize(1400, 600)
    select(session, 4)
    trace = distribution(session, 4).trace(KNOBS)
    assert table(pane).acts == tuple(act.name for act in trace.acts)
    for row in table(pane).candidates:
        assert row.scores == trace.scores(row.id)
        assert row.why == trace.why(row.id)
    session.set_sampling(replace(KNOBS, repetition_penalty=1.0, min_p=0.01))
    assert table(pane).acts == ("temperature", "top_k", "top_p", "min_p")


def test_the_trace_hides_where_it_is_narrow_and_stays_as_it_was_chosen(pane, session):
    select(session, 4)
    trace = control(pane, QAbstractButton, "trace")
    pane.resize(420, 600)
    select(session, 5)
    assert not trace.isChecked()
    assert table(pane).acts == ()
    trace.click()
    assert len(table(pane).acts) == 4
    select(session, 6)
    assert len(table(pane).acts) == 4
    trace.click()
    pane.resize(1400, 600)
    select(session, 7)
    assert table(pane).acts == ()


def test_what_it_was_drawn_with_and_what_it_would_be_now_are_both_said(pane, session):
    select(session, 4)
    step = session.steps[4]
    assert f"drawn with {format_percent(step.after)} under the knobs of that step; they stand" in text(pane, "fate")
    colder = replace(KNOBS, temperature=0.9, top_k=0, top_p=1.0)
    session.set_sampling(colder)
    now = distribution(session, 4).trace(colder).probabilities[step.token_id]
    assert f"as they stand it has {format_percent(float(now))}" in text(pane, "fate")


def test_a_token_that_would_now_be_cut_says_by_what_and_why(pane, session):
    unlikely = next(step.index for step in session.steps if step.rank > 5)
    select(session, unlikely)
    session.set_sampling(replace(KNOBS, top_k=1, repetition_penalty=1.0))
    assert "not possible: cut by top_k" in text(pane, "fate")
    assert "only 1 is kept" in control(pane, QLabel, "fate").toolTip()
    session.set_sampling(replace(KNOBS, do_sample=False, repetition_penalty=1.0))
    assert "not possible: cut by greedy decoding" in text(pane, "fate")


def test_as_it_was_shows_the_knobs_of_the_step_whatever_they_are_now(pane, session):
    select(session, 4)
    then = shown(pane)
    session.set_sampling(replace(KNOBS, top_k=2, temperature=0.3))
    assert shown(pane) != then
    control(pane, QAbstractButton, "knobs_held").click()
    assert shown(pane) == then
    session.set_sampling(replace(KNOBS, top_k=1))
    assert shown(pane) == then, "the knobs move, the step's own did not"
    step = session.steps[4]
    possible = distribution(session, 4).trace(replace(KNOBS, top_k=1)).possible(step.token_id)
    assert ("it has 100 %" if possible else "not possible: cut by top_k") in text(pane, "fate")
    control(pane, QAbstractButton, "knobs_held").click()
    assert shown(pane)[:50] == expected(session, 4, 50, replace(KNOBS, top_k=1))


def test_kept_lists_all_that_is_left_and_nothing_else(pane, session):
    select(session, 4)
    control(pane, QComboBox, "top").setCurrentIndex(3)
    probabilities = distribution(session, 4).trace(KNOBS).probabilities
    rows = shown(pane)
    assert {row[0] for row in rows} == set(np.flatnonzero(probabilities > 0).tolist())
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)


def test_every_token_cut_is_said_and_breaks_nothing(pane, session):
    select(session, 4)
    session.set_sampling(replace(KNOBS, suppress_tokens=tuple(range(384))))
    assert "the knobs cut every token" in text(pane, "fate")
    assert control(pane, TraceBar, "funnel").stages[-1].words == "0"
    session.set_sampling(KNOBS)
    assert shown(pane)[:50] == expected(session, 4, 50, KNOBS)


def test_logits_that_are_no_numbers_are_said_in_words(pane, session):
    broken = Logits(np.full(384, np.nan, dtype=np.float32), "float32")
    session.add_step(replace(session.steps[-1], index=12, logits=broken))
    select(session, 12)
    assert pane.is_empty
    assert any("NaN" in label.text() for label in pane.findChildren(QLabel))
    select(session, 3)
    assert not pane.is_empty


def test_the_selected_candidate_is_asked_for_as_a_branch(pane, session, qtbot):
    select(session, 4)
    button = control(pane, QAbstractButton, "branch")
    assert not button.isEnabled()
    table(pane).selectRow(2)
    assert button.isEnabled()
    wanted = table(pane).candidates[2].id
    with qtbot.waitSignal(pane.branch_requested) as asked:
        button.click()
    assert asked.args == [4, wanted]
    with qtbot.waitSignal(pane.branch_requested) as asked:
        qtbot.keyClick(table(pane), Qt.Key.Key_Return)
    assert asked.args == [4, wanted]


def test_the_selection_stays_on_its_token_while_a_knob_moves(pane, session):
    select(session, 4)
    table(pane).selectRow(2)
    chosen = table(pane).selected_candidate.id
    for penalty in (1.0, 1.4, 1.9):
        session.set_sampling(replace(KNOBS, repetition_penalty=penalty))
        assert table(pane).selected_candidate.id == chosen


def test_the_memory_and_what_goes_first_is_stated(pane, session, qtbot):
    qtbot.waitUntil(lambda: "logits kept for 12 of 12 steps" in text(pane, "memory"))
    assert "of 537 MB; the oldest steps of other branches go first" in text(pane, "memory")


def test_the_scored_next_token_is_shown_before_anything_is_chosen(qtbot, llama):
    session, runner = Session(), Runner()
    session.set_model(llama)
    pane = ProbabilitiesPane(session, runner)
    qtbot.addWidget(pane)
    pane.show()
    assert pane.is_empty
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
    session.set_selection(0)
    assert any("Nothing stands in front" in label.text() for label in pane.findChildren(QLabel))


def test_it_follows_the_newest_token_while_text_comes(pane, session, llama, qtbot):
    last = session.steps[-1]
    session.add_step(replace(last, index=12))
    qtbot.waitUntil(lambda: "step 13 of 13" in text(pane, "title"))


def test_the_last_token_of_a_text_that_has_ended_is_shown_without_waiting_for_the_next_frame(pane, session):
    session.add_step(replace(session.steps[-1], index=12))
    assert "step 13" not in text(pane, "title")
    session.end(session.branch.key, "length")
    assert "step 13 of 13" in text(pane, "title")


def test_with_nothing_to_show_it_leads_to_where_text_is_written(qtbot, runner):
    pane = ProbabilitiesPane(Session(), runner)
    qtbot.addWidget(pane)
    pane.show()
    button = control(pane, QAbstractButton, "empty_action")
    assert pane.is_empty and button.text() == "Open Playground"
    with qtbot.waitSignal(pane.pane_requested) as asked:
        button.click()
    assert asked.args == ["playground"]


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


def test_the_shown_code_prints_the_same_candidates(pane, session, printed):
    select(session, 3)
    control(pane, QAbstractButton, "show_code").click()
    code = pane.findChild(QPlainTextEdit, "probabilities.code").toPlainText()
    printed = [line.split()[:3] for line in printed(code)]
    rows = {row[0]: row for row in shown(pane)} | {row[0]: row for row in expected(session, 3, 384, KNOBS)}
    assert len(printed) == 10
    for token_id, before, after in printed:
        assert float(before) == pytest.approx(rows[int(token_id)][1], abs=1e-5)
        assert float(after) == pytest.approx(rows[int(token_id)][2], abs=1e-5)


# What runs a job, because it was asked for.


@pytest.fixture
def asked(qtbot: QtBot, session: Session, runner: Runner) -> ProbabilitiesPane:
    pane = ProbabilitiesPane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(900, 600)
    pane.show()
    return pane


def press_empty(pane: ProbabilitiesPane, words: str) -> None:
    button = control(pane, QAbstractButton, "empty_action")
    assert button.text() == words
    button.click()


def test_a_prompt_position_can_be_scored_with_the_given_token_marked(asked, session, llama, qtbot):
    session.set_selection(2)
    press_empty(asked, "Score the prompt here")
    qtbot.waitUntil(lambda: not asked.is_empty, timeout=20_000)
    tokens = session.encoding.tokens
    logits = forward.next_token(llama, replace(session.encoding, tokens=tokens[:2]))
    made = Distribution(logits, session.encoding.input_ids[:2])
    assert shown(asked)[:50] == [(row.id, row.probability, row.after, row.cut_by) for row in made.top(50, KNOBS, None)]
    assert "position 2 of the prompt, given, scored here" in text(asked, "title")
    assert "was given" in text(asked, "fate")
    assert any(str(table(asked).row(row)[0]).startswith("▶") for row in range(len(table(asked).candidates)))
    assert not control(asked, QAbstractButton, "branch").isEnabled()
    session.set_selection(None)
    session.set_selection(2)
    assert not asked.is_empty, "it is kept"


def test_dropped_logits_can_be_computed_again(asked, session, llama, qtbot, monkeypatch):
    kept = [step.logits.float32() for step in session.steps]
    monkeypatch.setattr(session_module, "LOGITS_BUDGET", 4 * session.steps[0].logits.nbytes)
    session.add_step(replace(session.steps[-1], index=12))
    assert session.steps[3].logits is None
    select(session, 3)
    press_empty(asked, "Recompute step 4")
    qtbot.waitUntil(lambda: not asked.is_empty, timeout=20_000)
    for row in table(asked).candidates:
        assert row.logit == pytest.approx(float(kept[3][row.id]), abs=1e-4)
    assert "scored here" in text(asked, "title")
    assert "last bits may differ" in text(asked, "summary")
    assert session.steps[3].logits is None, "the record stays as it is"


def test_without_the_model_that_wrote_it_nothing_is_offered(qtbot, session, llama, runner):
    recorded = session.branch
    other = Session()
    spelled = Vocabulary(llama.tokenizer).spell(range(384))
    steps = (replace(recorded.steps[0], logits=None), *recorded.steps[1:])
    other.adopt([replace(recorded, steps=steps)], Vocabulary(None, spelled))
    other.set_sampling(KNOBS)
    pane = ProbabilitiesPane(other, runner)
    qtbot.addWidget(pane)
    pane.show()
    select(other, 5)
    assert shown(pane)[:50] == expected(other, 5, 50, KNOBS), "recorded steps need no model"
    assert table(pane).candidates[0].text == spelled[table(pane).candidates[0].id]
    table(pane).selectRow(1)
    assert not control(pane, QAbstractButton, "branch").isEnabled()
    select(other, 0)
    assert pane.is_empty
    assert not control(pane, QAbstractButton, "empty_action").isVisible()
    assert any(f"Load {recorded.checkpoint}" in label.text() for label in pane.findChildren(QLabel))
    control(pane, QAbstractButton, "show_code").click()
    assert pane.code == ""


def test_any_token_is_found_by_text_and_by_id(asked, session, llama, qtbot):
    select(session, 4)
    made = distribution(session, 4)
    spelled = session.vocabulary.spell(range(384))
    rarest = int(np.argmin(made.logits))
    find = control(asked, QLineEdit, "find")
    find.setText(str(rarest))
    qtbot.waitUntil(lambda: bool(text(asked, "listed")), timeout=20_000)
    assert table(asked).candidates[0].id == rarest
    assert table(asked).candidates[0].rank == made.rank(rarest)
    wanted = next(token for token in session.encoding.tokens if token.text.strip().isalpha())
    find.setText(wanted.text.replace(" ", "·"))
    qtbot.waitUntil(lambda: table(asked).candidates[0].id == wanted.id, timeout=20_000)
    for row in table(asked).candidates:
        assert wanted.text.strip().casefold() in spelled[row.id].casefold()
    find.setText("no token reads like this")
    qtbot.waitUntil(lambda: "0 tokens found" in text(asked, "listed"), timeout=20_000)
    assert len(table(asked).candidates) == 0
    find.clear()
    assert shown(asked)[:50] == expected(session, 4, 50, KNOBS)


def test_the_whole_distribution_is_exported(asked, session, tmp_path: Path, qtbot):
    select(session, 4)
    path = tmp_path / "step.csv"
    asked.export_csv(path)
    qtbot.waitUntil(lambda: bool(asked.notices), timeout=20_000)
    assert asked.notices[0].kind == "success"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    made = distribution(session, 4)
    trace = made.trace(KNOBS)
    assert [int(row["id"]) for row in rows] == list(range(384))
    assert [row["text"] for row in rows] == session.vocabulary.spell(range(384))
    for token_id, row in enumerate(rows):
        assert float(row["logit"]) == float(made.logits[token_id])
        assert float(row["after"]) == float(trace.probabilities[token_id])
        assert (row["cut_by"] or None) == trace.cut_by(token_id)


def test_an_export_that_fails_is_a_notice(asked, session, tmp_path: Path, qtbot):
    select(session, 4)
    asked.export_csv(tmp_path / "no such folder" / "step.csv")
    qtbot.waitUntil(lambda: bool(asked.notices), timeout=20_000)
    assert asked.notices[0].kind == "error"


def test_the_bars_are_saved_as_a_picture(asked, session, tmp_path: Path):
    select(session, 4)
    asked.export_picture(tmp_path / "bars.png")
    asked.export_picture(tmp_path / "bars.svg")
    assert QImage(str(tmp_path / "bars.png")).width() > 400
    assert "drawn with" in (tmp_path / "bars.svg").read_text(encoding="utf-8")


def test_what_an_encoder_decoder_wrote_is_shown_and_computed_again(qtbot, runner, tmp_path: Path):
    model = models.load(tiny_seq2seq.build_tiny_t5(tmp_path / "t5"))
    session = Session()
    session.set_model(model)
    session.set_sampling(replace(KNOBS, max_new_tokens=4))
    session.set_encoding(generate.prepare(model, PROMPT))
    result = generate.stream(model, session.encoding, session.sampling)
    key = session.begin(result.start)
    for step in result.steps:
        session.add_step(replace(step, logits=None) if step.index == 1 else step)
    session.end(key, result.reason)
    pane = ProbabilitiesPane(session, runner)
    qtbot.addWidget(pane)
    pane.show()
    select(session, 0)
    assert shown(pane)[:50] == expected(session, 0, 50, session.sampling)
    select(session, 1)
    press_empty(pane, "Recompute step 2")
    qtbot.waitUntil(lambda: not pane.is_empty, timeout=20_000)
    chosen = result.steps[1]
    row = next(row for row in table(pane).candidates if row.id == chosen.token_id)
    assert row.probability == pytest.approx(chosen.probability, rel=1e-3)
    session.set_selection(1)
    assert any("encoder's input" in label.text() for label in pane.findChildren(QLabel))


def test_the_cumulative_line_is_the_running_sum_of_the_ranked_distribution(pane, session, tmp_path: Path):
    select(session, 5)
    switch = control(pane, QAbstractButton, "cumulative")
    assert table(pane).reach(0) is None
    without = tmp_path / "without.svg"
    pane.export_picture(without)
    switch.click()
    for knobs in (KNOBS, replace(KNOBS, temperature=0.4, top_p=0.6), replace(KNOBS, do_sample=False)):
        session.set_sampling(knobs)
        made = distribution(session, 5)
        trace = made.trace(knobs)
        for side, chances in enumerate((made.probabilities, trace.probabilities)):
            ranked = np.sort(chances)[::-1]
            running = np.cumsum(ranked.astype(np.float64))
            for number, row in enumerate(table(pane).candidates[:40]):
                if side and row.cut_by:
                    continue
                last = int(np.searchsorted(-ranked, -chances[row.id], side="right")) - 1
                assert table(pane).reach(number)[side] == pytest.approx(running[last], abs=1e-5)
    session.set_sampling(KNOBS)
    path = tmp_path / "with.svg"
    pane.export_picture(path)
    assert path.read_text().count("<polyline") == without.read_text().count("<polyline") + 2
    switch.click()
    assert table(pane).reach(0) is None
