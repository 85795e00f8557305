"""What the model's lane makes of a text for the Score pane: scores, chips and the words beside them, ready to show."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.engine import generate, models, score
from workbench.engine.score import Alternative, Score
from workbench.engine.score_difference import Difference, Span, compare
from workbench.engine.task import Progress, Task
from workbench.engine.values import Token
from workbench.widgets import theme
from workbench.widgets.chip import Chip
from workbench.widgets.probability_table import format_percent
from workbench.widgets.visible_text import visible

#: Difference, in bits, that gets the strongest colour of a side.
WIDEST = 6.0
#: Title of the view of the difference.
DIFFERENCE = "A − B"
#: Headers of the table, for one model, for two that read the same ids, and for two that don't.
COLUMNS = ("position", "token", "id", "probability", "rank", "bits", "entropy")
SAME_COLUMNS = ("position", "token", "A − B (bits)", "A (bits)", "B (bits)", "id")
SPAN_COLUMNS = ("characters", "text", "A − B (bits)", "A (bits)", "B (bits)", "A tokens", "B tokens")


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """One way to look at what was scored.

    Attributes:
        title: As people see it.
        chips: Of the strip, one a row of the table.
        columns: Headers.
        row: Gives a row.
        places: Characters ``(start, end)`` of each row.
        heights: What the plot draws of each row, in bits; NaN where nothing was scored.
        token_rows: Whether a row is a position of the first model's ids.
    """

    title: str
    chips: tuple[Chip, ...]
    columns: tuple[str, ...]
    row: Callable[[int], Sequence[object]]
    places: tuple[tuple[int, int] | None, ...]
    heights: tuple[float, ...]
    token_rows: bool


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """A text as one or two models read it.

    Attributes:
        text: All of it.
        scores: One a model.
        difference: Of two, or None.
        views: Of each model, and of the difference.
    """

    text: str
    scores: tuple[Score, ...]
    difference: Difference | None
    views: tuple[View, ...]


class _Share:
    """The task of one model among several: their progress is one."""

    def __init__(self, task: Task, number: int, count: int, name: str) -> None:
        self._task, self._number, self._count, self._name = task, number, count, name

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self._task.cancelled

    def report(self, progress: Progress) -> None:
        """Pass on how far all of it has come."""
        total = progress.total or 0
        note = f"{self._name}, {progress.note}" if self._count > 1 else progress.note
        done = self._number * total + progress.done
        self._task.report(Progress(done, self._count * total, progress.unit, note))

    def send(self, part: object) -> None:
        """Pass on a part."""
        self._task.send(part)

    def log(self, line: str) -> None:
        """Pass on a line."""
        self._task.log(line)

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""
        self._task.check()


def read(
    loaded: Sequence[models.LoadedModel],
    text: str,
    add_special_tokens: bool,
    window: int | None,
    overlap: int | None,
    *,
    task: Task,
) -> Reading:
    """Score a text with one model or two; for the model's lane.

    Args:
        loaded: One or two models.
        text: All of it.
        add_special_tokens: Add what the tokenizer adds around a text.
        window: Tokens in one pass, cut to each model's context; None for each model's own.
        overlap: Tokens of context for what later windows score; None for half a window.
        task: Told of the progress, and asked now and then whether to stop.

    Raises:
        NotSupported, InputError: As for `score.score`.
    """
    scores = []
    for number, model in enumerate(loaded):
        share = _Share(task, number, len(loaded), model.checkpoint.name)
        fitting = window
        if window is not None and len(loaded) > 1:
            fitting = min(window, generate.context_of(model) or window)
        scores.append(
            score.score(model, text, add_special_tokens=add_special_tokens, window=fitting, overlap=overlap, task=share)
        )
    letters = ("A · ", "B · ") if len(scores) > 1 else ("",)
    difference = compare(*scores) if len(scores) > 1 else None
    views = [
        _view(f"{letter}{scored.checkpoint}", scored, scored is scores[0] or bool(difference and difference.same_ids))
        for letter, scored in zip(letters, scores, strict=True)
    ]
    if difference is not None and difference.spans:
        views.append(_difference_view(difference))
    return Reading(text, tuple(scores), difference, tuple(views))


def bits(value: float | None) -> str:
    """Bits in words: two digits after the point, nothing for what was not scored."""
    if value is None:
        return ""
    return "∞" if math.isinf(value) else f"{value:.2f}"


def signed(value: float | None) -> str:
    """A difference in bits with its sign, ``0.00`` without one."""
    if value is None:
        return ""
    sign = "+" if value > 0.005 else "−" if value < -0.005 else ""
    return f"{sign}{bits(abs(value))}"


def perplexity(value: float) -> str:
    """A perplexity in words."""
    if math.isinf(value):
        return "∞"
    return f"{value:,.2f}" if value < 1e4 else f"{value:,.0f}" if value < 1e9 else f"{value:.3g}"


def candidates(reading: Reading, view: int, row: int) -> tuple[str, tuple[str, ...], list[tuple[object, ...]]]:
    """What could have stood at a row: a heading, headers and rows."""
    difference = reading.difference
    if view < len(reading.scores):
        scored = reading.scores[view]
        found = [(rank, text, token_id, share) for text, token_id, share, rank in _ranked(scored, row)]
        return _heading(scored, row), ("rank", "token", "id", "probability"), list(found)
    if difference is None:
        return "", (), []
    if difference.same_ids:
        return _heading(difference.first, row), ("token", "id", "A", "B"), _side_by_side(difference, row)
    span = difference.spans[row]
    rows_of_span: list[tuple[object, ...]] = []
    for name, scored, (begin, end) in (("A", difference.first, span.first), ("B", difference.second, span.second)):
        for at in range(begin, end):
            token = scored.tokens[at]
            rank = int(scored.ranks[at]) or None
            surprise = float(scored.surprises[at]) if rank else None
            rows_of_span.append((name, visible(face(token)), scored.probability(at), rank, surprise))
    return f"How each cuts “{_short(span.text)}”", ("model", "token", "p", "rank", "bits"), rows_of_span


def legend(columns: tuple[str, ...]) -> str:
    """What colours and signs of the strip say, for a view with these columns."""
    if columns in (SAME_COLUMNS, SPAN_COLUMNS):
        return f"▲ blue: B expected it more · ▼ orange: A did · strongest from {WIDEST:.0f} bits on"
    return f"tint and line: surprise, from 0 to {theme.STRONGEST:.0f} bits or more · plain: not scored"


def plain(reading: Reading) -> object:
    """A reading as JSON can hold it: what was not scored is null, and infinity is written out."""
    whole: dict[str, object] = {
        "text": reading.text,
        "scores": [
            {
                "checkpoint": scored.checkpoint,
                "perplexity": scored.perplexity,
                "total_bits": scored.total_bits,
                "bits_per_token": scored.bits_per_token,
                "bits_per_byte": scored.bits_per_byte,
                "bits_per_character": scored.bits_per_character,
                "scored_tokens": scored.scored,
                "windows": [[cut.begin, cut.end, cut.first] for cut in scored.windows],
                "tokens": list(scored.records()),
            }
            for scored in reading.scores
        ],
    }
    if reading.difference is not None:
        whole["difference"] = [
            {
                "start": span.start,
                "end": span.end,
                "text": span.text,
                "a_bits": span.first_bits,
                "b_bits": span.second_bits,
                "a_minus_b_bits": span.difference,
            }
            for span in reading.difference.spans
        ]
    return _strict(whole)


def write_json(reading: Reading, path: Path, *, task: Task) -> None:
    """Write `plain` as UTF-8; for a lane, as it takes seconds for a long text.

    Raises:
        OSError: It can't be written.
    """
    task.check()
    content = json.dumps(plain(reading), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(content + "\n", encoding="utf-8", errors="backslashreplace")


def _strict(value: object) -> object:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _strict(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def face(token: Token) -> str:
    """What a chip says: the characters, or the bytes of a piece that is only a part of a character."""
    if token.text or not token.bytes:
        return token.text or token.piece
    return f"‹{token.bytes.hex(' ').upper()}›"


def _heading(scored: Score, row: int) -> str:
    if not scored.ranks[row]:
        return "Nothing stands in front of it, so it was not scored"
    before = "".join(token.text for token in scored.tokens[max(0, row - 8) : row])
    return f"Expected after “…{_short(before, end=True)}”"


def _short(text: str, *, end: bool = False, length: int = 24) -> str:
    if len(text) <= length:
        return visible(text)
    return visible(text[-length:]) if end else f"{visible(text[:length])}…"


def _ranked(scored: Score, row: int) -> list[tuple[str, int, float | None, int]]:
    """Text, id, probability and rank of what was expected, and of what stands there, which is marked."""
    token = scored.tokens[row]
    others: list[Alternative] = list(scored.alternatives(row))
    if others and all(other.id != token.id for other in others):
        share = scored.probability(row) or 0.0
        others.append(Alternative(token.id, scored.vocabulary.spell([token.id])[0], share, int(scored.ranks[row])))
    return [(_marked(other, token.id), other.id, other.probability, other.rank) for other in others]


def _side_by_side(difference: Difference, row: int) -> list[tuple[object, ...]]:
    """Token, id and both probabilities; one that was not kept is absent."""
    sides = [{other[1]: other for other in _ranked(scored, row)} for scored in (difference.first, difference.second)]
    both = sides[0] | {key: value for key, value in sides[1].items() if key not in sides[0]}
    rows: list[tuple[object, ...]] = []
    for token_id, (text, *_) in both.items():
        shares = [side[token_id][2] if token_id in side else None for side in sides]
        rows.append((text, token_id, *shares))
    return sorted(rows, key=lambda each: -max(share for share in each[2:] if isinstance(share, float)))


def _marked(other: Alternative, chosen: int) -> str:
    return f"▶ {visible(other.text)}" if other.id == chosen else visible(other.text)


def _view(title: str, scored: Score, of_first: bool) -> View:
    chips = []
    for at, token in enumerate(scored.tokens):
        if scored.ranks[at]:
            surprise = float(scored.surprises[at])
            share = format_percent(scored.probability(at) or 0.0)
            tip = (
                f"position {at} · id {token.id} · {share}, rank {scored.ranks[at]:,} · surprise {bits(surprise)} bits, "
                f"entropy {bits(float(scored.entropies[at]))} bits"
            )
            chips.append(Chip(face(token), token.special, theme.strength_of(surprise), tip))
        else:
            chips.append(Chip(face(token), token.special, None, f"position {at} · id {token.id} · not scored"))

    def row(at: int) -> tuple[object, ...]:
        token = scored.tokens[at]
        known = bool(scored.ranks[at])
        return (
            at,
            face(token),
            token.id,
            scored.probability(at),
            int(scored.ranks[at]) or None,
            float(scored.surprises[at]) if known else None,
            float(scored.entropies[at]) if known else None,
        )

    places = tuple(token.offsets for token in scored.tokens)
    return View(title, tuple(chips), COLUMNS, row, places, tuple(scored.surprises.tolist()), of_first)


def _difference_view(difference: Difference) -> View:
    spans, first = difference.spans, difference.first

    def same_row(at: int) -> tuple[object, ...]:
        span, token = spans[at], first.tokens[at]
        return (at, face(token), span.difference, span.first_bits, span.second_bits, token.id)

    def span_row(at: int) -> tuple[object, ...]:
        span = spans[at]
        counts = (span.first[1] - span.first[0], span.second[1] - span.second[0])
        return (f"{span.start}:{span.end}", span.text, span.difference, span.first_bits, span.second_bits, *counts)

    chips = []
    for at, span in enumerate(spans):
        special = difference.same_ids and first.tokens[at].special
        text = face(first.tokens[at]) if difference.same_ids else span.text
        chips.append(_leaning(text, special, span))
    columns, row = (SAME_COLUMNS, same_row) if difference.same_ids else (SPAN_COLUMNS, span_row)
    places = tuple((span.start, span.end) for span in spans)
    heights = tuple(math.nan if span.difference is None else span.difference for span in spans)
    return View(DIFFERENCE, tuple(chips), columns, row, places, heights, difference.same_ids)


def _leaning(text: str, special: bool, span: Span) -> Chip:
    apart = span.difference
    if apart is None:
        return Chip(text, special, None, "not scored by both")
    both = f"A {bits(span.first_bits)} bits, B {bits(span.second_bits)} bits"
    if abs(apart) < 0.05:
        return Chip(text, special, None, f"{both}: no difference to speak of", lean=0.0)
    better, sign = ("B", "▲") if apart > 0 else ("A", "▼")
    tip = f"{both}: {better} expected it more, by {bits(abs(apart))} bits"
    return Chip(sign + text, special, None, tip, lean=max(-1.0, min(1.0, apart / WIDEST)))
