"""Models that hear write in the Playground what plain ``generate()`` writes behind what their processor makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor

from tests import tiny, tiny_hearing, tiny_kinds, tiny_pictured, tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, forward, generate, record
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import hearing, pictures, sounds
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Distribution
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Branch, Checkpoint, Message, Sampling, Strategy

GREEDY = Sampling(do_sample=False, max_new_tokens=4)
DRAWN = Sampling(do_sample=True, temperature=1.3, top_k=9, repetition_penalty=1.2, max_new_tokens=4, seed=5)
CHAT = (Message("user", "What is this?"),)
QWEN = "any-to-any"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], LoadedModel]:
    def build(folder: Path, kind: str):
        return tiny_kinds.build(folder, kind) if kind == QWEN else tiny_hearing.build(folder, kind)

    return tiny.kept(tmp_path_factory.mktemp("hearing"), build)


@pytest.fixture(scope="module")
def tone(tmp_path_factory) -> Path:
    # Of another rate than any of them hears, and of two channels.
    return tiny_tasks.sound(tmp_path_factory.mktemp("sounds"), 0.5, rate=24_000, channels=2)


def documented(model: LoadedModel, paths: list[Path], said: str = CHAT[0].content) -> dict[str, Any]:
    """What the processor's own chat template makes of a turn with sounds, as the library documents it."""
    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    rate = processor.feature_extractor.sampling_rate
    heard = [{"type": "audio", "audio": sounds.resampled(sounds.read(path), rate)} for path in paths]
    turn = {"role": "user", "content": [*heard, {"type": "text", "text": said}]}
    given = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    return dict(processor.apply_chat_template([turn], **given))


def plain(model: LoadedModel, inputs: dict[str, Any], **more: Any) -> list[int]:
    torch.manual_seed(DRAWN.seed)
    told = {"max_new_tokens": 4, "do_sample": False} | more
    return model.model.generate(**inputs, **told)[0, inputs["input_ids"].shape[1] :].tolist()


def script(model: LoadedModel, text: str, messages: Any, sampling: Sampling = GREEDY, **more: Any) -> list[int]:
    written = codegen.generate(
        model.checkpoint, text, messages, sampling, model.dtype, model.device, head=model.head, **more
    )
    names = {"__name__": "__main__"}
    exec(written, names)
    return names["new_ids"]


@pytest.mark.parametrize("kind", [QWEN, "glmasr", "audioflamingo3", "moss_transcribe_diarize"])
def test_a_chat_about_a_sound_is_what_the_processor_and_generate_make_of_it(made, tone, kind, capsys) -> None:
    model = made(kind)
    assert hearing.hears(model)
    expected = documented(model, [tone])
    found = generate.run(model, "", CHAT, GREEDY, sounds=[tone])
    assert found.start.encoding.input_ids == tuple(expected["input_ids"][0].tolist())
    assert found.start.sounds == (tone,) and len(found.start.encoding.tokens) > 10, "each moment is a token"
    assert list(found.ids) == plain(model, expected)
    assert script(model, "", CHAT, sounds=[tone], steps=found.steps) == list(found.ids)
    assert int(forward.next_token(model, found.start).float32().argmax()) == found.ids[0]
    kept, shorter = found.steps[:2], dataclasses.replace(GREEDY, max_new_tokens=2)
    branch = generate.branch(model, found.start, kept, None, shorter)
    assert branch.ids == found.ids[2:]
    prefix = [step.token_id for step in kept]
    assert script(model, "", CHAT, shorter, sounds=[tone], prefix=prefix, steps=branch.steps) == list(branch.ids)


def _gemma(folder: Path) -> Checkpoint:
    """A tiny Gemma 4 that sees and hears, with a template for both."""
    import transformers as t

    made = tiny_pictured.build(folder, "gemma4")
    hears = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "output_proj_dims": 16}
    config = t.Gemma4Config.from_pretrained(folder).to_dict()
    config["audio_config"] = {**hears, "subsampling_conv_channels": [128, 4]}
    torch.manual_seed(0)
    t.Gemma4ForConditionalGeneration(t.Gemma4Config(**config)).save_pretrained(folder)
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
        f"{{% if part['type'] == 'image' %}}{tokenizer.image_token}{{% elif part['type'] == 'audio' %}}"
        f"{tokenizer.audio_token}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}{{% endfor %}}{{% endfor %}}"
    )
    tokenizer.save_pretrained(folder)
    return made


def test_a_picture_and_a_sound_go_in_together(tone, tmp_path, capsys) -> None:
    model, picture = load(_gemma(tmp_path / "gemma"), device="cpu"), tiny_seq2seq.picture(tmp_path)
    assert hearing.hears(model) and model.takes_images
    found = generate.run(model, "", CHAT, GREEDY, images=[picture], sounds=[tone])
    assert found.start.files == (picture, tone)
    heard = sounds.resampled(sounds.read(tone), model.processor.feature_extractor.sampling_rate)
    parts = [{"type": "image", "image": pictures.read(picture)}, {"type": "audio", "audio": heard}]
    turn = {"role": "user", "content": [*parts, {"type": "text", "text": CHAT[0].content}]}
    given = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    template = model.tokenizer.chat_template
    expected = dict(model.processor.apply_chat_template([turn], chat_template=template, **given))
    assert found.start.encoding.input_ids == tuple(expected["input_ids"][0].tolist())
    assert list(found.ids) == plain(model, expected)
    files = {"images": [picture], "sounds": [tone]}
    assert script(model, "", CHAT, steps=found.steps, **files) == list(found.ids)


