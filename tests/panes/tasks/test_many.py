"""A file of many inputs runs as one batch: columns are guessed, rows that fail are named, results are saved."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLabel, QWidget
from pytestqt.qtbot import QtBot

from tests import tiny_seq2seq, tiny_tasks
from tests.panes.tasks.person import rows
from workbench.engine import models, tasks
from workbench.engine.models import LoadedModel
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions


@pytest.fixture(scope="module")
def classifier(tiny_bert_classifier: Checkpoint) -> LoadedModel:
    return models.load(tiny_bert_classifier, device="cpu")


@pytest.fixture
def choose(qtbot: QtBot, find, monkeypatch) -> Callable[[Path], None]:
    """Switch to a file and choose it in the dialog."""

    def choose(path: Path) -> None:
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
        find("from_file").setChecked(True)
        qtbot.mouseClick(find("many_choose"), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: find("run").isEnabled())

    return choose


def written(path: Path, texts: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "review"], *([index, text] for index, text in enumerate(texts))])
    return path


def test_each_row_of_a_file_is_done_and_the_results_are_saved(
    session, pane, find, choose, settle, classifier, tmp_path, monkeypatch
) -> None:
    session.set_model(classifier)
    texts = ["What a film!", "", "The worst I have seen.", "She was reading."]
    choose(written(tmp_path / "reviews.csv", texts))
    assert find("many_text").currentText() == "review"
    find("batch_size").setValue(2)
    find("top_k").setValue(1)
    pane.run_main_action()
    settle()
    assert find("many_summary").text() == "3 rows done, 1 failed"
    listed = rows(find("many_results"))
    assert len(listed) == 4
    assert "reviews.csv" in listed[1][1] and "empty" in listed[1][-1]
    find("many_failed").setChecked(True)
    assert len(rows(find("many_results"))) == 1
    for ending, kind in (("csv", "CSV (*.csv)"), ("jsonl", "JSON Lines (*.jsonl)"), ("parquet", "Parquet (*.parquet)")):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, kind=kind: (str(tmp_path / "results"), kind))
        find("many_save").click()
        assert (tmp_path / f"results.{ending}").stat().st_size > 0
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    first = tasks.run(classifier, "text-classification", texts[0], TaskOptions(top_k=1)).items[0]
    assert (lines[0]["label"], lines[0]["score"]) == (first.label, pytest.approx(first.score, abs=1e-5))


def test_a_field_without_a_column_is_the_same_for_every_row(
    session, pane, find, choose, settle, tmp_path, qtbot
) -> None:
    model = models.load(tiny_tasks.build_tiny_nli(tmp_path / "nli"), device="cpu")
    session.set_model(model)
    find("labels").set_text("cinema\npolitics")
    choose(written(tmp_path / "reviews.csv", ["What a film!", "The capital."]))
    assert find("many_labels").currentText() == "as written for one input"
    pane.run_main_action()
    settle()
    listed = rows(find("many_results"))
    assert len(listed) == 4
    expected = tasks.run(model, "zero-shot-classification", TaskInput("What a film!", labels=("cinema", "politics")))
    assert [row[3] for row in listed[:2]] == [item.label for item in expected.items]


def test_pictures_are_found_beside_the_file(session, pane, find, choose, settle, tmp_path) -> None:
    model = models.load(tiny_tasks.build_tiny_vision(tmp_path / "vit", "image-classification"), device="cpu")
    session.set_model(model)
    tiny_seq2seq.picture(tmp_path, "a.png")
    (tmp_path / "pictures.jsonl").write_text('{"image": "a.png"}\n{"image": "gone.png"}\n')
    choose(tmp_path / "pictures.jsonl")
    pane.run_main_action()
    settle()
    assert find("many_summary").text() == "1 rows done, 1 failed"
    assert "gone.png" in rows(find("many_results"))[-1][-1]


def test_a_stop_keeps_the_rows_that_are_done(qtbot, session, pane, find, choose, settle, classifier, tmp_path) -> None:
    session.set_model(classifier)
    choose(written(tmp_path / "many.csv", ["What a film!"] * 3000))
    find("batch_size").setValue(1)
    pane.run_main_action()
    qtbot.waitUntil(lambda: len(pane.findChild(QWidget, "tasks.result").many.rows) > 0, timeout=20_000)
    pane.stop_main_action()
    settle()
    done = len(pane.findChild(QWidget, "tasks.result").many.rows)
    assert 0 < done < 3000
    assert find("state").text() == "stopped"
    assert len(rows(find("many_results"))) > 0


def test_a_file_that_can_not_be_read_gives_a_notice(qtbot, session, pane, find, classifier, tmp_path) -> None:
    session.set_model(classifier)
    (tmp_path / "empty.csv").write_text("")
    find("from_file").setChecked(True)
    assert not find("run").isEnabled()
    pane.read_rows(tmp_path / "empty.csv")
    qtbot.waitUntil(lambda: len(pane.notices) == 1)
    assert "empty" in " ".join(label.text() for label in pane.notices[0].findChildren(QLabel))
    assert not find("run").isEnabled()


def test_an_empty_cell_fails_in_words_of_its_own_and_another_models_task_has_no_file(
    qtbot, session, pane, find, choose, settle, classifier, tiny_llama, tmp_path, capsys
) -> None:
    from workbench.engine.models import load

    session.set_model(classifier)
    choose(written(tmp_path / "gaps.csv", ["What a film!", ""]))
    pane.run_main_action()
    settle()
    assert rows(find("many_results"))[-1][-1] == "There is no text yet. The text is empty."
    names: dict = {"__name__": "__main__"}
    pane.show_code(True)
    qtbot.waitUntil(lambda: "results.append" in pane.code)
    exec(pane.code, names)
    assert names["results"][0] is not None and names["results"][1] is None
    assert "row 2 failed: The text is empty." in capsys.readouterr().out
    session.set_model(load(tiny_llama, device="cpu"))
    assert not find("from_file").isChecked()


@pytest.mark.parametrize(("name", "content"), [
    ("header.csv", "text\n"), ("empty.jsonl", ""), ("empty.json", "[]"), ("blank.txt", "\n\n"),
])  # fmt: skip
def test_a_file_without_rows_gives_a_notice_and_keeps_the_text(
    qtbot, session, pane, find, classifier, tmp_path, name, content
) -> None:
    session.set_model(classifier)
    find("text").set_text("my own")
    (tmp_path / name).write_text(content)
    find("from_file").setChecked(True)
    pane.read_rows(tmp_path / name)
    qtbot.waitUntil(lambda: len(pane.notices) == 1)
    assert not find("run").isEnabled()
    find("from_file").setChecked(False)
    assert find("text").text() == "my own"


def test_what_can_not_be_done_on_rows_is_not_offered(session, find, tmp_path) -> None:
    session.set_model(models.load(tiny_tasks.build_tiny_audio(tmp_path / "vits", "text-to-audio"), device="cpu"))
    assert not find("from_file").isEnabled()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "txt"])
def test_the_code_does_each_row_of_the_file(
    session, pane, find, choose, settle, classifier, tmp_path, ending, capsys
) -> None:
    session.set_model(classifier)
    texts = ["What a film!", "", "The worst I have seen."]
    path = tmp_path / f"reviews.{ending}"
    if ending == "csv":
        written(path, texts)
    elif ending == "txt":
        path.write_text("\n".join(texts[::2]) + "\n")
    else:
        entries = [{"review": text} for text in texts]
        lines = "\n".join(json.dumps(entry) for entry in entries)
        path.write_text(lines if ending == "jsonl" else json.dumps({"data": entries}))
    choose(path)
    pane.run_main_action()
    settle()
    pane.show_code()
    names: dict[str, Any] = {}
    exec(find("code").code, names)
    shown = pane.findChild(QWidget, "tasks.result").many.rows
    assert "row 1" in capsys.readouterr().out
    assert len(names["results"]) == len(shown) >= 2
    for found, row in zip(names["results"], shown, strict=True):
        if row.lines:
            assert found == [(line["label"], pytest.approx(line["score"], abs=1e-5)) for line in row.lines]


def test_one_input_comes_back_when_the_file_is_left(session, find, classifier) -> None:
    session.set_model(classifier)
    find("from_file").setChecked(True)
    assert not find("text").isVisible()
    assert find("many_text").isVisible()
    find("from_file").setChecked(False)
    assert find("text").isVisible()
    assert not find("many_text").isVisible()
    assert find("run").isEnabled()
