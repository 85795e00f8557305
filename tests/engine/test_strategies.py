"""Beams, guesses and several sequences are the library's own, each step recorded; what isn't offered says why."""

from __future__ import annotations

import dataclasses
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny, tiny_seq2seq
from workbench.engine import generate
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import loops, strategies
from workbench.engine.generate.inputs import inputs, prepare_start
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Silent
from workbench.engine.values import (
    BeamStep,
    Branch,
    Checkpoint,
    Sampling,
    Sequenced,
    Situation,
    Start,
    Step,
    Strategy,
)

PROMPT = "The quick brown fox jumps over the lazy dog. The quick brown"
GREEDY = Sampling(do_sample=False, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=16)
DRAWN = Sampling(temperature=0.9, top_k=30, top_p=0.9, max_new_tokens=16, seed=3)


class Parts(Silent):
    """Keeps what was sent, and stops after as many parts of a kind."""

    def __init__(self, stop_after: int | None = None, kind: type = object) -> None:
        self.parts: list[Any] = []
        self._stop_after = stop_after
        self._kind = kind

    def send(self, part: object) -> None:
        self.parts.append(part)
        if sum(isinstance(each, self._kind) for each in self.parts) == self._stop_after:
            self.cancelled = True

    def of(self, kind: type) -> list[Any]:
        return [part for part in self.parts if isinstance(part, kind)]


def saved(checkpoint: Checkpoint, model: Any, folder: Path, **ids: int) -> Checkpoint:
    """A model with another checkpoint's tokenizer."""
    from transformers import AutoTokenizer, GenerationConfig

    AutoTokenizer.from_pretrained(checkpoint.path).save_pretrained(folder)
    model.generation_config = GenerationConfig(**({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0} | ids))
    model.save_pretrained(folder)
    return Checkpoint(folder.name, folder)


@pytest.fixture(scope="module")
def models(tiny_llama: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    from transformers import GPT2Config, GPT2LMHeadModel, MambaConfig, MambaForCausalLM

    folder = tmp_path_factory.mktemp("strategies")
    sizes = {"vocab_size": 384, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=128, **sizes))
        mamba = MambaForCausalLM(MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=8, **sizes))
    made = {
        "llama": (tiny_llama, "AutoModelForCausalLM"),
        "gpt2": (saved(tiny_llama, gpt2, folder / "gpt2"), "AutoModelForCausalLM"),
        "mamba": (saved(tiny_llama, mamba, folder / "mamba"), "AutoModelForCausalLM"),
        "t5": (tiny_seq2seq.build_tiny_t5(folder / "t5"), "AutoModelForSeq2SeqLM"),
        "bart": (tiny_seq2seq.build_tiny_bart(folder / "bart"), "AutoModelForSeq2SeqLM"),
    }
    return {name: load(checkpoint, head=head, device="cpu") for name, (checkpoint, head) in made.items()}


