"""The Score pane shows the numbers the engine gives, links its views, compares two models and says what it can't do."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from workbench.engine import generate, models, score
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, Sampling
from workbench.panes.score import ScorePane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme
from workbench.widgets.column_scroll import ColumnScroll

FOX = "The quick brown 🦊 jumps over the lazy dog."


@pytest.fixture(scope="module")
def twin(tiny_llama: Checkpoint) -> LoadedModel:
    """The same tokenizer, other weights and another dtype."""
    twin = models.load(replace(tiny_llama, name="twin"), device="cpu", dtype="bfloat16")
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        twin.model.lm_head.weight.normal_(std=0.4)
    return twin


@pytest.fixture(scope="module")
def stranger(llama: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """Another vocabulary: single bytes."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    pieces.train_from_iterator(
        ["a"], trainers.BpeTrainer(vocab_size=256, initial_alphabet=alphabet, show_progress=False)
    )
    folder = tmp_path_factory.mktemp("checkpoints") / "stranger"
    llama.model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=pieces, clean_up_tokenization_spaces=False).save_pretrained(folder)
    return models.load(Checkpoint("stranger", folder), device="cpu")


@pytest.fixture
def pane(qtbot: QtBot, session: Session, runner: Runner) -> ScorePane:
    pane = ScorePane(session, runner)
    qtbot.addWidget(pane)
    pane.resize(1200, 800)
    with qtbot.waitExposed(pane):
        pane.show()
    return pane


@pytest.fixture
def run(qtbot: QtBot, pane: ScorePane, find: Callable[[str], Any]) -> Callable[[str], None]:
    """Put a text in, press Score, and wait."""

    def run(text: str) -> None:
        find("text").set_text(text)
        qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
        assert pane.busy
        qtbot.waitUntil(lambda: not pane.busy, timeout=60_000)

    return run


@pytest.fixture
def scored(session: Session, llama: LoadedModel, run: Callable[[str], None]) -> score.Score:
    """The fox, scored by the tiny llama, and what the engine says of it."""
    session.set_model(llama)
    run(FOX)
    return score.score(llama, FOX)


def column(table: Any, name: str) -> list[Any]:
    index = table.columns.index(name)
    return [table.row(number)[index] for number in range(table.model().rowCount())]


def press(pane: ScorePane, qtbot: QtBot, text: str) -> None:
    buttons = [each for each in pane.findChildren(QPushButton) if each.text() == text and each.isVisible()]
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)


def test_without_a_model_it_asks_for_one(qtbot: QtBot, pane: ScorePane) -> None:
    assert pane.is_empty
    with qtbot.waitSignal(pane.hub_requested):
        press(pane, qtbot, "Open Hub")


def test_a_masked_model_is_told_why_not(pane: ScorePane, session: Session, tiny_bert: Checkpoint) -> None:
    session.set_model(models.load(tiny_bert, device="cpu"))
    assert pane.is_empty
    pane.run_main_action()
    assert not pane.busy


def test_the_table_holds_the_numbers_and_nothing_where_nothing_was_scored(
    find: Callable[[str], Any], scored: score.Score
) -> None:
    table = find("table")
    assert column(table, "id") == [token.id for token in scored.tokens]
    assert column(table, "rank") == [None, *scored.ranks[1:].tolist()]
    assert column(table, "bits")[1:] == pytest.approx(scored.surprises[1:].tolist())
    assert column(table, "entropy")[1:] == pytest.approx(scored.entropies[1:].tolist())
    assert [column(table, name)[0] for name in ("probability", "bits", "entropy")] == [None] * 3
    assert table.model().index(0, table.columns.index("bits")).data() == ""
    chips = find("strip").chips
    assert chips[0].strength is None
    assert [chip.strength for chip in chips[1:]] == pytest.approx([min(1, bits / 10) for bits in scored.surprises[1:]])
    assert find("perplexity_a").text() == f"{scored.perplexity:,.2f}"


@pytest.mark.usefixtures("scored")
def test_strip_table_text_and_alternatives_point_at_the_same_token(
    qtbot: QtBot, pane: ScorePane, find: Callable[[str], Any]
) -> None:
    find("table").selectRow(3)
    assert find("strip").selected == 3
    assert find("text").marked() == pane.reading.scores[0].tokens[3].text
    qtbot.keyClick(find("strip"), Qt.Key.Key_Right)
    assert find("table").selected_row == 4
    others = find("alternatives")
    wanted = pane.reading.scores[0].alternatives(4)
    assert [other.id for other in wanted] == column(others, "id")[: len(wanted)]
    assert column(others, "probability")[: len(wanted)] == [other.probability for other in wanted]
    pane.select(0)
    assert others.model().rowCount() == 0


