"""The Compare pane: both sides write, where they part is said, and any token's distributions lie over one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QScrollArea, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from tests import families
from workbench.engine import compare, generate, models
from workbench.engine.compare import Side
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.values import Checkpoint, Sampling, Strategy
from workbench.panes.compare import ComparePane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.notice import NoticeCard
from workbench.widgets.pair_table import PairTable
from workbench.widgets.quiet import QuietComboBox
from workbench.widgets.tinted_text import TintedText

PROMPT = "The quick brown fox"
KNOBS = Sampling(temperature=1.2, top_k=0, top_p=1.0, max_new_tokens=12, seed=2)
COLD = replace(KNOBS, do_sample=False)


@pytest.fixture(scope="module")
def twin(tiny_llama: Checkpoint) -> LoadedModel:
    """The same checkpoint with other weights."""
    import torch

    model = models.load(tiny_llama)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for weight in model.model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return model


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner, llama: LoadedModel) -> ComparePane:
    session.set_model(llama)
    session.set_prompt(PROMPT)
    session.set_sampling(KNOBS)
    pane = ComparePane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1000, 800)
    pane.show()
    return pane


@pytest.fixture
def compared(qtbot: QtBot, pane: ComparePane, runner: Runner) -> Callable[[], None]:
    """Presses Compare and waits for both sides."""

    def press() -> None:
        qtbot.mouseClick(find(pane, QPushButton, "run"), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not runner.active, timeout=60_000)

    return press


def find(pane: ComparePane, kind: type, name: str) -> QWidget:
    found = pane.findChild(kind, f"compare.{name}")
    assert found is not None, name
    return found


def notice(pane: ComparePane) -> str:
    return " ".join(label.text() for card in pane.findChildren(NoticeCard) for label in card.findChildren(QLabel))


def texts(pane: ComparePane) -> list[str]:
    return [find(pane, TintedText, f"output_{side}").toPlainText() for side in "ab"]


def test_without_a_second_checkpoint_it_says_what_to_do(pane: ComparePane) -> None:
    assert "Load as second" in notice(pane)
    assert not find(pane, QPushButton, "run").isEnabled()


def test_two_checkpoints_write_under_one_setting_and_their_parting_is_said(
    pane: ComparePane, session: Session, llama: LoadedModel, twin: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(twin)
    compared()
    left, right = (generate.run(model, PROMPT, (), KNOBS) for model in (llama, twin))
    assert texts(pane) == [left.text, right.text]
    parting = compare.parting(left.steps, right.steps, ids=True)
    assert parting is not None
    assert f"part at token {parting.first + 1}" in find(pane, QLabel, "verdict").text()
    assert find(pane, QSpinBox, "step").value() == parting.first + 1, "it looks at the parting first"


def test_two_settings_of_one_checkpoint(
    pane: ComparePane, session: Session, llama: LoadedModel, compared: Callable[[], None], qtbot: QtBot
) -> None:
    find(pane, QuietComboBox, "what").setCurrentText("Two settings")
    assert not notice(pane)
    session.set_sampling(COLD)
    qtbot.mouseClick(find(pane, QPushButton, "take_b"), Qt.MouseButton.LeftButton)
    session.set_sampling(KNOBS)
    compared()
    assert texts(pane) == [generate.run(llama, PROMPT, (), knobs).text for knobs in (KNOBS, COLD)]


def test_any_token_can_be_looked_at_on_both_sides(
    pane: ComparePane, session: Session, llama: LoadedModel, twin: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(twin)
    compared()
    find(pane, QSpinBox, "step").setValue(1)
    table = find(pane, PairTable, "table")
    results = compare.run((Side(llama, KNOBS), Side(twin, KNOBS)), PROMPT)
    chosen = results[0].steps[0].token_id
    row = next(row for row in map(table.pair, range(table.model().rowCount())) if row[1] == chosen)
    assert "A" in row[5]
    assert row[3] == pytest.approx(results[0].steps[0].after, abs=1e-6)
    assert "had read the same" in find(pane, QLabel, "note").text()
    assert [find(pane, TintedText, f"output_{side}").selected for side in "ab"] == [0, 0]


def test_the_same_twice_is_said_to_be_the_same(
    pane: ComparePane, session: Session, llama: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(llama)
    compared()
    assert "same to the end" in find(pane, QLabel, "verdict").text()


def test_stop_keeps_the_text(
    pane: ComparePane, session: Session, llama: LoadedModel, qtbot: QtBot, runner: Runner
) -> None:
    session.set_second(llama)
    session.set_sampling(replace(KNOBS, max_new_tokens=200))
    pane.run_main_action()
    qtbot.waitUntil(lambda: bool(texts(pane)[0]), timeout=30_000)
    pane.stop_main_action()
    qtbot.waitUntil(lambda: not runner.active, timeout=30_000)
    assert texts(pane)[0]
    assert find(pane, QPushButton, "run").isEnabled()


def test_another_model_starts_anew(
    pane: ComparePane, session: Session, twin: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(twin)
    compared()
    session.set_model(twin)
    assert texts(pane) == ["", ""]
    assert find(pane, QLabel, "verdict").text() == ""


def test_what_does_not_generate_is_said_before_anything_is_written(
    pane: ComparePane, session: Session, tiny_bert: Checkpoint, compared: Callable[[], None]
) -> None:
    encoder = models.load(tiny_bert)
    session.set_second(encoder)
    assert f"{encoder.checkpoint.name} was loaded as AutoModelForMaskedLM" in notice(pane)
    assert not find(pane, QPushButton, "run").isEnabled()
    find(pane, QuietComboBox, "what").setCurrentIndex(1)
    assert find(pane, QPushButton, "run").isEnabled(), "one checkpoint under two settings needs no second one"
    session.set_model(encoder)
    assert not find(pane, QPushButton, "run").isVisible()
    assert find(pane, QPushButton, "empty_action").isVisible()


def test_the_code_names_both_sides(pane: ComparePane, session: Session, twin: LoadedModel) -> None:
    session.set_second(twin)
    pane.show_code(True)
    assert pane.code.count("= write(") == 2
    assert "temperature=1.2" in pane.code


def test_two_settings_with_beams_on_one_side_alone(
    pane: ComparePane, session: Session, llama: LoadedModel, compared: Callable[[], None], qtbot: QtBot
) -> None:
    beams = Strategy(num_beams=3, length_penalty=0.4)
    find(pane, QuietComboBox, "what").setCurrentText("Two settings")
    session.set_sampling(COLD)
    qtbot.mouseClick(find(pane, QPushButton, "take_a"), Qt.MouseButton.LeftButton)
    session.set_strategy(beams)
    qtbot.mouseClick(find(pane, QPushButton, "take_b"), Qt.MouseButton.LeftButton)
    session.set_strategy(Strategy())
    assert [side.strategy for side in pane._sides() or ()] == [Strategy(), beams]
    compared()
    results = [generate.run(llama, PROMPT, (), COLD, strategy=strategy) for strategy in (Strategy(), beams)]
    assert texts(pane) == [result.text for result in results]
    # The distribution of a beam is what the search went by, and not a greedy choice of one token.
    find(pane, QSpinBox, "step").setValue(2)
    step, start = results[1].steps[1], results[1].start
    assert start is not None and step.logits is not None
    chances = Distribution(step.logits, start.situation(results[1].steps, 1, 3)).trace(COLD).probabilities
    table = find(pane, PairTable, "table")
    rows = list(map(table.pair, range(table.model().rowCount())))
    row = next(row for row in rows if row[2] == step.token_id)
    assert "B" in row[5]
    assert row[4] == pytest.approx(float(chances[step.token_id]), abs=1e-6)
    assert row[4] < 1.0


def test_beams_of_both_checkpoints_and_what_a_side_does_without_is_said(
    pane: ComparePane, session: Session, llama: LoadedModel, twin: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(twin)
    session.set_sampling(COLD)
    session.set_strategy(Strategy(num_beams=3, num_return_sequences=2))
    said = " ".join(label.text() for label in pane.findChildren(QLabel))
    assert "num_beams 3" in said and "one sequence a side" in said
    compared()
    alone = [generate.run(model, PROMPT, (), COLD, strategy=Strategy(num_beams=3)) for model in (llama, twin)]
    assert texts(pane) == [result.text.replace("\x1f", "␟") for result in alone]


def test_the_second_checkpoint_writes_a_side_and_guesses_for_the_other(
    pane: ComparePane, session: Session, llama: LoadedModel, twin: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(twin)
    session.set_sampling(COLD)
    session.set_strategy(Strategy(assisted=True, num_assistant_tokens=3))
    sides = pane._sides()
    assert sides is not None and [side.strategy.assisted for side in sides] == [True, False]
    said = [label.text() for label in pane.findChildren(QLabel)]
    assert sum("would guess for itself" in text for text in said) == 1
    compared()
    assert texts(pane) == [generate.run(model, PROMPT, (), COLD).text for model in (llama, twin)]
    assert "assistant_model" in _code(pane)


def test_a_second_checkpoint_that_can_not_guess_is_said_and_writes_its_side(
    pane: ComparePane, session: Session, llama: LoadedModel, tmp_path: Path, tiny_llama: Checkpoint,
    compared: Callable[[], None],
) -> None:  # fmt: skip
    mamba = models.load(families.build("mamba", tmp_path / "mamba", tiny_llama))
    session.set_second(mamba)
    session.set_sampling(COLD)
    session.set_strategy(Strategy(assisted=True))
    assert any("Playground says why" in label.text() for label in pane.findChildren(QLabel))
    compared()
    assert texts(pane) == [generate.run(model, PROMPT, (), COLD).text for model in (llama, mamba)]


def _code(pane: ComparePane) -> str:
    pane.show_code(True)
    return pane.code


def test_settings_that_exclude_each_other_are_a_notice(
    pane: ComparePane, session: Session, llama: LoadedModel, compared: Callable[[], None]
) -> None:
    session.set_second(llama)
    session.set_strategy(Strategy(num_beams=2, guidance_scale=1.5))
    compared()
    assert "don't go together" in notice(pane)


@pytest.fixture
def large(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, False, 1.5)
    yield
    theme.apply(qapp, False)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("width", [620, 1000])
def test_at_150_percent_it_is_only_ever_scrolled_down(pane: ComparePane, qtbot: QtBot, width: int) -> None:
    find(pane, QuietComboBox, "what").setCurrentText("Two settings")
    pane.resize(width, 700)
    page = pane.findChild(QScrollArea, "compare.page")
    view = page.viewport()

    def fits() -> None:
        assert page.horizontalScrollBar().maximum() == 0
        for name in ("run", "stop", "take_a", "take_b"):
            button = find(pane, QPushButton, name)
            assert button.mapTo(view, button.rect().topRight()).x() < view.width(), name

    qtbot.waitUntil(fits)
    assert pane.width() == width
