"""Where the knobs stand, whether each is in its range, and the holder a running generation reads them from."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from typing import Any

from workbench.engine.errors import InputError
from workbench.engine.values import Sampling, Watermark

#: More would leave nothing of the model's own scores.
_LARGEST_BIAS = 100.0
#: Keys are multiplied with hashes in 64 bits.
_LARGEST_KEY = 2**31
_MOST_KEYS = 64

#: Everything off: the distribution as the model gives it.
NEUTRAL = Sampling(temperature=1.0, top_k=0, top_p=1.0)


class Knobs:
    """The knobs of a running generation: the window writes them, the worker reads them before each token.

    Args:
        sampling: Where they stand at the start.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._lock = threading.Lock()
        self._current = check(sampling)

    @property
    def current(self) -> Sampling:
        """Where the knobs stand now; may be read and set from any thread.

        Raises:
            InputError: A value that was set is out of its range; the knobs stay where they were.
        """
        with self._lock:
            return self._current

    @current.setter
    def current(self, sampling: Sampling) -> None:
        checked = check(sampling)
        with self._lock:
            self._current = checked


def check(sampling: Sampling, vocabulary: int | None = None) -> Sampling:
    """Return the knobs, with the number types the library insists on, or say which one is out of its range.

    Args:
        sampling: The knobs.
        vocabulary: Entries of the model's logits; when given, the ids among the knobs have to lie below.

    Raises:
        InputError: A value is out of the range that `Sampling` documents, names a token that is not there, or
            contradicts another one.
    """
    for name, good, usual in _ranges(sampling):
        value = getattr(sampling, name)
        if not good or not math.isfinite(value):
            raise _refused(f"{name} can't be {value:g}.", f"It has to be {usual}.", name)
    checked = Sampling(
        do_sample=bool(sampling.do_sample),
        temperature=float(sampling.temperature),
        top_k=int(sampling.top_k),
        top_p=float(sampling.top_p),
        min_p=float(sampling.min_p),
        repetition_penalty=float(sampling.repetition_penalty),
        max_new_tokens=int(sampling.max_new_tokens),
        seed=int(sampling.seed),
        top_h=float(sampling.top_h),
        typical_p=float(sampling.typical_p),
        epsilon_cutoff=float(sampling.epsilon_cutoff),
        eta_cutoff=float(sampling.eta_cutoff),
        no_repeat_ngram_size=int(sampling.no_repeat_ngram_size),
        min_new_tokens=int(sampling.min_new_tokens),
        bad_words_ids=tuple(_words("bad_words_ids", words) for words in sampling.bad_words_ids),
        sequence_bias=tuple(_bias(words, bias) for words, bias in sampling.sequence_bias),
        suppress_tokens=_ids("suppress_tokens", sampling.suppress_tokens),
        begin_suppress_tokens=_ids("begin_suppress_tokens", sampling.begin_suppress_tokens),
        forced_bos_token_id=_forced("forced_bos_token_id", sampling.forced_bos_token_id),
        forced_eos_token_id=_forced("forced_eos_token_id", sampling.forced_eos_token_id),
        exponential_decay_length_penalty=_decay(sampling.exponential_decay_length_penalty),
        encoder_repetition_penalty=float(sampling.encoder_repetition_penalty),
        encoder_no_repeat_ngram_size=int(sampling.encoder_no_repeat_ngram_size),
        remove_invalid_values=bool(sampling.remove_invalid_values),
        watermarking_config=_watermark(sampling.watermarking_config),
        renormalize_logits=bool(sampling.renormalize_logits),
    )
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        if getattr(checked, name) in checked.suppress_tokens:
            raise _refused(
                f"{name} and suppress_tokens contradict each other.",
                f"Token {getattr(checked, name):,} would be forced and forbidden at once, and nothing would be left.",
                "one of them",
            )
    if vocabulary is not None:
        _check_ids(checked, vocabulary)
    return checked


def _ranges(sampling: Sampling) -> tuple[tuple[str, bool, str], ...]:
    """Name, whether the value is good, and what is: for every knob that is one number."""
    return (
        ("temperature", 0 < sampling.temperature < math.inf, "a number above 0; take greedy decoding for 0"),
        ("top_k", sampling.top_k >= 0, "0 (off) or more"),
        ("top_p", 0 <= sampling.top_p <= 1, "from 0 to 1; 1 is off"),
        ("min_p", 0 <= sampling.min_p <= 1, "from 0 to 1; 0 is off"),
        ("top_h", 0 < sampling.top_h <= 1, "above 0 and up to 1; 1 is off"),
        ("typical_p", 0 < sampling.typical_p <= 1, "above 0 and up to 1; 1 is off"),
        ("epsilon_cutoff", 0 <= sampling.epsilon_cutoff < 1, "from 0 to below 1; 0 is off"),
        ("eta_cutoff", 0 <= sampling.eta_cutoff < 1, "from 0 to below 1; 0 is off"),
        ("repetition_penalty", 0 < sampling.repetition_penalty < math.inf, "a number above 0; 1 is off"),
        (
            "encoder_repetition_penalty",
            0 < sampling.encoder_repetition_penalty < math.inf,
            "a number above 0; 1 is off",
        ),
        ("no_repeat_ngram_size", sampling.no_repeat_ngram_size >= 0, "0 (off) or more"),
        ("encoder_no_repeat_ngram_size", sampling.encoder_no_repeat_ngram_size >= 0, "0 (off) or more"),
        ("min_new_tokens", sampling.min_new_tokens >= 0, "0 (off) or more"),
        ("max_new_tokens", sampling.max_new_tokens >= 1, "1 or more"),
        ("seed", 0 <= sampling.seed < 2**63, "from 0 to 9,223,372,036,854,775,807"),
    )


