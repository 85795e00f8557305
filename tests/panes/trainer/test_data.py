"""The data of the Trainer pane: any source opens, its columns are guessed, what is in it is shown with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from tests.panes.trainer.person import Find
from workbench.engine.errors import DataError
from workbench.engine.tokens import load_tokenizer
from workbench.engine.values import Checkpoint, DataSource
from workbench.panes.trainer import TrainerPane
from workbench.panes.trainer.data_view import DataView

pytestmark = pytest.mark.usefixtures("workbench_data")


@pytest.fixture
def view(pane: TrainerPane, find: Find) -> DataView:
    """The Data tab, to be seen."""
    view = pane.findChild(DataView)
    assert isinstance(view, DataView)
    find("views").setCurrentWidget(view)
    return view


def _open(qtbot: QtBot, pane: TrainerPane, find: Find, path: Path, **how: str) -> None:
    pane.open_data(DataSource(path, **how))
    qtbot.waitUntil(lambda: find("dataset").currentText() == path.name and find("start").isEnabled(), timeout=20_000)


def _profiled(qtbot: QtBot, view: DataView, total: int) -> None:
    qtbot.waitUntil(lambda: view.profile is not None and view.profile.total == total, timeout=20_000)


def _csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows), encoding="utf-8")
    return path


def test_any_row_of_a_long_file_is_there_when_it_is_scrolled_to(
    qtbot: QtBot, pane: TrainerPane, find: Find, view: DataView, tmp_path: Path
) -> None:
    path = _csv(tmp_path / "long.csv", [(f"text {number}", "ab"[number % 2]) for number in range(20_000)])
    _open(qtbot, pane, find, path)
    table = find("all_rows")
    assert table.columns[:3] == ("Place", "label", "text")
    assert table.model().rowCount() == 20_000
    assert len(view._pages) < 10
    table.scrollToBottom()
    qtbot.waitUntil(lambda: table.row(19_999) == ("line 20001", "b", "text 19999"), timeout=20_000)
    assert len(view._pages) < 10


def test_what_was_found_is_shown_with_its_place(
    qtbot: QtBot, pane: TrainerPane, find: Find, view: DataView, tmp_path: Path, tiny_bert: Checkpoint
) -> None:
    rows = [("one film", "a"), ("", "a"), ("one film", "a"), ("two films", "b"), ("bad", ""), ("a city", "b")]
    _open(qtbot, pane, find, _csv(tmp_path / "rows.csv", rows))
    _profiled(qtbot, view, 6)
    said = find("data_summary").text()
    assert "6 rows: 4 can be used, 2 left out (2 with an empty cell)" in said
    assert "1 repeats an earlier row" in said
    assert [find("unused_rows").row(n) for n in range(2)] == [
        ("rows.csv, line 3", "the text is empty"),
        ("rows.csv, line 6", "the label is empty"),
    ]
    assert find("repeated_rows").row(0)[0] == "rows.csv, line 4"
    assert [(name, words) for name, _, words in find("label_counts").bars] == [
        ("a", "2 · 50.0 %"), ("b", "2 · 50.0 %"),
    ]  # fmt: skip
    tokenizer = load_tokenizer(tiny_bert)
    lengths = [len(tokenizer(text)["input_ids"]) for text in ("one film", "one film", "two films", "a city")]
    plot = find("lengths")
    assert max(y for _, y in plot.points("rows")) > 0
    find("max_length").setValue(max(lengths))
    qtbot.waitUntil(lambda: "nothing is cut" in find("lengths_text").text())
    find("max_length").setValue(8)
    cut = sum(length > 8 for length in lengths)
    qtbot.waitUntil(lambda: {x for x, _ in plot.points("max_length")} == {8})
    assert (f"{cut} (" in find("lengths_text").text()) == bool(cut)


def test_the_rows_are_looked_through_only_when_somebody_looks(
    qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path
) -> None:
    _open(qtbot, pane, find, _csv(tmp_path / "rows.csv", [("x", "a"), ("y", "b")] * 5))
    view = pane.findChild(DataView)
    assert isinstance(view, DataView)
    assert view.profile is None
    with qtbot.waitSignal(view.profiled, timeout=20_000):
        find("views").setCurrentWidget(view)


def test_one_label_only_is_told(qtbot: QtBot, pane: TrainerPane, find: Find, view: DataView, tmp_path: Path) -> None:
    _open(qtbot, pane, find, _csv(tmp_path / "one.csv", [(f"text {n}", "a") for n in range(9)]))
    find("label_column").setCurrentText("label")
    _profiled(qtbot, view, 9)
    assert "All 9 usable rows have the label “a”" in find("data_warnings").text()
    assert find("data_warnings").isVisible()


def test_a_split_made_for_it_is_evaluated_on(
    qtbot: QtBot, pane: TrainerPane, find: Find, view: DataView, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    _csv(folder / "train.csv", [("x", "a"), ("y", "b")] * 5)
    _csv(folder / "test.csv", [("z", "odd"), ("z", "a"), ("y", "b")])
    _open(qtbot, pane, find, folder)
    spec = pane.spec()
    assert spec is not None
    assert spec.data == DataSource(folder, split="train")
    assert spec.evaluation == DataSource(folder, split="test")
    _profiled(qtbot, view, 10)
    assert "1 evaluation row has the label “odd”, which no training row has" in find("data_warnings").text()
    find("data_split").setCurrentText("test")
    find("data_split").activated.emit(1)
    qtbot.waitUntil(lambda: (spec := pane.spec()) is not None and spec.data.split == "test", timeout=20_000)
    find("evaluation_data").setCurrentText("Rows held out")
    spec = pane.spec()
    assert spec is not None and spec.evaluation is None


def test_another_file_can_be_evaluated_on(pane: TrainerPane, find: Find, tmp_path: Path) -> None:
    other = DataSource(_csv(tmp_path / "other.csv", [("x", "a"), ("y", "b")]))
    pane._data.evaluate_on(other)
    assert find("evaluation_data").currentText() == "other.csv"
    spec = pane.spec()
    assert spec is not None and spec.evaluation == other
    pane._data.evaluate_on(None)
    assert find("evaluation_data").currentText() == "Rows held out"


def test_a_file_that_breaks_further_on_gives_way_to_the_last_one(
    qtbot: QtBot, pane: TrainerPane, find: Find, view: DataView, tmp_path: Path
) -> None:
    path = tmp_path / "breaks.jsonl"
    lines = [json.dumps({"text": f"t{n}", "label": "ab"[n % 2]}) for n in range(3000)]
    path.write_text("\n".join([*lines, "{"]), encoding="utf-8")
    pane.open_data(path)
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.notice") is not None, timeout=20_000)
    assert find("dataset").currentText() == "Film reviews (sample)"
    spec = pane.spec()
    assert spec is not None and spec.data.name == "movie_reviews.csv"
    qtbot.waitUntil(lambda: find("all_rows").model().rowCount() == 10_605)


def test_a_column_chosen_by_hand_stays_when_the_rest_has_been_read(pane: TrainerPane, find: Find) -> None:
    table = pane._data.table
    assert table is not None
    find("text_column").setCurrentText("rating")
    pane._data.show_table(table)
    assert pane._data.columns == {"text": "rating", "label": "label"}


def test_a_data_set_of_the_hub_that_cannot_be_reached_is_told(qtbot: QtBot, pane: TrainerPane, find: Find) -> None:
    pane._data._on_hub()
    find("hub_dataset").setText("someone/reviews")
    find("hub_open").click()
    qtbot.waitUntil(lambda: pane.findChild(QWidget, "trainer.notice") is not None, timeout=20_000)
    assert find("dataset").currentText() == "Film reviews (sample)"
    assert find("hub_dataset").isVisible()
    find("hub_close").click()
    assert not find("hub_dataset").isVisible()


def test_a_data_set_with_configurations_offers_them(pane: TrainerPane, find: Find) -> None:
    from workbench.engine.data import ConfigNeeded

    pane._data._on_hub()
    pane._data.show_unread(ConfigNeeded("Could not read it.", ("en", "de")))
    config = find("hub_config")
    assert [config.itemText(place) for place in range(config.count())] == ["en", "de"]
    pane._data.show_unread(DataError("Could not read it."))
    asked: list[DataSource] = []
    pane._data.source_requested.connect(asked.append)
    find("hub_dataset").setText("owner/name")
    find("hub_open").click()
    assert asked == [DataSource(repo="owner/name", config="en")]


def test_what_instructions_are_about_is_put_into_the_prompt_and_the_rest_is_named(
    qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path
) -> None:
    path = tmp_path / "alpaca.jsonl"
    rows = [{"instruction": f"Add {n}", "input": f"One and {n}", "output": f"{n}", "id": n} for n in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _open(qtbot, pane, find, path)
    assert find("input_column").currentText() == "input"
    assert find("data_remarks").text() == "Not used: “id”."
    box = find("head_with_input")
    step = box.parentWidget()
    assert box.isVisibleTo(step)
    assert "### Input:\n{input}" in box.toPlainText()
    spec = pane.spec()
    assert spec is not None
    assert spec.head_options == {}
    box.setPlainText("{instruction}\n\n{input}")
    spec = pane.spec()
    assert spec is not None
    assert spec.head_options == {"with_input": "{instruction}\n\n{input}"}
    find("input_column").setCurrentText("none")
    assert not box.isVisibleTo(step)
    assert find("data_remarks").text() == "Not used: “input”, “id”."
    spec = pane.spec()
    assert spec is not None
    assert spec.head_options == {}, "what has no effect is in no run"
