"""The Batches tab: the rows as the run will see them, three steps on trial, and the heads on offer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from tests.engine.train.rows import DATA
from tests.panes.trainer.person import Find
from workbench.engine.train import HEADS
from workbench.panes.trainer import TrainerPane

pytestmark = pytest.mark.usefixtures("workbench_data")


@pytest.fixture
def give(qtbot: QtBot, pane: TrainerPane, find: Find, tmp_path: Path) -> Callable[[str, str], None]:
    """Opens the data called so, starts from a checkpoint and shows the tab."""

    def give(kind: str, checkpoint: str) -> None:
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in DATA[kind]), encoding="utf-8")
        find("checkpoint").setCurrentIndex(find("checkpoint").findText(checkpoint))
        pane.open_data(path)
        qtbot.waitUntil(lambda: find("dataset").currentText() == path.name, timeout=20_000)
        for name, value in {"rows": 0, "eval_fraction": 0.25, "batch_size": 4, "max_length": 96, "threads": 1}.items():
            find(name).setValue(value)
        find("bf16").setChecked(False)
        find("views").setCurrentWidget(find("look").parentWidget())

    return give


def _press(qtbot: QtBot, find: Find, name: str) -> None:
    qtbot.mouseClick(find(name), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: find(name).isEnabled(), timeout=60_000)


def _notice(pane: TrainerPane) -> str:
    cards = [card for card in pane.findChildren(QWidget, "trainer.notice") if not card.isHidden()]
    return " ".join(label.text() for card in cards for label in card.findChildren(QLabel))


def test_what_the_assistant_says_is_tinted_and_the_rest_is_grey(
    qtbot: QtBot, pane: TrainerPane, find: Find, give: Callable[[str, str], None]
) -> None:
    give("chat", "tiny-llama")
    _press(qtbot, find, "look")
    assert not _notice(pane)
    table = find("batch_rows")
    assert table.columns == ("Batch", "Row", "Tokens", "Padding", "Learned", "Text")
    assert [table.row(place)[:2] for place in range(5)] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)]
    assert table.row(0)[5].startswith("<|im_start|>system")
    chips = find("row_tokens").chips
    said = "".join(chip.text for chip in chips if not chip.muted)
    assert said.startswith("Paris.<|im_end|>It is Rome")
    assert len([chip for chip in chips if not chip.muted]) == table.row(0)[4]
    assert "label −100" in next(chip.tip for chip in chips if chip.muted)
    assert "% padding" in find("look_facts").text()
    assert "% learned" in find("look_facts").text()

    table.select_row(4)
    table.row_selected.emit(4)
    assert "".join(chip.text for chip in find("row_tokens").chips) != ""


def test_tags_stand_beside_the_words_they_are_of(qtbot: QtBot, find: Find, give: Callable[[str, str], None]) -> None:
    give("token-classification", "tiny-bert")
    assert find("task").currentData() == "token-classification"
    _press(qtbot, find, "look")
    chips = find("row_tokens").chips
    assert all("→" in chip.text for chip in chips if not chip.muted)
    assert all(chip.muted for chip in chips if chip.text.startswith("##"))
    assert len({chip.group for chip in chips if not chip.muted}) == len([chip for chip in chips if not chip.muted])


def test_a_row_with_one_label_says_so(qtbot: QtBot, find: Find, give: Callable[[str, str], None]) -> None:
    give("text-classification", "tiny-bert")
    _press(qtbot, find, "look")
    assert find("batch_rows").row(0)[4] == "the row"
    assert find("row_label").text().startswith(f"Label: {find('batch_rows').row(0)[5]}.")
    assert "no row cut" in find("look_facts").text()


def test_three_steps_on_trial_tell_time_and_memory(
    qtbot: QtBot, pane: TrainerPane, find: Find, give: Callable[[str, str], None]
) -> None:
    give("text-classification", "tiny-bert")
    find("epochs").setValue(2)
    _press(qtbot, find, "dry_run")
    told = find("dry_run_result").text()
    assert told.startswith("Dry run on cpu: ")
    assert "at the peak" in told
    assert "10 steps and 2 evaluations take about" in told
    spec = pane.spec()
    assert spec is not None and not spec.output_dir.exists()


def test_what_fails_is_a_notice(qtbot: QtBot, pane: TrainerPane, find: Find, give: Callable[[str, str], None]) -> None:
    give("chat", "tiny-llama")
    find("max_length").setValue(4)
    _press(qtbot, find, "look")
    assert "the assistant speaks within 4 tokens" in _notice(pane)


def test_looking_can_be_stopped(qtbot: QtBot, find: Find, give: Callable[[str, str], None]) -> None:
    give("chat", "tiny-llama")
    qtbot.mouseClick(find("dry_run"), Qt.MouseButton.LeftButton)
    assert find("stop_look").isVisible() and not find("look").isEnabled()
    qtbot.mouseClick(find("stop_look"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: find("look").isEnabled(), timeout=60_000)
    assert not find("stop_look").isVisible()
    assert find("look_status").text() == "Stopped; nothing was kept."


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("chat", "chat"), ("prompts", "chat"), ("token-classification", "token-classification"),
        ("question-answering", "question-answering"), ("text2text-generation", "text2text-generation"),
        ("multi-label-classification", "multi-label-classification"), ("text-regression", "text-regression"),
        ("text-classification", "text-classification"), ("text-generation", "fill-mask"),
    ],
)  # fmt: skip
def test_the_data_suggest_the_task(find: Find, give: Callable[[str, str], None], kind: str, task: str) -> None:
    give(kind, "tiny-bert")
    assert find("task").currentData() == task


def test_a_task_that_was_chosen_stays(find: Find, give: Callable[[str, str], None]) -> None:
    find("task").setCurrentIndex(find("task").findData("fill-mask"))
    find("task").activated.emit(find("task").currentIndex())
    give("chat", "tiny-bert")
    assert find("task").currentData() == "fill-mask"


def test_every_head_is_on_offer_and_tells_what_it_needs(find: Find) -> None:
    tasks: QComboBox = find("task")
    assert [tasks.itemData(place) for place in range(tasks.count())] == list(HEADS)
    place = tasks.findData("token-classification")
    tip = tasks.itemData(place, Qt.ItemDataRole.ToolTipRole)
    assert "AutoModelForTokenClassification" in tip and "Words column, Tags column" in tip
    assert tasks.itemText(place) == HEADS["token-classification"].title
    # A BERT has no decoder that would write.
    assert tasks.itemText(tasks.findData("chat")).endswith("not this checkpoint")
    find("checkpoint").setCurrentIndex(find("checkpoint").findText("tiny-llama"))
    assert tasks.itemText(tasks.findData("chat")) == HEADS["chat"].title
    assert tasks.itemText(tasks.findData("fill-mask")).endswith("not this checkpoint")


def test_settings_of_a_head_are_part_of_the_run(pane: TrainerPane, find: Find) -> None:
    find("task").setCurrentIndex(find("task").findData("fill-mask"))
    spec = pane.spec()
    assert spec is not None and spec.head_options == {}
    find("head_mlm_probability").setValue(0.3)
    spec = pane.spec()
    assert spec is not None and spec.head_options == {"mlm_probability": 0.3}
    find("task").setCurrentIndex(find("task").findData("chat"))
    find("head_learn").setCurrentIndex(1)
    spec = pane.spec()
    assert spec is not None and spec.head_options == {"learn": "last"}
