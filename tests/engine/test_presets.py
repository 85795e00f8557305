"""The checkpoint's own knobs are what plain generate() runs with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests import tiny_seq2seq
from workbench.engine import generate, models
from workbench.engine.models import LoadedModel
from workbench.engine.presets import UNSET, of_checkpoint
from workbench.engine.values import Checkpoint, Sampling, Strategy


@pytest.fixture
def model(tiny_llama: Checkpoint) -> LoadedModel:
    return models.load(tiny_llama)


def config(model: LoadedModel, **values: Any) -> None:
    for name, value in values.items():
        setattr(model.model.generation_config, name, value)


def test_a_config_that_sets_nothing_is_the_library_as_it_is(model: LoadedModel) -> None:
    assert of_checkpoint(model) == (UNSET, Strategy())
    from transformers import GenerationConfig

    usual = GenerationConfig._get_default_generation_params()
    stated = {name for name in Sampling.__slots__ if usual.get(name) is not None}
    assert len(stated) >= 8
    assert {name: getattr(UNSET, name) for name in stated} == {name: usual[name] for name in stated}


def test_exactly_the_fields_it_sets_are_taken(model: LoadedModel) -> None:
    config(model, do_sample=True, temperature=0.6, top_p=0.9, max_new_tokens=77, stop_strings="###", num_beams=3)
    sampling, strategy = of_checkpoint(model)
    assert sampling == replace(UNSET, do_sample=True, temperature=0.6, top_p=0.9, max_new_tokens=77)
    assert strategy == Strategy(stop_strings=("###",), num_beams=3)


def test_lists_and_pairs_become_the_knobs_values(model: LoadedModel) -> None:
    config(
        model,
        bad_words_ids=[[5, 6], [7]],
        sequence_bias=[[[1, 2], 2.0]],
        suppress_tokens=[9],
        forced_eos_token_id=[2],
        exponential_decay_length_penalty=(3, 1.1),
        early_stopping="never",
    )
    sampling, strategy = of_checkpoint(model)
    assert sampling == replace(
        UNSET,
        bad_words_ids=((5, 6), (7,)),
        sequence_bias=(((1, 2), 2.0),),
        suppress_tokens=(9,),
        forced_eos_token_id=2,
        exponential_decay_length_penalty=(3, 1.1),
    )
    assert strategy.early_stopping == "never"


def test_what_is_out_of_range_or_no_number_is_left_out(model: LoadedModel) -> None:
    config(model, temperature=0.0, top_k=-1, top_p="much", suppress_tokens="x", repetition_penalty=1.2)
    assert of_checkpoint(model)[0] == replace(UNSET, repetition_penalty=1.2)


@pytest.mark.parametrize(
    "values",
    [
        {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2},
        {"do_sample": True, "temperature": 1.3, "top_k": 20, "min_p": 0.01},
        {"bad_words_ids": [[283], [284]], "suppress_tokens": [290, 291]},
    ],
    ids=["penalties", "sampling", "words"],
)
def test_the_ids_are_those_of_plain_generate(model: LoadedModel, values: dict[str, Any]) -> None:
    import torch

    config(model, max_new_tokens=16, **values)
    encoding = generate.prepare(model, "The quick brown")
    sampling, _ = of_checkpoint(model)
    steps = generate.stream(model, encoding, replace(sampling, seed=3)).steps
    torch.manual_seed(3)
    prompt = torch.tensor([encoding.input_ids])
    plain = model.model.generate(prompt, attention_mask=torch.ones_like(prompt))
    assert [step.token_id for step in steps] == plain[0, prompt.shape[1] :].tolist()


#: What real files of these families say, with the ids of the tiny tokenizer; lengths are shortened.
TRANSLATORS: dict[str, dict[str, Any]] = {
    "Marian": {"num_beams": 4, "bad_words_ids": [[0]], "forced_eos_token_id": 2, "decoder_start_token_id": 0},
    "Pegasus": {"num_beams": 8, "length_penalty": 0.8, "forced_eos_token_id": 2, "decoder_start_token_id": 0},
    "MBart": {"num_beams": 5, "early_stopping": True, "forced_eos_token_id": 2, "decoder_start_token_id": 7,
              "forced_bos_token_id": 9},
    "Bart": {"num_beams": 4, "early_stopping": True, "forced_eos_token_id": 2, "decoder_start_token_id": 2,
             "forced_bos_token_id": 0, "length_penalty": 2.0, "min_length": 9, "no_repeat_ngram_size": 3},
}  # fmt: skip


@pytest.fixture(scope="module", params=TRANSLATORS)
def translator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    import transformers

    family = request.param
    folder = tmp_path_factory.mktemp("translators") / family
    kind = getattr(transformers, f"{family}Config")
    config = kind(
        vocab_size=384, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=TRANSLATORS[family]["decoder_start_token_id"],
    )  # fmt: skip
    made = getattr(transformers, "MarianMTModel" if family == "Marian" else f"{family}ForConditionalGeneration")
    checkpoint = tiny_seq2seq.saved(f"tiny-{family}", made, config, tiny_seq2seq.ended_tokenizer(), folder)
    transformers.GenerationConfig(
        **TRANSLATORS[family], max_length=20, bos_token_id=1, eos_token_id=2, pad_token_id=0
    ).save_pretrained(folder)
    return models.load(checkpoint, head="AutoModelForSeq2SeqLM", device="cpu")


def test_from_the_checkpoint_is_plain_generate_for_families_that_force_the_end(translator: LoadedModel) -> None:
    sampling, strategy = of_checkpoint(translator)
    own = translator.model.generation_config
    assert sampling.forced_eos_token_id == 2
    assert sampling.max_new_tokens == 19
    assert strategy.num_beams == own.num_beams > 1
    cut = 0
    for text in ("The quick brown fox", "A tokenizer cuts a text.", "Berlin, Germany", "What", "of the city, of the"):
        for beams in (own.num_beams, 1):
            start = generate.inputs.prepare_start(translator, text)
            given = generate.inputs.inputs(translator, start).kwargs
            prompt = {name: given[name] for name in ("input_ids", "attention_mask")}
            plain = translator.model.generate(**prompt, num_beams=beams)[0, 1:].tolist()
            made = generate.stream(translator, start, sampling, strategy=replace(strategy, num_beams=beams))
            assert list(made.ids) == plain
            cut += len(plain) == 19
            assert plain[-1] == 2
    assert cut, "none was long enough for the end to be forced"


def test_a_forced_end_is_a_knob_and_off_where_nobody_sets_it(translator: LoadedModel) -> None:
    start = generate.inputs.prepare_start(translator, "The quick brown fox")
    greedy = Sampling(do_sample=False, max_new_tokens=6)
    without = generate.stream(translator, start, greedy)
    forced = generate.stream(translator, start, replace(greedy, forced_eos_token_id=2))
    assert forced.ids == (*without.ids[:5], 2)
    assert without.ids[-1] != 2
