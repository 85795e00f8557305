"""The scripts that generate write the very ids of a run: every knob, every strategy, and knobs moved on the way."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from tests import tiny_seq2seq
from workbench.engine import codegen, generate
from workbench.engine.generate.inputs import prepare_start
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.task import Silent
from workbench.engine.values import (
    BeamStep,
    Checkpoint,
    Logits,
    Message,
    Sampling,
    Situation,
    Step,
    Strategy,
    Watermark,
)

PROMPT = "The quick brown fox jumps over the lazy dog. The quick brown"
GREEDY = Sampling(do_sample=False, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=14)
DRAWN = Sampling(temperature=0.9, top_k=30, top_p=0.9, max_new_tokens=14, seed=3)
EVERY = Sampling(
    temperature=1.4,
    top_k=60,
    top_p=0.97,
    min_p=0.001,
    repetition_penalty=1.1,
    max_new_tokens=14,
    seed=5,
    top_h=0.95,
    typical_p=0.98,
    epsilon_cutoff=0.0003,
    eta_cutoff=0.0002,
    no_repeat_ngram_size=3,
    min_new_tokens=6,
    bad_words_ids=((10,), (20, 21)),
    sequence_bias=(((30,), 4.0), ((31, 32), -2.5)),
    suppress_tokens=(40, 41),
    begin_suppress_tokens=(42,),
    forced_eos_token_id=2,
    exponential_decay_length_penalty=(4, 1.05),
    remove_invalid_values=True,
    renormalize_logits=True,
)
LONG = dataclasses.replace(
    EVERY,
    suppress_tokens=tuple(range(100, 200)),
    bad_words_ids=tuple((n, n + 1) for n in range(60)),
    sequence_bias=tuple(((n,), 0.25 * n) for n in range(60)),
)
MARKED = [
    dataclasses.replace(DRAWN, watermarking_config=mark)
    for mark in (Watermark(), Watermark("synthid"), Watermark("synthid", keys=tuple(range(1000, 1040))))
]
HEALED = Strategy(token_healing=True, assistant_early_exit=1, stop_strings=("zq",))
SINGLY = [
    dataclasses.replace(DRAWN, **{name: getattr(EVERY, name)})
    for name in (field.name for field in dataclasses.fields(Sampling))
    if getattr(EVERY, name) != getattr(DRAWN, name) and name != "seed"
]


class Moving(Silent):
    """Moves the knobs when as many steps have come."""

    def __init__(self, knobs: Knobs, moves: dict[int, Sampling]) -> None:
        self._knobs = knobs
        self._moves = moves
        self._count = 0

    def send(self, part: object) -> None:
        if isinstance(part, Step):
            self._count += 1
            if self._count in self._moves:
                self._knobs.current = self._moves[self._count]


@pytest.fixture(scope="module")
def models(tiny_llama: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedModel]:
    folder = tmp_path_factory.mktemp("scripts")
    made = {
        "llama": (tiny_llama, "AutoModelForCausalLM"),
        "t5": (tiny_seq2seq.build_tiny_t5(folder / "t5"), "AutoModelForSeq2SeqLM"),
        "bart": (tiny_seq2seq.build_tiny_bart(folder / "bart"), "AutoModelForSeq2SeqLM"),
        "llava": (tiny_seq2seq.build_tiny_llava(folder / "llava"), "AutoModelForImageTextToText"),
    }
    return {name: load(checkpoint, head=head, device="cpu") for name, (checkpoint, head) in made.items()}


def run(source: str) -> dict[str, Any]:
    """Run a script as a program would be run, and give its variables."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with torch.random.fork_rng():
        exec(compile(source, "script.py", "exec"), names)
    return names


def written(model: LoadedModel, sampling: Sampling, **more: Any) -> str:
    messages = more.pop("messages", None)
    text = more.pop("text", PROMPT)
    return codegen.generate(
        model.checkpoint, text, messages, sampling, model.dtype, model.device, head=model.head, **more
    )


def made(model: LoadedModel, knobs: Knobs | Sampling, **more: Any) -> generate.Generation:
    return generate.stream(model, prepare_start(model, PROMPT), knobs, **more)


