"""Stops, caps, guidance, branches and bad input: what a generation does at its edges."""

from __future__ import annotations

import gc
import itertools
import json
import math
import shutil
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.engine import generate, models, tokens
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import KeptCache
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Silent
from workbench.engine.tokens.positions import byte_alphabet
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Branch, Checkpoint, Sampling, Start, Step, Strategy

PROMPT = "The quick brown"
GREEDY = Sampling(do_sample=False, max_new_tokens=20, repetition_penalty=1.3)
HOT = Sampling(temperature=2.5, top_k=0, top_p=1.0, max_new_tokens=40, seed=3)


class Watch(Silent):
    """Keeps what was sent and does something after each step."""

    def __init__(self, after: Callable[[Step], None] = lambda step: None) -> None:
        self.sent: list[object] = []
        self.after = after

    def send(self, part: object) -> None:
        self.sent.append(part)
        if isinstance(part, Step):
            self.after(part)


@pytest.fixture(scope="module")
def ids(llama: LoadedModel) -> list[int]:
    return list(generate.prepare(llama, PROMPT).input_ids)


def plain(model: LoadedModel, ids: list[int], seed: int = 0, **settings: object) -> list[int]:
    torch.manual_seed(seed)
    output = model.model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), **settings
    )
    return output[0, len(ids) :].tolist()


# What a step says.


def test_a_step_says_entropy_and_what_it_was_drawn_with(llama: LoadedModel):
    knobs = Sampling(temperature=1.4, top_k=30, top_p=0.9, repetition_penalty=1.2, max_new_tokens=15)
    made = generate.run(llama, PROMPT, (), knobs)
    branch = Branch(1, "main", None, made.start, made.steps, Strategy(), "tiny")
    for step in made.steps:
        chances = np.exp(step.logits.float32().astype(np.float64))
        chances /= chances.sum()
        assert step.entropy == pytest.approx(-(chances * np.log2(chances)).sum(), abs=1e-4)
        trace = Distribution(step.logits, branch.situation(step.index)).trace(knobs)
        assert step.after == pytest.approx(float(trace.probabilities[step.token_id]), abs=1e-6)
        assert step.prompt_length == len(made.start.context_ids) == made.prompt_tokens
    assert {step.after for step in generate.run(llama, PROMPT, (), GREEDY).steps} == {1.0}


def test_the_start_is_sent_first(llama: LoadedModel):
    watch = Watch()
    made = generate.run(llama, PROMPT, (), GREEDY, task=watch)
    assert watch.sent == [made.start, *made.steps]
    assert made.start.eos == (2,)
    assert made.start.encoding.text == PROMPT
    assert made.sequences == (made.steps,)


# How it ends.


def test_stop_strings_end_it_as_in_plain_generate(llama: LoadedModel, ids: list[int]):
    free = generate.run(llama, PROMPT, (), GREEDY)
    wanted = next(step.text for step in free.steps[4:] if len(step.text.strip()) > 1).strip()
    made = generate.run(llama, PROMPT, (), GREEDY, strategy=Strategy(stop_strings=(wanted, "never said")))
    assert made.reason == "stop"
    assert wanted in made.text
    assert list(made.ids) == plain(
        llama, ids, do_sample=False, repetition_penalty=1.3, max_new_tokens=20,
        stop_strings=[wanted, "never said"], tokenizer=llama.tokenizer,
    )  # fmt: skip


def test_other_end_tokens_end_it_instead(llama: LoadedModel, ids: list[int]):
    free = generate.run(llama, PROMPT, (), GREEDY)
    end = free.ids[5]
    made = generate.run(llama, PROMPT, (), GREEDY, strategy=Strategy(eos_token_ids=(end, 300)))
    assert made.reason == "eos"
    assert made.start.eos == (end, 300)
    assert list(made.ids) == plain(
        llama, ids, do_sample=False, repetition_penalty=1.3, max_new_tokens=20, eos_token_id=[end, 300]
    )


def test_no_end_token_at_all_can_be_asked_for(tiny_llama: Checkpoint, llama: LoadedModel):
    never = replace(GREEDY, sequence_bias=(((2,), 100.0),), max_new_tokens=6)
    assert generate.run(llama, PROMPT, (), never).ids == (2,)
    made = generate.run(llama, PROMPT, (), never, strategy=Strategy(eos_token_ids=()))
    assert made.ids == (2,) * 6
    assert made.reason == "length"


