"""A config that lacks names for some labels: each task gives them a number for a name, and so does its script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import tiny_kinds, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, inside, tasks
from workbench.engine.codegen import inside as scripts
from workbench.engine.models import load
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

#: By task: what builds a checkpoint, and the options that show all of its labels.
ALL = TaskOptions(top_k=None, threshold=0.0, mask_threshold=0.0, subtask="semantic", aggregation="none")
KINDS = {
    "text-classification": (tiny_tasks.build_tiny_head, "AutoModelForSequenceClassification"),
    "token-classification": (tiny_tasks.build_tiny_head, "AutoModelForTokenClassification"),
    "image-classification": (tiny_tasks.build_tiny_vision, "image-classification"),
    "object-detection": (tiny_tasks.build_tiny_vision, "object-detection"),
    "image-segmentation": (tiny_tasks.build_tiny_vision, "image-segmentation"),
    "audio-classification": (tiny_tasks.build_tiny_audio, "audio-classification"),
    "visual-question-answering": (tiny_tasks.build_tiny_other, "visual-question-answering"),
    "keypoint-detection": (tiny_kinds.build, "pose"),
    "video-classification": (tiny_kinds.build, "video-classification"),
}


def unnamed(checkpoint: Checkpoint) -> Checkpoint:
    """Let the config name as many labels as before, and all of them others than the head has."""
    file = checkpoint.path / "config.json"
    config = json.loads(file.read_text())
    names = list(config["id2label"].values())
    config["id2label"] = {str(number + 70): name for number, name in enumerate(names)}
    config["label2id"] = {name: int(number) for number, name in config["id2label"].items()}
    file.write_text(json.dumps(config))
    return checkpoint


def both(checkpoint: Checkpoint, name: str, options: TaskOptions, folder: Path) -> tuple[list[str], list[str]]:
    """The labels of a task's result, and those of its script's."""
    model = load(checkpoint, device="cpu")
    film = tiny_kinds.film(folder, name="film.gif")
    given = TaskInput(
        "Angela met Barack.", image=tiny_seq2seq.picture(folder), audio=tiny_tasks.sound(folder), video=film
    )
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return [item.label for item in tasks.run(model, name, given, options).items], [row[0] for row in names["result"]]


@pytest.mark.parametrize("name", list(KINDS))
def test_a_label_without_a_name_has_its_number(tmp_path: Path, capsys, name: str) -> None:
    build, kind = KINDS[name]
    mine, written = both(unnamed(build(tmp_path, kind)), name, ALL, tmp_path)
    assert mine == written and any(label.startswith("LABEL_") for label in mine)
    assert capsys.readouterr().out


@pytest.mark.parametrize(("kind", "subtask"), [("maskformer", "panoptic"), ("oneformer", "semantic")])
def test_parts_without_a_name_have_their_number(tmp_path: Path, capsys, kind: str, subtask: str) -> None:
    made = (
        tiny_kinds.build(tmp_path, kind) if kind == "oneformer" else tiny_tasks.build_tiny_vision(tmp_path, "panoptic")
    )
    options = TaskOptions(threshold=0.0, mask_threshold=0.0, subtask=subtask)
    mine, written = both(unnamed(made), "image-segmentation", options, tmp_path)
    assert sorted(mine) == sorted(written) and any(label.startswith("LABEL_") for label in mine)
    assert capsys.readouterr().out


def test_joined_tokens_have_the_numbers_of_their_labels(tmp_path: Path, capsys) -> None:
    checkpoint = unnamed(tiny_tasks.build_tiny_head(tmp_path, "AutoModelForTokenClassification"))
    mine, written = both(checkpoint, "token-classification", TaskOptions(aggregation="simple"), tmp_path)
    assert mine == written and any(label.startswith("LABEL_") for label in mine)
    assert capsys.readouterr().out


def test_fewer_names_than_the_head_has_labels(tmp_path: Path, capsys) -> None:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    # Its config counts the labels besides naming them.
    config = t.PvtConfig(
        image_size=32, depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2], num_labels=6
    )
    tiny_tasks._save(t.PvtForImageClassification, config, tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_labels": 6, "id2label": {"0": "fox"}}))
    mine, written = both(Checkpoint("tiny-pvt", tmp_path), "image-classification", ALL, tmp_path)
    assert mine == written and {"fox", "LABEL_5"} <= set(mine)
    assert capsys.readouterr().out


def test_the_lens_has_the_numbers_of_labels(tmp_path: Path, capsys) -> None:
    checkpoint = unnamed(tiny_tasks.build_tiny_head(tmp_path, "AutoModelForTokenClassification"))
    model = load(checkpoint, device="cpu")
    given = inside.read(model, "The fox")
    found = inside.look(model, given)
    assert found.lens is not None and found.lens.labels[:2] == ("LABEL_0", "LABEL_1")
    names: dict = {"__name__": "__main__"}
    exec(scripts.lens(scripts.Asked(model, given, inside.arguments(model, given)), found.parts[-1], 1), names)
    assert names["answer"] in found.lens.labels
    assert names["answer"] in capsys.readouterr().out
