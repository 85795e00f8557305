"""A compiled model writes the same text, is watched, moved and stopped like any other, and is refused with a reason.

What is compiled here is left to Python to run: the library's compiled call over its static cache, with the building of
code for the machine left out, which takes half a minute. ``make bench`` has that, and compares the texts too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import families, tiny_seq2seq
from workbench.engine import codegen, generate, machine, models
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import KeptCache, compiled, strategies
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Knobs
from workbench.engine.task import Silent
from workbench.engine.values import Checkpoint, Sampling, Step, Strategy

PROMPT = "The quick brown fox jumps over the lazy dog."
GREEDY = Sampling(do_sample=False, max_new_tokens=12)
DRAWN = Sampling(temperature=1.3, top_k=0, top_p=1.0, repetition_penalty=1.2, max_new_tokens=12, seed=3)
COMPILED = Strategy(compiled=True)


@pytest.fixture(scope="module", autouse=True)
def in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "BACKEND", {"backend": "eager"})
        patch.setattr(compiled, "no_compiler", lambda: "")
        yield
    torch.compiler.reset()


class Watch(Silent):
    """Does something after each step."""

    def __init__(self, after: Callable[[Step], None]) -> None:
        self.after = after

    def send(self, part: object) -> None:
        if isinstance(part, Step):
            self.after(part)


def compiles(model: LoadedModel) -> bool:
    return hasattr(model.model, "_compiled_call")


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_the_text_and_the_record_are_those_of_the_plain_model(
    name: str, tiny_llama: Checkpoint, tmp_path: Path
) -> None:
    model = models.load(families.build(name, tmp_path / name, tiny_llama), device="cpu")
    for knobs in (GREEDY, DRAWN):
        plain = generate.run(model, PROMPT, (), knobs)
        made = generate.run(model, PROMPT, (), knobs, strategy=COMPILED)
        assert compiles(model)
        assert (made.ids, made.reason) == (plain.ids, plain.reason)
        for one, other in zip(made.steps, plain.steps, strict=True):
            assert one.logits is not None and other.logits is not None
            np.testing.assert_allclose(one.logits.float32(), other.logits.float32(), atol=2e-5)
            assert (one.rank, one.text) == (other.rank, other.text)


def test_a_knob_that_is_moved_acts_on_the_next_token(llama: LoadedModel) -> None:
    def run(strategy: Strategy) -> generate.Generation:
        knobs = Knobs(DRAWN)

        def move(step: Step) -> None:
            if step.index == 4:
                knobs.current = replace(DRAWN, temperature=0.3, top_k=5, max_new_tokens=900)

        return generate.run(llama, PROMPT, (), knobs, strategy=strategy, task=Watch(move))

    made, plain = run(COMPILED), run(Strategy())
    assert made.ids == plain.ids[: len(made.ids)]
    assert {step.sampling.top_k for step in made.steps[5:]} == {5}
    assert (len(made.ids), made.reason) == (12, "length"), "the cache has room for what was asked for at the start"


def test_stop_acts_within_a_token(llama: LoadedModel) -> None:
    def stop(step: Step) -> None:
        task.cancelled = step.index == 2

    task = Watch(stop)
    made = generate.run(llama, PROMPT, (), GREEDY, strategy=COMPILED, task=task)
    assert (len(made.steps), made.reason) == (3, "stopped")


def test_a_branch_reads_the_same(llama: LoadedModel) -> None:
    kept = KeptCache()
    grown = generate.run(llama, PROMPT, (), GREEDY, kept=kept)
    assert grown.start is not None and kept.nbytes
    branches = [
        generate.branch(llama, grown.start, grown.steps[:5], 40, GREEDY, strategy=strategy, kept=kept).ids
        for strategy in (COMPILED, Strategy())
    ]
    assert branches[0] == branches[1]


def test_a_longer_text_finds_room(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_BLOCK", 32)
    for length in (12, 60):
        long = replace(GREEDY, max_new_tokens=length, min_new_tokens=length)
        made = generate.run(llama, PROMPT, (), long, strategy=COMPILED)
        assert len(made.ids) == length
        assert made.ids == generate.run(llama, PROMPT, (), long).ids


def test_the_rest_of_the_process_is_left_alone(llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    generate.run(llama, PROMPT, (), GREEDY, strategy=COMPILED)
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    generate.run(llama, PROMPT, (), GREEDY, strategy=COMPILED)
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


def test_the_script_writes_the_same_text(llama: LoadedModel) -> None:
    source = codegen.generate(llama.checkpoint, PROMPT, None, DRAWN, "float32", "cpu", strategy=COMPILED)
    assert "CompileConfig(mode=None)" in source
    names: dict[str, object] = {}
    exec(compile(source.replace("mode=None", 'mode=None, backend="eager"'), "script.py", "exec"), names)
    assert names["new_ids"] == list(generate.run(llama, PROMPT, (), DRAWN, strategy=COMPILED).ids)


def test_a_model_that_the_compiler_gives_up_on_is_said(tiny_llama: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> None:
        raise RuntimeError("no such header")

    monkeypatch.setattr(compiled, "BACKEND", {"backend": give_up})
    with pytest.raises(NotSupported, match=r"could not be compiled.*no such header.*Switch compiled off"):
        generate.run(models.load(tiny_llama, device="cpu"), PROMPT, (), GREEDY, strategy=COMPILED)


def test_what_does_not_go_with_it_is_refused(llama: LoadedModel) -> None:
    for change in ({"num_beams": 2}, {"num_return_sequences": 2}, {"prompt_lookup_num_tokens": 3},
                   {"guidance_scale": 1.5}):  # fmt: skip
        with pytest.raises(InputError, match="one sequence, token by token"):
            generate.run(llama, PROMPT, (), DRAWN, strategy=replace(COMPILED, **change))


def test_where_it_can_not_be_had_it_says_why(
    llama: LoadedModel, tiny_llama: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert strategies.supports(llama)["compiled"] == ""
    refused = {
        "load the checkpoint in float32": models.load(tiny_llama, device="cpu", dtype="bfloat16"),
        "has an encoder": models.load(tiny_seq2seq.build_tiny_t5(tmp_path / "t5"), device="cpu"),
        "does not vouch for Mamba": models.load(families.build("mamba", tmp_path / "mamba", tiny_llama), device="cpu"),
    }
    for why, model in refused.items():
        assert why in strategies.supports(model)["compiled"]
        with pytest.raises(NotSupported, match=why):
            generate.run(model, PROMPT, (), GREEDY, strategy=COMPILED)
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "no_compiler", machine.no_compiler)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NotSupported, match="C\\+\\+ compiler"):
        generate.run(llama, PROMPT, (), GREEDY, strategy=COMPILED)
