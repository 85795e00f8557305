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
from tests.panes.tasks.person import notice, rows
from workbench.engine import models, tasks
from workbench.engine.models import LoadedModel
from workbench.engine.tasks import batch
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions
from workbench.panes.tasks.many import ManyView


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
        settle()
        assert (tmp_path / f"results.{ending}").stat().st_size > 0
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    first = tasks.run(classifier, "text-classification", texts[0], TaskOptions(top_k=1)).items[0]
    assert (lines[0]["label"], lines[0]["score"]) == (first.label, pytest.approx(first.score, abs=1e-5))


@pytest.mark.parametrize(("header", "row", "chosen"), [
    ("id,Review Text,stars", '7,"He said ""fine"", and left",3', "Review Text"),
    ("id,body,stars", "1234567,A film that I liked,5", "body"),
    ("context,text", "a,b", "text"),
])  # fmt: skip
def test_the_column_that_is_read_is_guessed_by_its_name_or_by_what_it_holds(
    session, pane, find, choose, settle, classifier, tmp_path, header, row, chosen
) -> None:
    session.set_model(classifier)
    (tmp_path / "odd.csv").write_text(f"{header}\n{row}\n{row}\n", encoding="utf-8-sig")
    choose(tmp_path / "odd.csv")
    assert find("many_text").currentText() == chosen
    pane.run_main_action()
    settle()
    assert find("many_summary").text() == "2 rows done, 0 failed"
    given = pane.findChild(QWidget, "tasks.result").many.rows[0].given.text
    assert given == next(csv.DictReader([header, row]))[chosen]


def test_the_three_steps_of_a_row_are_shown_beside_the_rows(
    session, pane, find, choose, settle, classifier, tmp_path
) -> None:
    session.set_model(classifier)
    texts = ["What a film!", "", "The worst film that I have seen in years."]
    choose(written(tmp_path / "reviews.csv", texts))
    pane.run_main_action()
    settle()
    table = find("many_results")
    listed = rows(table)
    table.row_activated.emit(next(place for place, row in enumerate(listed) if texts[2] in row))
    settle()
    assert rows(table) == listed
    alone = tasks.run(classifier, "text-classification", texts[2])
    ids = rows(find("preprocess_tensors"))[0]
    assert ids[1] == f"1 × {alone.stages[0].tensors[0].shape[1]}"
    find("many_failed").setChecked(True)
    table.row_activated.emit(0)
    settle()
    assert "The text is empty." in notice(pane)


def test_rows_that_were_done_are_there_again_when_one_comes_back_to_the_file(
    session, pane, find, choose, settle, classifier, tiny_bert, tmp_path
) -> None:
    session.set_model(classifier)
    choose(written(tmp_path / "reviews.csv", ["What a film!", ""]))
    pane.run_main_action()
    settle()
    listed = rows(find("many_results"))
    find("from_file").setChecked(False)
    assert not find("many_results").isVisible()
    find("from_file").setChecked(True)
    assert find("many_results").isVisible()
    assert rows(find("many_results")) == listed
    session.set_model(models.load(tiny_bert, device="cpu"))
    find("from_file").setChecked(True)
    assert not find("many_results").isVisible()


def test_rows_that_are_longer_than_the_context_are_counted(
    session, pane, find, choose, settle, classifier, tmp_path
) -> None:
    session.set_model(classifier)
    choose(written(tmp_path / "reviews.csv", ["What a film!", "the film " * 200, "", "the film " * 300]))
    find("top_k").setValue(1)
    pane.run_main_action()
    settle()
    assert find("many_summary").text() == "3 rows done, 1 failed, 2 cut at the context"
    shown = pane.findChild(QWidget, "tasks.result").many.rows
    lengths = [len(classifier.tokenizer(row.given.text, verbose=False)["input_ids"]) for row in shown]
    assert [row.truncated for row in shown] == [max(0, length - 128) for length in lengths]
    listed = rows(find("many_results"))
    assert [row[-2] for row in listed] == [str(row.truncated) for row in shown]


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


