"""Two scores of one text beside each other: in which of its pieces one model expected more than the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.engine.errors import InputError
from workbench.engine.score import Score


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text that both models cut at both of its ends.

    Attributes:
        start, end: Characters of the text; equal for a token that stands for none, such as an added special one.
        text: What is read there.
        first, second: Positions ``[begin, end)`` of each model's tokens in it.
        first_bits, second_bits: Their surprise together, or None where one of them was not scored.
    """

    start: int
    end: int
    text: str
    first: tuple[int, int]
    second: tuple[int, int]
    first_bits: float | None
    second_bits: float | None

    @property
    def difference(self) -> float | None:
        """``first_bits - second_bits``: above zero where the second model expected it more; None unless both know."""
        if self.first_bits is None or self.second_bits is None:
            return None
        # Infinity less infinity would be no number.
        return 0.0 if self.first_bits == self.second_bits else self.first_bits - self.second_bits


@dataclass(frozen=True, eq=False, slots=True)
class Difference:
    """Two models on one text.

    Attributes:
        first, second: What each made of it.
        same_ids: Whether both read the same ids, so that spans are tokens.
        spans: In order of the text; empty when a tokenizer can't say which characters its tokens stand for.
    """

    first: Score
    second: Score
    same_ids: bool
    spans: tuple[Span, ...]

    @property
    def shared_bytes(self) -> int:
        """UTF-8 bytes of the spans that both models scored."""
        shared = (span for span in self.spans if span.difference is not None and span.start < span.end)
        return sum(len(span.text.encode()) for span in shared)

    @property
    def bits(self) -> tuple[float, float]:
        """Bits of each model over the spans that both scored."""
        both = [span for span in self.spans if span.difference is not None]
        return sum(span.first_bits or 0.0 for span in both), sum(span.second_bits or 0.0 for span in both)


def compare(first: Score, second: Score) -> Difference:
    """Set two scores of one text beside each other, at the finest pieces that both tokenizers cut.

    Raises:
        InputError: They are scores of different texts.
    """
    if first.text != second.text:
        raise InputError(
            "These scores can't be compared.", why="They are of two different texts.", remedy="Score one text twice."
        )
    same = [token.id for token in first.tokens] == [token.id for token in second.tokens]
    if same:
        spans = tuple(
            Span(
                *(token.offsets or (0, 0)), token.text, (at, at + 1), (at, at + 1), _bits(first, at), _bits(second, at)
            )
            for at, token in enumerate(first.tokens)
        )
        return Difference(first, second, True, spans)
    return Difference(first, second, False, tuple(_spans(first, second)))


def _bits(score: Score, position: int) -> float | None:
    return float(score.surprises[position]) if score.ranks[position] else None


def _spans(first: Score, second: Score) -> Iterator[Span]:
    """Spans between the places where both cut; the text of added special tokens is none, and they are left out."""
    ones, others = _cuts(first), _cuts(second)
    if ones is None or others is None:
        return
    start, one, other = 0, ones[1][0], others[1][0]
    for end in sorted(set(ones[0]) & set(others[0])):
        one_end, other_end = ones[1][bisect_right(ones[0], end)], others[1][bisect_right(others[0], end)]
        bits = _sum(first, one, one_end), _sum(second, other, other_end)
        yield Span(start, end, first.text[start:end], (one, one_end), (other, other_end), *bits)
        start, one, other = end, one_end, other_end


def _cuts(score: Score) -> tuple[list[int], list[int]] | None:
    """Characters in front of which no token of the text reaches over, and the first position from each on.

    Entry ``n + 1`` of the positions belongs to entry ``n`` of the characters; entry 0 is the text's first token.
    """
    own = [token for token in score.tokens if not (token.special and token.sequence is None)]
    if not own or any(token.offsets is None for token in own):
        return None
    places: list[int] = []
    positions = [own[0].position]
    reached = 0
    for number, token in enumerate(own):
        reached = max(reached, (token.offsets or (0, 0))[1])
        following = own[number + 1] if number + 1 < len(own) else None
        # What lies between two tokens, such as a blank that belongs to none, is read with the second one.
        if following is None:
            places.append(len(score.text))
            positions.append(token.position + 1)
        elif (following.offsets or (0, 0))[0] >= reached and reached > (places[-1] if places else 0):
            places.append(reached)
            positions.append(following.position)
    return places, positions


def _sum(score: Score, begin: int, end: int) -> float | None:
    if not score.ranks[begin:end].all():
        return None
    return float(score.surprises[begin:end].sum())
