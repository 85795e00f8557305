"""Generation is the library's own, token for token, while it is watched, moved and stopped."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from workbench.engine import generate, models, tokens
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.text import Text
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Silent
from workbench.engine.tokens.positions import byte_alphabet
from workbench.engine.values import Checkpoint, Encoding, Message, Sampling, Start, Step

PROMPT = "The quick brown"
SETTINGS = {
    "greedy": Sampling(do_sample=False),
    "greedy with a repetition penalty": Sampling(do_sample=False, repetition_penalty=1.8),
    "plain sampling": Sampling(temperature=1.0, top_k=0, top_p=1.0, seed=7),
    "temperature": Sampling(temperature=0.4, top_k=0, top_p=1.0, seed=8),
    "top_k": Sampling(temperature=1.0, top_k=5, top_p=1.0, seed=9),
    "top_p": Sampling(temperature=1.0, top_k=0, top_p=0.5, seed=10),
    "min_p": Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.3, seed=11),
    "repetition_penalty": Sampling(temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.5, seed=12),
    "all": Sampling(temperature=1.2, top_k=40, top_p=0.9, min_p=0.02, repetition_penalty=1.1, seed=2**40 + 1),
}


class Watch(Silent):
    """Keeps the steps and does something after each."""

    def __init__(self, after: Callable[[Step], None] = lambda step: None) -> None:
        self.start: Start | None = None
        self.steps: list[Step] = []
        self.after = after

    def send(self, part: object) -> None:
        if isinstance(part, Start):
            assert self.start is None
            assert not self.steps
            self.start = part
            return
        assert isinstance(part, Step)
        assert self.start is not None
        self.steps.append(part)
        self.after(part)


@pytest.fixture
def prompt(llama: LoadedModel) -> Encoding:
    return tokens.encode(llama.tokenizer, PROMPT)


def plain(model: LoadedModel, prompt: Encoding, knobs: Sampling) -> list[int]:
    """What a script gets that knows nothing of the workbench."""
    sampled = (
        {"temperature": knobs.temperature, "top_k": knobs.top_k, "top_p": knobs.top_p, "min_p": knobs.min_p}
        if knobs.do_sample
        else {}
    )
    torch.manual_seed(knobs.seed)
    output = model.model.generate(
        torch.tensor([prompt.input_ids]),
        attention_mask=torch.tensor([prompt.attention_mask]),
        do_sample=knobs.do_sample,
        repetition_penalty=knobs.repetition_penalty,
        max_new_tokens=knobs.max_new_tokens,
        **sampled,
    )
    return output[0, len(prompt.tokens) :].tolist()


@pytest.mark.parametrize("name", SETTINGS)
def test_ids_are_those_of_plain_generate(llama: LoadedModel, prompt: Encoding, name: str):
    knobs = replace(SETTINGS[name], max_new_tokens=60)
    made = generate.stream(llama, prompt, knobs)
    assert list(made.ids) == plain(llama, prompt, knobs)
    assert made.reason in ("length", "eos")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_ids_are_those_of_plain_generate_in_half_precision(tiny_llama: Checkpoint, prompt: Encoding, dtype: str):
    model = models.load(tiny_llama, dtype=dtype)
    knobs = replace(SETTINGS["all"], max_new_tokens=30)
    made = generate.stream(model, prompt, knobs)
    assert list(made.ids) == plain(model, prompt, knobs)
    assert {step.logits.dtype for step in made.steps} == {dtype}


def test_the_global_generator_is_neither_used_nor_needed(llama: LoadedModel, prompt: Encoding):
    """A fine-tune draws from torch's global generator at the same time."""
    knobs = replace(SETTINGS["plain sampling"], max_new_tokens=20)

    def draw(step: Step) -> None:
        torch.rand(3)

    torch.manual_seed(1)
    state = torch.get_rng_state()
    made = generate.stream(llama, prompt, knobs)
    assert torch.equal(torch.get_rng_state(), state)
    assert generate.stream(llama, prompt, knobs, task=Watch(draw)).ids == made.ids


def test_each_step_holds_the_logits_it_was_chosen_from(llama: LoadedModel, prompt: Encoding):
    made = generate.stream(llama, prompt, Sampling(do_sample=False, max_new_tokens=8))
    ids = list(prompt.input_ids)
    for step in made.steps:
        with torch.inference_mode():
            logits = llama.model(torch.tensor([ids])).logits[0, -1]
        np.testing.assert_allclose(step.logits.float32(), logits.numpy(), atol=1e-5)
        assert step.probability == pytest.approx(float(logits.softmax(-1)[step.token_id]), abs=1e-6)
        assert step.rank == Distribution(step.logits, ids).rank(step.token_id) == 1
        ids.append(step.token_id)


def test_what_was_drawn_was_possible_under_the_knobs_that_held(llama: LoadedModel, prompt: Encoding):
    knobs = Sampling(temperature=1.5, top_k=8, top_p=0.8, repetition_penalty=1.4, max_new_tokens=40, seed=3)
    ids = list(prompt.input_ids)
    for step in generate.stream(llama, prompt, knobs).steps:
        assert Distribution(step.logits, ids).trace(knobs).possible(step.token_id)
        ids.append(step.token_id)


