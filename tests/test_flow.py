"""The flow strip names what is loaded, with shapes, dtype and device, and counts what is generated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny_seq2seq, tiny_tasks
from workbench import flow
from workbench.engine import models, tokens
from workbench.engine.values import Checkpoint, Sampling, Step
from workbench.runtime.session import Session

pytestmark = pytest.mark.usefixtures("qapp")


def test_with_nothing_loaded_it_is_the_picture_itself() -> None:
    assert [title for _, title, _ in flow.boxes(Session())] == [
        "no checkpoint",
        "tokenizer",
        "model",
        "logits",
        "generate",
        "text",
    ]


def test_a_language_model_is_followed_from_ids_to_text(tiny_llama: Checkpoint) -> None:
    session = Session()
    model = models.load(tiny_llama)
    session.set_model(model)
    encoding = tokens.encode(model.tokenizer, "The quick brown fox")
    session.set_encoding(encoding)
    length = len(encoding.tokens)
    said = {title: (pane, detail) for pane, title, detail in flow.boxes(session)}
    assert said["tiny-llama"][0] == "hub"
    assert said["tokenizer"] == ("tokenizer", f"[1×{length}] ids + mask")
    assert said["LlamaForCausalLM"][1].endswith("float32 cpu")
    assert said["logits"] == ("probabilities", f"[1×{length}×384]")
    assert said["generate"] == ("playground", "new token ids")
    session.add_step(Step(0, 40, " jumps", None, Sampling(), 0.1, 0.5, 1))
    said = {title: (pane, detail) for pane, title, detail in flow.boxes(session)}
    assert said["generate"][1] == "+1 token"
    assert said["text"][1] == "6 characters"


def test_a_classifier_ends_in_its_labels_and_an_encoder_in_hidden_states(
    tiny_bert: Checkpoint, tiny_bert_classifier: Checkpoint
) -> None:
    session = Session()
    session.set_model(models.load(tiny_bert_classifier))
    assert flow.boxes(session)[-2:] == (("inside", "hidden states", "[1×…×32]"), ("tasks", "logits", "[1×2]"))
    session.set_model(models.load(tiny_bert, head="AutoModel"))
    assert flow.boxes(session)[-1] == ("inside", "hidden states", "[1×…×32]")


def test_an_encoder_decoder_is_followed_to_the_text_that_it_writes(tmp_path: Path) -> None:
    session = Session()
    model = models.load(tiny_seq2seq.build_tiny_t5(tmp_path / "t5"))
    session.set_model(model)
    assert [title for _, title, _ in flow.boxes(session)][-3:] == ["logits", "generate", "text"]
    session.set_encoding(tokens.encode(model.tokenizer, "The quick brown fox"))
    session.add_step(Step(0, 40, " jumps", None, Sampling(), 0.1, 0.5, 1))
    said = {title: detail for _, title, detail in flow.boxes(session)}
    assert (said["logits"], said["generate"]) == ("[1×1×384]", "+1 token")


@pytest.mark.parametrize(
    ("task", "reads", "ends"),
    [
        ("image-classification", "picture → pixel_values", ("tasks", "logits", "[1×4]")),
        ("object-detection", "picture → pixel_values", ("tasks", "outputs", "what its head gives")),
        ("automatic-speech-recognition", "sound → input_values", ("tasks", "logits", "one row a position")),
    ],
)
def test_what_sees_or_hears_has_a_processor_where_others_have_a_tokenizer(
    tmp_path: Path, task: str, reads: str, ends: tuple[str, str, str]
) -> None:
    build = tiny_tasks.build_tiny_audio if task.startswith("automatic") else tiny_tasks.build_tiny_vision
    session = Session()
    session.set_model(models.load(build(tmp_path / task, task)))
    found = flow.boxes(session)
    assert found[1] == ("tasks", "processor", reads)
    assert found[-1] == ends
