"""The traced distribution is the library's, value for value, and quick enough for a slider."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from tests.tiny_tokenizers import KINDS
from workbench.engine import models, sampling
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.sampling import Distribution, Knobs
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Checkpoint, Logits, Sampling, Situation

OFF = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0)
BEFORE = [3, 5, 5, 900, 41, 7]


def peaked(vocab: int = 1000) -> torch.Tensor:
    return torch.randn(vocab, generator=torch.Generator().manual_seed(1)) * 4


def flat(vocab: int = 1000) -> torch.Tensor:
    return torch.randn(vocab, generator=torch.Generator().manual_seed(2)) * 0.05


def coarse(vocab: int = 1000) -> torch.Tensor:
    """Many equal values, as bfloat16 makes them."""
    return (torch.randn(vocab, generator=torch.Generator().manual_seed(3)) * 2).round()


def banned(vocab: int = 1000) -> torch.Tensor:
    """Some tokens ruled out by the model itself, the most probable one of them too."""
    logits = peaked(vocab)
    logits[::3] = -torch.inf
    logits[logits.argmax()] = -torch.inf
    return logits


def equal(vocab: int = 1000) -> torch.Tensor:
    return torch.zeros(vocab)


ROWS = (peaked, flat, coarse, banned, equal)
SETTINGS = [
    OFF,
    *(replace(OFF, temperature=value) for value in (0.05, 0.7, 1.3, 5.0)),
    *(replace(OFF, top_k=value) for value in (1, 7, 400, 5000)),
    *(replace(OFF, top_p=value) for value in (0.0, 0.3, 0.95, 0.999)),
    *(replace(OFF, min_p=value) for value in (0.05, 0.5, 1.0)),
    *(replace(OFF, repetition_penalty=value) for value in (0.5, 1.2, 3.0)),
    *(
        Sampling(temperature=t, top_k=k, top_p=p, min_p=m, repetition_penalty=r)
        for t, k, p, m, r in itertools.product((0.7, 1.5), (0, 40), (0.5, 0.9), (0.0, 0.1), (1.0, 1.3))
    ),
]


def library(logits: torch.Tensor, knobs: Sampling) -> torch.Tensor:
    """Scores after the library's own processors, in its own order."""
    processors = LogitsProcessorList()
    if knobs.repetition_penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(knobs.repetition_penalty))
    if knobs.temperature != 1.0:
        processors.append(TemperatureLogitsWarper(knobs.temperature))
    if knobs.top_k:
        processors.append(TopKLogitsWarper(knobs.top_k))
    if knobs.top_p < 1.0:
        processors.append(TopPLogitsWarper(knobs.top_p))
    if knobs.min_p > 0.0:
        processors.append(MinPLogitsWarper(knobs.min_p))
    return processors(torch.tensor([BEFORE]), logits[None].clone())[0]


def distribution(logits: torch.Tensor) -> Distribution:
    return Distribution(Logits(logits.numpy().copy(), "float32"), BEFORE)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    "knobs", SETTINGS, ids=lambda s: f"{s.temperature}-{s.top_k}-{s.top_p}-{s.min_p}-{s.repetition_penalty}"
)
def test_every_probability_is_the_librarys(row, knobs):
    logits = row()
    scores = library(logits, knobs)
    trace = distribution(logits).trace(knobs)
    np.testing.assert_allclose(trace.probabilities, scores.softmax(-1).numpy(), atol=1e-6, rtol=0)
    assert np.array_equal(trace.probabilities > 0, (scores.softmax(-1) > 0).numpy()), (
        "another set of tokens is possible"
    )
    assert trace.kept == int((scores > -torch.inf).sum())


@pytest.mark.parametrize("row", ROWS)
def test_moving_one_knob_after_another_gives_what_a_fresh_distribution_gives(row):
    logits = row()
    moved = distribution(logits)
    for knobs in SETTINGS:
        assert np.array_equal(moved.trace(knobs).probabilities, distribution(logits).trace(knobs).probabilities), knobs


