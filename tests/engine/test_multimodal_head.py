"""A checkpoint loaded as AutoModelForMultimodalLM writes in the Playground what plain ``generate()`` of it writes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import AutoModelForMultimodalLM, AutoProcessor

from tests import tiny_captions, tiny_hearing, tiny_pictured, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, forward, generate
from workbench.engine.errors import NotSupported
from workbench.engine.generate import sounds
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Message, Sampling

HEAD = "AutoModelForMultimodalLM"
GREEDY = Sampling(do_sample=False, max_new_tokens=4)
SHORTER = dataclasses.replace(GREEDY, max_new_tokens=2)


def script(model: LoadedModel, text: str, sampling: Sampling, messages: Any = None, **more: Any) -> list[int]:
    names: dict[str, Any] = {"__name__": "__main__"}
    written = codegen.generate(
        model.checkpoint, text, messages, sampling, model.dtype, model.device, head=model.head, **more
    )
    exec(written, names)
    return names["new_ids"]


def plain(model: LoadedModel, inputs: Any) -> list[int]:
    """The new ids of the library's own class, which is loaded without this program."""
    own = AutoModelForMultimodalLM.from_pretrained(model.checkpoint.path, dtype="auto").eval()
    made = own.generate(**inputs, max_new_tokens=4, do_sample=False)[0]
    return made[1 if model.encoder_decoder else inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize(("kind", "mark", "text"), [
    ("gemma4", "<|image|>", "What is it?"),  # a mark in the text
    ("t5gemma2", "<|boi|>", "What is it?"),  # an encoder that reads the picture in the text
    ("blip-2-t5", "", "a house"),  # a picture beside the text, for an encoder
])  # fmt: skip
def test_a_picture_with_a_text_is_written_about(tmp_path, kind, mark, text, capsys) -> None:
    build = tiny_captions.build if kind == "blip-2-t5" else tiny_pictured.build
    model = load(build(tmp_path / kind, kind), head=HEAD, device="cpu")
    picture = tiny_seq2seq.picture(tmp_path, size=(97, 61))
    with Image.open(picture) as image:
        inputs = model.processor(images=image.convert("RGB"), text=mark + text, return_tensors="pt")
    new = plain(model, inputs)
    found = generate.run(model, text, (), GREEDY, images=[picture])
    assert list(found.ids) == new and found.start.encoding.input_ids == tuple(inputs["input_ids"][0].tolist())
    assert int(forward.next_token(model, found.start).float32().argmax()) == new[0]
    shown = found.start.encoding.text
    assert script(model, shown, GREEDY, images=[picture], steps=found.steps) == new
    branch = generate.branch(model, found.start, found.steps[:2], None, SHORTER)
    assert list(branch.ids) == new[2:4]
    assert script(model, shown, SHORTER, images=[picture], prefix=new[:2], steps=branch.steps) == new[2:4]


def test_a_text_alone_is_gone_on_with(tmp_path, capsys) -> None:
    model = load(tiny_pictured.build(tmp_path / "m", "gemma4"), head=HEAD, device="cpu")
    new = plain(model, model.tokenizer("Once upon", return_tensors="pt"))
    found = generate.run(model, "Once upon", (), GREEDY)
    assert list(found.ids) == new == script(model, "Once upon", GREEDY, steps=found.steps)


def test_a_chat_about_a_sound_is_answered(tmp_path, capsys) -> None:
    model = load(tiny_hearing.build(tmp_path / "m", "glmasr"), head=HEAD, device="cpu")
    tone, turns = tiny_tasks.sound(tmp_path, 0.5, rate=24_000), (Message("user", "What is this?"),)
    reader = AutoProcessor.from_pretrained(model.checkpoint.path)
    heard = sounds.resampled(sounds.read(tone), reader.feature_extractor.sampling_rate)
    content = [{"type": "audio", "audio": heard}, {"type": "text", "text": "What is this?"}]
    given = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    new = plain(model, reader.apply_chat_template([{"role": "user", "content": content}], **given))
    found = generate.run(model, "", turns, GREEDY, sounds=[tone])
    assert list(found.ids) == new == script(model, "", GREEDY, turns, sounds=[tone], steps=found.steps)
    with pytest.raises(NotSupported, match="sees nothing"):
        generate.run(model, "What?", (), GREEDY, images=[tiny_seq2seq.picture(tmp_path)])


def test_a_class_that_writes_no_text_says_so(tmp_path: Path) -> None:
    model = load(tiny_pictured.build(tmp_path / "m", "pi0"), head=HEAD, device="cpu")
    with pytest.raises(NotSupported, match="has no generate"):
        generate.run(model, "What is it?", (), GREEDY)