@pytest.mark.parametrize("name", ["llama", "t5", "bart"])
@pytest.mark.parametrize("sampling", [GREEDY, DRAWN, EVERY, LONG, dataclasses.replace(EVERY, do_sample=False)])
def test_all_knobs_together_give_the_same_ids(models, name: str, sampling: Sampling, capsys) -> None:
    model = models[name]
    if name != "llama":
        sampling = dataclasses.replace(
            sampling, encoder_repetition_penalty=1.2, encoder_no_repeat_ngram_size=3, forced_bos_token_id=7
        )
    found = made(model, sampling)
    assert tuple(run(written(model, sampling))["new_ids"]) == found.ids
    assert tuple(run(written(model, GREEDY, steps=found.steps))["new_ids"]) == found.ids


@pytest.mark.parametrize("sampling", SINGLY)
def test_each_knob_gives_the_same_ids_and_only_what_is_on_appears(models, sampling: Sampling, capsys) -> None:
    model = models["llama"]
    source = written(model, sampling)
    assert tuple(run(source)["new_ids"]) == made(model, sampling).ids
    off = {
        field.name
        for field in dataclasses.fields(Sampling)
        if getattr(sampling, field.name) == getattr(Sampling(temperature=1.0, top_k=0, top_p=1.0), field.name)
    } - {"do_sample", "seed", "max_new_tokens", "top_k"}
    assert not [name for name in off if f" {name}=" in source]


WAYS = [
    (Strategy(num_beams=3), GREEDY),
    (Strategy(num_beams=3, length_penalty=-0.5, early_stopping="never", num_return_sequences=2), EVERY),
    (Strategy(num_beams=4, early_stopping=True), dataclasses.replace(DRAWN, repetition_penalty=1.2)),
    (Strategy(num_return_sequences=3), EVERY),
    (Strategy(prompt_lookup_num_tokens=4), GREEDY),
    (Strategy(prompt_lookup_num_tokens=4), DRAWN),
    (Strategy(eos_token_ids=(260, 270)), DRAWN),
    (Strategy(eos_token_ids=()), dataclasses.replace(DRAWN, temperature=2.0, max_new_tokens=40)),
    (Strategy(eos_token_ids=()), dataclasses.replace(EVERY, forced_eos_token_id=None)),
    (Strategy(stop_strings=("e", "o")), DRAWN),
    (Strategy(threads=2), DRAWN),
    (Strategy(num_beams=2, stop_strings=("e",), eos_token_ids=(260,)), GREEDY),
]


@pytest.mark.parametrize("name", ["llama", "t5"])
@pytest.mark.parametrize(("strategy", "sampling"), WAYS)
def test_strategies_give_the_same_ids(models, name: str, strategy: Strategy, sampling: Sampling, capsys) -> None:
    model = models[name]
    found = made(model, sampling, strategy=strategy)
    threads = torch.get_num_threads()
    names = run(written(model, sampling, strategy=strategy, steps=found.steps))
    assert torch.get_num_threads() == (strategy.threads or threads)
    rows = names["sequences"] if len(found.sequences) > 1 else [names["new_ids"]]
    for steps, row in zip(found.sequences or (found.steps,), rows, strict=True):
        ids = [step.token_id for step in steps]
        assert row[: len(ids)] == ids
        assert set(row[len(ids) :]) <= {0}, "padding behind a shorter sequence"
    assert str(rows[-1]) in capsys.readouterr().out
    torch.set_num_threads(threads)


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_a_second_model_guesses_in_the_script_too(models, tmp_path: Path, sampling: Sampling, capsys) -> None:
    model = models["llama"]
    second = load(model.checkpoint, device="cpu")
    with torch.no_grad():
        for weight in second.model.parameters():
            weight *= 1.01
    second.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    draft = Checkpoint("draft", tmp_path)
    strategy = Strategy(assisted=True, num_assistant_tokens=3)
    found = made(model, sampling, strategy=strategy, second=load(draft, device="cpu"))
    source = written(model, sampling, strategy=strategy, second=draft, steps=found.steps)
    assert tuple(run(source)["new_ids"]) == found.ids
    assert source.count("trust_remote_code=False") == 4


