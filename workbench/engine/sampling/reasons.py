"""Why a token can't be chosen, in words with numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.engine.sampling.acts import Link
from workbench.engine.sampling.scores import Scores, entropy, softmax
from workbench.engine.values import Sampling, Situation

#: Logits that TopHLogitsWarper looks at.
_TOP_H = 100
_BITS = float(np.log(2))


@dataclass(frozen=True, eq=False, slots=True)
class _Cut:
    """A token, the act that cut it, and what that looked at."""

    token_id: int
    link: Link
    sampling: Sampling
    situation: Situation


def reason(made: Scores, token_id: int, links: Sequence[Link], sampling: Sampling, situation: Situation) -> str:
    """A sentence without a full stop, for a token that has no chance.

    Args:
        made: The scores of its step after every act.
        token_id: The token.
        links: The acts.
        sampling: The knobs.
        situation: What they looked at.
    """
    last = next((link for link in reversed(links) if link.gone is not None and link.gone[token_id]), None)
    alive = bool(made.values[token_id] > -np.inf)
    if last is not None:
        words = _TELL[last.act.name](_Cut(token_id, last, sampling, situation))
        lowest = alive and sampling.remove_invalid_values
        return f"{words}; remove_invalid_values gave it the lowest number instead of −∞" if lowest else words
    if alive:
        return "so improbable that its probability rounds to 0"
    return "ruled out by the model itself: its logit is −∞"


def _sequence_bias(cut: _Cut) -> str:
    return f"banned by sequence_bias{_completing([w for w, _ in cut.sampling.sequence_bias], cut)}"


def _bad_words_ids(cut: _Cut) -> str:
    return f"banned by bad_words_ids{_completing(cut.sampling.bad_words_ids, cut)}"


def _completing(words: Sequence[tuple[int, ...]], cut: _Cut) -> str:
    """Nothing when the token is a banned word by itself, else how long a banned one it would end."""
    before = cut.situation.before
    lengths = [
        len(word) for word in words if word[-1] == cut.token_id and before[len(before) - len(word) + 1 :] == word[:-1]
    ]
    length = min(lengths, default=1)
    return "" if length == 1 else f": it would complete a banned sequence of {length} tokens"


def _no_repeat_ngram_size(cut: _Cut) -> str:
    size = cut.sampling.no_repeat_ngram_size
    repeated = "a token" if size == 1 else f"a sequence of {size} tokens"
    return f"cut by no_repeat_ngram_size: it would repeat {repeated}"


def _encoder_no_repeat_ngram_size(cut: _Cut) -> str:
    size = cut.sampling.encoder_no_repeat_ngram_size
    repeated = "a token" if size == 1 else f"a sequence of {size} tokens"
    return f"cut by encoder_no_repeat_ngram_size: it would repeat {repeated} of the encoder's input"


def _min_new_tokens(cut: _Cut) -> str:
    new = len(cut.situation.before) - cut.situation.prompt_length
    return f"cut by min_new_tokens: the text may end after {cut.sampling.min_new_tokens:,} new tokens, and has {new:,}"


def _forced_bos_token_id(cut: _Cut) -> str:
    return f"cut by forced_bos_token_id: token {cut.sampling.forced_bos_token_id:,} is forced as the first one"


def _forced_eos_token_id(cut: _Cut) -> str:
    return (
        f"cut by forced_eos_token_id: token {cut.sampling.forced_eos_token_id:,} is forced as the last of "
        f"{cut.sampling.max_new_tokens:,}"
    )


def _overflow(cut: _Cut) -> str:
    name = cut.link.act.name
    value = getattr(cut.sampling, name)
    shown = value[1] if isinstance(value, tuple) else value
    return f"cut by {name}: at {shown:g} its score falls below the lowest number"


def _top_h(cut: _Cut) -> str:
    handed = cut.link.handed
    rank = handed.rank(cut.token_id)
    if rank > _TOP_H:
        return f"cut by top_h: rank {rank:,}, and only the first {_TOP_H} are looked at"
    chances = softmax(np.ascontiguousarray(handed.rising[-_TOP_H:][::-1]))
    whole = entropy(chances)
    carried = entropy(chances[: _with_it(cut)])
    return (
        f"cut by top_h: the tokens down to it carry {carried:.3g} of {whole:.3g} bits of entropy, "
        f"and {cut.sampling.top_h:g} of them is the limit"
    )


def _with_it(cut: _Cut) -> int:
    """Its place in the order, behind those of its score that were kept."""
    equal = cut.link.handed.values == cut.link.handed.values[cut.token_id]
    return cut.link.handed.rank(cut.token_id) + int(np.count_nonzero(equal & (cut.link.made.values > -np.inf)))


def _top_k(cut: _Cut) -> str:
    # Beams that draw are left one token more than end a text.
    count = max(cut.sampling.top_k, 1 if cut.situation.beams == 1 else 1 + max(1, len(cut.situation.eos)))
    kept = "1 is" if count == 1 else f"{count:,} are"
    return f"cut by top_k: rank {cut.link.handed.rank(cut.token_id):,}, and only {kept} kept"


def _top_p(cut: _Cut) -> str:
    handed = cut.link.handed
    score = handed.values[cut.token_id]
    # Of equal scores some may have been kept: they count as above it.
    below = min(int(np.searchsorted(handed.rising, score, side="right")), cut.link.made.first)
    above = 1.0 - float(handed.shares[below - 1])
    return f"cut by top_p: the tokens above it already hold {percent(above)}"


def _min_p(cut: _Cut) -> str:
    chances = cut.link.handed.chances
    return (
        f"cut by min_p: {percent(float(chances[cut.token_id]))} is below "
        f"{cut.sampling.min_p:g} × {percent(_largest(cut.link.handed))}"
    )


def _largest(scores: Scores) -> float:
    return float(scores.chances[scores.values.argmax()])


def _typical_p(cut: _Cut) -> str:
    surprise = cut.link.handed.surprise
    distance = float(surprise.distance[cut.token_id])
    closer = float(surprise.shares[np.searchsorted(surprise.rising, surprise.distance[cut.token_id], side="left") - 1])
    own = -float(np.log(max(float(cut.link.handed.chances[cut.token_id]), np.finfo(np.float64).tiny)))
    return (
        f"cut by typical_p: its surprise of {own / _BITS:.3g} bits is {distance / _BITS:.3g} off the expected "
        f"{surprise.expected / _BITS:.3g}, and the tokens closer to that hold {percent(closer)}"
    )


def _epsilon_cutoff(cut: _Cut) -> str:
    return (
        f"cut by epsilon_cutoff: {percent(float(cut.link.handed.chances[cut.token_id]))} is below "
        f"{percent(cut.sampling.epsilon_cutoff)}"
    )


def _eta_cutoff(cut: _Cut) -> str:
    nats = entropy(cut.link.handed.chances) * _BITS
    limit = min(cut.sampling.eta_cutoff, float(np.sqrt(cut.sampling.eta_cutoff) * np.exp(-nats)))
    return (
        f"cut by eta_cutoff: {percent(float(cut.link.handed.chances[cut.token_id]))} is below {percent(limit)}, "
        f"the limit at {nats / _BITS:.3g} bits of entropy"
    )


def _greedy(cut: _Cut) -> str:
    rank = cut.link.handed.rank(cut.token_id)
    if rank == 1:
        return "cut by greedy: of equal scores the one with the lowest id is taken"
    return f"cut by greedy: rank {rank:,}, and the first is taken"


_TELL: dict[str, Callable[[_Cut], str]] = {
    "guidance_scale": lambda cut: "cut by guidance_scale: what it is led away from leaves it no score",
    "sequence_bias": _sequence_bias,
    "encoder_repetition_penalty": _overflow,
    "repetition_penalty": _overflow,
    "no_repeat_ngram_size": _no_repeat_ngram_size,
    "encoder_no_repeat_ngram_size": _encoder_no_repeat_ngram_size,
    "bad_words_ids": _bad_words_ids,
    "min_new_tokens": _min_new_tokens,
    "forced_bos_token_id": _forced_bos_token_id,
    "forced_eos_token_id": _forced_eos_token_id,
    "remove_invalid_values": _overflow,
    "exponential_decay_length_penalty": _overflow,
    "suppress_tokens": lambda cut: "banned by suppress_tokens",
    "begin_suppress_tokens": lambda cut: "banned by begin_suppress_tokens: it may not come first",
    "temperature": _overflow,
    "top_h": _top_h,
    "top_k": _top_k,
    "top_p": _top_p,
    "min_p": _min_p,
    "typical_p": _typical_p,
    "epsilon_cutoff": _epsilon_cutoff,
    "eta_cutoff": _eta_cutoff,
    "renormalize_logits": _overflow,
    "greedy": _greedy,
}


def percent(probability: float) -> str:
    """Three digits that count, never rounded to 0 or to all of it."""
    if probability >= 1:
        return "100 %"
    if probability > 0.999:
        return "more than 99.9 %"
    return f"{np.format_float_positional(100 * probability, precision=3, fractional=False, trim='-')} %"
