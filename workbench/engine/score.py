"""Score a text: how probable a causal language model finds each of its tokens."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import context_of
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens import encode
from workbench.engine.tokens.vocabulary import Vocabulary
from workbench.engine.values import Token, TokenizerOptions

if TYPE_CHECKING:
    import torch

    from workbench.engine.models import LoadedModel

#: Most probable tokens kept for each position, while they fit into `ALTERNATIVES_BUDGET`.
ALTERNATIVES = 10
#: Bytes of the alternatives of one text, 8 each: ten a position up to 838,860 tokens, fewer beyond.
ALTERNATIVES_BUDGET = 64 * 2**20
#: Bytes of the logits of one forward pass that a window is made small enough for, unless another one is asked for.
LOGITS_BUDGET = 2**30
#: Bytes of float32 logits that are turned into probabilities at once.
_CHUNK = 64 * 2**20
_HEAD = "AutoModelForCausalLM"


@dataclass(frozen=True, slots=True)
class Window:
    """One forward pass: positions ``[begin, end)`` go in, ``[first, end)`` are scored."""

    begin: int
    end: int
    first: int


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have stood at a position.

    Attributes:
        id: Vocabulary id.
        text: As it would read.
        probability: Softmax of the raw logits, in float32.
        rank: 1 is the most probable.
    """

    id: int
    text: str
    probability: float
    rank: int


@dataclass(frozen=True, eq=False)
class Score:
    """A text as a model reads it. What was not scored is NaN (rank 0), never a number.

    Attributes:
        checkpoint: Name of the model's checkpoint.
        text: All of it.
        tokens: One a position, special ones included.
        logprobs: Log-probability (nats) of each token after those in front of it, float32 of shape ``(seq,)``.
        ranks: 1 + how many tokens had a larger logit, int32 of shape ``(seq,)``; 0 where nothing was scored.
        entropies: Of the distribution each token was met with, in bits, float32 of shape ``(seq,)``.
        top_ids: The most probable tokens there, int32 of shape ``(seq, kept)``, best first.
        top_logprobs: Theirs (nats), float32 of the same shape.
        windows: The passes it took.
        vocabulary: Spells the ids.
        seconds: Time it took.
    """

    checkpoint: str
    text: str
    tokens: tuple[Token, ...]
    logprobs: np.ndarray
    ranks: np.ndarray
    entropies: np.ndarray
    top_ids: np.ndarray
    top_logprobs: np.ndarray
    windows: tuple[Window, ...]
    vocabulary: Vocabulary
    seconds: float

    @cached_property
    def surprises(self) -> np.ndarray:
        """Bits by which each token surprised, float64 of shape ``(seq,)``."""
        return -self.logprobs.astype(np.float64) / math.log(2)

    @property
    def scored(self) -> int:
        """How many tokens were scored."""
        return int(np.count_nonzero(self.ranks))

    @cached_property
    def total_bits(self) -> float:
        """Bits of all scored tokens together."""
        return float(np.nansum(self.surprises))

    @property
    def bits_per_token(self) -> float:
        """Mean surprise."""
        return self.total_bits / self.scored

    @property
    def perplexity(self) -> float:
        """Two to the mean surprise; infinite when a token was impossible."""
        try:
            return float(2.0**self.bits_per_token)
        except OverflowError:
            return math.inf

    @cached_property
    def scored_text(self) -> str:
        """The text without the token at its beginning that nothing stands in front of."""
        first = self.tokens[0]
        if first.sequence is None and first.special:
            return self.text
        if first.offsets is None:
            return self.text[len(first.text) :]
        starts = (token.offsets[0] for token in self.tokens[1:] if token.offsets and token.sequence is not None)
        return self.text[min(first.offsets[1], next(starts, len(self.text))) :]

    @property
    def bits_per_byte(self) -> float | None:
        """Bits by UTF-8 byte of what was scored: comparable between models whatever their tokens are."""
        size = len(self.scored_text.encode())
        return self.total_bits / size if size else None

    @property
    def bits_per_character(self) -> float | None:
        """Bits by character of what was scored."""
        size = len(self.scored_text)
        return self.total_bits / size if size else None

    def probability(self, position: int) -> float | None:
        """Of the token at a position, or None when it was not scored."""
        return math.exp(float(self.logprobs[position])) if self.ranks[position] else None

    def alternatives(self, position: int) -> tuple[Alternative, ...]:
        """The most probable tokens at a position, best first; empty when it was not scored."""
        if not self.ranks[position]:
            return ()
        # A vocabulary may be smaller than the places there are.
        kept = ~np.isnan(self.top_logprobs[position])
        ids: list[int] = self.top_ids[position][kept].tolist()
        logprobs: list[float] = self.top_logprobs[position][kept].tolist()
        texts = self.vocabulary.spell(ids)
        # Equal logits have equal ranks.
        ranks = [logprobs.index(value) + 1 for value in logprobs]
        return tuple(map(Alternative, ids, texts, map(math.exp, logprobs), ranks))

    def records(self) -> Iterator[dict[str, Any]]:
        """One dictionary a position, plain enough for JSON; what was not scored is None."""
        for position, token in enumerate(self.tokens):
            scored = bool(self.ranks[position])
            yield {
                "position": position,
                "id": token.id,
                "token": token.text,
                "piece": token.piece,
                "offsets": token.offsets,
                "special": token.special,
                "logprob": float(self.logprobs[position]) if scored else None,
                "probability": self.probability(position),
                "rank": int(self.ranks[position]) or None,
                "surprise_bits": float(self.surprises[position]) if scored else None,
                "entropy_bits": float(self.entropies[position]) if scored else None,
                "alternatives": [
                    {"id": other.id, "token": other.text, "probability": other.probability}
                    for other in self.alternatives(position)
                ],
            }