def test_what_stands_in_the_text_is_marked_among_what_was_expected(
    pane: ScorePane, find: Callable[[str], Any], scored: score.Score
) -> None:
    for at in range(1, len(scored.tokens)):
        pane.select(at)
        (marked,) = [row for row in column(find("alternatives"), "token") if row.startswith("▶")]
        row = column(find("alternatives"), "token").index(marked)
        assert column(find("alternatives"), "id")[row] == scored.tokens[at].id
        assert column(find("alternatives"), "rank")[row] == scored.ranks[at]


def test_a_long_text_is_read_in_windows_and_every_token_is_there(
    session: Session, llama: LoadedModel, run: Callable[[str], None], find: Callable[[str], Any], pane: ScorePane
) -> None:
    session.set_model(llama)
    text = " ".join([FOX] * 1200)
    run(text)
    (only,) = pane.reading.scores
    assert len(only.tokens) > 20_000
    assert len(only.windows) > 100
    assert find("table").model().rowCount() == len(find("strip").chips) == len(only.tokens)
    assert f"{len(only.windows):,} windows" in " ".join(
        each.text() for each in find("totals").findChildren(QWidget) if hasattr(each, "text")
    )
    pane.select(len(only.tokens) - 1)
    assert find("strip").selected == len(only.tokens) - 1


def test_stop_ends_it_and_it_can_be_run_again(
    qtbot: QtBot, session: Session, llama: LoadedModel, run: Callable[[str], None], find: Any, pane: ScorePane
) -> None:
    session.set_model(llama)
    find("text").set_text(" ".join([FOX] * 2000))
    find("run").click()
    assert not find("run").isEnabled()
    pane.stop_main_action()
    qtbot.waitUntil(lambda: not pane.busy, timeout=60_000)
    assert find("state").text() == "stopped"
    assert pane.reading is None
    run(FOX)
    assert pane.reading is not None


def test_the_window_and_the_overlap_are_those_asked_for(
    session: Session, llama: LoadedModel, run: Callable[[str], None], find: Callable[[str], Any], pane: ScorePane
) -> None:
    session.set_model(llama)
    assert "256" in find("window").text()
    find("window").setValue(12)
    find("overlap").setValue(4)
    run(FOX)
    assert pane.reading.scores[0].windows == score.windows(len(pane.reading.scores[0].tokens), 12, 4)


@pytest.mark.parametrize("text", ["", "a"])
def test_what_can_not_be_scored_is_a_notice(
    session: Session, llama: LoadedModel, run: Callable[[str], None], pane: ScorePane, text: str
) -> None:
    session.set_model(llama)
    run(text)
    (notice,) = pane.notices
    assert "nothing to score" in notice.what
    assert pane.reading is None
    run(FOX)
    assert pane.notices == []


def test_without_a_second_model_it_says_where_to_get_one(
    qtbot: QtBot, session: Session, llama: LoadedModel, find: Callable[[str], Any], pane: ScorePane
) -> None:
    session.set_model(llama)
    assert find("second").isVisible()
    assert not find("both").isVisible()
    with qtbot.waitSignal(pane.hub_requested):
        qtbot.mouseClick(find("open_hub"), Qt.MouseButton.LeftButton)


def test_a_second_model_that_can_not_score_says_so(
    session: Session, llama: LoadedModel, tiny_bert: Checkpoint, run: Callable[[str], None], find: Any, pane: ScorePane
) -> None:
    session.set_model(llama)
    session.set_second(models.load(tiny_bert, device="cpu"))
    assert not find("both").isEnabled()
    assert "masked" in find("second").text()
    run(FOX)
    assert len(pane.reading.scores) == 1


def test_two_models_on_the_same_ids_differ_by_token_with_a_sign(
    session: Session, llama: LoadedModel, twin: LoadedModel, run: Callable[[str], None], find: Any, pane: ScorePane
) -> None:
    session.set_model(llama)
    session.set_second(twin)
    run(FOX)
    first, second = score.score(llama, FOX), score.score(twin, FOX)
    assert pane.reading.difference.same_ids
    apart = column(find("table"), "A − B (bits)")
    assert apart[0] is None
    assert apart[1:] == pytest.approx((first.surprises - second.surprises)[1:].tolist())
    shown = find("table").model()
    place = find("table").columns.index("A − B (bits)")
    for number, (chip, difference) in enumerate(zip(find("strip").chips, apart, strict=True)):
        if difference is None:
            assert chip.lean is None
        elif abs(difference) > 0.05:
            assert chip.text.startswith("▲" if difference > 0 else "▼")
            assert (chip.lean > 0) == (difference > 0)
            assert ("B" if difference > 0 else "A") + " expected it more" in chip.tip
            assert shown.index(number, place).data().startswith("+" if difference > 0 else "−")
    pane.select(2)
    sides = {
        row[1]: row for row in (find("alternatives").row(n) for n in range(find("alternatives").model().rowCount()))
    }
    for other in first.alternatives(2):
        assert sides[other.id][2] == other.probability
    for other in second.alternatives(2):
        assert sides[other.id][3] == other.probability
    pane.show_code()
    first_code = pane.code
    find("view").setCurrentIndex(1)
    assert pane.code != first_code
    assert column(find("table"), "bits")[1:] == pytest.approx(second.surprises[1:].tolist())


