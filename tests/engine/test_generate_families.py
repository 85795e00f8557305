"""Whatever the family: ids of plain generate(), and branches that read the same with and without the kept cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests import families
from workbench.engine import generate, models
from workbench.engine.errors import NotSupported
from workbench.engine.generate import KeptCache, strategies
from workbench.engine.models import LoadedModel
from workbench.engine.sampling import fields
from workbench.engine.values import Checkpoint, Message, Sampling, Strategy, Watermark

PROMPT = "The quick brown fox jumps over the lazy dog."
TURNS = (Message("user", "Who are you?"), Message("assistant", "A fox."), Message("user", "And how quick?"))
PENALTIES = {
    "repetition_penalty": 1.4,
    "no_repeat_ngram_size": 3,
    "min_new_tokens": 8,
    "bad_words_ids": ((35,), (40, 41)),
    "sequence_bias": (((50,), 2.5), ((51, 52), -3.0)),
    "suppress_tokens": (60, 61),
    "begin_suppress_tokens": (70,),
    "exponential_decay_length_penalty": (10, 1.05),
    "forced_eos_token_id": 2,
}
SETTINGS = {
    "greedy": Sampling(do_sample=False),
    "sampling": Sampling(temperature=1.2, top_k=60, top_p=0.95, seed=5),
    "greedy with penalties": Sampling(do_sample=False, **PENALTIES),
    "sampling with everything": Sampling(
        temperature=1.3, top_h=0.9, top_k=50, top_p=0.97, min_p=0.01, typical_p=0.95, epsilon_cutoff=1e-4,
        eta_cutoff=1e-4, renormalize_logits=True, seed=6, **PENALTIES,
    ),
    "marked": Sampling(temperature=1.2, top_k=60, seed=7, watermarking_config=Watermark(bias=1.5)),
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tiny_llama: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LoadedModel]:
    folder = tmp_path_factory.mktemp("families")
    known: dict[str, LoadedModel] = {}

    def build(name: str) -> LoadedModel:
        if name not in known:
            known[name] = models.load(families.build(name, folder / name, tiny_llama))
        return known[name]

    return build


@pytest.fixture(params=families.FAMILIES)
def family(request: pytest.FixtureRequest, built: Callable[[str], LoadedModel]) -> LoadedModel:
    return built(request.param)


def plain(model: LoadedModel, ids: list[int], knobs: Sampling) -> list[int]:
    """What a script gets that knows nothing of the workbench."""
    torch.manual_seed(knobs.seed)
    output = model.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=knobs.max_new_tokens,
        **fields(knobs),
    )
    return output[0, len(ids) :].tolist()


@pytest.mark.parametrize("name", SETTINGS)
def test_ids_are_those_of_plain_generate(family: LoadedModel, name: str):
    knobs = replace(SETTINGS[name], max_new_tokens=24)
    made = generate.run(family, PROMPT, (), knobs)
    assert list(made.ids) == plain(family, list(made.start.encoding.input_ids), knobs)


def test_beams_are_those_of_plain_generate_or_say_why_they_can_t_be(family: LoadedModel):
    knobs, strategy = Sampling(do_sample=False, max_new_tokens=12), Strategy(num_beams=3)
    if why := strategies.supports(family)["beams"]:
        assert "keeps a state" in why
        with pytest.raises(NotSupported):
            generate.run(family, PROMPT, (), knobs, strategy=strategy)
        return
    made = generate.run(family, PROMPT, (), knobs, strategy=strategy)
    ids = torch.tensor([made.start.encoding.input_ids])
    mask = torch.ones_like(ids)
    output = family.model.generate(ids, attention_mask=mask, num_beams=3, max_new_tokens=12, **fields(knobs))
    new = output[0, ids.shape[1] :].tolist()
    assert list(made.ids) == new[: len(made.ids)]
    assert set(new[len(made.ids) :]) <= {0}, "padding behind a shorter text"


def test_a_chat_has_the_ids_of_plain_generate(family: LoadedModel):
    knobs = replace(SETTINGS["sampling"], max_new_tokens=16)
    made = generate.run(family, "", TURNS, knobs)
    ids = family.tokenizer.apply_chat_template(
        [{"role": turn.role, "content": turn.content} for turn in TURNS], add_generation_prompt=True
    )["input_ids"]
    assert list(made.ids) == plain(family, ids, knobs)


@pytest.mark.parametrize("name", ["greedy", "sampling with everything"])
def test_a_branch_has_the_ids_of_plain_generate_with_and_without_the_kept_cache(family: LoadedModel, name: str):
    knobs = replace(SETTINGS[name], max_new_tokens=24)
    kept = KeptCache()
    made = generate.run(family, PROMPT, (), knobs, kept=kept)
    steps = made.steps[:9]
    forced = next(token_id for token_id in range(100, 200) if token_id != made.ids[9])
    handed = [*made.start.context_ids, *(step.token_id for step in steps), forced]
    expected = plain(family, handed, knobs)
    read: list[int] = []
    name = family.checkpoint.name.removeprefix("tiny-")
    for holder in (kept, kept, None):
        read.clear()
        with family.model.register_forward_pre_hook(
            lambda _, __, given: read.append(given["input_ids"].shape[1]), with_kwargs=True
        ):
            branch = generate.branch(family, made.start, steps, forced, knobs, kept=holder)
        assert (read[0] < len(handed)) == (holder is not None and name in families.CUTTABLE)
        assert list(branch.ids) == expected
        assert [step.index for step in branch.steps] == list(range(10, 10 + len(branch.steps)))
        assert branch.start.kept == 10


def test_only_caches_that_can_be_cut_are_kept(built: Callable[[str], LoadedModel]):
    for name in families.FAMILIES:
        kept = KeptCache()
        generate.run(built(name), PROMPT, (), Sampling(do_sample=False, max_new_tokens=16), kept=kept)
        assert (kept.nbytes > 0) == (name in families.CUTTABLE), name


@pytest.mark.parametrize("name", sorted(families.SLIDING))
def test_a_sliding_window_that_is_not_full_can_be_cut(built: Callable[[str], LoadedModel], name: str):
    model = built(name)
    knobs = Sampling(do_sample=False, max_new_tokens=5)
    kept = KeptCache()
    made = generate.run(model, "a", (), knobs, kept=kept)
    assert kept.nbytes
    expected = plain(model, [*made.start.context_ids, *made.ids[:2], 100], replace(knobs, max_new_tokens=20))
    for holder in (kept, None):
        branch = generate.branch(model, made.start, made.steps[:2], 100, replace(knobs, max_new_tokens=20), kept=holder)
        assert list(branch.ids) == expected