def supports(model: LoadedModel) -> str:
    """Why a model can't score a text, as a sentence; empty when it can."""
    name = model.checkpoint.name
    if model.tokenizer is None:
        return f"{name} has no tokenizer, so no text can be turned into ids for it."
    if model.head == "AutoModelForMaskedLM":
        return (
            f"{name} is a masked language model: it guesses a hidden word from both sides at once, so it has no "
            "probability of a text read from left to right."
        )
    if getattr(model.model.config, "is_encoder_decoder", False):
        return (
            f"{name} is an encoder-decoder: it gives probabilities to an output for an input, and a text by itself "
            "is neither."
        )
    if model.head != _HEAD:
        return f"{name} was loaded as {model.head}; only a causal language model gives each next token a probability."
    return ""


def usual_window(model: LoadedModel) -> int:
    """Tokens of a window when none is asked for: the context, or less where its logits pass `LOGITS_BUDGET`."""
    vocabulary = model.model.config.get_text_config(decoder=True).vocab_size
    most = max(256, LOGITS_BUDGET // (vocabulary * model.model.dtype.itemsize))
    return min(context_of(model) or most, most)


def windows(count: int, window: int, overlap: int) -> tuple[Window, ...]:
    """Cut a text into passes, so that each token but the first is scored once.

    Args:
        count: Tokens of the text.
        window: Tokens of a pass, at least 2.
        overlap: Tokens in front of the first one scored in every pass after the first, in ``[1, window)``.

    References:
        transformers, Perplexity of fixed-length models: its stride is ``window - overlap``
    """
    cut: list[Window] = []
    first = 1
    while first < count:
        begin = first - overlap if cut else 0
        end = min(begin + window, count)
        cut.append(Window(begin, end, first))
        first = end
    return tuple(cut)


def score(
    model: LoadedModel,
    text: str,
    *,
    add_special_tokens: bool = True,
    window: int | None = None,
    overlap: int | None = None,
    task: Task | None = None,
) -> Score:
    """Give each token of a text its probability after the tokens in front of it.

    The first position has nothing in front of it and is not scored; where the tokenizer adds a bos token that is the
    bos token, and the text is scored whole.

    Args:
        model: A causal language model with a tokenizer.
        text: Longer than the context is cut into windows.
        add_special_tokens: Add what the tokenizer adds around a text.
        window: Tokens in one forward pass, at most the context; None takes `usual_window`.
        overlap: Tokens of context, at least, for what later windows score; None takes half a window.
        task: Told of each window in tokens, and asked now and then whether to stop.

    Raises:
        NotSupported: The model can't score a text, or its logits hold NaN.
        InputError: The text is empty or a single token, or the window can't be used.

    References:
        transformers, Perplexity of fixed-length models
    """
    task = task or Silent()
    began = time.perf_counter()
    refusal = supports(model)
    if refusal:
        raise NotSupported(
            f"{model.checkpoint.name} can't score a text.",
            why=refusal,
            remedy="Load a checkpoint whose architecture ends in ForCausalLM.",
        )
    window, overlap = _sizes(model, window, overlap)
    if not text:
        raise InputError("There is nothing to score.", why="The text is empty.", remedy="Write or paste a text.")
    encoding = encode(model.tokenizer, text, TokenizerOptions(add_special_tokens), task=task)
    ids, count = encoding.input_ids, len(encoding.tokens)
    _check_ids(model, ids)
    if _reads_ahead(model, ids):
        raise NotSupported(
            f"{model.checkpoint.name} can't score a text.",
            why="It looks at the words behind a position too, so it would be asked about what it has already read.",
            remedy="Load a checkpoint that was trained to continue texts.",
        )
    kept = max(1, min(ALTERNATIVES, ALTERNATIVES_BUDGET // (8 * count)))
    scored = Score(
        model.checkpoint.name,
        text,
        tuple(encoding.tokens),
        np.full(count, np.nan, np.float32),
        np.zeros(count, np.int32),
        np.full(count, np.nan, np.float32),
        np.zeros((count, kept), np.int32),
        np.full((count, kept), np.nan, np.float32),
        windows(count, window, overlap),
        Vocabulary(model.tokenizer),
        0.0,
    )
    for number, cut in enumerate(scored.windows, 1):
        task.check()
        note = f"window {number} of {len(scored.windows)}"
        task.report(Progress(cut.first, count, "tokens", note))
        _fill(scored, cut, _logits(model, ids, cut), ids, task)
        task.report(Progress(cut.end, count, "tokens", note))
    if np.isnan(scored.logprobs[1:]).any():
        raise NotSupported(
            f"{model.checkpoint.name} gives no probabilities for this text.",
            why=f"Its logits hold NaN or infinity; it computes in {model.dtype}.",
            remedy="Load it in float32, or load another checkpoint.",
        )
    return replace(scored, seconds=time.perf_counter() - began)


def _sizes(model: LoadedModel, window: int | None, overlap: int | None) -> tuple[int, int]:
    context = context_of(model)
    asked = window is not None
    window = usual_window(model) if window is None else window
    if window < 2 or (asked and context is not None and window > context):
        limit = f" up to {context:,}, the context of {model.checkpoint.name}" if context is not None else ""
        raise InputError(
            f"A window of {window:,} tokens can't be used.",
            why=f"It takes 2 tokens or more{limit}.",
            remedy="Choose another window, or leave it to the checkpoint.",
        )
    overlap = window // 2 if overlap is None else overlap
    if not 1 <= overlap < window:
        raise InputError(
            f"An overlap of {overlap:,} tokens can't be used.",
            why=f"It takes at least one token of context, and fewer than the window's {window:,}.",
            remedy="Choose another overlap; half the window is usual.",
        )
    return window, overlap


def _check_ids(model: LoadedModel, ids: tuple[int, ...]) -> None:
    if len(ids) < 2:
        raise InputError(
            "There is nothing to score in this text.",
            why=f"It is {'one token' if ids else 'no token'}, and a token is scored after the one in front of it.",
            remedy="Write a longer text.",
        )
    rows = model.known_ids
    if rows is not None and max(ids) >= rows:
        raise NotSupported(
            f"{model.checkpoint.name} can't read this text.",
            why=f"Its tokenizer gives the id {max(ids):,}, and the model knows {rows:,} ids.",
            remedy="The tokenizer belongs to another checkpoint; load one whose files belong together.",
        )


def _reads_ahead(model: LoadedModel, ids: tuple[int, ...]) -> bool:
    """Whether what follows changes the logits of a position: an encoder under a language model's head."""
    import torch

    # Encoders that can be decoders too say in their config that they are none; so do a few that always are.
    if getattr(model.model.config, "is_decoder", True):
        return False
    pair = torch.tensor([[ids[0], ids[1]], [ids[0], (ids[1] + 1) % 2]], device=model.model.device)
    with torch.inference_mode():
        logits = model.model(pair, attention_mask=torch.ones_like(pair), use_cache=False).logits[:, 0].float()
    # Rounding alone changes far less, and what an encoder sees far more.
    return bool((logits[0] - logits[1]).abs().max() > 0.01 * logits[0].std())


def _logits(model: LoadedModel, ids: tuple[int, ...], cut: Window) -> torch.Tensor:
    """The logits that score ``[first, end)``: those of the positions one in front of them."""
    import torch

    inputs = {"input_ids": torch.tensor([ids[cut.begin : cut.end]], device=model.model.device)}
    # Without it some models warn of padding where the text merely contains the pad token.
    if getattr(model.model.config.get_text_config(decoder=True), "pad_token_id", None) in ids:
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    rows = cut.end - cut.first + 1
    only = {"logits_to_keep": rows} if cut.first - cut.begin > 1 and model.model._supports_logits_to_keep() else {}
    with torch.inference_mode():
        return model.model(**inputs, **only, use_cache=False).logits[0, -rows:-1]


def _fill(scored: Score, cut: Window, logits: torch.Tensor, ids: tuple[int, ...], task: Task) -> None:
    """Work out probabilities in float32, some rows at a time: at once they would take twice the logits' memory."""
    import torch

    size = max(1, _CHUNK // (4 * logits.shape[-1]))
    targets = torch.tensor(ids[cut.first : cut.end], device=logits.device)[:, None]
    kept = min(scored.top_ids.shape[1], logits.shape[-1])
    with torch.inference_mode():
        for start in range(0, len(targets), size):
            task.check()
            rows = logits[start : start + size].float()
            wanted = targets[start : start + size]
            logprobs = rows.log_softmax(-1)
            ranks = (rows > rows.gather(-1, wanted)).sum(-1) + 1
            best = logprobs.topk(kept)
            to = slice(cut.first + start, cut.first + start + len(rows))
            scored.logprobs[to] = logprobs.gather(-1, wanted)[:, 0].cpu()
            scored.ranks[to] = ranks.cpu()
            scored.top_ids[to, :kept] = best.indices.cpu()
            scored.top_logprobs[to, :kept] = best.values.cpu()
            scored.entropies[to] = (torch.special.entr(logprobs.exp_()).sum(-1) / math.log(2)).cpu()
