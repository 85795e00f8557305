"""Two runs on one prompt: each is what it would be alone, and where they part is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import build_tiny_llama
from workbench.engine import codegen, compare, generate, models
from workbench.engine.compare import Side, Sided
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import Distribution
from workbench.engine.task import Silent
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import BeamStep, Checkpoint, Message, Sampling, Start, Step, Strategy, Watermark

PROMPT = "The quick brown fox"
WARM = Sampling(temperature=1.4, top_k=0, top_p=1.0, max_new_tokens=16, seed=4)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """The same vocabulary with other weights, as a fine-tune has."""
    import torch

    checkpoint = build_tiny_llama(tmp_path_factory.mktemp("other"))
    model = models.load(checkpoint)
    torch.manual_seed(7)
    with torch.no_grad():
        for weight in model.model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    model.model.save_pretrained(checkpoint.path)
    return models.load(checkpoint)


class Collector(Silent):
    def __init__(self, most: int | None = None) -> None:
        self.parts: list[Sided] = []
        self.most = most

    def send(self, part: object) -> None:
        assert isinstance(part, Sided)
        self.parts.append(part)
        if self.most is not None and sum(isinstance(each.part, Step) for each in self.parts) >= self.most:
            self.cancelled = True


def ids(parts: list[Sided], side: int) -> list[int]:
    return [each.part.token_id for each in parts if each.side == side and isinstance(each.part, Step)]


def test_each_side_writes_what_it_would_alone(llama: LoadedModel, other: LoadedModel) -> None:
    task = Collector()
    results = compare.run((Side(llama, WARM), Side(other, WARM)), PROMPT, task=task)
    for side, model in enumerate((llama, other)):
        alone = generate.run(model, PROMPT, (), WARM).ids
        assert results[side].ids == alone
        assert ids(task.parts, side) == list(alone)
    assert next(isinstance(each.part, Start) for each in task.parts if each.side == 1)


def test_a_chat_goes_through_the_template(llama: LoadedModel) -> None:
    messages = (Message("user", "Hi"),)
    greedy = replace(WARM, do_sample=False)
    left, right = compare.run((Side(llama, greedy), Side(llama, WARM)), "", messages)
    assert left.ids == generate.run(llama, "", messages, greedy).ids
    assert right.ids == generate.run(llama, "", messages, WARM).ids


def test_a_stop_keeps_what_there_is_and_begins_no_second_side(llama: LoadedModel) -> None:
    task = Collector(most=3)
    (result,) = compare.run((Side(llama, WARM), Side(llama, WARM)), PROMPT, task=task)
    assert len(result.steps) == 3
    assert result.stopped
    assert not ids(task.parts, 1)


def test_the_parting_is_the_first_other_token(llama: LoadedModel, other: LoadedModel) -> None:
    left, right = compare.run((Side(llama, WARM), Side(other, WARM)), PROMPT)
    parting = compare.parting(left.steps, right.steps, ids=True)
    assert parting is not None
    assert parting.first == parting.second
    assert left.ids[: parting.first] == right.ids[: parting.first]
    assert left.ids[parting.first] != right.ids[parting.first]
    assert compare.parting(left.steps, left.steps, ids=True) is None
    shorter = compare.parting(left.steps, left.steps[:4], ids=True)
    assert shorter is not None and shorter.first == 4


def test_with_two_vocabularies_the_text_is_compared(llama: LoadedModel) -> None:
    step = generate.run(llama, PROMPT, (), WARM).steps[0]
    left = [replace(step, text=text) for text in ("The ", "quick ", "fox")]
    right = [replace(step, text=text) for text in ("The qu", "ick d", "og")]
    parting = compare.parting(left, right, ids=False)
    assert parting is not None
    assert (parting.first, parting.second) == (2, 1)


def test_one_vocabulary_is_told_from_two(llama: LoadedModel, other: LoadedModel, tiny_bert: Checkpoint) -> None:
    assert compare.same_vocabulary(llama, other)
    assert compare.same_vocabulary(llama, llama)
    assert not compare.same_vocabulary(llama, models.load(tiny_bert))


def test_the_overlay_holds_both_sides_probabilities_after_their_knobs(llama: LoadedModel, other: LoadedModel) -> None:
    left, right = compare.run((Side(llama, WARM), Side(other, WARM)), PROMPT)
    steps = (left.steps[0], right.steps[0])
    made = tuple(Distribution(step.logits) for step in steps if step.logits is not None)
    words = Vocabulary(llama.tokenizer)
    pairs = compare.overlay((made[0], made[1]), (WARM, WARM), (words, words), ids=True, chosen=(5, 6), count=8)
    chances = [distribution.trace(WARM).probabilities for distribution in made]
    assert 8 <= len(pairs) <= 18
    assert {5, 6} <= {pair.ids[0] for pair in pairs}
    for pair in pairs:
        assert pair.ids[0] == pair.ids[1] is not None
        np.testing.assert_array_equal(pair.probabilities, [each[pair.ids[0]] for each in chances])
    foremost = [max(chance or 0.0 for chance in pair.probabilities) for pair in pairs]
    assert foremost == sorted(foremost, reverse=True)


@pytest.mark.parametrize("chat", [False, True])
def test_the_script_prints_what_the_pane_shows(
    llama: LoadedModel, other: LoadedModel, chat: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = (Side(llama, WARM), Side(other, replace(WARM, do_sample=False)))
    messages = (Message("user", PROMPT),) if chat else ()
    left, right = compare.run(sides, PROMPT, messages)
    names: dict[str, object] = {}
    exec(compile(codegen.compare(sides, PROMPT, chat=chat), "script.py", "exec"), names)
    assert names["first"] == list(left.ids)
    assert names["second"] == list(right.ids)
    parting = compare.parting(left.steps, right.steps, ids=True)
    assert parting is not None
    assert f"they part at token {parting.first + 1}" in capsys.readouterr().out


#: Ways in which a side can be written.
STRATEGIES = {
    "beams": Strategy(num_beams=3, length_penalty=0.4, early_stopping=True),
    "guidance": Strategy(guidance_scale=1.6, negative_prompt="The lazy dog"),
    "lookup": Strategy(prompt_lookup_num_tokens=3),
    "assisted": Strategy(assisted=True, num_assistant_tokens=3),
    "ends": Strategy(eos_token_ids=(5, 9), stop_strings=("zq", "e")),
    "early": Strategy(assistant_early_exit=1, num_assistant_tokens=3),
    "healed": Strategy(token_healing=True),
    "endless": Strategy(eos_token_ids=(), num_beams=2, threads=1),
}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("drawn", [False, True], ids=["greedy", "drawn"])
def test_each_side_writes_by_its_own_strategy_and_the_script_does_too(
    llama: LoadedModel, other: LoadedModel, name: str, drawn: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = replace(WARM, do_sample=drawn)
    if name == "healed":
        knobs = replace(knobs, watermarking_config=Watermark(bias=1.5))
    sides = (Side(llama, knobs, STRATEGIES[name], other), Side(llama, knobs))
    left, right = compare.run(sides, PROMPT, task=(task := Collector()))
    alone = generate.run(llama, PROMPT, (), knobs, strategy=STRATEGIES[name], second=other)
    assert left.ids == alone.ids
    assert right.ids == generate.run(llama, PROMPT, (), knobs).ids
    assert ids(task.parts, 0) == list(left.ids), "its steps are sent"
    beams = [each.part for each in task.parts if isinstance(each.part, BeamStep)]
    assert bool(beams) == (STRATEGIES[name].num_beams > 1)
    names: dict[str, object] = {}
    exec(compile(codegen.compare(sides, PROMPT, chat=False), "script.py", "exec"), names)
    assert names["first"] == list(left.ids)
    assert names["second"] == list(right.ids)


def test_a_side_has_one_text_and_a_guess_only_from_a_model_that_is_free(llama: LoadedModel) -> None:
    wide = Strategy(num_beams=4, num_return_sequences=3, assisted=True)
    assert compare.of_one_text(wide, assisted=False) == Strategy(num_beams=4)
    assert compare.of_one_text(wide, assisted=True) == Strategy(num_beams=4, assisted=True)
    with pytest.raises(InputError, match="num_return_sequences is 3"):
        compare.run((Side(llama, WARM, replace(wide, assisted=False)), Side(llama, WARM)), PROMPT)
