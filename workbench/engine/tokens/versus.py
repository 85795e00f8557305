"""Tokenizers side by side: how many tokens a text costs each, where they cut differently, and in which language."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine import paths
from workbench.engine.errors import InputError
from workbench.engine.task import Silent, Task
from workbench.engine.tokens.encoding import check_text
from workbench.engine.tokens.positions import Pieces, cut_apart
from workbench.engine.tokens.roundtrip import RoundTrip, round_trip
from workbench.engine.tokens.settings import settings_kept

if TYPE_CHECKING:
    from typing import TypeAlias

    from transformers import PreTrainedTokenizerBase

    #: First character, character after the last, and piece of each token.
    _Cuts: TypeAlias = list[tuple[int, int, str]]

#: Characters of the longest text that is compared.
LONGEST = 1_000_000
_STRIDE = 4096


@dataclass(frozen=True, slots=True)
class Split:
    """A word and what a tokenizer makes of it.

    Attributes:
        word: Characters between white space.
        count: How often it stands in the text.
        pieces: Where it stands first. Those of a byte-level vocabulary as they read, or as ``‹F0 9F›`` where one is
            only a part of a character.
    """

    word: str
    count: int
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """What one tokenizer makes of a text; special tokens around it are not counted.

    Attributes:
        name: Of the checkpoint.
        vocabulary: Size of the vocabulary, added tokens included.
        tokens: How many.
        characters: Of the text.
        bytes: Of the text in UTF-8.
        words: Between white space.
        unknown: Tokens that stand for what the vocabulary lacks.
        whole: Words that are one token.
        split: Every distinct word, by falling number of pieces.
        back: The ids decoded again.
        lined: Whether the tokenizer says where its tokens stand, so that it can be lined up with others.
    """

    name: str
    vocabulary: int
    tokens: int
    characters: int
    bytes: int
    words: int
    unknown: int
    whole: int
    split: tuple[Split, ...]
    back: RoundTrip
    lined: bool

    @property
    def characters_per_token(self) -> float | None:
        """Characters that a token stands for on average, or None without tokens."""
        return self.characters / self.tokens if self.tokens else None

    @property
    def bytes_per_token(self) -> float | None:
        """UTF-8 bytes that a token stands for on average, or None without tokens."""
        return self.bytes / self.tokens if self.tokens else None

    @property
    def tokens_per_word(self) -> float | None:
        """Tokens that a word takes on average, or None without words."""
        return self.tokens / self.words if self.words else None


@dataclass(frozen=True, slots=True)
class Segment:
    """Characters ``[start, end)`` between two places at which every tokenizer cuts.

    Attributes:
        start: First character.
        end: Character after the last.
        pieces: Per tokenizer that says where its tokens stand.
        same: Whether all of them cut it in the same places.
    """

    start: int
    end: int
    pieces: tuple[tuple[str, ...], ...]
    same: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tokenizers on one text.

    Attributes:
        text: The text.
        measures: One a tokenizer.
        differences: Where they cut differently, of the tokenizers that say where their tokens stand.
        words: The distinct words by the most pieces that a tokenizer makes of them, with the pieces of each tokenizer.
    """

    text: str
    measures: tuple[Measure, ...]
    differences: tuple[Segment, ...]
    words: tuple[tuple[str, int, tuple[tuple[str, ...], ...]], ...]


@dataclass(frozen=True, slots=True)
class Language:
    """The sentences of one language of the parallel sample.

    Attributes:
        code: As in ISO 639-1.
        name: In English.
        sentences: In the order that all languages share.
    """

    code: str
    name: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """What a language costs.

    Attributes:
        language: Its sentences.
        tokens: Per tokenizer, over all sentences, without special tokens.
        premium: Per tokenizer, how many times the tokens of the same sentences in English.
        unknown: Per tokenizer, how many of the tokens stand for what the vocabulary lacks: such a language seems cheap.
    """

    language: Language
    tokens: tuple[int, ...]
    premium: tuple[float, ...]
    unknown: tuple[int, ...]


