"""What speaks with more than a text asks for it, and what goes on with a series is plotted and listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt

from tests import tiny_hearing, tiny_kinds, tiny_series, tiny_speech, tiny_tasks
from tests.panes.tasks.person import notice
from workbench.engine import models
from workbench.engine.tasks import any_to_any
from workbench.engine.values import TensorView
from workbench.panes.tasks import TasksPane
from workbench.panes.tasks.stages import drawn


@pytest.fixture
def run(pane: TasksPane, settle: Callable[[], None]) -> Callable[[], str]:
    """Press Run and wait; gives what the notices say."""

    def run() -> str:
        pane.run_main_action()
        settle()
        return notice(pane)

    return run


def visible(find: Callable[[str], Any], *names: str) -> set[str]:
    return {name for name in names if find(name).isVisible()}


def test_a_language_is_asked_for_only_where_it_is_told(session, find, run, tmp_path, pane) -> None:
    session.set_model(models.load(tiny_speech.build(tmp_path / "seamless", "seamless"), device="cpu"))
    fields = ("beside", "source_language", "target_language", "max_new_tokens")
    assert visible(find, *fields) == {"source_language", "target_language", "max_new_tokens"}
    find("text").set_text("hello")
    find("target_language").setEditText("xyz")
    assert "eng, fra" in run()
    find("target_language").setEditText("eng")
    assert run() == "" and find("spoken").seconds > 0
    session.set_model(models.load(tiny_speech.build(tmp_path / "csm", "csm"), device="cpu"))
    assert visible(find, *fields) == {"max_new_tokens"}
    find("max_new_tokens").setValue(8)
    assert run() == "" and find("spoken").seconds > 0
    names = [view.name for view in pane.result.stages[1].tensors]
    assert names == ["codes", "waveform"]


def test_phonemes_are_asked_for_and_the_example_is_in_them(session, find, run, tmp_path) -> None:
    session.set_model(models.load(tiny_speech.build(tmp_path / "speech", "fastspeech2"), device="cpu"))
    assert find("text").accessibleName().startswith("Phonemes")
    find("text").set_text("hello")
    assert "g2p-en" in run()
    find("try").click()
    assert run() == "" and find("spoken").seconds > 0


def test_a_series_goes_on_in_the_plot_and_in_the_table(session, find, run, pane, tmp_path) -> None:
    session.set_model(models.load(tiny_series.build(tmp_path, "timesfm"), device="cpu"))
    assert find("task").currentText() == "time-series-prediction"
    assert visible(find, "frequency", "text") == {"frequency", "text"}
    find("try").click()
    assert run() == ""
    result = pane.result
    plot, table = find("forecast_plot"), find("forecast")
    given = plot.points("given")
    assert given[0] == (-35.0, 112.0) and given[-1] == (0.0, 166.0)
    expected = [(0.0, 166.0), *((float(item.step), item.value) for item in result.items)]
    assert list(plot.points("forecast")) == expected
    assert [value for _, value in plot.points("highest quantile")] == [item.quantiles[-1][1] for item in result.items]
    model = table.model()
    assert model.rowCount() == len(result.items)
    assert float(model.index(0, 1).data()) == pytest.approx(result.items[0].value, rel=1e-3)
    heads = [model.headerData(column, Qt.Orientation.Horizontal) for column in range(3)]
    assert heads == ["moment", "forecast", "10 %"]
    find("text").set_text("1, two")
    assert "“two” is no number" in run()


def test_an_answer_that_is_spoken_stands_over_its_wave(session, find, run, pane, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(any_to_any, "SAID", 4)
    session.set_model(models.load(tiny_hearing.build(tmp_path / "omni", "omni"), device="cpu"))
    assert find("task").currentText() == "any-to-any"
    find("text").set_text("hello there")
    find("max_new_tokens").setValue(4)
    assert run() == "" and find("generated").isVisible()
    find("speaks").setChecked(True)
    assert run() == "" and find("spoken").seconds > 0
    assert find("spoken_text").isVisible() and find("spoken_text").toPlainText()
    assert find("spoken_text").toPlainText() in find("result").accessibleDescription()
    session.set_model(models.load(tiny_speech.build(tmp_path / "csm", "csm"), device="cpu"))
    find("text").set_text("hello")
    find("max_new_tokens").setValue(8)
    assert run() == "" and not find("spoken_text").isVisible()


def test_the_words_of_a_transcript_are_found_in_the_sound(session, find, run, tmp_path, pane) -> None:
    session.set_model(models.load(tiny_hearing.build(tmp_path / "aligner", "aligner"), device="cpu"))
    assert visible(find, "text", "audio", "source_language", "max_new_tokens", "timestamps") == {
        "text", "audio", "source_language"
    }  # fmt: skip
    find("text").set_text("a fox")
    find("audio").set_path(tiny_tasks.sound(tmp_path, 2.0))
    assert run() == ""
    assert [item.text for item in pane.result.items[1:]] == ["a", "fox"]
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(tiny_tasks.sound(tmp_path).read_bytes()[:5_000])
    find("audio").set_path(damaged)
    assert "cut off" in run()
    assert find("text").text() == "a fox" and find("run").isEnabled()


def test_what_is_left_out_of_a_long_sound_is_said(session, find, run, tmp_path, pane) -> None:
    session.set_model(models.load(tiny_kinds.build(tmp_path / "hears", "any-to-any"), device="cpu"))
    find("text").set_text("What is it?")
    find("max_new_tokens").setValue(1)
    find("audio").set_path(tiny_tasks.sound(tmp_path, 3.0))
    assert "2.0 seconds of it were heard" in run()
    assert pane.result is not None


@pytest.mark.parametrize(("shape", "size"), [
    ((1, 80, 3_000), (960, 3_000)), ((1, 3_000, 80), (960, 3_000)), ((1, 80, 360_000), (960, 3_000)),
    ((1, 80, 90), (80, 90)),
])  # fmt: skip
def test_a_spectrogram_is_drawn_as_a_picture_rather_than_a_stripe(shape, size) -> None:
    values = np.zeros(shape, np.float32)
    assert drawn(TensorView("input_features", shape, "float32", values)).shape == (*size, 3)


def test_the_language_of_each_part_stands_beside_it_when_it_is_asked_for(session, find, run, pane, tmp_path) -> None:
    whisper = tiny_tasks.build_tiny_audio(tmp_path / "whisper", "whisper")
    session.set_model(models.load(whisper, device="cpu"))
    find("try").click()
    assert visible(find, "chunk_overlap", "says_language") == {"says_language"}
    find("timestamps").setCurrentText("segment")
    find("max_new_tokens").setValue(6)
    assert run() == "" and find("chunks").columns == ("from (s)", "to (s)", "text")
    find("says_language").setChecked(True)
    assert run() == "" and find("chunks").columns == ("from (s)", "to (s)", "language", "text")
    assert {chunk.language for chunk in pane.result.items[1:]} == {"english"}
    find("chunk_length").setValue(1)
    assert visible(find, "chunk_overlap") == {"chunk_overlap"} and find("chunk_overlap").text() == "a sixth"


def test_a_language_is_chosen_among_those_of_the_checkpoint(session, find, run, pane, tmp_path) -> None:
    whisper = tiny_tasks.build_tiny_audio(tmp_path / "whisper", "whisper")
    session.set_model(models.load(whisper, device="cpu"))
    find("try").click()
    find("max_new_tokens").setValue(6)
    shown = visible(find, "source_language", "target_language", "speech_task")
    assert shown == {"source_language", "speech_task"}
    languages = find("source_language")
    assert [languages.itemText(row) for row in range(languages.count())] == ["its own", "english"]
    assert run() == ""
    languages.setCurrentIndex(1)
    find("speech_task").setCurrentText("translate")
    assert run() == ""
    told = pane.result.options
    assert (told.source_language, told.speech_task) == ("english", "translate")
    languages.setEditText("klingon")
    assert "no language “klingon”" in run()
    languages.setCurrentIndex(0)
    assert run() == "" and pane.result.options.source_language == ""
    session.set_model(
        models.load(tiny_tasks.build_tiny_audio(tmp_path / "letters", "automatic-speech-recognition"), device="cpu")
    )
    assert not visible(find, "source_language", "target_language", "speech_task")
