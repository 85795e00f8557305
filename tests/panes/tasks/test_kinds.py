"""Each kind of input can be given and each kind of result is drawn: pairs, labels, pictures, sounds."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QWidget

from tests import tiny_films, tiny_kinds, tiny_pages, tiny_seq2seq, tiny_tasks
from tests.panes.tasks.person import notice, rows
from workbench.engine import models, tasks
from workbench.engine.models import LoadedModel
from workbench.engine.tasks import microphone
from workbench.engine.values import TaskOptions
from workbench.widgets import theme

KINDS = {
    "question-answering": lambda folder: tiny_tasks.build_tiny_head(folder, "AutoModelForQuestionAnswering"),
    "multiple-choice": lambda folder: tiny_tasks.build_tiny_head(folder, "AutoModelForMultipleChoice"),
    "next-sentence-prediction": lambda folder: tiny_tasks.build_tiny_head(folder, "AutoModelForNextSentencePrediction"),
    "zero-shot-classification": tiny_tasks.build_tiny_nli,
    "summarization": tiny_seq2seq.build_tiny_bart,
    "image-text-to-text": tiny_seq2seq.build_tiny_llava,
    **{
        kind: lambda folder, kind=kind: tiny_tasks.build_tiny_vision(folder, kind)
        for kind in (
            "image-classification", "object-detection", "image-segmentation", "depth-estimation",
            "zero-shot-image-classification", "image-feature-extraction",
        )
    },
    **{
        kind: lambda folder, kind=kind: tiny_tasks.build_tiny_audio(folder, kind)
        for kind in ("audio-classification", "automatic-speech-recognition", "text-to-audio")
    },
    **{
        kind: lambda folder, kind=kind: tiny_tasks.build_tiny_other(folder, kind)
        for kind in (
            "zero-shot-object-detection", "zero-shot-audio-classification", "visual-question-answering",
            "table-question-answering",
        )
    },
    **{
        kind: lambda folder, kind=kind: tiny_kinds.build(folder, kind)
        for kind in (
            "mask-generation", "keypoint-detection", "keypoint-matching", "video-classification", "any-to-any",
            "decision",
        )
    },
    "raw-outputs": lambda folder: tiny_kinds.build(folder, "x-vector"),
    "image-matting": tiny_films.vitmatte,
    "image-to-image": lambda folder: tiny_kinds.build(folder, "super-resolution"),
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> Callable[[str], LoadedModel]:
    """The model of a kind, built when it is asked for."""
    folder = tmp_path_factory.mktemp("kinds")
    kept: dict[str, LoadedModel] = {}

    def loaded(kind: str) -> LoadedModel:
        if kind not in kept:
            kept[kind] = models.load(KINDS[kind](folder / kind), device="cpu")
        return kept[kind]

    return loaded


def drop(widget: QWidget, what: Path | QImage) -> None:
    data = QMimeData()
    if isinstance(what, Path):
        data.setUrls([QUrl.fromLocalFile(str(what))])
    else:
        data.setImageData(what)
    how = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    entering = QDragEnterEvent(QPoint(5, 5), *how)
    entering.ignore()
    widget.dragEnterEvent(entering)
    assert entering.isAccepted()
    widget.dropEvent(QDropEvent(QPointF(5, 5), *how))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_inferred_run_and_drawn_with_its_three_boxes(run, pane, find, kind, loaded) -> None:
    if kind == "summarization":
        find("task").setCurrentText(kind)
    run(kind)
    assert not pane.notices or "cut" in notice(pane)
    result = pane.result
    assert result.task == kind
    for stage in result.stages:
        assert [row[0] for row in rows(find(f"{stage.name}_tensors"))] == [view.name for view in stage.tensors]
    assert find("result").accessibleDescription() not in ("", "No result yet")
    assert tasks.spec(kind).does in find("about").text()
    assert tasks.architecture(loaded(kind).facts)[1] in find("about").text()


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
@pytest.mark.parametrize("kind", [*tiny_films.KINDS, *tiny_pages.TASKS])
def test_what_torchvision_prepares_is_run_and_drawn(qtbot, session, pane, find, settle, tmp_path, kind) -> None:
    build = tiny_pages.build if kind in tiny_pages.TASKS else tiny_films.build
    session.set_model(models.load(build(tmp_path / kind, kind), device="cpu"))
    qtbot.mouseClick(find("try"), Qt.MouseButton.LeftButton)
    for name, value in (("points_per_side", 4), ("threshold", 0.0), ("stability", 0.0)):
        find(name).setValue(value)
    settle()
    qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
    settle()
    assert not pane.notices
    assert pane.result.items
    assert find("result").accessibleDescription() not in ("", "No result yet", "No part was found above the threshold")


@pytest.mark.parametrize(("kind", "shown"), [
    ("question-answering", {"text", "second"}), ("zero-shot-classification", {"text", "labels"}),
    ("image-classification", {"image"}), ("image-text-to-text", {"image", "text"}),
    ("zero-shot-image-classification", {"image", "labels"}), ("audio-classification", {"audio"}),
    ("keypoint-matching", {"image", "other"}), ("image-matting", {"image", "other"}),
    ("video-classification", {"video"}), ("text-to-audio", {"text"}),
    ("any-to-any", {"text", "audio"}), ("decision", {"text", "second", "labels"}),
])  # fmt: skip
def test_only_the_fields_that_a_task_reads_are_shown(session, loaded, find, kind, shown) -> None:
    session.set_model(loaded(kind))
    find("task").setCurrentText(kind)
    fields = ("text", "second", "labels", "image", "audio", "other", "video", "beside")
    assert {name for name in fields if find(name).isVisible()} == shown


def test_an_answer_is_marked_listed_and_outlined_in_its_matrix(run, pane, find) -> None:
    run("question-answering")
    best = pane.result.items[0]
    (span,) = find("context").spans
    assert (span.start, span.end) == (best.start, best.end)
    assert [row[0] for row in rows(find("answers"))] == [answer.text for answer in pane.result.items]
    matrix = find("span_matrix")
    row, column = matrix.best
    values = pane.result.stages[2].tensors[2].values
    assert values[row, column] == values.max()
    assert matrix.tokens[row].lower() in best.text.lower()


def test_labels_are_scored_and_settings_of_a_task_stay_its_own(run, pane, find) -> None:
    run("zero-shot-classification")
    assert {label for label, _, _ in find("label_bars").bars} == {"cinema", "politics", "travel"}
    find("template").setText("About {}.")
    find("task").setCurrentText("text-classification")
    assert not find("template").isVisible()
    find("task").setCurrentText("zero-shot-image-classification")
    assert find("template").text() == ""
    find("task").setCurrentText("zero-shot-classification")
    assert find("template").text() == "About {}."


def test_a_written_text_stands_alone_where_an_encoder_read_the_input(run, pane, find) -> None:
    run("summarization")
    assert find("generated").toPlainText() == pane.result.items[0]


def test_how_tokens_are_drawn_and_whose_states_are_taken_can_be_chosen(run, loaded, pane, find, settle) -> None:
    run("summarization", "The quick brown fox")
    model = loaded("summarization")
    assert [find(name).text() for name in ("num_beams", "draw_top_k", "top_p")] == ["its own"] * 3
    find("max_new_tokens").setValue(8)
    find("do_sample").setChecked(True)
    find("draw_top_k").setValue(9)
    find("top_p").setValue(0.8)
    pane.run_main_action()
    settle()
    options = TaskOptions(max_new_tokens=8, do_sample=True, draw_top_k=9, top_p=0.8)
    assert pane.result.items == tasks.run(model, "summarization", "The quick brown fox", options).items
    find("task").setCurrentText("feature-extraction")
    assert "of the decoder" in find("about").text()
    for states in ("auto", "encoder"):
        find("states").setCurrentText(states)
        pane.run_main_action()
        settle()
        asked = TaskOptions(states=states)
        given = pane.result.text
        assert pane.result.items == tasks.run(model, "feature-extraction", given, asked).items


def test_boxes_lie_over_the_picture_and_each_label_can_be_switched_off(run, pane, find, settle) -> None:
    run("object-detection")
    find("threshold").setValue(0.0)
    pane.run_main_action()
    settle()
    view = find("found")
    assert [each.box for each in view.overlays] == [
        (box.xmin, box.ymin, box.xmax, box.ymax) for box in pane.result.items
    ]
    labels = find("found_labels")
    first = labels.item(0)
    first.setCheckState(Qt.CheckState.Unchecked)
    assert first.data(Qt.ItemDataRole.UserRole) not in {each.label for each in view.shown}
    assert len(view.shown) < len(view.overlays)
    first.setCheckState(Qt.CheckState.Checked)
    assert len(view.shown) == len(view.overlays)


def test_masks_lie_over_the_picture(run, pane, find) -> None:
    run("image-segmentation")
    view = find("found")
    assert [each.label for each in view.overlays] == [part.label for part in pane.result.items]
    image = view.grab().toImage()
    find("found_labels").item(0).setCheckState(Qt.CheckState.Unchecked)
    assert view.grab().toImage() != image


def test_what_was_found_is_named_in_full_in_a_small_window_too(qtbot, qapp, run, pane, find) -> None:
    theme.apply(qapp, dark=False, zoom=1.0)
    run("image-segmentation")
    labels, page = find("found_labels"), find("page")

    def are_whole() -> bool:
        return labels.viewport().width() >= labels.sizeHintForColumn(0)

    qtbot.waitUntil(are_whole)
    narrow = labels.width()
    theme.apply(qapp, dark=False, zoom=2.0)
    # What a window of 1024 x 768 pixels leaves.
    pane.resize(702, 500)
    qtbot.waitUntil(lambda: are_whole() and labels.width() > narrow and page.horizontalScrollBar().maximum() == 0)


def test_masks_without_names_lie_over_the_picture_and_each_can_be_switched_off(run, pane, find, settle) -> None:
    run("mask-generation")
    assert "No part was found" in find("result").accessibleDescription()
    find("threshold").setValue(0.0)
    find("stability").setValue(0.0)
    pane.run_main_action()
    settle()
    view = find("found")
    assert [each.label for each in view.overlays] == [part.label for part in pane.result.items]
    assert find("found_labels").item(0).text().startswith("mask 1")
    find("found_labels").item(0).setCheckState(Qt.CheckState.Unchecked)
    assert len(view.shown) == len(view.overlays) - 1


def test_points_lie_over_the_picture(run, pane, find) -> None:
    run("keypoint-detection")
    view = find("found")
    assert [each.point for each in view.overlays] == [(point.x, point.y) for point in pane.result.items]
    image = view.grab().toImage()
    find("found_labels").item(0).setCheckState(Qt.CheckState.Unchecked)
    assert view.grab().toImage() != image


def test_matches_are_lines_between_two_pictures_and_the_chosen_one_is_thick(run, pane, find) -> None:
    run("keypoint-matching")
    view = find("matches")
    assert [(line.first, line.second) for line in view.lines] == [
        (item.first, item.second) for item in pane.result.items
    ]
    image = view.grab().toImage()
    find("matches_table").selectRow(1)
    assert view.chosen == 1
    assert view.grab().toImage() != image
    assert find("other_view").picture.width() == 640


def test_a_video_is_dropped_and_its_beginning_is_shown(qtbot, session, loaded, pane, find, tmp_path, settle) -> None:
    session.set_model(loaded("video-classification"))
    path = tiny_kinds.film(tmp_path, 12, "film.gif")
    drop(find("video"), path)
    assert find("video").path == path
    qtbot.waitUntil(lambda: not find("video_view").picture.isNull())
    folder = tiny_kinds.film(tmp_path, 12, "frames")
    drop(find("video"), folder)
    qtbot.waitUntil(lambda: find("video_view").picture.height() == 240)
    assert find("video").path == folder
    pane.run_main_action()
    settle()
    assert [label for label, _, _ in find("label_bars").bars] == [item.label for item in pane.result.items]


def test_a_video_without_frames_gives_a_notice_and_nothing_is_lost(
    qtbot, session, loaded, pane, find, tmp_path, settle
) -> None:
    session.set_model(loaded("video-classification"))
    empty = tmp_path / "empty"
    empty.mkdir()
    drop(find("video"), empty)
    qtbot.waitUntil(lambda: "It has no frames." in notice(pane))
    pane.run_main_action()
    settle()
    assert "It has no frames." in notice(pane)
    assert find("video").path == empty and find("run").isEnabled()


def test_a_model_that_speaks_with_a_voice_asks_for_it(qtbot, session, pane, find, tmp_path, settle) -> None:
    session.set_model(models.load(tiny_kinds.build(tmp_path / "speecht5", "speecht5"), device="cpu"))
    find("try").click()
    pane.run_main_action()
    settle()
    assert "There is no voice yet." in notice(pane)
    drop(find("beside"), tiny_kinds.voice(tmp_path))
    pane.run_main_action()
    settle()
    assert find("spoken").seconds > 0
    assert not pane.notices


def test_a_threshold_that_lets_nothing_through_is_named_beside_the_picture(qtbot) -> None:
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QListWidget

    from workbench.engine.values import Stage, TaskInput, TaskResult, TensorView
    from workbench.panes.tasks.pictures import FoundView

    view = FoundView()
    qtbot.addWidget(view)
    picture = QImage(30, 20, QImage.Format.Format_RGB32)
    sizes = (TensorView("target_size", (1, 2), "int64", np.array([[20, 30]])),)
    stages = (Stage("preprocess", sizes, 0.0), Stage("forward", (), 0.0), Stage("postprocess", (), 0.0))
    said = view.show_boxes(TaskResult("object-detection", TaskInput(), stages, ()), picture)
    (words,) = view.findChild(QListWidget, "tasks.found_labels").findItems("", Qt.MatchFlag.MatchContains)
    assert said == "Nothing was found above the threshold"
    assert words.text().startswith("Nothing above the threshold") and not words.flags()


def test_what_comes_out_is_listed_where_nothing_more_is_made_of_it(run, pane, find) -> None:
    run("raw-outputs")
    listed = rows(find("outputs"))
    assert [row[0] for row in listed] == list(pane.result.items)
    values = pane.result.stages[1].tensors[0].values
    numbers = (f"{values.min():.4g}", f"{values.mean():.4g}", f"{values.max():.4g}")
    assert listed[0][2:] == (*numbers, "batch × xvector_output_dim")


def test_options_of_a_decision_are_bars(run, pane, find) -> None:
    run("decision")
    assert {label for label, _, _ in find("label_bars").bars} == {"billing", "delivery", "praise"}


def test_depth_is_drawn_beside_the_picture(run, pane, find) -> None:
    run("depth-estimation")
    depth = pane.result.items[0]
    assert find("depth_map").picture.width() == depth.shape[1]
    assert f"{depth.min():.4g}" in find("depth_range").text()


def test_what_was_cut_out_stands_over_a_chequered_ground(run, pane, find) -> None:
    run("image-matting")
    alpha = pane.result.items[0]
    assert find("alpha").picture.width() == alpha.shape[1]
    picture, cut = find("image_view").picture, find("cut_out").picture
    assert cut.size() == picture.size()
    row, column = (int(each) for each in np.unravel_index(alpha.argmin(), alpha.shape))
    mixed = cut.pixelColor(column, row).red()
    ground = {192, 255}
    share = float(alpha[row, column])
    expected = [share * picture.pixelColor(column, row).red() + (1 - share) * each for each in ground]
    assert min(abs(mixed - each) for each in expected) <= 3
    assert "of the picture" in find("alpha_share").text()


def test_the_cells_of_an_answer_are_marked_in_their_table(run, pane, find) -> None:
    run("table-question-answering")
    (answer,) = pane.result.items
    table = find("table")
    assert table.horizontalHeaderItem(1).text() == "capital"
    assert table.rowCount() == 3
    bold = {(row, column) for row in range(3) for column in range(3) if table.item(row, column).font().bold()}
    assert bold == set(answer.cells)
    assert answer.text in ("", find("table_answer").text())


def test_a_tensor_is_saved_for_numpy(run, pane, find, tmp_path, monkeypatch) -> None:
    run("question-answering")
    find("postprocess_tensors").selectRow(2)
    path = tmp_path / "spans.npy"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    find("postprocess_save").click()
    np.testing.assert_array_equal(np.load(path), pane.result.stages[2].tensors[2].values)


def test_the_model_sees_its_own_picture_in_the_first_box(run, find) -> None:
    run("image-classification")
    assert find("preprocess_picture").isVisible()
    assert find("preprocess_picture").picture.width() == 32
    find("preprocess_draw").setChecked(False)
    assert not find("preprocess_picture").isVisible()
    assert find("preprocess_values_grid").isVisible()


@pytest.mark.parametrize(("kind", "width"), [("video-classification", 4 * 16), ("keypoint-matching", 2 * 64)])
def test_frames_and_pairs_are_drawn_beside_one_another_in_the_first_box(run, find, kind, width) -> None:
    run(kind)
    assert find("preprocess_picture").isVisible()
    assert find("preprocess_picture").picture.width() == width


def test_a_transcript_stands_under_its_wave_and_is_linked_with_it(run, pane, find, settle) -> None:
    run("automatic-speech-recognition")
    find("timestamps").setCurrentText("char")
    pane.run_main_action()
    settle()
    text, *chunks = pane.result.items
    assert find("transcript").toPlainText() == text
    assert [row[2] for row in rows(find("chunks"))] == [chunk.text for chunk in chunks]
    assert [span[2] for span in find("heard").spans] == [chunk.text for chunk in chunks]
    assert find("heard").seconds == pytest.approx(2.0)


def test_a_sound_that_was_made_is_saved_and_played(run, pane, find, tmp_path, monkeypatch) -> None:
    run("text-to-audio")
    (sound,) = pane.result.items
    assert find("spoken").seconds == pytest.approx(len(sound.samples) / sound.rate)
    path = tmp_path / "said.wav"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    find("save_wav").click()
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == sound.rate
    np.testing.assert_allclose(samples, sound.samples.clip(-1, 1), atol=1e-4)
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True)
    find("play").click()
    assert Path(opened[0]).read_bytes() == path.read_bytes()


def test_a_sound_that_no_program_plays_gives_a_notice(run, pane, find, monkeypatch) -> None:
    run("text-to-audio")
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _url: False)
    find("play").click()
    assert "no program that opens WAV files" in notice(pane)


def test_a_sound_is_recorded_until_the_button_is_pressed_again(
    qtbot, session, loaded, pane, find, settle, monkeypatch
) -> None:
    miniaudio = pytest.importorskip("miniaudio")
    monkeypatch.setattr(microphone, "BACKENDS", [miniaudio.Backend.NULL])
    session.set_model(loaded("audio-classification"))
    assert find("audio_record").isVisible()
    find("audio_record").click()
    qtbot.waitUntil(lambda: any("recording, 1 s" in label.text() for label in find("audio").findChildren(QLabel)))
    find("audio_record").click()
    qtbot.waitUntil(lambda: find("audio_view").seconds > 0)
    assert find("audio").path.suffix == ".wav" and not find("audio_record").isChecked()
    settle()


def test_without_a_microphone_recording_says_so(qtbot, session, loaded, pane, find, monkeypatch) -> None:
    miniaudio = pytest.importorskip("miniaudio")
    monkeypatch.setattr(microphone, "BACKENDS", [miniaudio.Backend.WASAPI])  # of another system
    session.set_model(loaded("audio-classification"))
    find("audio_record").click()
    qtbot.waitUntil(lambda: "The microphone can't be used." in notice(pane))
    qtbot.waitUntil(lambda: not find("audio_record").isChecked())


def test_a_picture_is_dropped_or_pasted(qtbot, session, loaded, pane, find, tmp_path) -> None:
    session.set_model(loaded("image-classification"))
    path = tiny_seq2seq.picture(tmp_path)
    drop(find("image"), path)
    assert find("image").path == path
    qtbot.waitUntil(lambda: find("image_view").picture.width() == 40)
    image = QImage(12, 7, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    QGuiApplication.clipboard().setImage(image)
    find("image_paste").click()
    pasted = find("image").path
    assert pasted != path and QImage(str(pasted)).size() == image.size()
    # A browser drags the picture itself, which is no file.
    drop(find("image"), image.scaled(9, 5))
    assert find("image").path != pasted and QImage(str(find("image").path)).width() == 9
    find("image").set_path(pasted)
    QGuiApplication.clipboard().setText("no picture")
    find("image_paste").click()
    assert "no picture in the clipboard" in notice(pane)
    assert find("image").path == pasted


def test_a_sound_is_dropped_and_drawn(qtbot, session, loaded, find, tmp_path) -> None:
    session.set_model(loaded("audio-classification"))
    path = tiny_tasks.sound(tmp_path, 1.5, 8_000, 2)
    drop(find("audio"), path)
    assert find("audio").path == path
    qtbot.waitUntil(lambda: find("audio_view").seconds > 0)
    assert find("audio_view").seconds == pytest.approx(1.5)


@pytest.mark.parametrize(("kind", "name"), [("image-classification", "image"), ("audio-classification", "audio")])
def test_a_file_that_is_none_gives_a_notice_and_nothing_is_lost(
    session, loaded, pane, find, tmp_path, settle, kind, name, qtbot
) -> None:
    session.set_model(loaded(kind))
    path = tmp_path / ("broken.png" if name == "image" else "broken.wav")
    path.write_text("nothing of the kind")
    drop(find(name), path)
    settle()
    qtbot.waitUntil(lambda: "broken" in notice(pane))
    pane.run_main_action()
    settle()
    assert find("run").isEnabled()
    whole = tiny_seq2seq.picture(tmp_path) if name == "image" else tiny_tasks.sound(tmp_path)
    drop(find(name), whole)
    assert find(name).path == whole and notice(pane) == "", "what was said of another file"


def test_the_code_of_a_picture_names_its_file(run, pane, find, capsys) -> None:
    run("image-classification")
    pane.show_code()
    names: dict[str, Any] = {}
    exec(find("code").code, names)
    assert names["result"] == [(item.label, pytest.approx(item.score, abs=1e-6)) for item in pane.result.items]
    assert capsys.readouterr().out


def test_changing_the_task_keeps_what_the_person_wrote(session, loaded, find) -> None:
    session.set_model(loaded("question-answering"))
    find("text").set_text("my own question?")
    find("task").setCurrentText("next-sentence-prediction")
    assert find("text").text() == "my own question?"


@pytest.mark.parametrize("kind", [
    "question-answering", "object-detection", "automatic-speech-recognition", "keypoint-matching",
    "video-classification",
])  # fmt: skip
def test_every_control_has_a_name_and_a_tip(session, pane, loaded, kind) -> None:
    session.set_model(loaded(kind))
    for control in pane.findChildren(QWidget):
        if control.objectName().startswith("tasks.") and control.focusPolicy() != Qt.FocusPolicy.NoFocus:
            assert control.accessibleName(), control.objectName()
            assert control.toolTip() or control.objectName() in ("tasks.empty_action", "tasks.code")


def test_several_questions_about_a_table_are_answered_line_by_line(run, pane, find, settle) -> None:
    run("table-question-answering")
    find("text").set_text("What is the capital of France?\nrome")
    find("sequential").setChecked(True)
    pane.run_main_action()
    settle()
    told = find("table_answer").text().splitlines()
    assert [line.startswith(item.question) for line, item in zip(told, pane.result.items, strict=True)] == [True] * 2