def test_a_full_vocabulary_in_bfloat16_keeps_the_librarys_ties(subtests):
    logits = (torch.randn(151_936, generator=torch.Generator().manual_seed(4)) * 2.5).bfloat16().float()
    traced = distribution(logits)
    for temperature, top_k, top_p in itertools.product((0.3, 0.7, 1.0, 2.0), (0, 50, 3000), (0.5, 0.9, 0.99)):
        knobs = replace(OFF, temperature=temperature, top_k=top_k, top_p=top_p)
        with subtests.test(knobs=knobs):
            scores = library(logits, knobs)
            trace = traced.trace(knobs)
            assert np.array_equal(trace.cut == 0, (scores > -torch.inf).numpy())
            np.testing.assert_allclose(trace.probabilities, scores.softmax(-1).numpy(), atol=1e-6, rtol=0)


def test_the_model_builds_the_same_processors(tiny_llama: Checkpoint):
    """The order above is the one generate() uses: temperature, top-k, top-p, min-p behind the repetition penalty."""
    from transformers import GenerationConfig

    model = models.load(tiny_llama).model
    config = GenerationConfig(do_sample=True, temperature=0.7, top_k=40, top_p=0.9, min_p=0.1, repetition_penalty=1.3)
    made = model._get_logits_processor(config, input_ids_seq_length=3, device="cpu", model_kwargs={})
    assert [type(processor) for processor in made] == [
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
        MinPLogitsWarper,
    ]


def test_greedy_leaves_one_token_and_only_the_repetition_penalty_acts():
    logits = torch.zeros(10)
    logits[3], logits[4] = 2.0, 1.5
    trace = distribution(logits).trace(Sampling(do_sample=False, repetition_penalty=2.0, top_k=1, temperature=0.1))
    assert trace.probabilities.argmax() == 4
    assert trace.probabilities.sum() == 1.0
    assert (trace.kept, trace.entropy, trace.cut_by(3), trace.cut_by(4)) == (1, 0.0, "greedy", None)


def test_each_knob_states_what_it_removed_of_what_it_was_handed():
    logits = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.06, 0.04]))
    trace = distribution(logits).trace(replace(OFF, top_k=4, top_p=0.9, min_p=0.6))
    assert [trace.cut_by(token) for token in range(5)] == [None, None, "min_p", "top_p", "top_k"]
    assert trace.removed["top_k"] == pytest.approx(0.04)
    assert trace.removed["top_p"] == pytest.approx(0.06 / 0.96)
    assert trace.removed["min_p"] == pytest.approx(0.2 / 0.9)
    assert trace.removed_count == {"top_k": 1, "top_p": 1, "min_p": 1}
    assert trace.kept == 2
    assert trace.possible(1)
    assert not trace.possible(2)


def test_knobs_that_are_off_remove_nothing_and_are_not_listed():
    trace = distribution(peaked()).trace(OFF)
    assert trace.removed == {}
    assert trace.kept == 1000
    assert np.array_equal(trace.probabilities, distribution(peaked()).probabilities)


def test_entropy_is_in_bits():
    assert distribution(equal(1024)).entropy == pytest.approx(10.0, abs=1e-5)
    assert distribution(equal(1024)).trace(replace(OFF, top_k=0, top_p=0.5)).entropy == pytest.approx(9.0, abs=0.01)


def test_candidates_come_in_order_with_both_probabilities():
    logits = torch.log(torch.tensor([0.05, 0.5, 0.25, 0.1, 0.1]))
    rows = distribution(logits).top(4, replace(OFF, top_k=2), None)
    assert [row.id for row in rows] == [1, 2, 3, 4]
    assert [row.rank for row in rows] == [1, 2, 3, 3]
    assert [row.cut_by for row in rows] == [None, None, "top_k", "top_k"]
    assert rows[0].probability == pytest.approx(0.5)
    assert rows[0].after == pytest.approx(2 / 3)
    assert rows[2].after == 0.0