def test_models_with_other_tokens_are_compared_by_shared_pieces_and_bytes(
    session: Session, llama: LoadedModel, stranger: LoadedModel, run: Callable[[str], None], find: Any, pane: ScorePane
) -> None:
    session.set_model(llama)
    session.set_second(stranger)
    run(FOX)
    assert "".join(column(find("table"), "text")) == FOX
    assert "can't be compared" in find("note").text()
    assert "bits per byte" in find("note").text()
    pane.select(1)
    span = pane.reading.difference.spans[1]
    assert column(find("alternatives"), "model") == ["A"] * (span.first[1] - span.first[0]) + ["B"] * (
        span.second[1] - span.second[0]
    )
    assert find("text").marked() == span.text


def test_comparing_can_be_switched_off(
    session: Session, llama: LoadedModel, twin: LoadedModel, run: Callable[[str], None], find: Any, pane: ScorePane
) -> None:
    session.set_model(llama)
    session.set_second(twin)
    find("both").setChecked(False)
    run(FOX)
    assert len(pane.reading.scores) == 1
    assert not find("view").isVisible()


def test_the_plot_follows_the_view_and_goes_away(find: Callable[[str], Any], scored: score.Score) -> None:
    points = find("plot").points("surprise")
    assert [x for x, _ in points] == list(range(len(scored.tokens)))
    assert [y for _, y in points[1:]] == pytest.approx(scored.surprises[1:].tolist())
    assert points[0][1] != points[0][1], "what was not scored is a gap"
    find("plot_shown").setChecked(False)
    assert not find("plot").isVisible()


def test_the_table_goes_to_csv_and_everything_to_json(
    qtbot: QtBot, pane: ScorePane, find: Callable[[str], Any], scored: score.Score, tmp_path: Path, runner: Runner
) -> None:
    find("table").export_csv(tmp_path / "scores.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text("utf-8"))))
    assert rows[0]["bits"] == ""
    assert [float(row["bits"]) for row in rows[1:]] == pytest.approx(scored.surprises[1:].tolist())
    pane.save_json(tmp_path / "scores.json")
    qtbot.waitUntil(lambda: not runner.active)
    kept = json.loads((tmp_path / "scores.json").read_text("utf-8"))
    assert kept["text"] == FOX
    assert kept["scores"][0]["perplexity"] == pytest.approx(scored.perplexity)
    assert len(kept["scores"][0]["tokens"]) == len(scored.tokens)


@pytest.mark.usefixtures("scored")
def test_what_can_not_be_saved_is_a_notice(qtbot: QtBot, pane: ScorePane, tmp_path: Path) -> None:
    pane.save_json(tmp_path / "missing" / "scores.json")
    qtbot.waitUntil(lambda: bool(pane.notices))
    assert "Could not save" in pane.notices[0].what


def test_infinity_is_written_out_in_json(llama: LoadedModel) -> None:
    from workbench.engine.task import Silent
    from workbench.panes.score import reading

    made = reading.read([llama], FOX, True, None, None, task=Silent())
    logprobs = made.scores[0].logprobs.copy()
    logprobs[2] = -math.inf
    made = replace(made, scores=(replace(made.scores[0], logprobs=logprobs),))
    (kept,) = json.loads(json.dumps(reading.plain(made), allow_nan=False))["scores"]
    assert kept["tokens"][2]["surprise_bits"] == kept["perplexity"] == "inf"
    assert kept["tokens"][0]["surprise_bits"] is None


def test_the_code_gives_the_numbers_that_are_shown(
    pane: ScorePane, find: Callable[[str], Any], scored: score.Score, capsys: pytest.CaptureFixture[str]
) -> None:
    pane.show_code()
    find("window").setValue(12)
    find("window").setValue(0)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(pane.code, "script.py", "exec"), names)
    assert names["surprises"] == pytest.approx(scored.surprises[1:].tolist(), rel=1e-5, abs=1e-5)
    assert f"perplexity {scored.perplexity:.6g}"[:16] in capsys.readouterr().out