def test_a_checkpoint_without_end_and_pad_tokens_goes_on_to_the_limit(tiny_llama: Checkpoint, tmp_path: Path):
    folder = shutil.copytree(tiny_llama.path, tmp_path / "copy")
    for name in ("generation_config.json", "config.json"):
        known = json.loads((folder / name).read_text())
        (folder / name).write_text(
            json.dumps(known | {"eos_token_id": None, "pad_token_id": None, "bos_token_id": None})
        )
    model = models.load(Checkpoint(name="copy", path=folder))
    model.tokenizer.pad_token = None
    knobs = replace(GREEDY, sequence_bias=(((2,), 100.0),), max_new_tokens=6)
    made = generate.run(model, PROMPT, (), knobs)
    assert made.ids == (2,) * 6
    assert made.start.eos == ()
    assert generate.run(model, PROMPT, (), replace(knobs, min_new_tokens=3)).ids == made.ids


def test_stop_before_the_first_token_gives_none(llama: LoadedModel):
    watch = Watch()
    watch.cancelled = True
    made = generate.run(llama, PROMPT, (), GREEDY, task=watch)
    assert (made.reason, made.steps, made.text) == ("stopped", (), "")


def test_stop_while_the_prompt_is_read_gives_none(llama: LoadedModel):
    watch = Watch()
    with llama.model.register_forward_hook(lambda *_: setattr(watch, "cancelled", True)):
        made = generate.run(llama, PROMPT, (), GREEDY, task=watch)
    assert made.stopped
    assert made.steps == ()


def test_the_cap_on_tokens_a_second_holds_and_a_stop_does_not_wait_for_it(llama: LoadedModel):
    knobs = replace(GREEDY, max_new_tokens=6)
    made = generate.run(llama, PROMPT, (), knobs, strategy=Strategy(tokens_per_second=40))
    assert made.seconds >= 6 / 40
    assert made.ids == generate.run(llama, PROMPT, (), knobs).ids
    assert sum(step.seconds for step in made.steps) < made.seconds

    watch = Watch()
    threading.Timer(0.1, lambda: setattr(watch, "cancelled", True)).start()
    began = time.perf_counter()
    assert generate.run(llama, PROMPT, (), knobs, strategy=Strategy(tokens_per_second=0.01), task=watch).stopped
    assert time.perf_counter() - began < 5


# Prompts that are too long.


def test_a_prompt_that_is_too_long_can_lose_its_beginning(llama: LoadedModel):
    text = "".join(f"{number} fox " for number in range(300))
    whole = tokens.encode(llama.tokenizer, text).input_ids
    with pytest.raises(InputError, match="too long") as raised:
        generate.run(llama, text, (), GREEDY)
    assert "cut off" in raised.value.remedy
    made = generate.run(llama, text, (), GREEDY, truncate=True)
    kept = made.start.encoding.input_ids
    assert kept == whole[-len(kept) :]
    assert made.start.dropped == len(whole) - len(kept) == made.start.encoding.truncated
    assert len(kept) == 256 - 20
    assert made.reason in ("length", "eos")
    assert list(made.ids) == plain(llama, list(kept), do_sample=False, repetition_penalty=1.3, max_new_tokens=20)


def test_a_prompt_that_fits_loses_nothing(llama: LoadedModel):
    made = generate.run(llama, PROMPT, (), replace(GREEDY, max_new_tokens=5000), truncate=True)
    assert made.start.dropped == 0


# Scores that leave nothing.


@pytest.mark.parametrize("do_sample", [False, True])
def test_knobs_that_cut_every_token_are_named(llama: LoadedModel, do_sample: bool):
    size = llama.model.config.vocab_size
    knobs = Sampling(do_sample=do_sample, repetition_penalty=1.1, suppress_tokens=tuple(range(size)))
    with pytest.raises(InputError, match="no token") as raised:
        generate.run(llama, PROMPT, (), knobs)
    assert "suppress_tokens" in raised.value.why
    assert "repetition_penalty" in raised.value.why


def test_ids_beyond_the_vocabulary_are_refused_in_words(llama: LoadedModel):
    with pytest.raises(InputError, match="bad_words_ids"):
        generate.run(llama, PROMPT, (), replace(GREEDY, bad_words_ids=((100_000,),)))