def _refused(what: str, why: str, name: str) -> InputError:
    return InputError(what, why=why, remedy=f"Set {name} to another value.")


def _ids(name: str, ids: Iterable[int]) -> tuple[int, ...]:
    checked = tuple(int(token_id) for token_id in ids)
    if any(token_id < 0 for token_id in checked):
        raise _refused(f"{name} can't hold {min(checked)}.", "The ids of tokens begin at 0.", name)
    return checked


def _words(name: str, ids: Iterable[int]) -> tuple[int, ...]:
    checked = _ids(name, ids)
    if not checked:
        raise _refused(f"{name} can't hold an empty word.", "Each word is one or more ids.", name)
    return checked


def _bias(words: Iterable[int], bias: float) -> tuple[tuple[int, ...], float]:
    checked = (_words("sequence_bias", words), float(bias))
    # Minus infinity is a ban, and as good as any.
    if math.isnan(checked[1]) or checked[1] == math.inf:
        raise _refused(f"sequence_bias can't add {bias:g}.", "It has to be a number, or −∞ to ban.", "sequence_bias")
    return checked


def _forced(name: str, token_id: int | None) -> int | None:
    return None if token_id is None else _ids(name, (token_id,))[0]


def _decay(penalty: Any) -> tuple[int, float] | None:
    if penalty is None:
        return None
    start, factor = int(penalty[0]), float(penalty[1])
    if start < 0 or not (factor > 0 and math.isfinite(factor)):
        raise _refused(
            f"exponential_decay_length_penalty can't be ({start:g}, {factor:g}).",
            "It has to be a number of tokens, 0 or more, and a factor above 0.",
            "exponential_decay_length_penalty",
        )
    return start, factor


def _watermark(mark: Watermark | None) -> Watermark | None:
    if mark is None:
        return None
    ranges = (
        ("kind", mark.kind in ("green", "synthid"), "green or synthid"),
        ("greenlist_ratio", 0 < mark.greenlist_ratio < 1, "between 0 and 1"),
        ("bias", -_LARGEST_BIAS <= mark.bias <= _LARGEST_BIAS, f"from {-_LARGEST_BIAS:g} to {_LARGEST_BIAS:g}"),
        ("hashing_key", 0 < mark.hashing_key < _LARGEST_KEY, f"from 1 to {_LARGEST_KEY - 1:,}"),
        ("seeding_scheme", mark.seeding_scheme in ("lefthash", "selfhash"), "lefthash or selfhash"),
        ("context_width", mark.context_width >= 1, "1 or more"),
        ("ngram_len", mark.ngram_len >= 2, "2 or more"),
        ("keys", 0 < len(mark.keys) <= _MOST_KEYS, f"1 to {_MOST_KEYS} numbers"),
        ("keys", all(0 <= key < _LARGEST_KEY for key in mark.keys), f"numbers from 0 to {_LARGEST_KEY - 1:,}"),
    )
    for name, good, usual in ranges:
        if not good:
            value = getattr(mark, name)
            shown = value if isinstance(value, str) else f"{value:g}" if isinstance(value, int | float) else list(value)
            raise _refused(f"{name} of the watermark can't be {shown}.", f"It has to be {usual}.", name)
    return Watermark(
        kind=mark.kind,
        greenlist_ratio=float(mark.greenlist_ratio),
        bias=float(mark.bias),
        hashing_key=int(mark.hashing_key),
        seeding_scheme=mark.seeding_scheme,
        context_width=int(mark.context_width),
        ngram_len=int(mark.ngram_len),
        keys=tuple(int(key) for key in mark.keys),
    )


def _check_ids(sampling: Sampling, vocabulary: int) -> None:
    named: tuple[tuple[str, Iterable[int | None]], ...] = (
        ("bad_words_ids", (token_id for words in sampling.bad_words_ids for token_id in words)),
        ("sequence_bias", (token_id for words, _ in sampling.sequence_bias for token_id in words)),
        ("forced_bos_token_id", (sampling.forced_bos_token_id,)),
        ("forced_eos_token_id", (sampling.forced_eos_token_id,)),
    )
    for name, ids in named:
        for token_id in ids:
            if token_id is not None and token_id >= vocabulary:
                raise _refused(
                    f"{name} names token {token_id:,}, which is not there.",
                    f"The model scores {vocabulary:,} tokens, from 0 to {vocabulary - 1:,}.",
                    name,
                )
