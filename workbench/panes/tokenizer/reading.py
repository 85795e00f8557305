"""What the text lane makes of a text for the Tokenizer pane: encodings, verdicts and sentences, ready to show."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace

from workbench.engine import codegen, tokens
from workbench.engine.task import Task
from workbench.engine.tokens.edit import respelled
from workbench.engine.tokens.positions import Pieces, complete, nowhere
from workbench.engine.tokens.standing import Standing
from workbench.engine.values import Checkpoint, Encoding, Positions, Token, TokenizerOptions
from workbench.widgets.probability_table import format_percent
from workbench.widgets.token_strip import Chip
from workbench.widgets.visible_text import visible

#: Characters from which the beginning of a text is shown before the whole is encoded, and how many these are.
LONG = 8_000
BEGINNING = 2_000
#: Chips laid out at once, a multiple of the number of tints; the table always holds all positions.
CHIPS = 1200
#: Characters up to which the text is written into the code.
CODED = 20_000
#: Characters of one token, and bytes, that are shown: an unknown word can be as long as the text.
SEEN = 200
_FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff]")
#: Headers of the table of positions, the merge rank or score apart.
COLUMNS = (
    "position", "token", "id", "bytes", "offsets", "word", "attention_mask", "token_type_ids", "special", "piece",
)  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """What the text lane made of the text.

    Attributes:
        text: All of it.
        places: Where each encoded text begins in it.
        batch: The encodings, and the ids decoded back.
        verdicts: Per encoding how the decoded ids compare with the text; empty while they are not decoded yet.
        summary: Characters, bytes and tokens in words.
        shape: What a model would be given, in words.
        first: The position of the first of ``chips``.
        chips: Those of a page of the first encoding, made ahead.
        final: Whether it stays; else it holds the beginning alone, or what a change most likely comes to.
    """

    text: str
    places: tuple[int, ...]
    batch: tokens.Batch
    verdicts: tuple[str, ...]
    summary: str
    shape: str
    first: int = 0
    chips: tuple[Chip, ...] = ()
    final: bool = True

    def at(self, row: int, place: int) -> int | None:
        """The position of an encoding whose token has a character of its text, or the one before it.

        Args:
            row: Which encoding.
            place: The character.
        """
        return _at(self.batch.encodings[row], place)


def read(
    tokenizer: tokens.Tokenizer,
    text: str,
    by_line: bool,
    options: TokenizerOptions,
    place: int | None = None,
    *,
    known: int | None = None,
    task: Task,
) -> Reading:
    """Encode, decode and describe a text; for the text lane.

    Of a long text the task is sent a reading of the beginning first, and the whole is not decoded `back` yet.

    Args:
        tokenizer: The pane's own.
        text: All of it.
        by_line: Encode each line that is not blank as a text of its own.
        options: The switches of the tokenizer call.
        place: The character whose page of chips will be looked at first; None for the first page.
        known: Ids that the model has vectors for, from 0 on; None where nobody knows.
        task: Asked now and then whether to stop.

    Raises:
        InputError: As for `tokens.encode`.
    """
    texts, places = [text], [0]
    if by_line:
        texts, places, place = [], [], 0
        for line in text.split("\n"):
            if line.strip():
                texts.append(line)
                places.append(place)
            place += len(line) + 1
    long = len(text) > LONG
    if long and not by_line:
        head = _beginning(text)
        begun = tokens.look(tokenizer, [head], TokenizerOptions(options.add_special_tokens), task=task)
        said = f"the first {len(head):,} of {len(text):,} characters so far"
        task.send(Reading(text, (0,), begun, (), said, "", 0, chips(begun.encodings[0], 0), final=False))
    batch = tokens.look(tokenizer, texts, options, task=task)
    encoding = batch.encodings[0] if batch.encodings else None
    first = 0
    if encoding is not None and place is not None and not by_line:
        first = 0 if place is None else (_at(encoding, place) or 0) // CHIPS * CHIPS
    made = chips(encoding, first) if encoding is not None else ()
    found = Reading(
        text,
        tuple(places),
        batch,
        (),
        _summary(tokenizer, batch, options),
        _shape(tokenizer, batch, known),
        first,
        made,
    )
    return found if long else back(tokenizer, found, task=task)


def back(tokenizer: tokens.Tokenizer, reading: Reading, *, task: Task) -> Reading:
    """The same reading with its ids decoded back; for the text lane."""
    batch = tokens.decoded_back(tokenizer, reading.batch, task=task)
    verdicts = tuple(map(_verdict, batch.encodings, batch.decoded, batch.plain))
    return replace(reading, batch=batch, verdicts=verdicts)


def change(
    tokenizer: tokens.Tokenizer,
    base: Reading,
    text: str,
    options: TokenizerOptions,
    place: int | None,
    *,
    known: int | None = None,
    task: Task,
) -> Reading:
    """What a change of a long text most likely comes to; for the text lane.

    Args:
        tokenizer: The pane's own.
        base: Of the text as it was encoded last, in one piece, neither padded nor cut.
        text: The text now.
        options: The switches, the same as for ``base``.
        place: The character whose page of chips will be looked at.
        known: As for `read`.
        task: Asked whether to stop.

    Returns:
        A reading that is not final, or that of `read` where only the whole can tell.

    Raises:
        InputError: As for `tokens.encode`.
    """
    task.check()
    tokens.check_text(text)
    encoding = respelled(tokenizer, base.batch.encodings[0], text)
    if encoding is None:
        return read(tokenizer, text, False, options, place, known=known, task=task)
    batch = replace(base.batch, encodings=(encoding,), decoded=(), plain=())
    first = 0 if place is None else (_at(encoding, place) or 0) // CHIPS * CHIPS
    summary, shape = _summary(tokenizer, batch, options), _shape(tokenizer, batch, known)
    return Reading(text, (0,), batch, (), summary, shape, first, chips(encoding, first), final=False)


def chips(encoding: Encoding, first: int) -> tuple[Chip, ...]:
    """A page of chips.

    Args:
        encoding: Whose.
        first: The position of the first of them, a multiple of `CHIPS`.
    """
    seen = encoding.tokens[first : first + CHIPS]
    return tuple(map(chip, seen))


def chip(token: Token) -> Chip:
    """A position as a chip; it touches the one before where both have a part of one character."""
    return Chip(face(token), token.special, None, tip(token), muted=not token.mask, joined=goes_on(token))


def goes_on(token: Token) -> bool:
    """Whether a position goes on with a character that one before it began."""
    # So do the bytes that no character of UTF-8 begins with.
    return b"\x80" <= (token.bytes or b"")[:1] < b"\xc0"


def _beginning(text: str) -> str:
    """The beginning of a long text, up to a blank where there is one."""
    blank = max(text.rfind(" ", 0, BEGINNING), text.rfind("\n", 0, BEGINNING))
    return text[: blank if blank > 0 else BEGINNING]


def _at(encoding: Encoding, place: int) -> int | None:
    made = encoding.tokens
    offsets_of = made.offsets_of if isinstance(made, Positions) else lambda position: made[position].offsets
    if offsets_of is nowhere:
        return None

    def placed(position: int) -> bool:
        start, end = offsets_of(position) or (0, 0)
        return start < end

    # What was added around the text has no place in it; between the first and the last that have, places rise.
    span = range(len(made))
    first = next((position for position in span if placed(position)), None)
    if first is None:
        return None
    last = next(position for position in reversed(span) if placed(position))
    found = bisect_right(range(first, last + 1), place, key=lambda position: (offsets_of(position) or (0, 0))[0])
    position = first + max(0, found - 1)
    while position > first and not placed(position):
        position -= 1
    return position


def let_go(held: list[Encoding], *, task: Task) -> None:
    """Free encodings piece by piece; for the text lane.

    Freeing half a million tokens in one go holds the interpreter, and with it the window, for a tenth of a second.

    Args:
        held: The only references left; emptied.
        task: Asked once whether to stop.
    """
    task.check()
    while held:
        tokens = held.pop().tokens
        pile = [] if isinstance(tokens, Positions) else list(tokens)
        del tokens
        while pile:
            del pile[-2000:]


def _verdict(encoding: Encoding, decoded: str, plain: str) -> str:
    if encoding.truncated:
        return f"{many(encoding.truncated, 'token')} of the text cut off"
    if decoded == encoding.text:
        return "equals the text"
    if plain == encoding.text:
        return "equals the text once special tokens are left out"
    both = min(len(plain), len(encoding.text))
    same = next((place for place in range(both) if plain[place] != encoding.text[place]), both)
    return f"differs from the text from character {same + 1:,} on"


def _summary(tokenizer: tokens.Tokenizer, batch: tokens.Batch, options: TokenizerOptions) -> str:
    attended = sum(encoding.attended for encoding in batch.encodings)
    special = sum(batch.specials)
    characters = sum(len(encoding.text) for encoding in batch.encodings)
    size = sum(len(encoding.text.encode()) for encoding in batch.encodings)
    parts = [many(characters, "character"), many(size, "byte"), many(attended, "token")]
    if special:
        parts[-1] += f" ({special:,} special)"
    # Special tokens that stand in the text are a part of it; those that are put around it are none.
    around = tokenizer.num_special_tokens_to_add() * len(batch.encodings) if options.add_special_tokens else 0
    if characters and attended > around and not any(encoding.truncated for encoding in batch.encodings):
        parts.append(f"{characters / (attended - around):.2f} characters per token")
    return " · ".join(parts)


def _shape(tokenizer: tokens.Tokenizer, batch: tokens.Batch, known: int | None) -> str:
    limit = tokens.longest(tokenizer)
    widths = [len(encoding.tokens) for encoding in batch.encodings]
    if not widths:
        return "no text yet"
    if batch.width is not None:
        parts = [f"input_ids [{len(widths):,} × {batch.width:,}]"]
    else:
        parts = [f"{len(widths):,} rows of {min(widths):,} to {max(widths):,} tokens: no rectangle without padding"]
    if batch.padded_with is not None:
        share = batch.wasted / max(1, sum(widths))
        parts.append(f"{many(batch.wasted, 'position')} of padding ({format_percent(share, 1)})")
        stands_in = " (the end token, as there is no pad token)" if batch.borrowed else ""
        parts.append(f"padded with {batch.padded_with}{stands_in}")
    if cut := sum(encoding.truncated for encoding in batch.encodings):
        parts.append(f"{many(cut, 'token')} cut off")
    if limit is not None and max(widths) > limit:
        parts.append(f"longer than the {limit:,} tokens this model was made for")
    if not tokenizer.is_fast:
        unsaid = "offsets or words" if Pieces(tokenizer).in_bytes else "offsets, bytes or words"
        parts.append(f"this tokenizer is written in Python, and says no {unsaid}")
    # Some name the boxes among their inputs, all have one for padding.
    if hasattr(tokenizer, "pad_token_box"):
        parts.append("the boxes of the words, which the model reads beside them, are left out")
    if known is not None:
        rows = (encoding.input_ids for encoding in batch.encodings)
        largest = max((max(part) for ids in rows for part in tokens.in_parts(ids)), default=0)
        if largest >= known:
            parts.append(f"id {largest:,} does not belong to this model, which has vectors for {known:,} ids")
    return " · ".join(parts)


def many(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def face(token: Token) -> str:
    """What a chip says: the characters, and the bytes of a part of a character that the next token goes on with."""
    if not token.text and token.bytes:
        return f"‹{_hex(token.bytes)}›"
    text = token.text or token.piece
    begun = complete(token.bytes)[1] if token.bytes else b""
    shown = text if len(text) <= SEEN else f"{text[:SEEN]}… ({len(text):,} characters)"
    return f"{shown}‹{_hex(begun)}›" if begun else shown


def _hex(raw: bytes) -> str:
    shown = raw[:SEEN].hex(" ").upper()
    return shown if len(raw) <= SEEN else f"{shown} … ({len(raw):,} bytes)"


def in_order(side_by_side: str, between: str = " | ") -> str:
    """Pieces in one line as a cell draws them: from left to right, whichever way the letters of each run.

    Args:
        side_by_side: The pieces.
        between: What stands between two of them.
    """
    if _FROM_THE_RIGHT.search(side_by_side) is None:
        return side_by_side
    # Each in marks of its own (first strong isolate), so that Qt does not turn the row of them round.
    return between.join(f"\u2068{piece}\u2069" for piece in side_by_side.split(between))


def columns(standing: Standing) -> tuple[str, ...]:
    """Headers of the table of positions, with that of the merge rank or score where the vocabulary has one."""
    return (*COLUMNS[:-1], standing.kind, COLUMNS[-1]) if standing.kind else COLUMNS


def row(token: Token, standing: Standing) -> tuple[object, ...]:
    """A row of the table, in the order of `columns`."""
    return (
        token.position,
        visible(face(token)),
        token.id,
        None if token.bytes is None else _hex(token.bytes),
        None if token.offsets is None else f"{token.offsets[0]}:{token.offsets[1]}",
        token.word,
        token.mask,
        token.type_id,
        token.special,
        *((standing.of(token.id),) if standing.kind else ()),
        token.piece,
    )


def tip(token: Token) -> str:
    """The tooltip of a chip or a cell."""
    said = f"position {token.position} · id {token.id} · piece {token.piece}"
    if token.bytes is not None:
        said += f" · bytes {_hex(token.bytes)}"
    if token.word is not None:
        said += f" · word {token.word}"
    if not token.mask:
        return said + " · padding"
    return said + " · special" if token.special else said


def script(checkpoint: Checkpoint, reading: Reading, options: TokenizerOptions, staged: Encoding | None) -> str:
    """The code that encodes the same text.

    Args:
        checkpoint: Whose tokenizer.
        reading: Of the text.
        options: The switches.
        staged: The encoding whose stages are on show, or None.
    """
    if len(reading.text) > CODED:
        return f"# A text of {len(reading.text):,} characters is too long to be written into a script.\n"
    if staged is not None:
        return codegen.stages(checkpoint, staged.text, options.add_special_tokens)
    return codegen.tokenizer(checkpoint, [each.text for each in reading.batch.encodings], options)