def test_nan_is_gone_on_with_when_the_person_says_so(tiny_llama: Checkpoint, ids: list[int]):
    model = models.load(tiny_llama)
    with torch.no_grad():
        model.model.lm_head.weight[17].fill_(torch.nan)
    with pytest.raises(NotSupported, match="no probabilities"):
        generate.run(model, PROMPT, (), GREEDY)
    knobs = replace(GREEDY, repetition_penalty=1.0, remove_invalid_values=True)
    made = generate.run(model, PROMPT, (), knobs)
    assert list(made.ids) == plain(model, ids, do_sample=False, remove_invalid_values=True, max_new_tokens=20)
    assert all(math.isnan(step.probability) for step in made.steps)


# Side by side.


def test_two_generations_at_once_have_the_text_each_has_alone(llama: LoadedModel):
    runs = [replace(HOT, seed=seed) for seed in (1, 2)]
    alone = [generate.run(llama, PROMPT, (), knobs).ids for knobs in runs]
    barrier = threading.Barrier(2)
    made: dict[int, tuple[int, ...]] = {}

    def work(index: int) -> None:
        watch = Watch(lambda step: barrier.wait() if step.index < 10 else None)
        made[index] = generate.run(llama, PROMPT, (), runs[index], task=watch).ids

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made[0], made[1]] == alone
    assert alone[0] != alone[1]


def test_guidance_is_the_librarys_and_recorded(llama: LoadedModel, ids: list[int]):
    negative = llama.tokenizer("A terrible film", return_tensors="pt")["input_ids"]
    for text, unwanted in (("A terrible film", {"negative_prompt_ids": negative}), ("", {})):
        strategy = Strategy(guidance_scale=2.5, negative_prompt=text)
        knobs = Knobs(replace(GREEDY, repetition_penalty=1.0))

        def nudge(step: Step, knobs: Knobs = knobs) -> None:
            # A moved knob builds the other processors anew; guidance goes on with its cache.
            knobs.current = replace(knobs.current, max_new_tokens=20 + step.index % 2)

        made = generate.run(llama, PROMPT, (), knobs, strategy=strategy, task=Watch(nudge))
        expected = plain(llama, ids, do_sample=False, max_new_tokens=21, guidance_scale=2.5, **unwanted)
        assert list(made.ids) == expected[: len(made.ids)]
        assert len(made.ids) >= 19
        for step in made.steps:
            assert int(step.guided.float32().argmax()) == step.token_id
            assert not np.array_equal(step.guided.float32(), step.logits.float32())


# Branches.


def test_a_forced_step_tells_what_the_model_thought_of_it(llama: LoadedModel):
    knobs = Sampling(temperature=1.3, top_k=40, top_p=1.0, max_new_tokens=8)
    made = generate.run(llama, PROMPT, (), knobs)
    vocabulary = Vocabulary(llama.tokenizer)
    situation = Branch(1, "main", None, made.start, made.steps, Strategy(), "tiny").situation(4)
    distribution = Distribution(made.steps[4].logits, situation)
    second = distribution.top(2, knobs, vocabulary)[1]
    step = generate.forced_step(made.steps[4], second.id, vocabulary, before=made.steps[:4], situation=situation)
    assert step.forced
    assert (step.index, step.token_id, step.rank) == (4, second.id, 2)
    assert step.text.endswith(second.text)
    assert step.probability == pytest.approx(second.probability)
    assert step.surprise == pytest.approx(-math.log2(second.probability))
    assert step.after == pytest.approx(second.after)
    assert step.logits is made.steps[4].logits
    dropped = generate.forced_step(replace(made.steps[4], logits=None), second.id, vocabulary)
    assert math.isnan(dropped.probability)
    assert dropped.rank == 0


def test_a_branch_sends_its_start_and_only_new_steps(llama: LoadedModel):
    made = generate.run(llama, PROMPT, (), GREEDY)
    watch = Watch()
    branch = generate.branch(llama, made.start, made.steps[:5], 100, replace(GREEDY, max_new_tokens=4), task=watch)
    start, *steps = watch.sent
    assert isinstance(start, Start)
    assert start.kept == 6
    assert start.context_ids == made.start.context_ids
    assert steps == list(branch.steps)
    assert [step.index for step in branch.steps] == [6, 7, 8, 9]
    assert {step.prompt_length for step in branch.steps} == {len(made.start.context_ids) + 6}


def test_a_run_that_ended_can_be_gone_on_with(llama: LoadedModel):
    whole = generate.run(llama, PROMPT, (), GREEDY)
    kept = KeptCache()
    half = generate.run(llama, PROMPT, (), replace(GREEDY, max_new_tokens=9), kept=kept)
    rest = generate.branch(llama, half.start, half.steps, None, replace(GREEDY, max_new_tokens=11), kept=kept)
    assert half.ids + rest.ids == whole.ids
    assert half.text + rest.text == whole.text


