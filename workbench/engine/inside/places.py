"""What stands at the positions of a pass: tokens, patches of a picture by row and column, moments of a sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.inside.given import Given, Sight
from workbench.engine.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: How a position reads that stands for a part of a picture among the tokens of a text.
SHOWN = "▦"
#: Architectures whose pictures become tokens patch by patch, row by row. Others ask the picture with vectors of their
#: own (BLIP-2, Kosmos-2, Idefics 2), which stand nowhere in it.
_IN_ROWS = ("gemma3", "idefics3", "internvl", "llava", "paligemma", "smolvlm", "vipllava")


@dataclass(frozen=True, slots=True)
class Grid:
    """Positions that are the patches of a picture, row by row.

    Attributes:
        rows: Patches from the top down.
        columns: Patches across.
        first: The position of the patch at the top left; others may stand in front of it and behind the last.
        order: Position of each patch, row by row, where they stand in another order; empty otherwise.
    """

    rows: int
    columns: int
    first: int = 0
    order: tuple[int, ...] = ()

    @property
    def last(self) -> int:
        """The position behind that of the last patch."""
        return max(self.order) + 1 if self.order else self.first + self.rows * self.columns

    def place(self, position: int) -> tuple[int, int] | None:
        """Row and column of a position, from 0, or None where it is no patch."""
        if self.order:
            patch = self.order.index(position) if position in self.order else -1
        else:
            patch = position - self.first if position < self.last else -1
        return divmod(patch, self.columns) if patch >= 0 else None

    def position(self, row: int, column: int) -> int:
        """The position of a patch."""
        patch = row * self.columns + column
        return self.order[patch] if self.order else self.first + patch

    def over(self, values: np.ndarray) -> np.ndarray:
        """Numbers by position as numbers of shape ``(rows, columns)``."""
        found = values[list(self.order)] if self.order else values[self.first : self.last]
        return found.reshape(self.rows, self.columns)


@dataclass(frozen=True, slots=True)
class Places:
    """What stands at the positions of a part.

    Attributes:
        ids: Of tokens; -1 where there is none.
        faces: How each reads.
        grid: Where the patches of the picture are among them, or None.
    """

    ids: tuple[int, ...]
    faces: tuple[str, ...]
    grid: Grid | None = None


def places(model: LoadedModel, given: Given, side: str, count: int, grid: Grid | None = None) -> Places:
    """What stands at the positions of a part.

    Args:
        model: Which was given it.
        given: What it was given.
        side: ``encoder``, ``decoder``, or another part.
        count: How many positions the part has.
        grid: Of the part's states, where they are a map already.
    """
    # BLIP returns the states of the part that sees alone.
    side = "vision" if model.facts.model_type == "blip" else side
    if model.facts.model_type == "perceiver":
        # Its states are of positions of its own, however many there are of what it reads.
        return Places((-1,) * count, tuple(map(str, range(count))))
    ids, faces = names(model, given, side) if side not in ("vision", "audio") else ((), ())
    if ids and len(ids) == count:
        return _marked(model, given, ids, faces)
    if ids and len(ids) < count and model.facts.model_type == "git":
        return _in_front(model, given, ids, faces, count - len(ids))
    # What a decoder asks with stands nowhere in the picture, and where text is mixed in, the order is the model's own.
    seeing = not side.endswith("decoder") and (side == "vision" or not given.tokens)
    grid = grid or (_patches(model, given, count) if seeing else None)
    if grid is not None:
        # Channels and patches of a series are no picture.
        return Places((-1,) * count, _patch_names(model, count, grid), grid if given.sight is not None else None)
    return Places((-1,) * count, _counted(model, given, side, count))


def names(model: LoadedModel, given: Given, side: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Ids and faces of the tokens of a part: ``encoder``, ``decoder`` or another; empty where there are none."""
    spell = Vocabulary(model.tokenizer).spell if model.tokenizer is not None else lambda ids: list(map(str, ids))
    own = tuple(token.id for token in given.tokens)
    faces = tuple(_face(token.text, token.bytes, token.piece) for token in given.tokens)
    if side == "decoder":
        # Heads on top of both hand the input to the decoder too, moved by one.
        first = getattr(model.model.config, "decoder_start_token_id", None)
        ids = given.decoder_input_ids or ((first, *own[:-1]) if first is not None and own else own)
        return ids, tuple(spell(ids))
    if side == "encoder" or not given.written:
        return own, faces
    return (*own, *given.written), (*faces, *spell(given.written))


