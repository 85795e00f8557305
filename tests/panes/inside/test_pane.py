"""The Inside pane shows the engine's numbers in four sections that select together, and says what it can't show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QScrollArea
from pytestqt.qtbot import QtBot

from tests import tiny_seq2seq
from workbench.engine import generate, inside, models
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.inside import attention
from workbench.engine.models import LoadedModel
from workbench.engine.tasks.projection import project
from workbench.engine.values import Checkpoint, Sampling
from workbench.panes.inside import InsidePane
from workbench.runtime.jobs import Runner
from workbench.runtime.session import Session
from workbench.widgets import theme

FOX = "The quick brown fox jumps over the lazy dog."
LENS, ATTENTION, NORMS, EMBEDDINGS = range(4)


@pytest.fixture
def look(qtbot: QtBot, pane: InsidePane, session: Session, find: Any, rest: Any) -> Callable[..., None]:
    """Load a model, write a text, press the button, and wait."""

    def look(model: LoadedModel, text: str = FOX, section: int = LENS) -> None:
        session.set_model(model)
        find("text").set_text(text)
        find("sections").setCurrentIndex(section)
        qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
        assert pane.busy
        rest()

    return look


@pytest.fixture
def open_section(find: Any, rest: Any) -> Callable[[int], None]:
    def open_section(number: int) -> None:
        find("sections").setCurrentIndex(number)
        rest()

    return open_section


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_t5(tmp_path_factory.mktemp("checkpoints") / "t5"))


def rows(table: Any) -> list[Any]:
    return [table.row(number) for number in range(table.model().rowCount())]


# What cannot be looked at.


def test_without_a_model_it_asks_for_one(qtbot: QtBot, pane: InsidePane, find: Any) -> None:
    assert pane.is_empty
    with qtbot.waitSignal(pane.hub_requested):
        qtbot.mouseClick(find("empty_action"), Qt.MouseButton.LeftButton)


def test_each_empty_drawing_says_what_fills_it(
    pane: InsidePane, session: Session, llama: LoadedModel, find: Any
) -> None:
    session.set_model(llama)
    told = [find(name).accessibleDescription() for name in ("lens", "attention", "norms", "embeddings")]
    assert all(words.startswith("Look inside shows here") for words in told) and len(set(told)) == 4
    assert not find("attention_part").isVisibleTo(pane), "there is nothing to choose from yet"


def test_a_model_that_reads_no_text_is_told_of(pane: InsidePane, session: Session, llama: LoadedModel) -> None:
    session.set_model(replace(llama, tokenizer=None))
    assert pane.is_empty
    session.set_model(llama)
    assert not pane.is_empty


def test_an_empty_text_is_a_card_and_the_next_look_takes_it_away(
    pane: InsidePane, look: Any, llama: LoadedModel
) -> None:
    look(llama, "")
    assert "nothing to look at" in pane.notices[0].what
    look(llama)
    assert pane.notices == []
    assert pane.inside is not None


def test_what_a_look_takes_is_said_before_it(session: Session, llama: LoadedModel, find: Any) -> None:
    session.set_model(llama)
    assert find("state").text().startswith("at most 256 positions")
    find("positions").setValue(8)
    assert "at most 8 positions" in find("state").text()


# The sections.


def test_the_lens_shows_the_engine_s_numbers(pane: InsidePane, look: Any, llama: LoadedModel, find: Any) -> None:
    look(llama)
    lens = inside.look(llama, inside.read(llama, FOX)).lens
    assert lens is not None
    heat = find("lens")
    for index, values in enumerate(
        (lens.top_probabilities[..., 0], lens.final_probabilities, lens.final_ranks, lens.entropies)
    ):
        find("lens_measure").setCurrentIndex(index)
        np.testing.assert_array_equal(heat.values, values)
    last = len(lens.final_ids) - 1
    assert heat.chosen == (2, last)
    table = rows(find("lens_choices"))
    assert [row[2] for row in table] == lens.top_ids[2, last].tolist()
    assert [row[3] for row in table] == pytest.approx(lens.top_probabilities[2, last].tolist())
    assert table[0][0] == "▶ 1"


def test_the_final_answer_is_listed_with_its_rank_where_a_layer_thinks_little_of_it(
    look: Any, llama: LoadedModel, find: Any, pane: InsidePane
) -> None:
    config = transformers.LlamaConfig(
        vocab_size=384, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = transformers.LlamaForCausalLM(config).eval()
    look(replace(llama, model=net))
    lens = pane.inside.lens
    row, position = next(place for place in zip(*np.nonzero(lens.final_ranks > 10), strict=True))
    heat = find("lens")
    heat.cell_chosen.emit(int(row), int(position))
    marked = [each for each in rows(find("lens_choices")) if each[0].startswith("▶")]
    assert [(each[0], each[2]) for each in marked] == [
        (f"▶ {lens.final_ranks[row, position]:,}", lens.final_ids[position])
    ]


def test_attention_is_asked_for_when_it_is_looked_at(
    pane: InsidePane, look: Any, open_section: Any, llama: LoadedModel, find: Any
) -> None:
    look(llama)
    assert pane.attentions is None
    open_section(ATTENTION)
    (kind,) = inside.attend(llama, inside.read(llama, FOX)).kinds
    assert kind.maps[1] is not None
    assert [find("attention_layer").itemText(each) for each in range(2)] == ["layer 1", "layer 2"]
    assert find("attention_heads").count == 4
    np.testing.assert_allclose(find("attention").values, kind.maps[1].mean(0), rtol=1e-6)
    find("attention_heads").chosen_changed.emit(2)
    assert find("attention_head").currentText() == "head 2"
    find("attention_layer").setCurrentIndex(0)
    np.testing.assert_array_equal(find("attention").values, kind.maps[0][2])
    assert "eager" in find("attention_note").text()


def test_maps_that_were_not_kept_are_made_anew(
    look: Any, rest: Any, llama: LoadedModel, find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "KEPT", 1)
    look(llama, section=ATTENTION)
    before = find("attention").values
    find("attention_layer").setCurrentIndex(0)
    rest()
    assert find("attention_layer").currentIndex() == 0
    assert find("attention").values.shape == before.shape
    assert not np.array_equal(find("attention").values, before)


def test_without_maps_the_card_says_why_and_it_is_not_asked_again(
    pane: InsidePane, look: Any, llama: LoadedModel, find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "ATTENTION_BUDGET", 1)
    look(llama, section=ATTENTION)
    assert "too large" in pane.notices[0].what
    assert "too large" in find("attention_note").text()
    assert find("attention").values.size == 0


def test_norms_and_the_states_themselves(look: Any, llama: LoadedModel, find: Any) -> None:
    look(llama, section=NORMS)
    (part,) = inside.look(llama, inside.read(llama, FOX)).parts
    np.testing.assert_array_equal(find("norms").values, part.norms)
    find("norms").cell_chosen.emit(1, 3)
    grid = find("states_grid").model()
    assert (grid.rowCount(), grid.columnCount()) == part.states[1].shape
    seen = grid.data(grid.index(3, 5), Qt.ItemDataRole.UserRole)
    assert seen == pytest.approx(float(part.states[1][3, 5]))
    find("norms_log").setChecked(False)
    np.testing.assert_array_equal(find("norms").values, part.norms)


def test_the_map_and_the_neighbours_of_the_selected_token(
    pane: InsidePane, look: Any, rest: Any, llama: LoadedModel, find: Any
) -> None:
    look(llama, section=EMBEDDINGS)
    (part,) = inside.look(llama, inside.read(llama, FOX)).parts
    for index, row in ((0, inside.EMBEDDING), (2, 1)):
        find("embeddings_layer").setCurrentIndex(index)
        find("embeddings").point_chosen.emit(4)
        rest()
        vectors = inside.vectors(llama, part, row)
        places = project(vectors, "pca")
        assert places is not None
        np.testing.assert_allclose(find("embeddings").points, places, atol=1e-5)
        near = inside.neighbours(llama, vectors[4])
        assert rows(find("neighbours")) == [(each.text, each.id, each.cosine) for each in near]
        assert find("embeddings").chosen == 4


def test_two_tokens_have_neighbours_and_no_map(look: Any, llama: LoadedModel, find: Any) -> None:
    look(llama, "The", section=EMBEDDINGS)
    assert not find("embeddings").isVisible()
    assert "three tokens" in find("embeddings_note").text()
    assert rows(find("neighbours"))


# Other kinds of models.


def test_an_encoder_without_a_head_shows_all_but_the_lens(
    look: Any, open_section: Any, tiny_bert: Checkpoint, find: Any
) -> None:
    look(models.load(tiny_bert, head="AutoModel"))
    assert "There is no logit lens" in find("lens_note").text()
    assert not find("lens").isVisible()
    open_section(ATTENTION)
    assert find("attention").values.shape[0] == len(find("norms").values[0])
    open_section(EMBEDDINGS)
    assert rows(find("neighbours"))


def test_encoder_and_decoder_are_looked_at_apart(
    pane: InsidePane, session: Session, look: Any, open_section: Any, rest: Any, t5: LoadedModel, find: Any
) -> None:
    session.set_model(t5)
    start = prepare_start(t5, FOX)
    session.set_encoding(start.encoding)
    for step in generate.stream(t5, start.encoding, Sampling(do_sample=False, max_new_tokens=4)).steps:
        session.add_step(step)
    find("source").setCurrentIndex(1)
    assert not find("text").isVisible()
    pane.run_main_action()
    rest()
    encoder, decoder = pane.inside.parts
    assert decoder.ids == (*start.decoder_start, *(step.token_id for step in session.steps))
    assert find("lens").values.shape[1] == len(decoder.ids)
    open_section(NORMS)
    find("norms_part").setCurrentIndex(0)
    np.testing.assert_array_equal(find("norms").values, encoder.norms)
    open_section(ATTENTION)
    find("attention_part").setCurrentIndex(2)
    assert find("attention").values.shape == (len(decoder.ids), len(encoder.ids))
    # Positions of both parts have their place in the session: the prompt, and what was written after it.
    pane.select("decoder", len(start.decoder_start) + 1)
    assert session.selection == len(encoder.ids) + 1
    session.set_selection(2)
    assert find("norms").chosen[1] == 2


# Selecting, following, stopping.


def test_all_sections_and_the_session_select_together(
    pane: InsidePane, session: Session, look: Any, open_section: Any, llama: LoadedModel, find: Any
) -> None:
    look(llama)
    assert session.encoding is not None, "what went into the model last"
    for section in (ATTENTION, NORMS, EMBEDDINGS):
        open_section(section)
    find("lens").cell_chosen.emit(1, 3)
    assert session.selection == 3
    assert find("norms").chosen[1] == 3
    assert find("attention").chosen == (3, None)
    session.set_selection(5)
    assert find("lens").chosen == (1, 5)
    assert find("norms").chosen[1] == 5
    assert find("embeddings").chosen == 5
    find("attention").cell_chosen.emit(2, 0)
    assert session.selection == 2


def test_another_prompt_in_the_session_is_not_selected_in(
    pane: InsidePane, session: Session, look: Any, llama: LoadedModel, find: Any
) -> None:
    look(llama)
    before = find("lens").chosen
    session.set_encoding(generate.prepare(llama, "What a wonderful film, the best I have seen."))
    session.set_selection(1)
    assert find("lens").chosen == before
    find("lens").cell_chosen.emit(0, 4)
    assert session.selection == 1


def test_what_playground_wrote_is_offered_once_it_is_there(
    pane: InsidePane, session: Session, llama: LoadedModel, rest: Any, find: Any
) -> None:
    session.set_model(llama)
    offered = find("source").model().item(1)
    assert not offered.isEnabled()
    encoding = generate.prepare(llama, FOX)
    session.set_encoding(encoding)
    for step in generate.stream(llama, encoding, Sampling(do_sample=False, max_new_tokens=5)).steps:
        session.add_step(step)
    assert offered.isEnabled()
    find("source").setCurrentIndex(1)
    pane.run_main_action()
    rest()
    ids = (*encoding.input_ids, *(step.token_id for step in session.steps))
    assert pane.inside.parts[0].ids == ids
    assert session.steps, "the run stays"
    session.set_selection(len(ids) - 1)
    assert find("lens").chosen[1] == len(ids) - 1
    session.clear_steps()
    assert find("source").currentIndex() == 0


def test_live_it_follows_the_text(
    qtbot: QtBot, pane: InsidePane, session: Session, look: Any, llama: LoadedModel, find: Any
) -> None:
    look(llama)
    session.set_prompt("What a film")
    assert find("text").text() == "What a film"
    find("live").setChecked(True)
    qtbot.waitUntil(lambda: pane.inside.given.text == "What a film", timeout=30_000)
    find("text").set_text("What a wonderful film")
    assert session.prompt == "What a wonderful film"
    qtbot.waitUntil(lambda: pane.inside.given.text == "What a wonderful film" and not pane.busy, timeout=30_000)


def test_a_stop_and_another_model_leave_nothing_behind(
    qtbot: QtBot, pane: InsidePane, session: Session, runner: Runner, look: Any, llama: LoadedModel, find: Any
) -> None:
    look(llama)
    pane.run_main_action()
    pane.stop_main_action()
    qtbot.waitUntil(lambda: not pane.busy)
    assert find("run").isEnabled()
    pane.run_main_action()
    session.set_model(replace(llama))
    assert not pane.busy
    qtbot.waitUntil(lambda: not runner.active)
    assert pane.inside is None
    assert find("lens").values.size == find("norms").values.size == 0


def test_a_cut_text_says_how_much_is_missing(look: Any, llama: LoadedModel, find: Any, session: Session) -> None:
    session.set_model(llama)
    find("positions").setValue(5)
    look(llama)
    missing = len(llama.tokenizer(FOX)["input_ids"]) - 5
    assert f"{missing} more were cut off" in find("state").text()


@pytest.mark.parametrize("section", [LENS, ATTENTION, NORMS, EMBEDDINGS])
def test_the_code_runs_and_gives_what_is_shown(
    pane: InsidePane, look: Any, llama: LoadedModel, find: Any, printed: Callable[[str], list[str]], section: int
) -> None:
    pane.show_code()
    look(llama, section=section)
    pane.select("model", 3)
    lines = printed(pane.code)
    if section == LENS:
        lens = pane.inside.lens
        firsts = [repr(each) for each in lens.spell(lens.top_ids[:, 3, 0].tolist())]
        assert [line.split(" ", 6)[6] for line in lines] == firsts
    elif section == ATTENTION:
        weights = [float(each) for each in lines[-1].split()]
        assert weights == pytest.approx(find("attention").values[3].tolist(), abs=1e-5)
    elif section == NORMS:
        norms = [[float(each) for each in line.split()[1:]] for line in lines]
        np.testing.assert_allclose(norms, find("norms").values, rtol=1e-4)


def test_the_code_follows_the_selected_token_of_the_embeddings(
    pane: InsidePane, look: Any, rest: Any, llama: LoadedModel, find: Any, printed: Callable[[str], list[str]]
) -> None:
    pane.show_code()
    look(llama, section=EMBEDDINGS)
    pane.select("model", 3)
    rest()
    ids = [int(line.split()[1]) for line in printed(pane.code)[: len(pane.near.neighbours)]]
    assert ids == [each.id for each in pane.near.neighbours]


@pytest.fixture
def large(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, True, 1.5)
    yield
    theme.apply(qapp, False)


@pytest.mark.parametrize("section", [LENS, ATTENTION, NORMS, EMBEDDINGS])
def test_at_150_percent_it_is_only_ever_scrolled_down(
    large: None, pane: InsidePane, qtbot: QtBot, look: Any, llama: LoadedModel, section: int
) -> None:
    look(llama, section=section)
    pane.resize(620, 700)
    page = pane.findChild(QScrollArea, "inside.page")
    qtbot.waitUntil(lambda: pane.width() == 620 and page.horizontalScrollBar().maximum() == 0, timeout=5000)