def compare(
    tokenizers: Sequence[PreTrainedTokenizerBase], names: Sequence[str], text: str, *, task: Task | None = None
) -> Comparison:
    """Set tokenizers side by side on one text.

    Args:
        tokenizers: Left as they were found.
        names: Of their checkpoints.
        text: At most `LONGEST` characters.
        task: Asked now and then whether to stop.

    Raises:
        InputError: As for `measure`.
    """
    task = task or Silent()
    all_cuts, measures = [], []
    for tokenizer, name in zip(tokenizers, names, strict=True):
        made, cuts = _measured(tokenizer, name, text, task)
        measures.append(made)
        if cuts is not None:
            all_cuts.append(cuts)
    pieces = [{split.word: split.pieces for split in each.split} for each in measures]
    counts = {split.word: split.count for split in measures[0].split} if measures else {}
    words = [(word, count, tuple(each[word] for each in pieces)) for word, count in counts.items()]
    words.sort(key=lambda row: (-max(map(len, row[2])), -row[1], row[0]))
    differences = tuple(each for each in _segments(all_cuts, text, task) if not each.same)
    return Comparison(text, tuple(measures), differences, tuple(words))


def measure(tokenizer: PreTrainedTokenizerBase, name: str, text: str, *, task: Task | None = None) -> Measure:
    """Count what a tokenizer makes of a text.

    Args:
        tokenizer: Left as it was found.
        name: Of its checkpoint.
        text: At most `LONGEST` characters.
        task: Asked now and then whether to stop.

    Raises:
        InputError: The text is too long, or holds a lone surrogate.
    """
    return _measured(tokenizer, name, text, task or Silent())[0]


def align(tokenizers: Sequence[PreTrainedTokenizerBase], text: str, *, task: Task | None = None) -> tuple[Segment, ...]:
    """Cut a text where every tokenizer cuts it, and say between which of these places they differ.

    Args:
        tokenizers: Left as they were found; those that don't say where their tokens stand are left out.
        text: The text.
        task: Asked now and then whether to stop.

    Raises:
        InputError: A lone surrogate in the text.
    """
    task = task or Silent()
    check_text(text)
    found = [_read(each, text, task)[1] for each in tokenizers]
    return tuple(_segments([cuts for cuts in found if cuts is not None], text, task))


