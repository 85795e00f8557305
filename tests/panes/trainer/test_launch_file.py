"""What the step that chooses where a run is made says of a file of accelerate's."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from workbench.panes.trainer.outside_step import OutsideStep


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("distributed_type: FSDP\nnum_processes: 4", "4 processes share each batch"),
        (
            "distributed_type: MULTI_GPU\nnum_processes: 4\nnum_machines: 2\nmain_process_ip: 10.0.0.1",
            "waits for the other 1 of 2 machines, and says what to type there",
        ),
        ("no: file", "it names no distributed_type"),
    ],
)
def test_a_file_is_read_when_it_is_chosen(qtbot: QtBot, tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "accelerate.yaml"
    file.write_text(content, encoding="utf-8")
    step = OutsideStep()
    qtbot.addWidget(step)
    step.take_config(file)
    assert step.config == file
    assert any(said in label.text() for label in step.findChildren(QLabel))
