"""The trace names every act in the library's order, what each removed, and why a token is gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, TopPLogitsWarper, TypicalLogitsWarper

from workbench.engine import models
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.sampling import NEUTRAL, Distribution, Trace, acting, check, fields, processors
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Checkpoint, Logits, Sampling, Situation

BEFORE = (7, 8, 9, 7, 8)
ALL = Sampling(
    temperature=0.8,
    top_h=0.9,
    top_k=30,
    top_p=0.9,
    min_p=0.01,
    typical_p=0.95,
    epsilon_cutoff=1e-4,
    eta_cutoff=1e-3,
    repetition_penalty=1.2,
    no_repeat_ngram_size=3,
    min_new_tokens=4,
    bad_words_ids=((3,), (8, 4)),
    sequence_bias=(((5,), 1.5), ((8, 6), -2.0)),
    suppress_tokens=(10,),
    begin_suppress_tokens=(11,),
    forced_bos_token_id=12,
    forced_eos_token_id=13,
    exponential_decay_length_penalty=(2, 1.1),
    encoder_repetition_penalty=1.3,
    encoder_no_repeat_ngram_size=2,
    remove_invalid_values=True,
    renormalize_logits=True,
)
ORDER = (
    "sequence_bias",
    "encoder_repetition_penalty",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "bad_words_ids",
    "min_new_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "remove_invalid_values",
    "exponential_decay_length_penalty",
    "suppress_tokens",
    "begin_suppress_tokens",
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
    "renormalize_logits",
)


def falling(size: int = 20) -> torch.Tensor:
    """Token 0 is the most probable, and each next one half as probable."""
    return -torch.arange(size, dtype=torch.float32) * float(np.log(2))


def row(values: torch.Tensor | list[float]) -> Logits:
    return Logits(torch.as_tensor(values, dtype=torch.float32).numpy().copy(), "float32")


def trace(sampling: Sampling, situation: Situation | tuple[int, ...] = BEFORE, logits: Logits | None = None) -> Trace:
    return Distribution(logits or row(falling()), situation).trace(sampling)


def test_the_order_is_that_of_the_model_that_runs(tiny_llama: Checkpoint):
    model = models.load(tiny_llama)
    made = processors(model, ALL, 3, (2,), encoder_ids=(1, 2, 3))
    assert acting(ALL) == ORDER
    assert len(made) == len(ORDER)
    acts = trace(ALL, Situation(BEFORE, 3, (2,), (1, 2, 3))).acts
    assert tuple(act.name for act in acts) == ORDER
    config = GenerationConfig(**fields(replace(ALL, encoder_repetition_penalty=1.0, encoder_no_repeat_ngram_size=0)))
    config._eos_token_tensor, config.max_length = torch.tensor([2]), 3 + ALL.max_new_tokens
    bare = model.model._get_logits_processor(config, input_ids_seq_length=3, device="cpu", model_kwargs={})
    assert [type(one) for one in made if "Encoder" not in type(one).__name__] == [type(one) for one in bare]


def test_what_is_off_is_left_out_of_the_fields_but_for_what_generate_would_fill_in():
    assert fields(NEUTRAL) == {
        "do_sample": True,
        "repetition_penalty": 1.0,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
    }
    assert (
        fields(replace(ALL, do_sample=False, suppress_tokens=(), bad_words_ids=()))
        .keys()
        .isdisjoint(
            {"temperature", "top_k", "top_p", "min_p", "typical_p", "top_h", "suppress_tokens", "bad_words_ids"}
        )
    )
    assert fields(ALL)["sequence_bias"] == [[[5], 1.5], [[8, 6], -2.0]]
    assert fields(ALL)["bad_words_ids"] == [[3], [8, 4]]


def test_knobs_that_need_what_is_not_there_are_left_out():
    """No encoder, no end token, and banned words that are all end tokens, which the library spares."""
    made = trace(replace(ALL, bad_words_ids=((3,),)), Situation(BEFORE, 3))
    absent = {"encoder_repetition_penalty", "encoder_no_repeat_ngram_size", "min_new_tokens"}
    assert absent | {"exponential_decay_length_penalty"} == set(ORDER) - {act.name for act in made.acts}
    assert trace(replace(NEUTRAL, bad_words_ids=((3,),)), Situation(BEFORE, 3, (3,))).acts == ()


@pytest.mark.parametrize(
    ("change", "situation", "token", "words"),
    [
        ({"top_k": 3}, BEFORE, 5, "cut by top_k: rank 6, and only 3 are kept"),
        ({"top_k": 1}, BEFORE, 1, "cut by top_k: rank 2, and only 1 is kept"),
        ({"top_p": 0.8}, BEFORE, 3, "cut by top_p: the tokens above it already hold 87.5 %"),
        ({"min_p": 0.2}, BEFORE, 3, "cut by min_p: 6.25 % is below 0.2 × 50 %"),
        ({"epsilon_cutoff": 0.1}, BEFORE, 3, "cut by epsilon_cutoff: 6.25 % is below 10 %"),
        ({"bad_words_ids": ((4,),)}, BEFORE, 4, "banned by bad_words_ids"),
        (
            {"bad_words_ids": ((7, 8, 4),)},
            BEFORE,
            4,
            "banned by bad_words_ids: it would complete a banned sequence of 3 tokens",
        ),
        ({"sequence_bias": (((4,), -np.inf),)}, BEFORE, 4, "banned by sequence_bias"),
        (
            {"no_repeat_ngram_size": 3},
            BEFORE,
            9,
            "cut by no_repeat_ngram_size: it would repeat a sequence of 3 tokens",
        ),
        (
            {"encoder_no_repeat_ngram_size": 2},
            Situation(BEFORE, 2, (), (8, 4)),
            4,
            "cut by encoder_no_repeat_ngram_size: it would repeat a sequence of 2 tokens of the encoder's input",
        ),
        (
            {"min_new_tokens": 5},
            Situation(BEFORE, 2, (6,)),
            6,
            "cut by min_new_tokens: the text may end after 5 new tokens, and has 3",
        ),
        ({"suppress_tokens": (6,)}, BEFORE, 6, "banned by suppress_tokens"),
        ({"begin_suppress_tokens": (6,)}, BEFORE, 6, "banned by begin_suppress_tokens: it may not come first"),
        (
            {"forced_bos_token_id": 4},
            Situation((1,), 1),
            0,
            "cut by forced_bos_token_id: token 4 is forced as the first one",
        ),
        (
            {"forced_eos_token_id": 4, "max_new_tokens": 4},
            Situation(BEFORE, 2),
            0,
            "cut by forced_eos_token_id: token 4 is forced as the last of 4",
        ),
        ({"do_sample": False}, BEFORE, 2, "cut by greedy: rank 3, and the first is taken"),
        ({"temperature": 1e-37, "top_k": 1}, BEFORE, 9, "cut by top_k: rank 10, and only 1 is kept"),
        (
            {"suppress_tokens": (6,), "remove_invalid_values": True},
            BEFORE,
            6,
            "banned by suppress_tokens",
        ),
        (
            {"bad_words_ids": ((6,),), "remove_invalid_values": True},
            BEFORE,
            6,
            "banned by bad_words_ids; remove_invalid_values gave it the lowest number instead of −∞",
        ),
    ],
)
def test_a_cut_is_explained_with_its_numbers(change, situation, token, words):
    made = trace(replace(NEUTRAL, **change), situation)
    assert made.why(token) == words
    assert not made.possible(token)


def test_the_entropy_knobs_are_explained_in_bits():
    typical = trace(replace(NEUTRAL, typical_p=0.2))
    assert typical.cut_by(0) == "typical_p"
    assert typical.why(0).startswith("cut by typical_p: its surprise of 1 bits is 1 off the expected 2, and the tokens")
    h = trace(replace(NEUTRAL, top_h=0.4))
    assert h.why(2).startswith("cut by top_h: the tokens down to it carry ")
    assert "of 2 bits of entropy, and 0.4 of them is the limit" in h.why(2)
    far = trace(replace(NEUTRAL, top_h=0.9), logits=row(-torch.arange(150) / 100))
    assert far.why(149) == "cut by top_h: rank 150, and only the first 100 are looked at"
    eta = trace(replace(NEUTRAL, eta_cutoff=0.1))
    assert eta.why(9).endswith("the limit at 2 bits of entropy")


def test_what_the_model_rules_out_or_rounds_away_is_not_blamed_on_a_knob():
    logits = falling()
    logits[3], logits[4] = -torch.inf, -1000.0
    made = trace(NEUTRAL, logits=row(logits))
    assert (made.cut_by(3), made.why(3)) == (None, "ruled out by the model itself: its logit is −∞")
    assert (made.cut_by(4), made.why(4)) == (None, "so improbable that its probability rounds to 0")


def test_every_act_states_what_it_removed_and_what_it_moved():
    made = trace(replace(NEUTRAL, sequence_bias=(((5,), 1.0),), suppress_tokens=(0,), temperature=0.5, top_k=2))
    bias, suppressed, temperature, top_k = made.acts
    assert (bias.removed_count, bias.changed) == (0, 1)
    assert (suppressed.removed_count, suppressed.changed) == (1, 0)
    assert suppressed.removed == pytest.approx(0.5, abs=0.02)
    assert (temperature.removed_count, temperature.changed) == (0, 19)
    assert (top_k.removed_count, top_k.changed) == (17, 0)
    assert made.removed_count == {"suppress_tokens": 1, "top_k": 17}
    assert made.removed.keys() == {"suppress_tokens", "top_k"}


def test_a_candidate_has_a_score_after_each_act_and_stands_where_it_stood_before_it_was_banned():
    sampling = replace(NEUTRAL, bad_words_ids=((1,),), temperature=0.5, top_k=2)
    rows = Distribution(row(falling()), BEFORE).top(4, sampling, None)
    assert [one.id for one in rows] == [0, 1, 2, 3]
    ln2 = float(np.log(2))
    assert rows[1].scores == (-np.inf, -np.inf, -np.inf)
    assert rows[2].scores == pytest.approx((-2 * ln2, -4 * ln2, -4 * ln2))
    assert rows[3].scores == pytest.approx((-3 * ln2, -6 * ln2, -np.inf))
    assert [one.why for one in rows] == ["", "banned by bad_words_ids", "", "cut by top_k: rank 3, and only 2 are kept"]


def test_a_forced_token_comes_first_among_the_candidates():
    sampling = replace(NEUTRAL, forced_bos_token_id=9, renormalize_logits=True)
    rows = Distribution(row(falling()), (1,)).top(3, sampling, None)
    assert [one.id for one in rows] == [9, 0, 1]
    assert [one.after for one in rows] == [1.0, 0.0, 0.0]


def test_any_token_can_be_asked_for_alone(tiny_llama: Checkpoint):
    distribution = Distribution(row(falling()), BEFORE)
    vocabulary = Vocabulary(models.load(tiny_llama).tokenizer)
    sampling = replace(NEUTRAL, top_k=3)
    assert distribution.candidate(2, sampling, vocabulary) == distribution.top(3, sampling, vocabulary)[2]


def test_more_candidates_than_tokens_are_all_of_them():
    assert len(Distribution(row(falling()), BEFORE).top(500, NEUTRAL, None)) == 20


def test_of_many_equal_scores_the_lowest_ids_are_listed_first():
    rows = Distribution(row(torch.zeros(1000)), BEFORE).top(5, NEUTRAL, None)
    assert [one.id for one in rows] == [0, 1, 2, 3, 4]


def test_guidance_is_the_first_act_and_the_knobs_act_on_what_it_made():
    distribution = Distribution(row(falling()), BEFORE, guided=row(falling().flip(0)))
    made = distribution.trace(replace(NEUTRAL, top_k=1))
    assert [act.name for act in made.acts] == ["guidance_scale", "top_k"]
    assert made.possible(19)
    assert distribution.rank(0) == 1, "the rank is the model's own"
    assert [one.id for one in distribution.top(2, NEUTRAL, None)] == [19, 18]


@pytest.mark.parametrize("do_sample", [True, False])
@pytest.mark.parametrize("change", [{}, {"top_h": 0.5, "top_k": 3, "top_p": 0.5, "eta_cutoff": 0.1, "typical_p": 0.5}])
def test_when_every_token_is_cut_the_trace_says_so(do_sample, change):
    sampling = replace(NEUTRAL, do_sample=do_sample, suppress_tokens=tuple(range(20)), **change)
    distribution = Distribution(row(falling()), BEFORE)
    made = distribution.trace(sampling)
    assert (made.kept, made.entropy, made.probabilities.any()) == (0, 0.0, np.False_)
    assert distribution.top(1, sampling, None)[0].why == "banned by suppress_tokens"


def test_values_that_are_no_numbers_are_mended_when_that_is_asked_for():
    logits = row([torch.nan, 1.0, -torch.inf, 0.5])
    with pytest.raises(NotSupported, match="NaN"):
        trace(NEUTRAL, logits=logits)
    made = trace(replace(NEUTRAL, remove_invalid_values=True), (1,), logits)
    assert made.probabilities.tolist() == pytest.approx(torch.tensor([0.0, 1.0, -1e38, 0.5]).softmax(0).tolist())
    assert [act.name for act in made.acts] == ["remove_invalid_values"]


def test_a_knob_that_makes_numbers_too_large_is_named():
    with pytest.raises(NotSupported, match="temperature leaves no next-token distribution"):
        trace(replace(NEUTRAL, temperature=1e-38), logits=row(falling() + 30))
    with pytest.raises(InputError, match="exponential_decay_length_penalty can't act on this step"):
        trace(replace(NEUTRAL, exponential_decay_length_penalty=(0, 1e300)), Situation(BEFORE, 1, (2,)), row(falling()))


def test_the_last_token_is_forced_when_max_new_tokens_moves_there():
    distribution = Distribution(row(falling()), Situation(BEFORE, 2))
    sampling = replace(NEUTRAL, forced_eos_token_id=4)
    assert [distribution.trace(replace(sampling, max_new_tokens=n)).kept for n in (3, 4, 5, 4)] == [20, 1, 20, 1]


def test_a_sum_that_meets_the_limit_exactly_is_cut_as_the_library_cuts_it():
    logits = torch.zeros(1, 8)
    made = trace(replace(NEUTRAL, top_p=0.5), logits=row(logits[0]))
    expected = TopPLogitsWarper(0.5)(None, logits)[0] > -torch.inf
    assert np.array_equal(made.probabilities > 0, expected.numpy())
    assert made.kept == 4


def test_equally_typical_tokens_of_unlike_probability_are_cut_as_the_library_cuts_them():
    """Tokens on both sides of the expected surprise tie in distance; their order moves the last digit of the sums."""
    logits = falling(60).repeat(50)[None] - 1
    normalized = logits.log_softmax(-1)
    entropy = -(normalized * normalized.exp()).nansum(-1, keepdim=True)
    order = torch.sort((-normalized - entropy).abs())[1]
    sums = logits.gather(-1, order).softmax(-1).cumsum(-1)[0].unique()
    distribution = Distribution(row(logits[0]), BEFORE)
    for mass in sums[(sums > 0.01) & (sums < 1)][::13].tolist():
        made = distribution.trace(replace(NEUTRAL, typical_p=mass))
        expected = TypicalLogitsWarper(mass)(None, logits)[0] > -torch.inf
        assert np.array_equal(made.cut == 0, expected.numpy()), mass


@pytest.mark.parametrize(
    "change",
    [
        {"top_h": 0.0},
        {"typical_p": 0.0},
        {"epsilon_cutoff": 1.0},
        {"eta_cutoff": -0.1},
        {"no_repeat_ngram_size": -1},
        {"min_new_tokens": -1},
        {"encoder_repetition_penalty": 0.0},
        {"encoder_no_repeat_ngram_size": -2},
        {"bad_words_ids": ((),)},
        {"bad_words_ids": ((-1,),)},
        {"sequence_bias": (((1,), float("nan")),)},
        {"sequence_bias": (((), 1.0),)},
        {"suppress_tokens": (-5,)},
        {"begin_suppress_tokens": (-5,)},
        {"forced_bos_token_id": -1},
        {"forced_eos_token_id": -1},
        {"exponential_decay_length_penalty": (-1, 1.1)},
        {"exponential_decay_length_penalty": (1, 0.0)},
        {"forced_bos_token_id": 3, "suppress_tokens": (3,)},
    ],
)
def test_a_knob_past_its_limits_is_named(change):
    with pytest.raises(InputError, match=next(iter(change))):
        check(replace(NEUTRAL, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"bad_words_ids": ((1, 20),)},
        {"sequence_bias": (((20,), 1.0),)},
        {"forced_bos_token_id": 20},
        {"forced_eos_token_id": 20},
    ],
)
def test_an_id_outside_the_vocabulary_is_named(change):
    with pytest.raises(InputError, match=f"{next(iter(change))} names token 20"):
        trace(replace(NEUTRAL, **change))


def test_another_threads_share_of_the_cores_is_left_alone():
    before = torch.get_num_threads()
    trace(ALL, Situation(BEFORE, 3, (2,), (1, 2)))
    assert torch.get_num_threads() == before
