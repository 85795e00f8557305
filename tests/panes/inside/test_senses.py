"""The Inside pane with a picture, with a picture and a text, and with a sound: given, shown, selected together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QScrollArea
from pytestqt.qtbot import QtBot

from tests import tiny_hearing, tiny_kinds, tiny_seq2seq, tiny_tasks
from workbench.engine import generate, inside, models
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.models import LoadedModel
from workbench.engine.values import Sampling, TaskInput
from workbench.panes.inside import InsidePane
from workbench.runtime.session import Session
from workbench.widgets import theme

LENS, ATTENTION, NORMS, EMBEDDINGS = range(4)


@pytest.fixture
def look(qtbot: QtBot, find: Any, rest: Any) -> Callable[[int], None]:
    """Open a section, press the button, and wait."""

    def look(section: int) -> None:
        find("sections").setCurrentIndex(section)
        rest()
        qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
        rest()

    return look


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("vit")
    return models.load(tiny_tasks.build_tiny_vision(folder, "image-classification"), device="cpu")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return models.load(tiny_seq2seq.build_tiny_llava(tmp_path_factory.mktemp("llava")), device="cpu")


@pytest.fixture(scope="module")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("ctc")
    return models.load(tiny_tasks.build_tiny_audio(folder, "automatic-speech-recognition"), device="cpu")


def test_the_body_of_a_larger_model_is_looked_into_with_a_file(
    session: Session, pane: InsidePane, qtbot: QtBot, find: Any, rest: Any, look: Any, tmp_path: Path
) -> None:
    checkpoint = tiny_hearing.build(tmp_path / "m", "kyutai")
    session.set_model(models.load(checkpoint, device="cpu", head="AutoModel"))
    assert find("file").isVisible() and not find("text").isVisible()
    assert find("source").itemText(0) == "the file"
    qtbot.mouseClick(find("example"), Qt.MouseButton.LeftButton)
    look(NORMS)
    assert find("file").path.suffix == ".npz" and "6 positions" in find("state").text()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return models.load(tiny_kinds.build(tmp_path_factory.mktemp("film"), "video-classification"), device="cpu")


def test_only_the_wells_of_what_the_model_reads_are_there(
    pane: InsidePane, session: Session, llama: LoadedModel, vit: LoadedModel, llava: LoadedModel, ctc: LoadedModel,
    film: LoadedModel, find: Any,
) -> None:  # fmt: skip
    for model, shown in ((llama, "text"), (vit, "image"), (llava, "text image"), (ctc, "audio"), (film, "video")):
        session.set_model(model)
        wells = ("text", "image", "audio", "video")
        assert {name for name in wells if find(name).isVisible()} == set(shown.split())
        assert find("positions").isEnabled() == ("text" in shown)
        assert find("example").isVisible() == (shown != "text")


def test_a_look_at_a_picture_is_not_repeated_unasked(
    pane: InsidePane, session: Session, llama: LoadedModel, vit: LoadedModel, find: Any
) -> None:
    session.set_model(llama)
    find("live").setChecked(True)
    session.set_model(vit)
    assert not find("live").isChecked()


def test_a_picture_is_looked_into_and_its_patches_select_together(
    pane: InsidePane, session: Session, look: Any, rest: Any, vit: LoadedModel, find: Any, tmp_path: Path
) -> None:
    session.set_model(vit)
    path = tiny_seq2seq.picture(tmp_path)
    find("image").set_path(path)
    look(ATTENTION)
    given = inside.take(vit, TaskInput(image=path))
    (kind,) = inside.attend(vit, given).kinds
    (part,) = inside.look(vit, given).parts
    mean = kind.maps[1].mean(0)
    np.testing.assert_allclose(find("attention").values, mean, rtol=1e-5)
    seen = find("attention_picture")
    np.testing.assert_allclose(seen.values, mean[0, 1:].reshape(4, 4), rtol=1e-5)
    # A patch of the picture is a row of the matrix and a position of the states.
    seen.chosen_changed.emit(2, 3)
    position = 1 + 2 * 4 + 3
    assert find("attention").chosen[0] == position
    np.testing.assert_allclose(seen.values, mean[position, 1:].reshape(4, 4), rtol=1e-5)
    find("sections").setCurrentIndex(NORMS)
    assert find("norms").chosen[1] == position
    norms = find("norms_picture")
    np.testing.assert_array_equal(norms.values, part.norms[2, 1:].reshape(4, 4))
    assert norms.chosen == (2, 3)
    norms.chosen_changed.emit(0, 1)
    find("sections").setCurrentIndex(EMBEDDINGS)
    rest()
    assert find("embeddings_layer").itemText(0) == "embeddings", "patches have no rows in a matrix of tokens"
    similar = inside.similarities(part.states[2], 2)
    alike = find("embeddings_picture")
    np.testing.assert_allclose(alike.values, similar[1:].reshape(4, 4), rtol=1e-5)
    assert alike.chosen == (0, 1)
    assert find("neighbours").row(0)[:2] == ("(0,1)", 2)
    assert session.selection is None, "a patch is no token of the prompt"
    assert "one answer for the whole input" in find("lens_note").text()


def test_the_picture_has_the_keyboard_too(
    qtbot: QtBot, pane: InsidePane, session: Session, look: Any, vit: LoadedModel, find: Any, tmp_path: Path
) -> None:
    session.set_model(vit)
    find("image").set_path(tiny_seq2seq.picture(tmp_path))
    look(NORMS)
    seen = find("norms_picture")
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        qtbot.keyClick(seen, key)
    assert seen.chosen == (1, 1)
    assert find("norms").chosen == (2, 1 + 4 + 1)

    def clicked() -> bool:
        # The picture may still be getting its room.
        qtbot.mouseClick(seen, Qt.MouseButton.LeftButton, pos=seen.patch_place(3, 0).center().toPoint())
        return bool(find("norms").chosen == (2, 1 + 12))

    qtbot.waitUntil(clicked)


def test_what_playground_wrote_about_a_picture_is_looked_at(
    pane: InsidePane, session: Session, look: Any, llava: LoadedModel, find: Any, tmp_path: Path
) -> None:
    session.set_model(llava)
    start = prepare_start(llava, "a fox", images=(tiny_seq2seq.picture(tmp_path),))
    session.begin(start)
    for step in generate.stream(llava, start, Sampling(do_sample=False, max_new_tokens=2)).steps:
        session.add_step(step)
    written = tuple(step.token_id for step in session.steps)
    find("source").setCurrentIndex(1)
    look(LENS)
    assert pane.inside.parts[0].ids == (*start.encoding.input_ids, *written)
    assert pane.inside.parts[0].tokens[0] == "▦(0,0)"
    given = inside.follow(llava, start, written)
    np.testing.assert_array_equal(find("lens").values, inside.look(llava, given).lens.top_probabilities[..., 0])
    session.set_selection(1)
    assert find("lens").chosen[1] == 1


def test_a_sound_is_looked_into(
    pane: InsidePane, session: Session, look: Any, ctc: LoadedModel, find: Any, tmp_path: Path
) -> None:
    session.set_model(ctc)
    path = tiny_tasks.sound(tmp_path, 0.3)
    find("audio").set_path(path)
    look(LENS)
    lens = inside.look(ctc, inside.take(ctc, TaskInput(audio=path))).lens
    np.testing.assert_array_equal(find("lens").values, lens.top_probabilities[..., 0])
    assert pane.inside.parts[0].tokens[1] == "0.02s"
    assert not find("norms_picture").isVisible()


def test_a_film_is_looked_into(
    pane: InsidePane, session: Session, look: Any, film: LoadedModel, find: Any, tmp_path: Path
) -> None:
    session.set_model(film)
    path = tiny_kinds.film(tmp_path, name="film.gif")
    find("video").set_path(path)
    look(NORMS)
    (part,) = inside.look(film, inside.take(film, TaskInput(video=path))).parts
    np.testing.assert_array_equal(find("norms").values, part.norms)
    assert not find("norms_picture").isVisible()


def test_a_missing_and_a_torn_picture_are_cards(
    qtbot: QtBot, pane: InsidePane, session: Session, look: Any, vit: LoadedModel, find: Any, tmp_path: Path
) -> None:
    session.set_model(vit)
    look(LENS)
    assert "no picture" in pane.notices[0].what
    (tmp_path / "torn.png").write_bytes(b"no picture")
    find("image").set_path(tmp_path / "torn.png")
    qtbot.waitUntil(lambda: any("torn.png" in notice.what for notice in pane.notices))
    assert find("image").path is None


def test_an_example_is_at_hand(
    qtbot: QtBot, pane: InsidePane, session: Session, look: Any, vit: LoadedModel, find: Any
) -> None:
    session.set_model(vit)
    qtbot.mouseClick(find("example"), Qt.MouseButton.LeftButton)
    look(LENS)
    assert pane.inside.given.image == find("image").path
    assert find("image").path.name == "house.png"


@pytest.mark.parametrize("section", [ATTENTION, EMBEDDINGS])
def test_the_code_runs_and_gives_what_is_shown(
    pane: InsidePane, session: Session, look: Any, vit: LoadedModel, find: Any, tmp_path: Path,
    printed: Callable[[str], list[str]], section: int,
) -> None:  # fmt: skip
    pane.show_code()
    session.set_model(vit)
    find("image").set_path(tiny_seq2seq.picture(tmp_path))
    look(section)
    lines = printed(pane.code)
    if section == ATTENTION:
        weights = [float(each) for each in lines[-1].split()]
        assert weights == pytest.approx(find("attention").values[0].tolist(), abs=1e-5)
    else:
        assert float(lines[0].split()[0]) == pytest.approx(1.0)
        assert [int(line.split()[1]) for line in lines[:2]] == [each.id for each in pane.near.neighbours[:2]]


@pytest.fixture
def large(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, True, 1.5)
    yield
    theme.apply(qapp, False)


@pytest.mark.parametrize("section", [ATTENTION, NORMS])
def test_at_150_percent_it_is_only_ever_scrolled_down(
    large: None, pane: InsidePane, session: Session, qtbot: QtBot, look: Any, vit: LoadedModel, find: Any,
    tmp_path: Path, section: int,
) -> None:  # fmt: skip
    session.set_model(vit)
    find("image").set_path(tiny_seq2seq.picture(tmp_path))
    look(section)
    pane.resize(620, 700)
    page = pane.findChild(QScrollArea, "inside.page")
    qtbot.waitUntil(lambda: pane.width() == 620 and page.horizontalScrollBar().maximum() == 0, timeout=5000)


def test_the_part_that_sees_is_looked_into_by_itself(
    pane: InsidePane, session: Session, llama: LoadedModel, llava: LoadedModel, tmp_path: Path, find: Any, look: Any
) -> None:
    session.set_model(llama)
    assert not find("submodel").isVisible()
    session.set_model(llava)
    names = [find("submodel").itemText(place) for place in range(find("submodel").count())]
    assert names == ["the whole model", "vision_tower", "language_model"]
    find("text").set_text("a fox")
    find("image").set_path(tiny_seq2seq.picture(tmp_path))
    find("submodel").setCurrentIndex(1)
    look(NORMS)
    assert pane.inside.given.submodel == "model.vision_tower"
    (part,) = pane.inside.parts
    assert part.grid is not None and find("norms_picture").values.shape == (part.grid.rows, part.grid.columns)
    assert "vision_tower" in find("state").text()
    pane.show_code(True)
    assert 'model.get_submodule("model.vision_tower")' in pane.code
    find("sections").setCurrentIndex(EMBEDDINGS)
    rest = part.grid.position(0, 0)
    pane.select(part.name, rest)
    session.set_model(llama)
    assert not find("submodel").isVisible()


def test_what_the_part_was_not_given_is_a_notice(
    pane: InsidePane, session: Session, llava: LoadedModel, find: Any, look: Any
) -> None:
    session.set_model(llava)
    find("text").set_text("a fox")
    find("submodel").setCurrentIndex(1)
    look(LENS)
    assert pane.inside is None
    assert "vision_tower can't be looked into" in pane.notices[0].what