def test_moved_knobs_act_on_the_next_token(llama: LoadedModel, prompt: Encoding):
    knobs = Knobs(replace(SETTINGS["plain sampling"], max_new_tokens=12))
    hot = knobs.current
    cold = replace(hot, temperature=0.3, top_k=1)

    def turn(step: Step) -> None:
        if step.index == 4:
            knobs.current = cold

    made = generate.stream(llama, prompt, knobs, task=Watch(turn))
    assert [step.sampling for step in made.steps] == [hot] * 5 + [cold] * 7
    assert all(step.rank == 1 for step in made.steps[5:])
    assert list(made.ids[:5]) == plain(llama, prompt, hot)[:5]


def test_greedy_and_sampling_can_be_switched_while_it_runs(llama: LoadedModel, prompt: Encoding):
    greedy = Sampling(do_sample=False, max_new_tokens=30)
    drawn = replace(greedy, do_sample=True, temperature=3.0, top_k=0, top_p=1.0)
    knobs = Knobs(greedy)
    made = generate.stream(
        llama, prompt, knobs, task=Watch(lambda step: setattr(knobs, "current", drawn if step.index < 15 else greedy))
    )
    assert any(step.rank > 1 for step in made.steps[1:16])
    assert all(step.rank == 1 for step in (made.steps[0], *made.steps[16:]))


def test_max_new_tokens_can_be_moved_both_ways(llama: LoadedModel, prompt: Encoding):
    knobs = Knobs(Sampling(do_sample=False, max_new_tokens=10, repetition_penalty=1.3))

    def set_limit(limit: int) -> Callable[[Step], None]:
        def change(step: Step) -> None:
            if step.index == 3:
                knobs.current = replace(knobs.current, max_new_tokens=limit)

        return change

    assert len(generate.stream(llama, prompt, knobs, task=Watch(set_limit(20))).steps) == 20
    assert len(generate.stream(llama, prompt, knobs, task=Watch(set_limit(2))).steps) == 5


def test_stop_ends_within_a_token_and_keeps_what_there_is(llama: LoadedModel, prompt: Encoding):
    watch = Watch()

    def stop(step: Step) -> None:
        if step.index == 6:
            watch.cancelled = True

    watch.after = stop
    made = generate.stream(llama, prompt, Sampling(do_sample=False, max_new_tokens=200), task=watch)
    assert made.stopped
    assert len(made.steps) in (7, 8)
    assert list(made.ids) == plain(llama, prompt, Sampling(do_sample=False, max_new_tokens=len(made.steps)))


def test_texts_of_the_steps_make_the_decoded_text(llama: LoadedModel, prompt: Encoding):
    """Hot sampling from random weights gives all sorts of broken and whole characters."""
    for seed in range(20):
        made = generate.stream(
            llama, prompt, Sampling(temperature=3.0, top_k=0, top_p=1.0, max_new_tokens=60, seed=seed)
        )
        assert "".join(step.text for step in made.steps) == made.text
        decoded = llama.tokenizer.decode(made.ids, skip_special_tokens=True)
        assert re.fullmatch(re.escape(decoded).replace("\N{REPLACEMENT CHARACTER}", "(<0x[0-9A-F]{2}>)+"), made.text)


