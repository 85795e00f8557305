"""How a text came to be tokens: what each part of a tokenizer made of it, and how its model cut a word."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.engine.task import Silent, Task
from workbench.engine.tokens.positions import Pieces, cut_apart
from workbench.engine.tokens.settings import settings_kept
from workbench.engine.tokens.standing import merges, scores

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

#: Characters of a text that are followed through the stages.
LONGEST_TEXT = 2_000
#: Characters of a word whose cutting is shown; the steps grow with their square.
LONGEST_WORD = 200
#: What Unigram takes off the lowest score for a character it does not know.
_UNKNOWN_PENALTY = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of what a stage gives on.

    Attributes:
        text: As the stage writes it; byte-level stages write a byte as a letter.
        offsets: First character and the one after the last in the text as typed, or None where there are none.
        special: Whether it is a token of the added vocabulary, which no later stage touches.
        id: Its id, from the model on.
    """

    text: str
    offsets: tuple[int, int] | None = None
    special: bool = False
    id: int | None = None


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What one stage made of the text.

    Attributes:
        name: ``added tokens``, ``normalizer``, ``pre-tokenizer``, ``model``, ``post-processor`` or ``decoder``.
        by: What does it, such as ``NFKC → Lowercase``; empty where the tokenizer has nothing there.
        parts: Its output, in order.
        note: What has to be known of it, in words.
    """

    name: str
    by: str
    parts: tuple[Part, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class MergeStep:
    """One merge of a BPE model.

    Attributes:
        rank: Its place in the list of merges, from 0; the lowest that applies comes first.
        left, right: The neighbours that are joined.
        joined: What they become.
        pieces: The whole word after it.
    """

    rank: int
    left: str
    right: str
    joined: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece that a WordPiece, Unigram or WordLevel model considered.

    Attributes:
        piece: As the vocabulary would write it.
        start, end: Characters of the word.
        known: Whether the vocabulary has it.
        chosen: Whether it is a part of the result.
        score: Its log probability, or None where the model has none.
    """

    piece: str
    start: int
    end: int
    known: bool
    chosen: bool
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """How a model cut a word.

    Attributes:
        text: The word, as the pre-tokenizer gave it.
        kind: ``BPE``, ``WordPiece``, ``Unigram``, ``WordLevel``, or empty where the model can't be looked into.
        pieces: What the library itself makes of it.
        start: The symbols that a BPE model begins with.
        merges: The merges of a BPE model, in the order they are done.
        candidates: What another model considered, in the order it did.
        note: What has to be known of it, in words.
    """

    text: str
    kind: str
    pieces: tuple[str, ...]
    start: tuple[str, ...] = ()
    merges: tuple[MergeStep, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    note: str = ""


class Workings:
    """The parts of one tokenizer, one after the other.

    For one thread at a time, the one that uses the tokenizer. The list of merges or scores is read once, when the
    first word is asked for; that takes some 100 ms for 49,000 entries.

    Args:
        tokenizer: Left as it was found.

    References:
        tokenizers, The tokenization pipeline; Components
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ranks: dict[tuple[str, str], int] | None = None
        self._scores: dict[str, float] | None = None

    @property
    def can_cut(self) -> bool:
        """Whether words can be looked into: the tokenizer is a fast one."""
        return bool(self._tokenizer.is_fast)

    def stages(
        self, text: str, add_special_tokens: bool = True, *, task: Task | None = None
    ) -> tuple[StageOutput, ...]:
        """What each stage makes of a text, in the order they run.

        Args:
            text: Its first `LONGEST_TEXT` characters are followed.
            add_special_tokens: As in the tokenizer's call; what the post-processor is told.
            task: Asked now and then whether to stop.

        Returns:
            Normalizer, pre-tokenizer, model, post-processor, decoder; before them the added tokens where the text has
            some. A tokenizer written in Python shows the last three only and says so.
        """
        task = task or Silent()
        cut = len(text) > LONGEST_TEXT
        made = self._fast if self._tokenizer.is_fast else self._slow
        outputs = made(text[:LONGEST_TEXT], add_special_tokens, task)
        if cut:
            note = f"Only the first {LONGEST_TEXT:,} of {len(text):,} characters."
            outputs = tuple(replace(each, note=f"{note} {each.note}".strip()) for each in outputs)
        return outputs

    def word(self, text: str, *, task: Task | None = None) -> Word:
        """How the model cuts one word of the pre-tokenizer.

        Args:
            text: As the pre-tokenizer gave it, ``Ġquick`` for instance.
            task: Asked now and then whether to stop.
        """
        task = task or Silent()
        task.check()
        if not self._tokenizer.is_fast:
            pieces = tuple(map(str, self._tokenizer.tokenize(text)))
            return Word(text, "", pieces, note=f"{self._name} is written in Python and shows no steps.")
        model = self._tokenizer.backend_tokenizer.model
        kind = type(model).__name__
        found = model.tokenize(text)
        pieces = tuple(token.value for token in found)
        if len(text) > LONGEST_WORD:
            note = f"A word of {len(text):,} characters is too long for its steps to be shown."
            return Word(text, kind, pieces, note=note)
        if kind == "BPE":
            return self._bpe(model, text, pieces, task)
        if kind == "WordPiece":
            candidates = _word_piece(model, text, pieces)
            return Word(text, kind, pieces, candidates=candidates, note=_unknown(candidates, pieces))
        if kind == "Unigram":
            candidates, note = self._unigram(text, task)
            return Word(text, kind, pieces, candidates=candidates, note=note)
        if kind == "WordLevel":
            known = model.token_to_id(text) is not None
            whole = (Candidate(text, 0, len(text), known, known),)
            return Word(text, kind, pieces, candidates=whole, note=_unknown(whole, pieces))
        return Word(text, "", pieces, note=f"The steps of a {kind} model can't be shown.")

    # A text through the stages.

    @property
    def _name(self) -> str:
        return type(self._tokenizer).__name__

    def _slow(self, text: str, add_special_tokens: bool, task: Task) -> tuple[StageOutput, ...]:
        tokenizer = self._tokenizer
        unseen = f"{self._name} is written in Python and does not show this stage by itself."
        task.check()
        pieces = Pieces(tokenizer)
        model = tuple(Part(piece, None, id_ in pieces.special, id_) for piece, id_ in cut_apart(pieces, text))
        ids = [int(each) for each in tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)["input_ids"]]
        finished = tuple(Part(pieces.spelled(id_), None, id_ in pieces.special, id_) for id_ in ids)
        return (
            StageOutput("normalizer", "", (), unseen),
            StageOutput("pre-tokenizer", "", (), unseen),
            StageOutput("model", self._name, model, "All that comes before the ids happens here."),
            StageOutput("post-processor", self._name, finished),
            StageOutput("decoder", self._name, (Part(str(tokenizer.decode(ids))),)),
        )

    def _fast(self, text: str, add_special_tokens: bool, task: Task) -> tuple[StageOutput, ...]:
        tokenizer = self._tokenizer
        backend = tokenizer.backend_tokenizer
        with settings_kept(tokenizer, lend_pad=False):
            backend.no_truncation()
            backend.no_padding()
            backend.encode_special_tokens = tokenizer.split_special_tokens
            given, made, bare = _looked(backend, text)
            whole = backend.encode(text, add_special_tokens=add_special_tokens)
            called = tokenizer(text, add_special_tokens=add_special_tokens, verbose=False)["input_ids"]
        task.check()
        listed = backend.get_added_tokens_decoder()
        late = {id_ for id_, token in listed.items() if token.normalized and backend.normalizer is not None}
        outputs = []

        if any(section.id is not None for section in given):
            by = f"{len(listed):,} added tokens"
            note = "Cut out before anything else; no stage but the post-processor touches them."
            if any(section.id in late for section in given):
                note = "Those marked normalized are cut out after the normalizer; no later stage touches them."
            early = [section.part(listed) for section in given if section.id is not None and section.id not in late]
            outputs.append(StageOutput("added tokens", by, tuple(_around(early, text)), note))
        note = "" if backend.normalizer is not None else "This tokenizer has none: the text stays as it is."
        normal = tuple(_joined(given, listed, late))
        outputs.append(StageOutput("normalizer", _by(backend.normalizer), normal, note))
        words = [section.part(listed) for section in made]
        note = (
            "" if backend.pre_tokenizer is not None else "This tokenizer has none: a section goes to the model whole."
        )
        outputs.append(StageOutput("pre-tokenizer", _by(backend.pre_tokenizer), tuple(words), note))

        pieces: list[Part] = []
        for word in words:
            task.check()
            if word.special:
                pieces.append(word)
            else:
                # The span is the word's: the model's own offsets count in the normalized word.
                pieces += [Part(t.value, word.offsets, False, t.id) for t in backend.model.tokenize(word.text)]
        note = ""
        if [piece.id for piece in pieces] != bare.ids:
            if getattr(backend.model, "dropout", None):
                note = "Merges are dropped at random (dropout), so each run gives other pieces."
            else:
                note = "The library, run in one go, gives other ids here: those of the next stage hold."
        outputs.append(StageOutput("model", type(backend.model).__name__, tuple(pieces), note))

        special = {id_ for id_, token in listed.items() if token.special}
        finished = tuple(
            Part(piece, span if span[0] < span[1] else None, id_ in special, id_)
            for piece, id_, span in zip(whole.tokens, whole.ids, whole.offsets, strict=True)
        )
        count = len(whole.ids) - len(bare.ids)
        note = f"Adds {count:,} special token{'' if count == 1 else 's'}." if count else "Adds no token to this text."
        if called != whole.ids and not getattr(backend.model, "dropout", None):
            note = "The tokenizer's own call cuts the text up before all stages, and gives other ids."
        outputs.append(StageOutput("post-processor", _by(backend.post_processor), finished, note))
        decoded = str(backend.decode(whole.ids, skip_special_tokens=False))
        note = "" if backend.decoder is not None else "This tokenizer has none: the pieces are joined with blanks."
        outputs.append(StageOutput("decoder", _by(backend.decoder), (Part(decoded),), note))
        return tuple(outputs)

    # A word through the model.

    def _bpe(self, model: Any, text: str, pieces: tuple[str, ...], task: Task) -> Word:
        if model.ignore_merges and model.token_to_id(text) is not None:
            note = "The whole word is in the vocabulary, and this model takes it as it is (ignore_merges)."
            return Word(text, "BPE", pieces, (text,), note=note)
        if self._ranks is None:
            # Of a merge that is listed twice the last one holds, as in the library.
            self._ranks = {pair: rank for rank, pair in enumerate(merges(self._tokenizer, task))}
        ranks = self._ranks
        prefix = len(model.continuing_subword_prefix or "")
        symbols = _symbols(model, text)
        start, steps = tuple(symbols), []
        while True:
            task.check()
            pairs = ((ranks.get(pair), place) for place, pair in enumerate(itertools.pairwise(symbols)))
            best = min(((rank, place) for rank, place in pairs if rank is not None), default=None)
            if best is None:
                break
            rank, at = best
            left, right = symbols[at], symbols[at + 1]
            joined = left + right[prefix:]
            symbols[at : at + 2] = [joined]
            steps.append(MergeStep(rank, left, right, joined, tuple(symbols)))
        note = "" if steps else "No merge applies: the symbols stay as they are."
        if model.dropout:
            note = f"These are all merges; while encoding, each is left out with a chance of {model.dropout * 100:g} %."
        elif tuple(symbols) != pieces:
            note = "The library gives other pieces for this word; those are the ones used."
        return Word(text, "BPE", pieces, start, tuple(steps), note=note)

    def _unigram(self, text: str, task: Task) -> tuple[tuple[Candidate, ...], str]:
        if self._scores is None:
            self._scores = dict(scores(self._tokenizer, task))
        listed = self._scores
        longest = max(map(len, listed), default=1)
        unknown = min(listed.values(), default=0.0) - _UNKNOWN_PENALTY
        best: list[tuple[float, int]] = [(0.0, 0)] + [(-math.inf, 0)] * len(text)
        seen: list[tuple[int, int, float, bool]] = []
        for start in range(len(text)):
            task.check()
            single = False
            for end in range(start + 1, min(len(text), start + longest) + 1):
                score = listed.get(text[start:end])
                if score is None:
                    continue
                single = single or end == start + 1
                seen.append((start, end, score, True))
                if best[start][0] + score > best[end][0]:
                    best[end] = (best[start][0] + score, start)
            if not single:
                seen.append((start, start + 1, unknown, False))
                if best[start][0] + unknown > best[start + 1][0]:
                    best[start + 1] = (best[start][0] + unknown, start)
        path, place = set(), len(text)
        while place:
            path.add((best[place][1], place))
            place = best[place][1]
        candidates = tuple(
            Candidate(text[start:end], start, end, known, (start, end) in path, score)
            for start, end, score, known in seen
        )
        note = f"The chosen pieces have the highest sum of scores: {best[-1][0]:.4g}."
        if any(each.chosen and not each.known for each in candidates):
            note += " What is not in the vocabulary becomes bytes or the unknown token."
        return candidates, note


@dataclass(frozen=True, slots=True)
class _Section:
    """A section of a text between two stages.

    Attributes:
        text: As it is handed on.
        span: Its characters in the text as typed.
        id: Of the added token that it is, or None.
    """

    text: str
    span: tuple[int, int]
    id: int | None

    def part(self, listed: Mapping[int, Any]) -> Part:
        """An added token is named as it was added."""
        return (
            Part(self.text, self.span) if self.id is None else Part(listed[self.id].content, self.span, True, self.id)
        )


class _Look:
    """Stands in a row of pre-tokenizers, changes nothing and keeps what comes by."""

    def __init__(self) -> None:
        self.seen: list[_Section] = []

    def pre_tokenize(self, flow: Any) -> None:
        splits = flow.get_splits(offset_referential="original", offset_type="char")
        self.seen = [_Section(text, span, added[0].id if added else None) for text, span, added in splits]


def _looked(backend: Any, text: str) -> tuple[list[_Section], list[_Section], Any]:
    """What the library hands to the pre-tokenizer, what that gives on, and the encoding."""
    from tokenizers.pre_tokenizers import PreTokenizer, Sequence

    own, before, after = backend.pre_tokenizer, _Look(), _Look()
    members = [PreTokenizer.custom(before), *([] if own is None else [own]), PreTokenizer.custom(after)]
    backend.pre_tokenizer = Sequence(members)
    try:
        bare = backend.encode(text, add_special_tokens=False)
    finally:
        backend.pre_tokenizer = own
    return before.seen, after.seen, bare


def _around(early: Sequence[Part], text: str) -> Iterator[Part]:
    """The text as typed, cut at added tokens."""
    place = 0
    for token in early:
        start, end = token.offsets or (place, place)
        if place < start:
            yield Part(text[place:start], (place, start))
        yield token
        place = end
    if place < len(text):
        yield Part(text[place:], (place, len(text)))


def _joined(sections: Sequence[_Section], listed: Mapping[int, Any], late: Container[int]) -> Iterator[Part]:
    """Sections as they were before the added tokens that are looked for ``late`` were cut out."""
    for token, group in itertools.groupby(sections, lambda each: None if each.id in late else each.id):
        run = list(group)
        if token is None:
            yield Part("".join(each.text for each in run), (run[0].span[0], run[-1].span[1]))
        else:
            yield from (each.part(listed) for each in run)


def _by(part: Any) -> str:
    """The names of what a part of the tokenizer is made of."""
    if part is None:
        return ""
    try:
        return " → ".join(_types(json.loads(part.__getstate__()))) or type(part).__name__
    except Exception:
        # The Rust library raises plain Exception for a part that is written in Python, as RoFormer's is.
        return type(part).__name__


def _types(state: Any) -> list[str]:
    members = next(
        (state[key] for key in ("normalizers", "pretokenizers", "processors", "decoders") if key in state), None
    )
    if members is None:
        return [str(state["type"])] if "type" in state else []
    return [name for member in members for name in _types(member)]


def _symbols(model: Any, text: str) -> list[str]:
    """What a BPE model begins with: the characters it knows, bytes or the unknown token for the others."""
    prefix, suffix = model.continuing_subword_prefix or "", model.end_of_word_suffix or ""
    symbols: list[str] = []
    unknown = 0
    for place, letter in enumerate(text):
        symbol = (prefix if place else "") + letter + (suffix if place == len(text) - 1 else "")
        if model.token_to_id(symbol) is not None:
            symbols += [str(model.unk_token)] * unknown + [symbol]
            unknown = 0
            continue
        if model.byte_fallback:
            spelled = [f"<0x{byte:02X}>" for byte in symbol.encode()]
            if all(model.token_to_id(each) is not None for each in spelled):
                symbols += spelled
                continue
        if model.unk_token is not None:
            unknown = 1 if model.fuse_unk else unknown + 1
    return symbols + [str(model.unk_token)] * unknown


def _word_piece(model: Any, text: str, pieces: tuple[str, ...]) -> tuple[Candidate, ...]:
    prefix = model.continuing_subword_prefix
    if len(text) > model.max_input_chars_per_word:
        return ()
    tried: list[Candidate] = []
    start = 0
    while start < len(text):
        for end in range(len(text), start, -1):
            piece = (prefix if start else "") + text[start:end]
            known = model.token_to_id(piece) is not None
            tried.append(Candidate(piece, start, end, known, known))
            if known:
                break
        if not tried[-1].known:
            break
        start = tried[-1].end
    # One place without a piece, and the whole word is unknown.
    if tuple(each.piece for each in tried if each.chosen) != pieces:
        tried = [Candidate(each.piece, each.start, each.end, each.known, False) for each in tried]
    return tuple(tried)


def _unknown(candidates: tuple[Candidate, ...], pieces: tuple[str, ...]) -> str:
    if any(each.chosen for each in candidates):
        return ""
    if not candidates:
        return "The word is longer than the model cuts, so all of it becomes the unknown token."
    return f"A part of the word is not in the vocabulary, so all of it becomes {' '.join(pieces) or 'nothing'}."