def test_what_playground_wrote_is_taken_and_its_selection_followed(
    session: Session, llama: LoadedModel, run: Callable[[str], None], find: Callable[[str], Any], pane: ScorePane
) -> None:
    session.set_model(llama)
    assert not find("take").isEnabled()
    encoding = generate.prepare(llama, "The quick")
    session.set_encoding(encoding)
    for step in generate.stream(llama, encoding, Sampling(do_sample=False, max_new_tokens=6)).steps:
        session.add_step(step)
    find("take").click()
    text = find("text").text()
    assert text == "The quick" + "".join(step.text for step in session.steps)
    run(text)
    ids = [token.id for token in pane.reading.scores[0].tokens]
    linked = ids == [*encoding.input_ids, *(step.token_id for step in session.steps)]
    session.set_selection(1)
    assert (find("strip").selected == 1) == linked
    pane.select(0)
    assert (session.selection == 0) == linked


def test_another_model_drops_what_the_first_one_read(
    session: Session, pane: ScorePane, scored: score.Score, twin: LoadedModel, find: Callable[[str], Any]
) -> None:
    session.set_model(twin)
    assert pane.reading is None
    assert find("table").model().rowCount() == 0
    assert find("text").text() == FOX


def test_a_newer_model_silences_the_score_that_runs(
    qtbot: QtBot, session: Session, llama: LoadedModel, twin: LoadedModel, pane: ScorePane, find: Any, runner: Runner
) -> None:
    session.set_model(llama)
    find("text").set_text(" ".join([FOX] * 500))
    find("run").click()
    session.set_model(twin)
    assert not pane.busy
    qtbot.waitUntil(lambda: not runner.active, timeout=60_000)
    assert pane.reading is None


@pytest.mark.usefixtures("scored")
def test_a_narrow_pane_puts_the_text_above_the_results(
    qtbot: QtBot, pane: ScorePane, find: Callable[[str], Any]
) -> None:
    pane.resize(700, 900)
    qtbot.waitUntil(lambda: find("text").mapTo(pane, find("text").rect().bottomLeft()).y() < 400)
    assert (
        find("strip").mapTo(pane, find("strip").rect().topLeft()).y()
        > find("text").mapTo(pane, find("text").rect().bottomLeft()).y()
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("text", "Text"),
        ("take", "From Playground"),
        ("add_special_tokens", "add_special_tokens"),
        ("window", "window"),
        ("overlap", "overlap"),
        ("both", "Compare with the second model"),
        ("open_hub", "Open Hub"),
        ("run", "Score"),
        ("stop", "Stop"),
        ("view", "View"),
        ("plot_shown", "Plot"),
        ("export", "Export"),
        ("strip", "Tokens"),
        ("table", "Scores"),
        ("alternatives", "Alternatives"),
    ],
)
def test_every_control_says_what_it_is(find: Callable[[str], Any], name: str, label: str) -> None:
    assert find(name).accessibleName() == label
    assert find(name).toolTip()


@pytest.fixture
def large(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, False, 1.5)
    yield
    theme.apply(qapp, False)


def test_a_low_pane_scrolls_to_the_whole_plot_instead_of_cutting_it(
    qtbot: QtBot, pane: ScorePane, find: Callable[[str], Any], scored: score.Score
) -> None:
    pane.resize(1200, 420)
    plot = find("plot")
    page = next(area for area in pane.findChildren(ColumnScroll) if area.isAncestorOf(plot))
    qtbot.waitUntil(lambda: page.verticalScrollBar().maximum() > 0)
    qtbot.waitUntil(lambda: plot.height() >= plot.minimumSizeHint().height())
    find("plot_shown").setChecked(False)
    pane.resize(1200, 700)
    qtbot.waitUntil(lambda: page.verticalScrollBar().maximum() == 0)


@pytest.mark.parametrize("width", [620, 1000])
def test_at_150_percent_it_is_only_ever_scrolled_down(large: None, pane: ScorePane, qtbot: QtBot, width: int) -> None:
    pane.resize(width, 700)
    page = pane.findChild(QScrollArea, "score.page")
    qtbot.waitUntil(lambda: pane.width() == width and page.horizontalScrollBar().maximum() == 0)


def test_nothing_lies_over_the_text_at_a_large_zoom_in_a_small_window(
    qtbot: QtBot, qapp: QApplication, session: Session, pane: ScorePane, llama: LoadedModel, find
) -> None:
    session.set_model(llama)
    theme.apply(qapp, dark=False, zoom=2.0)
    pane.resize(760, 500)
    parts = [find(name) for name in ("text", "add_special_tokens", "window", "overlap", "second", "run")]

    def in_rows() -> bool:
        places = [part.geometry() for part in parts]
        return all(above.bottom() < below.top() for above, below in pairwise(places))

    qtbot.waitUntil(in_rows)
    theme.apply(qapp, dark=False, zoom=1.0)