@pytest.fixture(scope="module")
def draft(models, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The tiny llama with slightly other weights: it guesses right now and then."""
    second = load(models["llama"].checkpoint, device="cpu")
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in second.model.parameters():
            weight += torch.randn(weight.shape, generator=noise) * 0.003
    folder = tmp_path_factory.mktemp("draft")
    second.model.save_pretrained(folder)
    second.tokenizer.save_pretrained(folder)
    return Checkpoint("draft", folder)


@pytest.mark.parametrize("first", [DRAWN, GREEDY, dataclasses.replace(EVERY, forced_eos_token_id=None)])
@pytest.mark.parametrize("strategy", [
    Strategy(assisted=True, num_assistant_tokens=4, eos_token_ids=()),
    Strategy(assisted=True, num_assistant_tokens=2, stop_strings=("zq",)),
    Strategy(prompt_lookup_num_tokens=4, eos_token_ids=()),
    Strategy(prompt_lookup_num_tokens=3, stop_strings=("zq",)),
])  # fmt: skip
def test_knobs_moved_while_tokens_are_guessed_give_the_same_draws(
    models, draft: Checkpoint, strategy: Strategy, first: Sampling, capsys
) -> None:
    model = models["llama"]
    second = load(draft, device="cpu")
    moves = {
        3: dataclasses.replace(first, temperature=2.0, top_p=1.0, top_k=0, repetition_penalty=1.4),
        8: dataclasses.replace(first, temperature=0.6, top_k=3, suppress_tokens=tuple(range(90, 180))),
        20: dataclasses.replace(first, min_p=0.3, repetition_penalty=0.8),
    }
    moves = {at: dataclasses.replace(moved, max_new_tokens=40) for at, moved in moves.items()}
    for seed in range(4):
        knobs = Knobs(dataclasses.replace(first, seed=seed, max_new_tokens=40))
        task = Moving(knobs, {at: dataclasses.replace(moved, seed=seed) for at, moved in moves.items()})
        found = made(model, knobs, task=task, strategy=strategy, second=second if strategy.assisted else None)
        assert len({step.sampling for step in found.steps}) > 1
        source = written(
            model, knobs.current, steps=found.steps, strategy=strategy, second=draft if strategy.assisted else None
        )
        assert tuple(run(source)["new_ids"]) == found.ids
        assert model.tokenizer.decode(found.ids[:1], skip_special_tokens=True) in capsys.readouterr().out


def test_stop_strings_end_the_script_of_guessed_tokens(models, draft: Checkpoint, capsys) -> None:
    model = models["llama"]
    strategy = Strategy(assisted=True, num_assistant_tokens=3, stop_strings=("e", "o", "a", "i"))
    knobs = dataclasses.replace(DRAWN, max_new_tokens=60)
    found = made(model, knobs, strategy=strategy, second=load(draft, device="cpu"))
    source = written(model, knobs, steps=found.steps, strategy=strategy, second=draft)
    assert tuple(run(source)["new_ids"]) == found.ids


def test_guidance_gives_the_same_ids(models, capsys) -> None:
    model = models["llama"]
    for negative in ("", "The lazy dog"):
        strategy = Strategy(guidance_scale=1.8, negative_prompt=negative)
        found = made(model, DRAWN, strategy=strategy)
        assert tuple(run(written(model, DRAWN, strategy=strategy))["new_ids"]) == found.ids


MOVES = [
    {4: dataclasses.replace(DRAWN, temperature=1.7, top_p=1.0), 9: dataclasses.replace(DRAWN, min_p=0.2)},
    {3: dataclasses.replace(DRAWN, do_sample=False), 7: EVERY},
    {1: EVERY, 2: DRAWN, 6: dataclasses.replace(EVERY, exponential_decay_length_penalty=(2, 1.2))},
    {5: dataclasses.replace(DRAWN, max_new_tokens=9, repetition_penalty=1.3)},
]


@pytest.mark.parametrize("name", ["llama", "t5"])
@pytest.mark.parametrize("moves", MOVES)
def test_knobs_moved_on_the_way_are_moved_in_the_script(models, name: str, moves: dict[int, Sampling], capsys) -> None:
    model = models[name]
    knobs = Knobs(DRAWN)
    found = made(model, knobs, task=Moving(knobs, moves), strategy=Strategy(eos_token_ids=()))
    assert len({step.sampling for step in found.steps}) == len({DRAWN, *moves.values()})
    source = written(model, knobs.current, steps=found.steps, strategy=Strategy(eos_token_ids=()))
    assert tuple(run(source)["new_ids"]) == found.ids
    assert "schedule = {" in source


@pytest.mark.parametrize("strategy", [
    Strategy(num_return_sequences=2), Strategy(num_beams=3), Strategy(prompt_lookup_num_tokens=3)
])  # fmt: skip
def test_knobs_moved_in_other_strategies_are_moved_in_the_script(models, strategy: Strategy, capsys) -> None:
    model = models["llama"]
    knobs = Knobs(GREEDY if strategy.num_return_sequences == 1 else DRAWN)
    moved = dataclasses.replace(knobs.current, repetition_penalty=1.6, suppress_tokens=tuple(range(100, 200)))

    class AtOnce(Silent):
        count = 0

        def send(self, part: object) -> None:
            self.count += 1
            if self.count == 8:
                knobs.current = moved

    found = made(model, knobs, task=AtOnce(), strategy=strategy)
    assert {step.sampling for step in found.steps} == {found.steps[0].sampling, moved}
    names = run(written(model, moved, steps=found.steps, strategy=strategy))
    row = names["sequences"][0] if strategy.num_return_sequences > 1 else names["new_ids"]
    assert tuple(row[: len(found.ids)]) == found.ids


def test_beams_that_draw_keep_as_many_tokens_as_there_are_end_tokens_and_one(models, tmp_path: Path, capsys) -> None:
    model = models["llama"]
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    GenerationConfig(bos_token_id=1, eos_token_id=[2, 260, 270], pad_token_id=0).save_pretrained(tmp_path)
    model = load(Checkpoint("three ends", tmp_path), device="cpu")
    narrow = dataclasses.replace(DRAWN, top_k=1, top_p=0.1, min_p=0.9)
    knobs = Knobs(narrow)
    moved = dataclasses.replace(narrow, repetition_penalty=1.6)

    class AtOnce(Silent):
        def send(self, part: object) -> None:
            if isinstance(part, BeamStep) and part.index == 3:
                knobs.current = moved

    strategy = Strategy(num_beams=2)
    found = made(model, knobs, task=AtOnce(), strategy=strategy)
    assert {step.sampling for step in found.steps} == {narrow, moved}
    assert tuple(run(written(model, moved, steps=found.steps, strategy=strategy))["new_ids"]) == found.ids


def test_a_run_that_was_stopped_ends_there_in_the_script(models, capsys) -> None:
    model = models["llama"]

    class Stopping(Silent):
        def send(self, part: object) -> None:
            self.cancelled = isinstance(part, Step) and part.index == 4

    found = made(model, DRAWN, task=Stopping())
    assert len(found.ids) == 5
    assert tuple(run(written(model, DRAWN, steps=found.steps))["new_ids"]) == found.ids


def test_a_prompt_that_was_cut_is_cut_in_the_script(models, capsys) -> None:
    model = models["llama"]
    for text in (PROMPT * 12, model.tokenizer.bos_token + PROMPT * 12):
        start = prepare_start(model, text, truncate=True, reserve=20)
        assert start.dropped
        found = generate.stream(model, start, DRAWN)
        source = written(model, DRAWN, text=text, dropped=start.dropped, steps=found.steps)
        assert tuple(run(source)["new_ids"]) == found.ids


@pytest.mark.parametrize("name", ["llama", "t5", "bart"])
def test_a_branch_goes_on_from_what_it_took_over(models, name: str, capsys) -> None:
    model = models[name]
    first = made(model, GREEDY)
    kept = first.steps[:4]
    found = generate.branch(model, first.start, kept, 77, DRAWN)
    prefix = [*(step.token_id for step in kept), 77]
    assert tuple(run(written(model, DRAWN, prefix=prefix, steps=found.steps))["new_ids"]) == found.ids
    knobs = Knobs(DRAWN)
    task = Moving(knobs, {3: dataclasses.replace(EVERY, forced_eos_token_id=None)})
    found = generate.branch(model, first.start, kept, 77, knobs, task=task)
    assert tuple(run(written(model, DRAWN, prefix=prefix, steps=found.steps))["new_ids"]) == found.ids


@pytest.mark.parametrize("chat", [False, True])
def test_pictures_give_the_same_ids(models, chat: bool, tmp_path: Path, capsys) -> None:
    model = models["llava"]
    file = tiny_seq2seq.picture(tmp_path)
    messages = [Message("user", "What a film?")] if chat else []
    start = prepare_start(model, "What a film?", messages, [file])
    found = generate.stream(model, start, DRAWN)
    text = start.encoding.text
    more: dict[str, Any] = {"text": text, "messages": messages, "images": [file], "steps": found.steps}
    assert tuple(run(written(model, DRAWN, **more))["new_ids"]) == found.ids
    kept = found.steps[:3]
    branch = generate.branch(model, start, kept, None, GREEDY)
    prefix = [step.token_id for step in kept]
    more |= {"prefix": prefix, "steps": branch.steps}
    assert tuple(run(written(model, GREEDY, **more))["new_ids"]) == branch.ids


@pytest.mark.parametrize("sampling", [GREEDY, EVERY, dataclasses.replace(EVERY, do_sample=False), *SINGLY])
@pytest.mark.parametrize("name", ["llama", "t5"])
def test_probabilities_are_those_of_the_trace(models, name: str, sampling: Sampling, capsys) -> None:
    model = models[name]
    if name == "t5":
        sampling = dataclasses.replace(sampling, encoder_repetition_penalty=1.2, encoder_no_repeat_ngram_size=2)
    first = made(model, GREEDY)
    encoder = first.start.encoding.input_ids if first.start.decoder_start else ()
    context = first.start.context_ids
    for count, beams in ((0, 1), (5, 1), (5, 3)):
        situation = Situation((*context, *first.ids[:count]), len(context), (2,), encoder, beams)
        names = run(
            codegen.probabilities(model.checkpoint, situation, sampling, model.dtype, model.device, head=model.head)
        )
        logits = Logits(names["logits"][0].numpy(), "float32")
        trace = Distribution(logits, situation).trace(sampling)
        np.testing.assert_allclose(names["after"].numpy(), trace.probabilities, atol=1e-6)


def test_scripts_are_laid_out_as_ruff_does(models, tmp_path: Path) -> None:
    model = models["llama"]
    knobs = Knobs(DRAWN)
    runs = []
    for moves in MOVES:
        knobs.current = DRAWN
        runs.append(made(model, knobs, task=Moving(knobs, moves), strategy=Strategy(eos_token_ids=())).steps)
    file = tmp_path / "picture.png"
    sources = [
        *(written(model, sampling, strategy=strategy) for strategy, sampling in WAYS),
        *(written(model, DRAWN, steps=steps, prefix=range(count)) for steps in runs for count in (0, 3, 90)),
        *(written(models["t5"], DRAWN, steps=steps, prefix=range(count)) for steps in runs for count in (0, 3)),
        written(models["llava"], EVERY, text="<image>What", images=[file], prefix=[1, 2]),
        written(models["llava"], EVERY, messages=[Message("user", "What?" * 40, (file,))], images=[file] * 9),
        written(model, DRAWN, strategy=Strategy(assisted=True), second=model.checkpoint, dropped=7),
        written(model, LONG, strategy=Strategy(stop_strings=tuple(f"a 'long' stop {n}" for n in range(20)))),
        written(model, DRAWN, steps=runs[1], strategy=Strategy(compiled=True, threads=2)),
        codegen.probabilities(model.checkpoint, Situation((1,), 1), LONG, "float32", "cpu"),
        written(model, DRAWN, steps=[dataclasses.replace(runs[0][0], sampling=each) for each in (LONG, EVERY, LONG)]),
        written(model, DRAWN, strategy=Strategy(guidance_scale=2.0, negative_prompt='a "b" ' * 30)),
        codegen.generate(model.checkpoint, "x", None, EVERY, "bfloat16", "cuda:0", steps=runs[1], prefix=[1],
                         strategy=Strategy(assisted=True), second=Checkpoint("a/b", tmp_path / ("x" * 90), "hub")),
        codegen.probabilities(model.checkpoint, Situation((1, 2, 3), 2, (2,), (4, 5)), EVERY, "float32", "cuda:0"),
        *(codegen.probabilities(model.checkpoint, Situation((1, 2, 3), 2), each, "float32", "cpu") for each in MARKED),
        *(written(model, each, prefix=[1, 2], strategy=HEALED) for each in MARKED),
        *(written(model, each, steps=[dataclasses.replace(runs[0][0], sampling=one) for one in (each, MARKED[0])])
          for each in MARKED),
        written(model, DRAWN, steps=runs[1], strategy=Strategy(use_mtp=True)),
    ]  # fmt: skip
    for index, source in enumerate(sources):
        (tmp_path / f"script_{index}.py").write_text(source, "utf-8", newline="\n")
        assert "workbench" not in source.replace(str(tmp_path), "").replace(str(model.checkpoint.path), "")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--line-length=120"]
    found = subprocess.run(
        [*ruff, "format", *options, "--diff", "--quiet", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout[:3000]
    checks = [*ruff, "check", *options, "--select=F,I,B,UP,E", "--ignore=B905,E501", str(tmp_path)]
    found = subprocess.run(checks, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[:3000]