def languages() -> tuple[Language, ...]:
    """The parallel sample that comes with the program, English first: the same sentences in each language."""
    found: dict[str, tuple[str, list[str]]] = {}
    with paths.asset("samples/parallel.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["code"], (row["language"], []))[1].append(row["text"])
    return tuple(Language(code, name, tuple(sentences)) for code, (name, sentences) in found.items())


def prices(tokenizers: Sequence[PreTrainedTokenizerBase], *, task: Task | None = None) -> tuple[Price, ...]:
    """What each language of the sample costs with each tokenizer, beside the same sentences in English.

    Args:
        tokenizers: Left as they were found.
        task: Asked now and then whether to stop.

    References:
        Petrov et al. 2023, Language Model Tokenizers Introduce Unfairness Between Languages (tokenization premium)
    """
    task = task or Silent()
    sample = languages()
    counts: list[list[int]] = []
    strange: list[list[int]] = []
    for tokenizer in tokenizers:
        counts.append([])
        strange.append([])
        for language in sample:
            task.check()
            with settings_kept(tokenizer, lend_pad=False):
                ids = tokenizer(list(language.sentences), add_special_tokens=False, verbose=False)["input_ids"]
            counts[-1].append(sum(map(len, ids)))
            strange[-1].append(sum(each.count(tokenizer.unk_token_id) for each in ids))
    return tuple(
        Price(
            language,
            tuple(row[number] for row in counts),
            tuple(row[number] / row[0] if row[0] else 0.0 for row in counts),
            tuple(row[number] for row in strange),
        )
        for number, language in enumerate(sample)
    )


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names to tell tokenizers apart by: those of one name, as two revisions of a checkpoint have it, are numbered."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(told)


def read_text(path: Path, *, task: Task | None = None) -> str:
    """Read a file to compare on.

    Args:
        path: UTF-8 text of at most `LONGEST` characters; a byte-order mark is left out.
        task: Asked once whether to stop.

    Raises:
        InputError: It can't be read, is no UTF-8, or too long.
    """
    (task or Silent()).check()
    what = f"Could not read {path.name}."
    try:
        if path.stat().st_size > 4 * LONGEST:
            raise InputError(what, why=f"It is longer than {LONGEST:,} characters.", remedy="Take a part of it.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(what, why=str(error.strerror), remedy="Choose another file.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            what,
            why=f"Byte {error.start + 1:,} is no UTF-8: it is in another encoding, or no text.",
            remedy="Save it as UTF-8, or choose another file.",
        ) from error
    if len(text) > LONGEST:
        raise InputError(what, why=f"It is longer than {LONGEST:,} characters.", remedy="Take a part of it.")
    return text


def _measured(tokenizer: PreTrainedTokenizerBase, name: str, text: str, task: Task) -> tuple[Measure, _Cuts | None]:
    check_text(text)
    if len(text) > LONGEST:
        raise InputError(
            f"A text of {len(text):,} characters is too long to compare.",
            why=f"At most {LONGEST:,} are compared, so that the differences can be lined up.",
            remedy="Take a part of it.",
        )
    ids, cuts = _read(tokenizer, text, task)
    words, whole = _words(tokenizer, text, cuts, task)
    unknown = tokenizer.unk_token_id
    split = sorted(words.values(), key=lambda each: (-len(each.pieces), -each.count, each.word))
    made = Measure(
        name,
        len(tokenizer),
        len(ids),
        len(text),
        len(text.encode()),
        sum(each.count for each in split),
        ids.count(unknown) if unknown is not None else 0,
        whole,
        tuple(split),
        round_trip(tokenizer, text, ids, task=task),
        cuts is not None,
    )
    return made, cuts


def _read(tokenizer: PreTrainedTokenizerBase, text: str, task: Task) -> tuple[list[int], _Cuts | None]:
    """The ids of a text, and where each token begins and ends, when the tokenizer says so."""
    task.check()
    with settings_kept(tokenizer, lend_pad=False):
        batch = tokenizer([text], add_special_tokens=False, verbose=False)
    ids = [int(each) for each in batch["input_ids"][0]]
    if not tokenizer.is_fast:
        return ids, None
    pieces = Pieces(tokenizer)
    # Asked one by one: the list of all offsets is made in one go that holds the interpreter for a long text.
    where = batch.encodings[0].token_to_chars
    cuts = []
    for position, id_ in enumerate(ids):
        if position % _STRIDE == 0:
            task.check()
        start, end = where(position) or (0, 0)
        if start < end:
            cuts.append((start, end, pieces.spelled(id_)))
    return ids, cuts


def _segments(all_cuts: Sequence[_Cuts], text: str, task: Task) -> Iterator[Segment]:
    if not all_cuts or not text:
        return
    common = {place for start, end, _ in all_cuts[0] for place in (start, end)}
    for cuts in all_cuts[1:]:
        common &= {place for start, end, _ in cuts for place in (start, end)}
    for cuts in all_cuts:
        for start, end, _ in cuts:
            for place in range(start + 1, end):
                common.discard(place)
    at = [0] * len(all_cuts)
    for number, (begin, end) in enumerate(pairwise(sorted(common | {0, len(text)}))):
        if number % _STRIDE == 0:
            task.check()
        parts = []
        for which, cuts in enumerate(all_cuts):
            first = last = at[which]
            while last < len(cuts) and cuts[last][0] < end:
                last += 1
            at[which] = last
            parts.append(cuts[first:last])
        # A blank in front of the first token is its own for one tokenizer and nobody's for another.
        inside = text[begin:end]
        bare = begin + len(inside) - len(inside.lstrip())
        same = len({len(part) for part in parts}) == 1
        if same and len(parts[0]) > 1:
            inner = [{edge for span in part for edge in span[:2] if begin < edge < end} - {bare} for part in parts]
            same = all(edges == inner[0] for edges in inner)
        yield Segment(begin, end, tuple(tuple(piece for _, _, piece in part) for part in parts), same)


def _words(
    tokenizer: PreTrainedTokenizerBase, text: str, cuts: _Cuts | None, task: Task
) -> tuple[dict[str, Split], int]:
    """The distinct words of a text, and how many of all its words are one token."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    counts = Counter(text[start:end] for start, end in spans)
    words: dict[str, Split] = {}
    if cuts is None:
        # Without offsets a word is cut by itself, with the blank that stands before it in a text.
        known = Pieces(tokenizer)
        for number, (word, count) in enumerate(counts.items()):
            if number % _STRIDE == 0:
                task.check()
            pieces = tuple(piece for piece, _ in cut_apart(known, f" {word}"))
            # The blank is no part of the word where it is a token of its own.
            words[word] = Split(word, count, pieces[1:] if len(pieces) > 1 and not pieces[0].strip(" ▁") else pieces)
        return words, sum(each.count for each in words.values() if len(each.pieces) == 1)
    at = whole = 0
    for number, (start, end) in enumerate(spans):
        if number % _STRIDE == 0:
            task.check()
        while at < len(cuts) and cuts[at][1] <= start:
            at += 1
        last = at
        while last < len(cuts) and cuts[last][0] < end:
            last += 1
        whole += last - at == 1
        word = text[start:end]
        if word not in words:
            words[word] = Split(word, counts[word], tuple(piece for _, _, piece in cuts[at:last]))
    return words, whole
