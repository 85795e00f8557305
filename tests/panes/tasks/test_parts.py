"""What stands in for what a folder of weights and a config alone lacks is said in the pane, and works there."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from transformers import (
    DPRConfig,
    DPRQuestionEncoder,
    SiglipVisionConfig,
    SiglipVisionModel,
    VibeVoiceAcousticTokenizerDecoderConfig,
    VibeVoiceAcousticTokenizerDecoderModel,
)

from tests.panes.tasks.person import notice
from workbench.engine.models import load
from workbench.engine.values import Checkpoint

_SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: DPRQuestionEncoder(DPRConfig(**_SIZES, vocab_size=40)), "typed as numbers instead"),
        (lambda: SiglipVisionModel(SiglipVisionConfig(**_SIZES, image_size=32, patch_size=8)), "does it by default"),
    ],
    ids=["reads", "sees"],
)
def test_a_part_is_tried_by_its_example_and_what_stands_in_is_said(
    qtbot: QtBot, session: Any, pane: Any, find: Any, settle: Any, tmp_path, made, said
) -> None:
    made().save_pretrained(tmp_path / "part")
    session.set_model(load(Checkpoint("part", tmp_path / "part"), device="cpu"))
    assert said in find("about").text()
    for button in ("try", "run"):
        qtbot.mouseClick(find(button), Qt.MouseButton.LeftButton)
        settle()
    assert not pane.notices and pane.result.items


def test_a_file_alone_has_its_label_and_is_asked_for(
    qtbot: QtBot, session: Any, pane: Any, find: Any, settle: Any, tmp_path
) -> None:
    config = VibeVoiceAcousticTokenizerDecoderConfig(
        hidden_size=8, num_filters=4, depths=[1, 1], downsampling_ratios=[2], ffn_expansion=1
    )
    VibeVoiceAcousticTokenizerDecoderModel(config).save_pretrained(tmp_path / "part")
    session.set_model(load(Checkpoint("part", tmp_path / "part"), device="cpu"))
    labels = [label for label in pane.findChildren(QLabel) if label.buddy() is find("beside")]
    assert [label.text() for label in labels if label.isVisibleTo(pane)] == [find("beside").accessibleName()]
    qtbot.mouseClick(find("run"), Qt.MouseButton.LeftButton)
    settle()
    assert "reads what another part writes: hidden_states" in notice(pane)