@pytest.fixture(scope="module")
def draft(models: dict[str, LoadedModel], tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """The tiny llama with slightly other weights: it guesses right now and then."""
    llama = load(models["llama"].checkpoint, device="cpu")
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in llama.model.parameters():
            weight += torch.randn(weight.shape, generator=noise) * 0.003
    folder = tmp_path_factory.mktemp("draft") / "draft"
    return load(saved(models["llama"].checkpoint, llama.model, folder), device="cpu")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A llama with a tokenizer of its own."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("stranger") / "stranger"
    checkpoint = tiny.build_tiny_llama(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder).train_new_from_iterator(tiny.SENTENCES, 300)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        LlamaForCausalLM(config).save_pretrained(folder)
    return load(checkpoint, device="cpu")


def start_of(model: LoadedModel, text: str = PROMPT) -> Start:
    return prepare_start(model, text)


def plain(model: LoadedModel, text: str = PROMPT, seed: int = 0, **settings: Any) -> list[list[int]]:
    """New ids of every sequence that ``model.generate`` gives by itself."""
    given = inputs(model, start_of(model, text))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        output = model.model.generate(**given.kwargs, **settings)
    return [row[given.length :].tolist() for row in output]


def settings_of(sampling: Sampling) -> dict[str, Any]:
    from workbench.engine.sampling import fields

    return fields(sampling) | {"max_new_tokens": sampling.max_new_tokens, "seed": sampling.seed}


def same(sequences: tuple[tuple[Step, ...], ...], rows: list[list[int]], pad: int = 0) -> None:
    """The same ids, but for the padding that the library puts behind a shorter sequence."""
    assert len(sequences) == len(rows)
    for steps, row in zip(sequences, rows, strict=True):
        ids = [step.token_id for step in steps]
        assert ids == row[: len(ids)]
        assert set(row[len(ids) :]) <= {pad}


# Beams.


@pytest.mark.parametrize("name", ["llama", "gpt2", "mamba", "t5", "bart"])
@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
@pytest.mark.parametrize("strategy", [
    Strategy(num_beams=3, num_return_sequences=2), Strategy(num_beams=4, length_penalty=-1.0, early_stopping=True),
    Strategy(num_beams=2, length_penalty=2.0, early_stopping="never"),
])  # fmt: skip
def test_beams_are_those_of_the_library(models, name: str, sampling: Sampling, strategy: Strategy) -> None:
    model = models[name]
    task = Parts()
    made = generate.stream(model, start_of(model), sampling, strategy=strategy, task=task)
    names = ("num_beams", "length_penalty", "early_stopping", "num_return_sequences")
    rows = plain(
        model,
        **settings_of(sampling),
        **{each: getattr(strategy, each) for each in names},
    )
    same(made.sequences, rows)
    assert made.sequences[0] == made.steps
    assert task.of(Step) == list(made.steps)
    assert tuple(task.of(BeamStep)) == made.beams
    assert isinstance(task.parts[0], Start)


def test_processors_act_on_beams_as_in_the_library(models) -> None:
    model = models["llama"]
    sampling = dataclasses.replace(GREEDY, repetition_penalty=1.3, no_repeat_ngram_size=2, min_new_tokens=5)
    made = generate.stream(model, start_of(model), sampling, strategy=Strategy(num_beams=3))
    same(made.sequences, plain(model, num_beams=3, **settings_of(sampling)))


@pytest.mark.parametrize("narrow", [
    {"top_k": 1}, {"top_k": 0, "top_p": 0.01}, {"min_p": 1.0, "top_p": 1.0},
    {"top_k": 0, "top_p": 1.0, "typical_p": 0.01},
    {"epsilon_cutoff": 0.9, "eta_cutoff": 0.9}, {},
])  # fmt: skip
@pytest.mark.parametrize("do_sample", [True, False])
def test_the_trace_of_a_beam_is_the_one_the_search_went_by(models, narrow: dict[str, Any], do_sample: bool) -> None:
    knobs = dataclasses.replace(DRAWN, do_sample=do_sample, repetition_penalty=1.3, **narrow)
    strategy = Strategy(num_beams=3)
    made = generate.stream(models["llama"], start_of(models["llama"]), knobs, strategy=strategy)
    branch = Branch(1, "main", None, made.start, made.steps, strategy, "llama")
    for step in made.steps:
        trace = Distribution(step.logits, branch.situation(step.index)).trace(step.sampling)
        assert trace.kept >= 2
        assert trace.probabilities[step.token_id] == pytest.approx(step.after, abs=1e-6)


def test_beams_have_parents_and_scores_that_add_up(models) -> None:
    model = models["llama"]
    made = generate.stream(model, start_of(model), DRAWN, strategy=Strategy(num_beams=3, length_penalty=0.5))
    finished = set()
    for at, step in enumerate(made.beams):
        assert step.index == at
        assert len(step.running) <= 3
        for beam in step.running:
            assert len(beam.ids) == at + 1
            before = made.beams[at - 1].running[beam.parent].ids if at else ()
            assert beam.ids[:-1] == before
            assert not beam.finished
        for beam in step.finished:
            before = made.beams[len(beam.ids) - 2].running[beam.parent].ids if len(beam.ids) > 1 else ()
            assert beam.ids[:-1] == before
            finished.add(beam.ids)
        scores = [beam.score for beam in step.running]
        assert all(math.isfinite(score) for score in scores)
    best = made.beams[-1].finished[0]
    assert best.ids == made.ids
    assert best.text == made.text
    # What was added up are the log-probabilities after the knobs, which need not be normalized.
    total = 0.0
    context = made.start.context_ids
    for step in made.steps:
        trace = Distribution(step.logits, Situation((*context, *made.ids[: step.index]), len(context))).trace(DRAWN)
        assert trace.possible(step.token_id)
        total += float(step.logits.float32()[step.token_id]) / DRAWN.temperature
    assert best.score == pytest.approx(total / len(made.steps) ** 0.5, abs=1e-4)


def test_steps_of_a_beam_hold_log_probabilities_of_its_own_text(models) -> None:
    model = models["llama"]
    made = generate.stream(model, start_of(model), GREEDY, strategy=Strategy(num_beams=3))
    ids = torch.tensor([[*made.start.context_ids, *made.ids]])
    with torch.no_grad():
        logits = model.model(ids).logits[0].float()
    rows = torch.log_softmax(logits, dim=-1)[len(made.start.context_ids) - 1 : -1]
    for step, row in zip(made.steps, rows, strict=True):
        np.testing.assert_allclose(step.logits.float32(), row.numpy(), atol=1e-4)
        assert step.probability == pytest.approx(float(row[step.token_id].exp()), abs=1e-5)
        assert step.rank == 1 + int((row > row[step.token_id]).sum())
        assert step.entropy == pytest.approx(float(-(row.exp() * row).sum()) / math.log(2), abs=1e-3)
        assert step.after == pytest.approx(step.probability, abs=1e-5)


def test_beams_stop_within_a_token_and_keep_the_best(models) -> None:
    model = models["llama"]
    task = Parts(stop_after=4, kind=BeamStep)
    made = generate.stream(model, start_of(model), GREEDY, strategy=Strategy(num_beams=3), task=task)
    assert made.reason == "stopped"
    assert len(made.beams) <= 5
    same(made.sequences, plain(model, num_beams=3, **settings_of(dataclasses.replace(GREEDY, max_new_tokens=5))))


def test_knobs_moved_while_beams_run_act_on_the_next_step(models) -> None:
    model = models["llama"]
    knobs = Knobs(GREEDY)
    banned = dataclasses.replace(GREEDY, suppress_tokens=tuple(range(3, 384, 2)))

    class Moving(Parts):
        def send(self, part: object) -> None:
            super().send(part)
            if isinstance(part, BeamStep) and part.index == 3:
                knobs.current = banned

    made = generate.stream(model, start_of(model), knobs, strategy=Strategy(num_beams=3), task=Moving())
    assert [step.sampling for step in made.steps] == [GREEDY] * 4 + [banned] * (len(made.steps) - 4)
    assert all(step.token_id % 2 == 0 for step in made.steps[4:])


def test_no_more_sequences_than_beams(models) -> None:
    with pytest.raises(InputError, match="go together"):
        generate.stream(
            models["llama"], start_of(models["llama"]), GREEDY, strategy=Strategy(num_beams=2, num_return_sequences=3)
        )


def test_more_beams_than_tokens_left_to_draw_are_still_the_library_s(models) -> None:
    model = models["llama"]
    for seed in range(4):
        narrow = dataclasses.replace(DRAWN, top_k=2, seed=seed)
        made = generate.stream(model, start_of(model), narrow, strategy=Strategy(num_beams=4))
        same(made.sequences, plain(model, num_beams=4, **settings_of(narrow)))
        assert len(made.beams[0].running) <= 2


WAYS = [
    Strategy(num_beams=2), Strategy(num_return_sequences=2), Strategy(prompt_lookup_num_tokens=3),
]  # fmt: skip


@pytest.mark.parametrize("strategy", WAYS)
def test_knobs_that_cut_every_token_are_named(models, strategy: Strategy) -> None:
    model = models["llama"]
    for sampling in (DRAWN, GREEDY):
        if strategy.num_return_sequences == 1 or sampling.do_sample:
            nothing = dataclasses.replace(sampling, suppress_tokens=tuple(range(384)))
            with pytest.raises(InputError, match="no token to choose"):
                generate.stream(model, start_of(model), nothing, strategy=strategy)


@pytest.mark.parametrize("strategy", WAYS)
def test_a_model_that_gives_nan_is_told_apart(models, strategy: Strategy) -> None:
    broken = load(models["llama"].checkpoint, device="cpu")
    with torch.no_grad():
        broken.model.get_input_embeddings().weight.fill_(math.nan)
    for sampling in (DRAWN, GREEDY):
        if strategy.num_return_sequences == 1 or sampling.do_sample:
            with pytest.raises(NotSupported, match="no probabilities"):
                generate.stream(broken, start_of(broken), sampling, strategy=strategy)


def test_ends_are_those_that_were_asked_for(models) -> None:
    model = models["llama"]
    free = generate.stream(model, start_of(model), GREEDY, strategy=Strategy(num_beams=3))
    other = Strategy(num_beams=3, eos_token_ids=(free.ids[4],))
    same(
        generate.stream(model, start_of(model), GREEDY, strategy=other).sequences,
        plain(model, num_beams=3, eos_token_id=[free.ids[4]], **settings_of(GREEDY)),
    )
    for strategy in (Strategy(num_beams=2), Strategy(num_return_sequences=2), Strategy(prompt_lookup_num_tokens=3)):
        never = dataclasses.replace(strategy, eos_token_ids=())
        hot = dataclasses.replace(DRAWN, temperature=3.0, top_k=0, top_p=1.0, max_new_tokens=40)
        for seed in range(3):
            made = generate.stream(model, start_of(model), dataclasses.replace(hot, seed=seed), strategy=never)
            assert made.reason == "length"
            assert len(made.steps) == 40


@pytest.mark.parametrize("strategy", [
    Strategy(num_beams=2), Strategy(num_return_sequences=2), Strategy(prompt_lookup_num_tokens=3)
])  # fmt: skip
def test_stop_strings_end_every_way_of_generating(models, strategy: Strategy) -> None:
    model = models["llama"]
    free = generate.stream(model, start_of(model), DRAWN, strategy=strategy)
    word = model.tokenizer.decode([free.ids[3]])
    made = generate.stream(model, start_of(model), DRAWN, strategy=dataclasses.replace(strategy, stop_strings=(word,)))
    way = {"num_beams": strategy.num_beams, "num_return_sequences": strategy.num_return_sequences}
    if strategy.prompt_lookup_num_tokens:
        way = {"prompt_lookup_num_tokens": strategy.prompt_lookup_num_tokens}
    elif strategy.num_beams == 1:
        assert made.reason == "stop"
    # Guesses are checked in one pass, and the library looks for the string at its end alone.
    rows = plain(model, stop_strings=[word], tokenizer=model.tokenizer, **way, **settings_of(DRAWN))
    assert list(made.ids) == rows[0][: len(made.ids)]
    if len(rows) == 1:
        assert list(made.ids) == rows[0]


# Several sequences.


@pytest.mark.parametrize("name", ["llama", "gpt2", "mamba", "t5", "bart"])
def test_several_sequences_are_rows_of_one_batch(models, name: str) -> None:
    model = models[name]
    task = Parts()
    strategy = Strategy(num_return_sequences=3)
    sampling = dataclasses.replace(DRAWN, repetition_penalty=1.2)
    made = generate.stream(model, start_of(model), sampling, strategy=strategy, task=task)
    same(made.sequences, plain(model, num_return_sequences=3, **settings_of(sampling)))
    assert made.steps == made.sequences[0]
    for index, steps in enumerate(made.sequences):
        assert [part.step for part in task.of(Sequenced) if part.index == index] == list(steps)
        assert [step.index for step in steps] == list(range(len(steps)))
    situation = Situation(made.start.context_ids, len(made.start.context_ids), made.start.eos)
    for steps in made.sequences:
        trace = Distribution(steps[0].logits, situation).trace(sampling)
        assert trace.probabilities[steps[0].token_id] == pytest.approx(steps[0].after, abs=1e-6)


def test_several_sequences_stop_within_a_token(models) -> None:
    model = models["llama"]
    task = Parts(stop_after=7, kind=Sequenced)
    made = generate.stream(model, start_of(model), DRAWN, strategy=Strategy(num_return_sequences=3), task=task)
    assert made.reason == "stopped"
    assert {len(steps) for steps in made.sequences} <= {3, 4}


def test_greedy_sequences_would_all_be_one(models) -> None:
    with pytest.raises(InputError, match="go together"):
        generate.stream(models["llama"], start_of(models["llama"]), GREEDY, strategy=Strategy(num_return_sequences=2))


# Guessing ahead.


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart"])
@pytest.mark.parametrize("sampling", [GREEDY, dataclasses.replace(DRAWN, temperature=0.4)])
def test_prompt_lookup_is_the_library_s(models, name: str, sampling: Sampling) -> None:
    model = models[name]
    sampling = dataclasses.replace(sampling, repetition_penalty=1.05, max_new_tokens=30)
    task = Parts()
    strategy = Strategy(prompt_lookup_num_tokens=4)
    made = generate.stream(model, start_of(model), sampling, strategy=strategy, task=task)
    assert [list(made.ids)] == plain(model, prompt_lookup_num_tokens=4, **settings_of(sampling))
    assert task.of(Step) == list(made.steps)
    assert 0 <= made.guessed <= made.guesses
    if not sampling.do_sample:
        assert list(made.ids) == plain(model, **settings_of(sampling))[0]
        assert made.guessed < len(made.ids)


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_assisted_decoding_is_the_library_s(models, draft: LoadedModel, sampling: Sampling) -> None:
    model = models["llama"]
    own = draft.model.generation_config
    strategy = Strategy(assisted=True, num_assistant_tokens=4)
    made = generate.stream(model, start_of(model), sampling, strategy=strategy, second=draft)
    assert draft.model.generation_config is own, "the second model is left as it was"
    own.num_assistant_tokens = 4
    assert [list(made.ids)] == plain(model, assistant_model=draft.model, **settings_of(sampling))
    own.num_assistant_tokens = None
    assert made.guesses > 0
    if not sampling.do_sample:
        assert 0 < made.guessed <= made.guesses
        assert list(made.ids) == plain(model, **settings_of(sampling))[0]


def test_guessed_steps_are_recorded_like_any_other(models, draft: LoadedModel) -> None:
    model = models["llama"]
    sampling = dataclasses.replace(GREEDY, repetition_penalty=1.2)
    slow = generate.stream(model, start_of(model), sampling)
    for strategy in (Strategy(assisted=True, num_assistant_tokens=5), Strategy(prompt_lookup_num_tokens=5)):
        fast = generate.stream(model, start_of(model), sampling, strategy=strategy, second=draft)
        for one, other in zip(slow.steps, fast.steps, strict=True):
            assert (one.index, one.token_id, one.text, one.rank) == (
                other.index,
                other.token_id,
                other.text,
                other.rank,
            )
            np.testing.assert_allclose(one.logits.float32(), other.logits.float32(), atol=1e-4)
            assert other.probability == pytest.approx(one.probability, abs=1e-5)
            assert other.after == one.after == 1.0


def test_a_second_model_with_another_tokenizer_guesses_for_greedy_decoding(models, stranger: LoadedModel) -> None:
    model = models["llama"]
    strategy = Strategy(assisted=True, num_assistant_tokens=4)
    assert strategies.supports(model, stranger)["assisted"] == ""
    made = generate.stream(model, start_of(model), GREEDY, strategy=strategy, second=stranger)
    assert list(made.ids) == plain(model, **settings_of(GREEDY))[0]
    head = stranger.model.get_output_embeddings()
    with pytest.raises(InputError, match="without sampling"):
        generate.stream(model, start_of(model), DRAWN, strategy=strategy, second=stranger)
    assert stranger.model.get_output_embeddings() is head


def test_guessing_stops_within_a_pass(models) -> None:
    model = models["llama"]
    task = Parts(stop_after=3, kind=Step)
    strategy = Strategy(prompt_lookup_num_tokens=3)
    made = generate.stream(model, start_of(model), GREEDY, strategy=strategy, task=task)
    assert made.reason == "stopped"
    assert 3 <= len(made.steps) <= 3 + 4


# What they have in common.


def test_draws_are_disturbed_by_nothing_and_disturb_nothing(models) -> None:
    model = models["llama"]
    stop = threading.Event()

    def other() -> None:
        while not stop.is_set():
            torch.rand(64)

    thread = threading.Thread(target=other)
    rows = [
        plain(model, num_beams=2, **settings_of(DRAWN)),
        plain(model, prompt_lookup_num_tokens=3, **settings_of(DRAWN)),
    ]
    thread.start()
    try:
        beams = generate.stream(model, start_of(model), DRAWN, strategy=Strategy(num_beams=2))
        looked = generate.stream(model, start_of(model), DRAWN, strategy=Strategy(prompt_lookup_num_tokens=3))
    finally:
        stop.set()
        thread.join()
    same(beams.sequences, rows[0])
    same(looked.sequences, rows[1])
    state = torch.random.get_rng_state()
    with loops.own_draws(1):
        torch.multinomial(torch.ones(4), 1)
        torch.rand_like(torch.ones(4))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("strategy", [
    Strategy(num_beams=3), Strategy(num_return_sequences=2), Strategy(prompt_lookup_num_tokens=3)
])  # fmt: skip
def test_a_branch_goes_on_in_the_same_way(models, strategy: Strategy) -> None:
    model = models["llama"]
    first = generate.stream(model, start_of(model), GREEDY)
    kept = first.steps[:5]
    made = generate.branch(model, first.start, kept, None, DRAWN, strategy=strategy)
    assert made.start.kept == 5
    assert [step.index for step in made.steps] == list(range(5, 5 + len(made.steps)))
    branch = Branch(0, "main", None, made.start, (*kept, *made.steps), strategy, "tiny")
    assert branch.situation(6).prompt_length == len(first.start.context_ids) + 5
    given = inputs(model, first.start, [step.token_id for step in kept])
    names = {
        name: value
        for name, value in dataclasses.asdict(strategy).items()
        if value and value != getattr(Strategy(), name)
    }
    with torch.random.fork_rng():
        wanted = settings_of(DRAWN)
        torch.manual_seed(wanted.pop("seed"))
        output = model.model.generate(**given.kwargs, **wanted, **names)
    same(made.sequences, [row[given.length :].tolist() for row in output])


# What is offered.


def test_what_is_said_to_have_left_the_library_has_left_it() -> None:
    from transformers.generation.utils import GENERATION_MODES_MAPPING

    assert set(strategies.MOVED) == {mode.value for mode, name in GENERATION_MODES_MAPPING.items() if "/" in name}


def test_every_knob_and_way_has_an_answer(models) -> None:
    found = strategies.supports(models["llama"])
    assert {field.name for field in dataclasses.fields(Sampling)} < set(found)
    offered = {name for name, why in found.items() if not why}
    assert {"beams", "sequences", "prompt_lookup", "guidance", "temperature", "bad_words_ids"} <= offered
    assert {"assisted", "images", "encoder", "encoder_repetition_penalty", "forced_bos_token_id"}.isdisjoint(offered)
    assert "Load as second" in found["assisted"]
    found = strategies.supports(models["t5"])
    assert not found["encoder"]
    assert not found["encoder_no_repeat_ngram_size"]
    assert found["guidance"]


def test_the_library_refuses_what_is_refused(models) -> None:
    found = strategies.supports(models["mamba"])
    assert "running state" in found["prompt_lookup"]
    assert "running state" in found["assisted"]
    with pytest.raises(ValueError, match="stateful"):
        plain(models["mamba"], prompt_lookup_num_tokens=3, max_new_tokens=3)
    with pytest.raises(NotSupported, match="running state"):
        generate.stream(
            models["mamba"], start_of(models["mamba"]), GREEDY, strategy=Strategy(prompt_lookup_num_tokens=3)
        )
    with pytest.raises(NotSupported, match="Load as second"):
        generate.stream(models["llama"], start_of(models["llama"]), GREEDY, strategy=Strategy(assisted=True))


def test_a_second_model_has_to_fit(models, draft: LoadedModel, tiny_bert: Checkpoint) -> None:
    llama = models["llama"]
    assert strategies.supports(llama, draft)["assisted"] == ""
    assert "has an encoder" in strategies.supports(llama, models["t5"])["assisted"]
    assert "running state" in strategies.supports(llama, models["mamba"])["assisted"]
    bert = load(tiny_bert, device="cpu")
    assert "writes no text" in strategies.supports(llama, bert)["assisted"]
    assert all("writes no text" in strategies.supports(bert)[name] for name in ("beams", "sequences", "temperature"))


def test_a_checkpoint_without_an_end_says_what_that_switches_off(models, tmp_path: Path) -> None:
    llama = load(models["llama"].checkpoint, device="cpu")
    llama.model.generation_config.eos_token_id = None
    assert "names none" in strategies.supports(llama)["min_new_tokens"]
    assert strategies.supports(models["llama"])["min_new_tokens"] == ""


def test_conflicting_settings_are_named(models) -> None:
    assert set(strategies.conflicts(GREEDY, Strategy())) >= {"temperature", "top_k", "top_p", "eta_cutoff"}
    assert strategies.conflicts(DRAWN, Strategy(num_beams=3, num_return_sequences=3)) == {}
    assert "sequences" in strategies.conflicts(GREEDY, Strategy(num_return_sequences=3))
    assert "prompt_lookup" in strategies.conflicts(DRAWN, Strategy(num_beams=2, prompt_lookup_num_tokens=3))
    assert "assisted" in strategies.conflicts(DRAWN, Strategy(num_return_sequences=2, assisted=True))
    for strategy in (Strategy(num_beams=2), Strategy(prompt_lookup_num_tokens=2), Strategy(num_return_sequences=2)):
        guided = dataclasses.replace(strategy, guidance_scale=2.0)
        assert "guidance" in strategies.conflicts(DRAWN, guided)
        with pytest.raises(InputError):
            generate.stream(models["llama"], start_of(models["llama"]), DRAWN, strategy=guided)


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
@pytest.mark.parametrize("knobs", [GREEDY, DRAWN])
def test_any_number_of_threads_writes_the_same_text(models, name: str, knobs: Sampling) -> None:
    knobs = dataclasses.replace(knobs, max_new_tokens=50, min_new_tokens=50)
    for text in ("The quick brown fox", "What a film!"):
        made = [
            generate.run(models[name], text, (), knobs, strategy=Strategy(threads=count)).ids for count in (0, 1, 3)
        ]
        assert len(made[0]) == 50
        assert made == made[:1] * 3


@pytest.mark.parametrize("strategy", [
    Strategy(), Strategy(num_beams=2), Strategy(num_return_sequences=2), Strategy(prompt_lookup_num_tokens=3)
])  # fmt: skip
def test_threads_are_those_of_the_run_alone(models, strategy: Strategy) -> None:
    model, before = models["llama"], torch.get_num_threads()
    seen: set[int] = set()
    others: set[int] = set()

    def look(*_: object) -> None:
        seen.add(torch.get_num_threads())
        other = threading.Thread(target=lambda: others.add(torch.get_num_threads()))
        other.start()
        other.join()

    hook = model.model.register_forward_pre_hook(look)
    for count in (3, 1):
        seen.clear()
        generate.run(model, PROMPT, (), DRAWN, strategy=dataclasses.replace(strategy, threads=count))
        assert seen == {count}
    hook.remove()
    assert others == {before}
    assert torch.get_num_threads() == before
    with pytest.raises(InputError, match="threads"):
        generate.run(model, PROMPT, (), DRAWN, strategy=dataclasses.replace(strategy, threads=-1))


@pytest.mark.parametrize(
    "change",
    [
        {"num_beams": 0},
        {"num_beams": 2.5},
        {"num_return_sequences": 0},
        {"prompt_lookup_num_tokens": -1},
        {"num_assistant_tokens": 0},
        {"length_penalty": math.nan},
        {"length_penalty": math.inf},
        {"early_stopping": "soon"},
        {"guidance_scale": math.nan},
        {"guidance_scale": math.inf},
        {"tokens_per_second": -1.0},
        {"tokens_per_second": math.nan},
        {"threads": -1},
        {"threads": 10**6},
        {"stop_strings": ("a", "")},
        {"eos_token_ids": (-1,)},
        {"eos_token_ids": (10**6,)},
    ],
    ids=str,
)
def test_a_strategy_past_its_limits_is_named_before_anything_runs(models, change: dict[str, Any]) -> None:
    class Deaf(Silent):
        def send(self, part: object) -> None:
            raise AssertionError("it began")

    with pytest.raises(InputError, match=next(iter(change))):
        generate.run(models["llama"], PROMPT, (), Sampling(), strategy=Strategy(**change), task=Deaf())


def test_a_strategy_at_its_limits_runs(models) -> None:
    model = models["llama"]
    greedy = Sampling(do_sample=False, max_new_tokens=3)
    plain = generate.run(model, PROMPT, (), greedy, strategy=Strategy(eos_token_ids=()))
    last = model.model.config.vocab_size - 1
    for change in (
        {"num_beams": 1, "num_return_sequences": 1, "prompt_lookup_num_tokens": 0, "num_assistant_tokens": 1},
        {"tokens_per_second": 1e9, "threads": 1},
        {"eos_token_ids": (last,)},
        {"prompt_lookup_num_tokens": 10**4},
    ):
        assert generate.run(model, PROMPT, (), greedy, strategy=Strategy(**({"eos_token_ids": ()} | change))).ids == (
            plain.ids
        )