@pytest.mark.parametrize("kind", ["image-classification", "audio-classification"])
def test_each_file_of_a_folder_is_an_input(
    qtbot, session, pane, find, settle, tmp_path, monkeypatch, capsys, kind
) -> None:
    build = tiny_tasks.build_tiny_audio if kind.startswith("audio") else tiny_tasks.build_tiny_vision
    model = models.load(build(tmp_path / "model", kind), device="cpu")
    session.set_model(model)
    folder = tmp_path / "inputs"
    (folder / "more").mkdir(parents=True)
    make = tiny_tasks.sound if kind.startswith("audio") else tiny_seq2seq.picture
    ending = "wav" if kind.startswith("audio") else "png"
    for name in ("b", "a", "more/c", ".hidden"):
        make(folder, name=f"{name}.{ending}")
    (folder / "notes.md").write_text("none of them")
    (folder / f"broken.{ending}").write_text("no such thing")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    find("from_file").setChecked(True)
    qtbot.mouseClick(find("many_folder"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: find("run").isEnabled())
    pane.run_main_action()
    settle()
    assert find("many_summary").text() == "3 rows done, 1 failed"
    shown = pane.findChild(QWidget, "tasks.result").many.rows
    assert [row.where for row in shown] == [f"{name}.{ending}" for name in ("a", "b", "broken", "more/c")]
    assert shown[2].error
    names: dict[str, Any] = {}
    pane.show_code()
    exec(find("code").code, names)
    assert capsys.readouterr().out.count("failed") == 1
    for found, row in zip(names["results"], shown, strict=True):
        assert (found or []) == [(line["label"], pytest.approx(line["score"], abs=1e-5)) for line in row.lines]


def test_a_folder_without_such_files_gives_a_notice(qtbot, session, pane, find, tmp_path) -> None:
    model = tiny_tasks.build_tiny_vision(tmp_path / "vit", "image-classification")
    session.set_model(models.load(model, device="cpu"))
    (tmp_path / "none").mkdir()
    find("from_file").setChecked(True)
    pane.read_rows(tmp_path / "none")
    qtbot.waitUntil(lambda: len(pane.notices) == 1)
    assert "ends in .png" in notice(pane)
    assert not find("run").isEnabled()


def test_rows_are_listed_as_they_come_and_a_million_take_no_time_to_list(qtbot) -> None:
    view = ManyView()
    qtbot.addWidget(view)
    view.begin()
    shared = TaskInput("a film")
    found = ({"label": "good", "score": 0.5}, {"label": "bad", "score": 0.5})
    rows_of = [batch.BatchRow(number, "", shared, found) for number in range(1, 100_001)]
    view.add(rows_of[:1])
    table = view.findChild(QWidget, "tasks.many_results")
    qtbot.waitUntil(lambda: len(rows(table)) == 2)
    asked: list[int] = []
    monitored = batch.Listing.line
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch.Listing, "line", lambda self, number: asked.append(number) or monitored(self, number))
        for first in range(1, len(rows_of), 1000):
            view.add(rows_of[first : first + 1000])
        view.finish()
    assert table.model().rowCount() == 200_000
    assert len(asked) < 1000  # only what is seen
    view.add([batch.BatchRow(100_001, "", TaskInput(), (), "It is empty.")])
    view.findChild(QWidget, "tasks.many_failed").setChecked(True)
    assert rows(table) == [("100001", "", "", "", "It is empty.")]


def test_a_row_with_a_lone_surrogate_can_be_saved(tmp_path) -> None:
    broken = [batch.BatchRow(1, "", TaskInput("a\ud800b"), (), "It has a lone surrogate.")]
    for ending in batch.KINDS:
        batch.save(broken, tmp_path / f"results{ending}")
    assert json.loads((tmp_path / "results.jsonl").read_text())["text"] == "a\ud800b"


def test_what_can_not_be_saved_is_told(session, pane, find, choose, settle, classifier, tmp_path, monkeypatch) -> None:
    session.set_model(classifier)
    choose(written(tmp_path / "reviews.csv", ["What a film!"]))
    pane.run_main_action()
    settle()
    gone = str(tmp_path / "gone" / "results.csv")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (gone, "CSV (*.csv)"))
    find("many_save").click()
    settle()
    assert "Could not save" in notice(pane) and "Choose another folder." in notice(pane)


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
