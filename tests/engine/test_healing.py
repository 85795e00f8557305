"""The end of a prompt is healed as the library does it; what was written is kept, and the script heals too."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny_seq2seq
from tests.families import build
from workbench.engine import codegen, generate, record
from workbench.engine.errors import NotSupported
from workbench.engine.generate import strategies
from workbench.engine.models import LoadedModel, load
from workbench.engine.sampling import fields
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Branch, Checkpoint, Message, Sampling, Strategy

GREEDY = Sampling(do_sample=False, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=8)
HEAL = Strategy(token_healing=True)


@pytest.fixture(scope="module")
def sure(tiny_llama: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model whose scores are far enough apart that it prefers another token."""
    model = load(build("qwen3", tmp_path_factory.mktemp("healing") / "qwen3", tiny_llama), device="cpu")
    with torch.no_grad():
        model.model.get_input_embeddings().weight *= 20
    return model


def ended(model: LoadedModel) -> str:
    """A prompt whose end heals to something else."""
    assert model.tokenizer is not None
    for text in ("The qui", "The quick b", "The quick brown f", "The l", "The d", "She s", "A b", "The t", "In t"):
        ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
        if model.model.heal_tokens(ids.clone(), model.tokenizer).tolist() != ids.tolist():
            return text
    raise AssertionError("no prompt heals")


def test_a_healed_prompt_gives_the_ids_of_the_library_and_of_the_script(sure: LoadedModel, capsys) -> None:
    text = ended(sure)
    made = generate.run(sure, text, (), GREEDY, strategy=HEAL)
    ids = sure.tokenizer(text, return_tensors="pt")["input_ids"]
    output = sure.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        token_healing=True,
        tokenizer=sure.tokenizer,
        max_new_tokens=8,
        **fields(GREEDY),
    )
    assert [*made.start.encoding.input_ids, *made.ids] == output[0].tolist()
    assert made.start.encoding.input_ids != tuple(ids[0].tolist())
    assert made.start.prompt == text != made.start.encoding.text
    assert made.start.encoding.text.startswith(text[:-1])
    for steps, prefix in ((made.steps, ()), (made.steps[3:], made.ids[:3])):
        source = codegen.generate(
            sure.checkpoint, made.start.prompt, None, GREEDY, sure.dtype, sure.device,
            strategy=HEAL, steps=steps, prefix=prefix,
        )  # fmt: skip
        # The fixture's weights are in memory alone.
        source = source.replace("torch.manual_seed(0)", "model = sure\ntorch.manual_seed(0)")
        healed = source.replace("model.generation_config = Gen", "model = sure\nmodel.generation_config = Gen", 1)
        own = sure.model.generation_config
        names: dict[str, Any] = {"__name__": "__main__", "sure": sure.model}
        exec(compile(healed, "script.py", "exec"), names)
        sure.model.generation_config = own
        assert tuple(names["new_ids"]) == made.ids[len(prefix) :]


def test_a_healed_start_is_kept_in_a_session_file_and_gone_on_with(sure: LoadedModel, tmp_path: Path) -> None:
    made = generate.run(sure, ended(sure), (), GREEDY, strategy=HEAL)
    branch = Branch(0, "main", None, made.start, made.steps, HEAL, sure.checkpoint.name)
    again = record.read(record.save(tmp_path / "one", [branch], Vocabulary(sure.tokenizer))).branches[0]
    assert again.start.unhealed == made.start.unhealed
    assert all(each.equal for each in record.replay(sure, [again], 0))
    on = generate.branch(sure, again.start, again.steps, None, GREEDY, strategy=HEAL)
    assert on.start.encoding.input_ids == made.start.encoding.input_ids, "what was written is not healed once more"


def test_what_ends_well_stays(llama: LoadedModel) -> None:
    made = generate.run(llama, "The quick brown fox", (), GREEDY, strategy=HEAL)
    assert made.start.unhealed == ""
    assert made.ids == generate.run(llama, "The quick brown fox", (), GREEDY).ids


def test_the_checkpoint_s_own_knobs_heal_nothing(sure: LoadedModel) -> None:
    text, own = ended(sure), sure.model.generation_config
    ids = generate.run(sure, text, (), GREEDY, strategy=HEAL).start.encoding.input_ids
    own.do_sample, own.temperature = True, 90.0
    try:
        assert generate.run(sure, text, (), GREEDY, strategy=HEAL).start.encoding.input_ids == ids
        assert sure.model.generation_config is own
    finally:
        own.do_sample, own.temperature = None, None


def test_a_chat_is_left_as_its_template_writes_it(llama: LoadedModel) -> None:
    turns = (Message("user", "The qui"),)
    plain = generate.run(llama, "", turns, GREEDY)
    assert generate.run(llama, "", turns, GREEDY, strategy=HEAL).start == dataclasses.replace(plain.start)


def test_what_can_t_be_healed_says_why(tiny_llama: Checkpoint, tmp_path: Path) -> None:
    t5 = load(tiny_seq2seq.build_tiny_t5(tmp_path / "t5"), head="AutoModelForSeq2SeqLM", device="cpu")
    assert "sequence of its own" in strategies.supports(t5)["healing"]
    with pytest.raises(NotSupported, match="can't generate that way"):
        generate.run(t5, "The qui", (), GREEDY, strategy=HEAL)
    model = load(tiny_llama, device="cpu")
    model.tokenizer.pad_token = None
    assert "no pad_token" in strategies.supports(model)["healing"]
    with pytest.raises(NotSupported, match="can't generate that way"):
        generate.run(model, "The qui", (), GREEDY, strategy=HEAL)
