"""How each piece stands in its vocabulary: the rank of the merge that makes it, or its score."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.task import Silent, Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Entries between two looks at whether the task was cancelled.
_STRIDE = 4096


@dataclass(frozen=True, eq=False, slots=True)
class Standing:
    """What a vocabulary says of its pieces besides their ids.

    Attributes:
        kind: ``merge rank`` (BPE: the place of the first merge that makes the piece, from 0; a low one was learned
            early, so the piece is frequent), ``score`` (Unigram and SentencePiece: its log probability, or what the
            model keeps in its place), or empty where the vocabulary says neither, as WordPiece and bytes do.
        by_id: Of those ids that have one; letters, bytes and added tokens are made by no merge.
    """

    kind: str
    by_id: Mapping[int, float]

    def of(self, id_: int) -> float | None:
        """The rank (a whole number) or the score of an id, or None where it has none."""
        return self.by_id.get(id_)


#: Of a vocabulary that says neither.
NONE = Standing("", {})


def standing(tokenizer: PreTrainedTokenizerBase, *, task: Task | None = None) -> Standing:
    """Read the merge ranks or scores of a whole vocabulary; some 60 ms for 49,000 entries.

    Args:
        tokenizer: Fast or slow.
        task: Asked now and then whether to stop.

    References:
        tokenizers, Models: BPE, Unigram; sentencepiece, SentencePieceProcessor.GetScore
    """
    task = task or Silent()
    task.check()
    if not tokenizer.is_fast:
        return _slow(tokenizer, task)
    model = tokenizer.backend_tokenizer.model
    kind = type(model).__name__
    if kind == "Unigram":
        return Standing("score", {id_: score for id_, (_, score) in enumerate(scores(tokenizer, task))})
    if kind != "BPE":
        return NONE
    prefix = len(model.continuing_subword_prefix or "")
    ranks: dict[int, float] = {}
    for rank, (left, right) in enumerate(merges(tokenizer, task)):
        id_ = model.token_to_id(left + right[prefix:])
        if id_ is not None:
            ranks.setdefault(id_, rank)
    return Standing("merge rank", ranks)


def merges(tokenizer: PreTrainedTokenizerBase, task: Task) -> Iterator[tuple[str, str]]:
    """The merges of a BPE model of the tokenizers library, by rank.

    Args:
        tokenizer: A fast one with such a model.
        task: Asked now and then whether to stop.
    """
    for each in _entries(tokenizer, "merges", task):
        left, right = each.split(" ", 1) if isinstance(each, str) else each
        yield left, right


def scores(tokenizer: PreTrainedTokenizerBase, task: Task) -> Iterator[tuple[str, float]]:
    """The pieces of a Unigram model of the tokenizers library with their scores, by id.

    Args:
        tokenizer: A fast one with such a model.
        task: Asked now and then whether to stop.
    """
    for piece, score in _entries(tokenizer, "vocab", task):
        yield str(piece), float(score)


def _entries(tokenizer: PreTrainedTokenizerBase, key: str, task: Task) -> Iterator[Any]:
    """The entries of one list of the model, read one by one: parsed in one go they would hold the interpreter."""
    from tokenizers import Tokenizer

    # Of the model alone: parts of a tokenizer that are written in Python can't be written out.
    text = str(Tokenizer(tokenizer.backend_tokenizer.model).to_str())
    # Quotes inside a piece are escaped, so only the key itself reads like this; the model comes last.
    opening = f'"{key}":['
    place = text.rfind(opening) + len(opening)
    read = json.JSONDecoder().raw_decode
    number = 0
    while text[place] != "]":
        if number % _STRIDE == 0:
            task.check()
        entry, place = read(text, place)
        place += text[place] == ","
        number += 1
        yield entry


def _slow(tokenizer: PreTrainedTokenizerBase, task: Task) -> Standing:
    pieces = getattr(tokenizer, "sp_model", None)
    if pieces is not None:
        found = {}
        for number in range(pieces.GetPieceSize()):
            if number % _STRIDE == 0:
                task.check()
            piece = pieces.IdToPiece(number)
            # The ids of a tokenizer can be others than those of its model; a stranger to it gets the unknown token's.
            id_ = tokenizer.convert_tokens_to_ids(piece)
            plain = not (pieces.IsControl(number) or pieces.IsUnknown(number) or pieces.IsByte(number))
            if plain and id_ is not None and tokenizer.convert_ids_to_tokens(id_) == piece:
                found[int(id_)] = float(pieces.GetScore(number))
        return Standing("score", found)
    known = getattr(tokenizer, "bpe_ranks", None)
    if not isinstance(known, Mapping):
        return NONE
    vocabulary = tokenizer.get_vocab()
    ranks: dict[int, float] = {}
    for rank, pair in sorted((rank, pair) for pair, rank in known.items()):
        joined = "".join(pair)
        # Such vocabularies mark the pieces that a word goes on behind, where their merges mark those that end one.
        spelled = (joined, joined.removesuffix("</w>")) if joined.endswith("</w>") else (f"{joined}@@", joined)
        id_ = next((vocabulary[each] for each in spelled if each in vocabulary), None)
        if id_ is not None:
            ranks.setdefault(id_, rank)
    return Standing("merge rank", ranks)