def test_the_script_of_a_step_hears_the_sound_too(made, tone, capsys) -> None:
    model = made(QWEN)
    found = generate.run(model, "", CHAT, DRAWN, sounds=[tone])
    for step in (0, 2):
        situation = found.start.situation(found.steps, step)
        asked = (model.checkpoint, situation, DRAWN, model.dtype, model.device)
        names = {"__name__": "__main__"}
        exec(codegen.probabilities(*asked, head=model.head, start=found.start), names)
        assert names["logits"][0].numpy() == pytest.approx(found.steps[step].logits.float32(), abs=1e-4)
        assert float(names["after"][found.ids[step]]) == pytest.approx(found.steps[step].after, abs=1e-4)


def test_a_plain_prompt_has_the_sounds_in_front_where_the_template_puts_them(made, tone, tmp_path, capsys) -> None:
    model, second = made(QWEN), tiny_tasks.sound(tmp_path, 1.0, name="other.flac")
    found = generate.run(model, "What is this?", (), GREEDY, sounds=[tone, second])
    mark = "<|audio_bos|><|AUDIO|><|audio_eos|>"
    assert found.start.encoding.text == f"{mark}{mark}What is this?"
    expected = documented(model, [tone, second])
    assert found.start.encoding.input_ids == tuple(expected["input_ids"][0].tolist())
    assert list(found.ids) == plain(model, expected)
    assert script(model, found.start.prompt, None, sounds=[tone, second], steps=found.steps) == list(found.ids)
    placed = generate.run(model, f"Hear {mark} and {mark}.", (), GREEDY, sounds=[tone, second])
    assert placed.start.encoding.text == f"Hear {mark} and {mark}."
    with pytest.raises(InputError, match="1 times, for 2 sounds"):
        prepare_start(model, f"Hear {mark}", sounds=[tone, second])


def test_draws_beams_and_moved_knobs_are_those_of_generate(made, tone, capsys) -> None:
    model = made(QWEN)
    inputs = documented(model, [tone])
    drawn = generate.run(model, "", CHAT, DRAWN, sounds=[tone])
    settings = {"do_sample": True, "temperature": 1.3, "top_k": 9, "repetition_penalty": 1.2}
    assert list(drawn.ids) == plain(model, inputs, **settings)
    traced = Distribution(drawn.steps[1].logits, drawn.start.situation(drawn.steps, 1)).trace(DRAWN)
    assert traced.probabilities[drawn.ids[1]] == pytest.approx(drawn.steps[1].after, rel=1e-5)
    beams = Strategy(num_beams=2)
    found = generate.run(model, "", CHAT, GREEDY, strategy=beams, sounds=[tone])
    assert list(found.ids) == plain(model, inputs, num_beams=2)
    assert script(model, "", CHAT, strategy=beams, sounds=[tone]) == list(found.ids)
    guessed = generate.run(model, "", CHAT, GREEDY, strategy=Strategy(prompt_lookup_num_tokens=2), sounds=[tone])
    assert list(guessed.ids) == plain(model, inputs)


def test_a_session_with_a_sound_is_written_again_and_a_changed_sound_is_noticed(made, tone, tmp_path) -> None:
    model = made(QWEN)
    path = tiny_tasks.sound(tmp_path, 0.5)
    found = generate.run(model, "", CHAT, GREEDY, sounds=[path])
    branch = Branch(1, "main", None, found.start, found.steps, Strategy(), "tiny", found.reason, CHAT)
    (kept,) = record.read(record.save(tmp_path / "a.session", [branch], Vocabulary(model.tokenizer))).branches
    assert kept.start == found.start
    (again,) = record.replay(model, [kept], 1)
    assert again.difference is None and again.largest == 0.0
    tiny_tasks.sound(tmp_path, 1.5)
    with pytest.raises(InputError, match="sounds are no longer those of the prompt"):
        generate.branch(model, found.start, found.steps, None, GREEDY)


def test_a_sound_that_can_not_be_heard_is_refused_in_words(made, tone, tmp_path) -> None:
    model, torn = made(QWEN), tmp_path / "torn.wav"
    torn.write_bytes(b"RIFF no sound at all")
    for path in (torn, tmp_path / "gone.wav"):
        with pytest.raises(InputError, match="can't be used"):
            generate.run(model, "Hm?", (), GREEDY, sounds=[path])
        with pytest.raises(InputError, match="can't be used"):
            hearing.look(model, path)
    look = hearing.look(model, tone)
    assert look.seconds == 0.5 and 0.1 < look.wave.max() <= 1.0 and len(look.wave) == 400
    llama = tiny.build_tiny_llama(tmp_path / "llama")
    with pytest.raises(NotSupported, match="takes no sounds"):
        generate.run(load(llama), "Hm?", (), GREEDY, sounds=[tone])