@pytest.mark.parametrize(
    "text", ["naïve café", "你好，世界", "👩‍👩‍👧‍👦 family", "שלום עולם", "a\u0301\x00b", "mixed 😀é中", "ends 中"]
)
def test_characters_of_several_tokens_come_whole(llama: LoadedModel, text: str):
    ids = llama.tokenizer(text, add_special_tokens=False)["input_ids"]
    reader = Text(llama.tokenizer)
    parts = [reader.add(token_id, last=index == len(ids) - 1) for index, token_id in enumerate(ids)]
    assert "".join(parts) == text
    assert not any("\N{REPLACEMENT CHARACTER}" in part for part in parts)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\xe4\xb8", "<0xE4><0xB8>"),
        (b"\xe4 dog", "<0xE4> dog"),
        (b"\x80\xe4\xb8\xad\xff.", "<0x80>中<0xFF>."),
        (b"\xed\xa0\x80", "<0xED><0xA0><0x80>"),
        ("a\N{REPLACEMENT CHARACTER}".encode(), "a\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_bytes_that_make_no_character_are_shown_as_bytes(llama: LoadedModel, raw: bytes, shown: str):
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    ids = llama.tokenizer.convert_tokens_to_ids([letters[byte] for byte in raw])
    reader = Text(llama.tokenizer)
    assert "".join(reader.add(token_id, last=index == len(ids) - 1) for index, token_id in enumerate(ids)) == shown


def with_config(checkpoint: Checkpoint, folder: Path, **settings: object) -> LoadedModel:
    copy = shutil.copytree(checkpoint.path, folder / "copy")
    path = copy / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return models.load(Checkpoint(name="copy", path=copy))


def test_every_end_token_of_the_checkpoint_ends_it(tiny_llama: Checkpoint, tmp_path: Path, prompt: Encoding):
    free = generate.stream(models.load(tiny_llama), prompt, Sampling(do_sample=False, max_new_tokens=20))
    model = with_config(tiny_llama, tmp_path, eos_token_id=[2, free.ids[3]])
    made = generate.stream(model, prompt, Sampling(do_sample=False, max_new_tokens=20))
    assert made.reason == "eos"
    assert made.ids == free.ids[: free.ids.index(free.ids[3]) + 1]


def test_sampling_values_of_the_checkpoint_never_override_the_knobs(
    tiny_llama: Checkpoint, llama: LoadedModel, tmp_path: Path, prompt: Encoding
):
    model = with_config(
        tiny_llama,
        tmp_path,
        do_sample=True,
        temperature=0.01,
        top_k=3,
        top_p=0.1,
        min_p=0.9,
        typical_p=0.2,
        repetition_penalty=9.0,
        no_repeat_ngram_size=1,
        num_beams=4,
        max_length=20,
        min_new_tokens=15,
    )
    for knobs in SETTINGS.values():
        knobs = replace(knobs, max_new_tokens=25)
        assert generate.stream(model, prompt, knobs).ids == generate.stream(llama, prompt, knobs).ids


def test_generation_ends_calmly_where_the_context_ends(llama: LoadedModel):
    prompt = tokens.encode(llama.tokenizer, "fox " * 60)
    free = 256 - len(prompt.tokens)
    made = generate.stream(llama, prompt, Sampling(do_sample=False, max_new_tokens=5000))
    assert made.reason in ("context", "eos")
    if made.reason == "context":
        assert len(made.steps) == free


def test_a_prompt_that_fills_the_context_says_by_how_much(llama: LoadedModel):
    prompt = tokens.encode(llama.tokenizer, "fox " * 300)
    over = len(prompt.tokens) - 255
    with pytest.raises(InputError, match=f"{over} tokens too long") as raised:
        generate.stream(llama, prompt, Sampling())
    assert "256" in raised.value.why
    with pytest.raises(InputError, match=f"{over} tokens too long"):
        generate.prepare(llama, "fox " * 300)


def test_an_empty_prompt_starts_from_bos(llama: LoadedModel):
    prompt = generate.prepare(llama, "")
    assert prompt.input_ids == (1,)
    knobs = Sampling(do_sample=False, max_new_tokens=5)
    empty = generate.stream(llama, Encoding("", ()), knobs)
    assert empty.ids == generate.stream(llama, prompt, knobs).ids
    assert list(empty.ids) == plain(llama, prompt, knobs)


def test_an_empty_prompt_without_bos_is_refused_in_words(tiny_llama: Checkpoint):
    model = models.load(tiny_llama)
    model.tokenizer.bos_token = None
    with pytest.raises(InputError, match="nothing to continue"):
        generate.prepare(model, "")


def test_a_chat_goes_through_the_checkpoints_own_template(llama: LoadedModel):
    turns = [Message("user", "Who are you?")]
    rendered = llama.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who are you?"}], tokenize=False, add_generation_prompt=True
    )
    assert generate.prepare(llama, "", turns).text == rendered


def test_an_encoder_is_refused_in_words(tiny_bert: Checkpoint):
    model = models.load(tiny_bert)
    with pytest.raises(NotSupported, match="can't generate"):
        generate.prepare(model, "hello")


def test_weights_that_give_nan_are_refused_in_words(tiny_llama: Checkpoint, prompt: Encoding):
    model = models.load(tiny_llama)
    with torch.no_grad():
        model.model.lm_head.weight.fill_(torch.nan)
    for knobs in (Sampling(), Sampling(do_sample=False)):
        with pytest.raises(NotSupported, match="no probabilities"):
            generate.stream(model, prompt, knobs)


def test_a_script_streams_text(llama: LoadedModel, prompt: Encoding):
    knobs = Sampling(do_sample=False, max_new_tokens=12)
    pieces = list(generate.stream_text(llama, prompt, knobs))
    assert "".join(pieces) == generate.stream(llama, prompt, knobs).text
    assert all(pieces)


def test_leaving_a_scripts_loop_stops_the_generation(llama: LoadedModel, prompt: Encoding):
    pieces = generate.stream_text(llama, prompt, Sampling(do_sample=False, max_new_tokens=200))
    next(pieces)
    pieces.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "stream_text"]


def test_a_scripts_loop_raises_what_went_wrong(llama: LoadedModel):
    with pytest.raises(InputError):
        list(generate.stream_text(llama, tokens.encode(llama.tokenizer, "fox " * 300)))


def test_the_librarys_names_that_are_leaned_on_are_there():
    from transformers import GenerationMixin

    for name in ("_sample", "_get_logits_processor", "_supports_logits_to_keep"):
        assert callable(getattr(GenerationMixin, name)), name
    assert GenerationConfig().max_length is None
