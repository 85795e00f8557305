"""What the text lane makes of a text for the Tokenizer pane: encodings, verdicts and sentences, ready to show."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.engine import tokens
from workbench.engine.task import Task
from workbench.engine.values import Encoding, Token, TokenizerOptions
from workbench.widgets.visible_text import visible

#: Headers of the table of positions.
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
        starts: Per encoding the first characters of its tokens, rising, and the positions of these tokens.
        verdicts: Per encoding how the decoded ids compare with the text.
        summary: Characters, bytes and tokens in words.
        shape: What a model would be given, in words.
    """

    text: str
    places: tuple[int, ...]
    batch: tokens.Batch
    starts: tuple[tuple[list[int], list[int]], ...]
    verdicts: tuple[str, ...]
    summary: str
    shape: str


def read(tokenizer: tokens.Tokenizer, text: str, by_line: bool, options: TokenizerOptions, *, task: Task) -> Reading:
    """Encode, decode and describe a text; for the text lane.

    Args:
        tokenizer: The pane's own.
        text: All of it.
        by_line: Encode each line that is not blank as a text of its own.
        options: The switches of the tokenizer call.
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
    batch = tokens.tokenize(tokenizer, texts, options, task=task)
    starts = []
    for encoding in batch.encodings:
        task.check()
        placed = [token for token in encoding.tokens if token.offsets and token.offsets[0] < token.offsets[1]]
        starts.append(([token.offsets[0] for token in placed if token.offsets], [token.position for token in placed]))
    verdicts = tuple(map(_verdict, batch.encodings, batch.decoded, batch.plain))
    shape = _shape(batch, tokens.longest(tokenizer))
    return Reading(text, tuple(places), batch, tuple(starts), verdicts, _summary(batch), shape)


def let_go(held: list[Reading], *, task: Task) -> None:
    """Free readings piece by piece; for the text lane.

    Freeing half a million tokens in one go holds the interpreter, and with it the window, for a tenth of a second.

    Args:
        held: The only references left; emptied.
        task: Asked once whether to stop.
    """
    task.check()
    piles = [list(encoding.tokens) for reading in held for encoding in reading.batch.encodings]
    held.clear()
    for pile in piles:
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


def _summary(batch: tokens.Batch) -> str:
    attended = [token for encoding in batch.encodings for token in encoding.tokens if token.mask]
    special = sum(token.special for token in attended)
    characters = sum(len(encoding.text) for encoding in batch.encodings)
    size = sum(len(encoding.text.encode()) for encoding in batch.encodings)
    parts = [many(characters, "character"), many(size, "byte"), many(len(attended), "token")]
    if special:
        parts[-1] += f" ({special:,} special)"
    if characters and len(attended) > special and not any(encoding.truncated for encoding in batch.encodings):
        parts.append(f"{characters / (len(attended) - special):.2f} characters per token")
    return " · ".join(parts)


def _shape(batch: tokens.Batch, limit: int | None) -> str:
    widths = [len(encoding.tokens) for encoding in batch.encodings]
    if not widths:
        return "no text yet"
    if batch.width is not None:
        parts = [f"input_ids [{len(widths):,} × {batch.width:,}]"]
    else:
        parts = [f"{len(widths):,} rows of {min(widths):,} to {max(widths):,} tokens: no rectangle without padding"]
    if batch.padded_with is not None:
        share = batch.wasted / max(1, sum(widths))
        parts.append(f"{many(batch.wasted, 'position')} of padding ({share:.1%})")
        stands_in = " (the end token, as there is no pad token)" if batch.borrowed else ""
        parts.append(f"padded with {batch.padded_with}{stands_in}")
    if cut := sum(encoding.truncated for encoding in batch.encodings):
        parts.append(f"{many(cut, 'token')} cut off")
    if limit is not None and max(widths) > limit:
        parts.append(f"longer than the {limit:,} tokens this model was made for")
    return " · ".join(parts)


def many(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def face(token: Token) -> str:
    """What a chip says: the characters, or the bytes of a piece that is only a part of a character."""
    if token.text or not token.bytes:
        return token.text or token.piece
    return f"‹{token.bytes.hex(' ').upper()}›"


def row(token: Token) -> tuple[object, ...]:
    """A row of the table, in the order of `COLUMNS`."""
    return (
        token.position,
        visible(face(token)),
        token.id,
        None if token.bytes is None else token.bytes.hex(" ").upper(),
        None if token.offsets is None else f"{token.offsets[0]}:{token.offsets[1]}",
        token.word,
        token.mask,
        token.type_id,
        token.special,
        token.piece,
    )


def tip(token: Token) -> str:
    """The tooltip of a chip or a cell."""
    parts = [f"position {token.position}", f"id {token.id}", f"piece {token.piece}"]
    if token.bytes is not None:
        parts.append(f"bytes {token.bytes.hex(' ').upper()}")
    if not token.mask:
        parts.append("padding")
    elif token.special:
        parts.append("special")
    return " · ".join(parts)