def test_small_probabilities_stay_what_they_are():
    """Peers print 0.00 % or < 0.01 % for them: the value itself must be there."""
    logits = torch.full((1000,), -8.0)
    logits[0] = 0.0
    row = distribution(logits).top(2, OFF, None)[1]
    assert row.probability == pytest.approx(float(torch.softmax(logits.double(), -1)[1]), rel=1e-5)
    assert 0.0002 < row.probability < 0.0004


def test_spellings_read_as_in_a_text(tiny_llama: Checkpoint):
    tokenizer = models.load(tiny_llama).tokenizer
    ids = tokenizer(" fox é", add_special_tokens=False)["input_ids"]
    parts = Vocabulary(tokenizer).spell(ids)
    assert parts[0].startswith(" ")
    assert "Ġ" not in "".join(parts)
    assert parts[-2:] == ["<0xC3>", "<0xA9>"]
    assert Vocabulary(tokenizer).spell([2, 999_999]) == ["<|im_end|>", ""]


@pytest.mark.parametrize(
    ("kind", "piece"),
    [("slow_bytes", "Ã"), ("byte_fallback_as_it_stands", "<0xC3>"), ("slow_sentence_piece_byte_fallback", "<0xC3>")],
)
def test_a_part_of_a_character_is_spelled_in_bytes(kind: str, piece: str):
    tokenizer = KINDS[kind]()
    assert Vocabulary(tokenizer).spell([tokenizer.convert_tokens_to_ids(piece)]) == ["<0xC3>"]


@pytest.mark.parametrize("value", [torch.nan, -torch.inf])
def test_logits_that_are_no_numbers_are_refused(value):
    with pytest.raises(NotSupported, match="no next-token distribution"):
        distribution(torch.full((5,), value)).trace(OFF)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_p": 1.5},
        {"min_p": -0.1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": float("inf")},
        {"encoder_repetition_penalty": float("nan")},
        {"max_new_tokens": 0},
        {"seed": -1},
    ],
)
def test_a_knob_out_of_range_is_named_and_the_holder_keeps_its_value(change):
    knobs = Knobs(Sampling())
    with pytest.raises(InputError, match=next(iter(change))):
        knobs.current = replace(Sampling(), **change)
    assert knobs.current == Sampling()


def test_whole_numbers_become_what_the_library_insists_on():
    assert isinstance(sampling.check(Sampling(temperature=1)).temperature, float)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_logits_are_kept_with_every_bit(dtype):
    row = torch.randn(500, generator=torch.Generator().manual_seed(5)).to(dtype)
    kept = sampling.keep(row.float(), str(dtype).removeprefix("torch."))
    assert np.array_equal(kept.float32(), row.float().numpy())
    assert kept.nbytes == 500 * row.element_size()


def test_logits_that_the_narrow_type_cannot_hold_stay_wide():
    row = torch.tensor([1.0, 1.0 + 2**-20])
    kept = sampling.keep(row, "bfloat16")
    assert kept.dtype == "float32"
    assert np.array_equal(kept.float32(), row.numpy())


def test_a_slider_move_over_151_936_entries_takes_milliseconds():
    """The bar of the pane is 16 ms with the repaint; `make bench` measures the figure, this notices a blunder."""
    logits = (torch.randn(151_936, generator=torch.Generator().manual_seed(6)) * 3).bfloat16().float()
    traced = distribution(logits)
    traced.trace(Sampling())
    took = []
    for move in range(30):
        knobs = Sampling(temperature=0.5 + move / 40, top_p=0.99 - move / 100)
        began = time.perf_counter()
        traced.top(50, knobs, None)
        took.append(time.perf_counter() - began)
    assert sorted(took)[15] < 0.02


def test_in_beam_search_no_step_is_greedy_by_itself() -> None:
    values = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    greedy = Sampling(do_sample=False, repetition_penalty=1.2)
    made = Distribution(Logits(values, "float32"), Situation((1, 2), 2, beams=4)).trace(greedy)
    assert [act.name for act in made.acts] == ["repetition_penalty"]
    assert made.kept == values.size
    np.testing.assert_allclose(made.probabilities.sum(), 1, rtol=1e-5)