def patches(count: int, size: tuple[int, int], config: Any) -> Grid | None:
    """Which of some positions are the patches of a picture, or None where that can't be told.

    Args:
        count: How many positions there are.
        size: Height and width of the picture, as the model is given it.
        config: Of the model: what it says of its patches and of what stands beside them.
    """
    height, width = size
    for part in configs(config):
        patch = getattr(part, "patch_size", None)
        down, across = patch if isinstance(patch, Sequence) else (patch, patch)
        if not (isinstance(down, int) and isinstance(across, int) and down and across):
            continue
        rows, columns = height // down, width // across
        behind = getattr(part, "num_detection_tokens", 0)
        first = count - rows * columns - behind
        if rows and columns and first in (0, 1, 1 + _registers(part), *((2,) if part.model_type == "deit" else ())):
            return Grid(rows, columns, first)
    # Layers that halve the picture now and then have one position a square of pixels.
    found = {
        (rows, columns)
        for stride in range(1, max(height, width) + 1)
        for rows, columns in ((-(-height // stride), -(-width // stride)), (height // stride, width // stride))
        if rows * columns == count
    }
    return Grid(*found.pop()) if len(found) == 1 else None


def _patches(model: LoadedModel, given: Given, count: int) -> Grid | None:
    if given.sight is None:
        return None
    if given.sight.merged is not None:
        # What is filled up stands behind.
        grid = Grid(*given.sight.merged, given.sight.front, given.sight.order)
        return grid if grid.last <= count else None
    (height, width), crops = given.sight.size, given.sight.crops
    one = patches(count // crops, (height // crops, width), model.model.config) if count % crops == 0 else None
    if crops == 1 or one is None:
        return one
    starts = range(one.first, count, count // crops)
    order = tuple(start + patch for start in starts for patch in range(one.rows * one.columns))
    return Grid(one.rows * crops, one.columns, 0, order)


def _patch_names(model: LoadedModel, count: int, grid: Grid) -> tuple[str, ...]:
    registers = max(map(_registers, configs(model.model.config)))
    front = ["[CLS]", *(f"[REG {number}]" for number in range(registers))] if registers else ["[CLS]", "[DIST]"]
    inside = [f"({row},{column})" for row in range(grid.rows) for column in range(grid.columns)]
    if grid.order:
        placed = dict(zip(grid.order, inside, strict=True))
        return tuple(placed.get(position, "[CLS]") for position in range(count))
    behind = "DET" if any(getattr(each, "num_detection_tokens", 0) for each in configs(model.model.config)) else "PAD"
    return (*front[: grid.first], *inside, *(f"[{behind} {number}]" for number in range(count - grid.last)))


def _marked(model: LoadedModel, given: Given, ids: tuple[int, ...], faces: tuple[str, ...]) -> Places:
    """Tokens, with those that stand for a picture or a sound marked as such."""
    config = model.model.config
    if given.seconds:
        heard = {getattr(config, name, None) for name in ("audio_token_id", "audio_token_index")} - {None}
        numbers = iter(range(len(ids)))
        return Places(
            ids, tuple(f"♪{next(numbers)}" if each in heard else face for each, face in zip(ids, faces, strict=True))
        )
    mark = next((getattr(config, name, None) for name in ("image_token_id", "image_token_index")), None)
    mark = getattr(config, "image_token_index", None) if mark is None else mark
    where = given.made.get("image_embeds_position_mask")
    shown = where[0].bool().tolist() if where is not None else [each == mark for each in ids]
    seen = [position for position, here in enumerate(shown) if here]
    if not seen or given.sight is None:
        return Places(ids, faces)
    grid = None
    if seen[-1] - seen[0] + 1 == len(seen):
        found = _merged(given.sight, len(seen), model.facts.model_type)
        grid = Grid(found.rows, found.columns, seen[0]) if found is not None else None
    marked = list(faces)
    for number, position in enumerate(seen):
        place = grid.place(position) if grid is not None else None
        marked[position] = f"{SHOWN}({place[0]},{place[1]})" if place is not None else f"{SHOWN}{number}"
    return Places(ids, tuple(marked), grid)


def _in_front(model: LoadedModel, given: Given, ids: tuple[int, ...], faces: tuple[str, ...], more: int) -> Places:
    """Tokens behind positions of the model's own, which are the patches of the picture in some."""
    grid = _patches(model, given, more)
    front = _patch_names(model, more, grid) if grid is not None else tuple(map(str, range(more)))
    return Places((*[-1] * more, *ids), (*front, *faces), grid)


def _merged(sight: Sight, count: int, model_type: str) -> Grid | None:
    """The grid of the tokens that a picture became, which are fewer than its patches in some models."""
    if sight.merged is None:
        return patches(count, sight.size, None) if sight.whole and model_type in _IN_ROWS else None
    rows, columns = sight.merged
    return Grid(rows, columns) if rows * columns == count else None


def _counted(model: LoadedModel, given: Given, side: str, count: int) -> tuple[str, ...]:
    times = _times(model, given, count)
    if times:
        return times
    if given.seconds and not side.endswith("decoder"):
        step = _step(model, given, count)
        return tuple(f"{number * step:.2f}s" for number in range(count))
    queries = getattr(model.model.config, "num_queries", None)
    word = "query " if queries == count else ""
    return tuple(f"{word}{number}" for number in range(count))


def _times(model: LoadedModel, given: Given, count: int) -> tuple[str, ...]:
    """The patches of a film: when, row and column; empty where that can't be told."""
    pixels = given.made.get("pixel_values", given.made.get("pixel_values_videos"))
    config = model.model.config
    patch, deep = getattr(config, "patch_size", None), getattr(config, "tubelet_size", 1)
    if given.video is None or pixels is None or pixels.ndim != 5 or not isinstance(patch, int):
        return ()
    frames, rows, columns = pixels.shape[1] // deep, pixels.shape[3] // patch, pixels.shape[4] // patch
    if frames * rows * columns != count:
        return ()
    inside = [(when, row, column) for when in range(frames) for row in range(rows) for column in range(columns)]
    return tuple(f"{when}·({row},{column})" for when, row, column in inside)


def _step(model: LoadedModel, given: Given, count: int) -> float:
    """Seconds from one position of a sound to the next."""
    hop = getattr(model.model.config, "inputs_to_logits_ratio", None)
    hop = hop() if callable(hop) else hop
    return hop / given.rate if hop and given.rate else given.seconds / count


def configs(config: Any) -> list[Any]:
    """The configs that may tell of patches: the model's own, and of the part that sees."""
    inside = (getattr(config, name, None) for name in ("vision_config", "backbone_config", "encoder"))
    return [each for each in (config, *inside) if hasattr(each, "model_type")]


def _registers(config: Any) -> int:
    found = getattr(config, "num_register_tokens", 0)
    return found if isinstance(found, int) else 0


def _face(text: str, raw: bytes | None, piece: str) -> str:
    if text or not raw:
        return text or piece
    return f"‹{raw.hex(' ').upper()}›"