@pytest.mark.parametrize("at", range(4))
def test_every_byte_is_shown_once_when_a_branch_cuts_a_character(llama: LoadedModel, at: int):
    """The kept steps end inside a character, and the forced token may be another part of one."""
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    raw = llama.tokenizer.convert_tokens_to_ids([letters[byte] for byte in "x中y".encode()])
    vocabulary = Vocabulary(llama.tokenizer)
    bias = Sampling(do_sample=False, max_new_tokens=at + 1)
    made: list[Step] = []
    start = generate.run(llama, PROMPT, (), replace(bias, max_new_tokens=1)).start
    for token_id in raw[: at + 1]:
        forcing = replace(bias, max_new_tokens=1, sequence_bias=(((token_id,), 1000.0),))
        made += generate.branch(llama, start, made, None, forcing).steps
    shown = "".join(step.text for step in made)
    assert shown.encode("utf-8").decode("utf-8") == shown
    for forced in raw:
        step = generate.forced_step(made[-1], forced, vocabulary, before=made[:-1])
        kept = [*made[:-1], step]
        more = generate.branch(llama, start, made[:-1], forced, replace(HOT, max_new_tokens=12)).steps
        text = "".join(step.text for step in (*kept, *more))
        assert "\N{REPLACEMENT CHARACTER}" not in text
        spelled = [vocabulary.spell([step.token_id])[0] for step in (*kept, *more)]
        assert as_bytes(text) == as_bytes("".join(spelled))


def as_bytes(shown: str) -> bytes:
    """The bytes of a text in which some are spelled as ``<0xE4>``."""
    parts = itertools.chain.from_iterable(
        (bytes.fromhex(part[:2]), part[3:].encode()) if index else (part.encode(),)
        for index, part in enumerate(shown.split("<0x"))
    )
    return b"".join(parts)


# The kept cache.


def test_a_cleared_holder_holds_nothing_and_stays_empty_until_the_next_run(llama: LoadedModel):
    kept = KeptCache()
    generate.run(llama, PROMPT, (), GREEDY, kept=kept)
    assert kept.nbytes > 0
    kept.clear()
    assert kept.nbytes == 0
    # The model is unloaded while it streams.
    generate.run(llama, PROMPT, (), GREEDY, kept=kept, task=Watch(lambda step: kept.clear()))
    assert kept.nbytes == 0
    generate.run(llama, PROMPT, (), GREEDY, kept=kept)
    assert kept.nbytes > 0


def test_half_precision_is_computed_again(tiny_llama: Checkpoint):
    """Keys computed one by one are other numbers there, and soon give another text."""
    model = models.load(tiny_llama, dtype="bfloat16")
    kept = KeptCache()
    made = generate.run(model, PROMPT, (), GREEDY, kept=kept)
    assert kept.nbytes == 0
    expected = generate.branch(model, made.start, made.steps[:4], 100, GREEDY).ids
    assert generate.branch(model, made.start, made.steps[:4], 100, GREEDY, kept=kept).ids == expected


def test_a_holder_keeps_no_model_alive_and_goes_empty_with_it(tiny_llama: Checkpoint):
    model = models.load(tiny_llama)
    kept = KeptCache()
    made = generate.run(model, PROMPT, (), GREEDY, kept=kept)
    gone = weakref.ref(model.model)
    del model
    gc.collect()
    assert gone() is None
    assert kept.nbytes == 0
    assert made.steps


def test_what_another_model_computed_is_not_reused(tiny_llama: Checkpoint, llama: LoadedModel):
    other = models.load(tiny_llama)
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.mul_(1.5)
    kept = KeptCache()
    made = generate.run(llama, PROMPT, (), GREEDY, kept=kept)
    expected = generate.branch(other, made.start, made.steps[:4], 100, GREEDY).ids
    assert generate.branch(other, made.start, made.steps[:4], 100, GREEDY, kept=kept).ids == expected


def test_a_run_that_broke_off_leaves_nothing_behind(llama: LoadedModel):
    kept = KeptCache()
    made = generate.run(llama, PROMPT, (), GREEDY, kept=kept)

    def fail(step: Step) -> None:
        raise RuntimeError("the pane is gone")

    with pytest.raises(RuntimeError, match="pane is gone"):
        generate.branch(llama, made.start, made.steps[:4], 100, GREEDY, kept=kept, task=Watch(fail))
    assert kept.nbytes == 0
