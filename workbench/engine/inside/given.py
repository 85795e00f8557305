"""What a model is looked into with: a text, or what was generated, cut to a number of positions."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, OutOfMemory, WorkbenchError, explain, first_line
from workbench.engine.generate import context_of
from workbench.engine.generate.inputs import start_of
from workbench.engine.machine import free
from workbench.engine.task import Silent, Task
from workbench.engine.tokens import encode, longest
from workbench.engine.values import Encoding, Start, Token, TokenizerOptions

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.engine.models import LoadedModel

#: Positions looked at unless others are asked for, and the most there can be.
POSITIONS, MOST = 256, 1024
#: The head that reads several texts as one row; a look gives it one.
CHOICES = "AutoModelForMultipleChoice"
#: Bytes of all attention maps of a pass, as the model makes them; they grow with the square of the positions.
ATTENTION_BUDGET = 2**30


@dataclass(frozen=True, eq=False, slots=True)
class Given:
    """What goes into the model.

    Attributes:
        tokens: Of the text, special ones included: the encoder's input where there is an encoder and a decoder.
        decoder_start: Ids the decoder starts with; empty without a decoder of its own, or where the model shifts the
            encoder's input itself.
        written: Ids behind them: behind ``tokens``, or behind ``decoder_start`` where there is a decoder of its own.
        text: That ``tokens`` are the tokenizer's call on, or None for what was generated.
        most: Positions that were allowed; more was cut off at the end.
        cut: Tokens that were cut off.
    """

    tokens: tuple[Token, ...]
    decoder_start: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    text: str | None = None
    most: int = POSITIONS
    cut: int = 0

    @property
    def input_ids(self) -> tuple[int, ...]:
        """Ids of shape ``(seq,)``: of the encoder where there is one beside a decoder."""
        ids = tuple(token.id for token in self.tokens)
        return ids if self.decoder_start else (*ids, *self.written)

    @property
    def decoder_input_ids(self) -> tuple[int, ...]:
        """Ids of shape ``(seq,)`` that the decoder is given; empty where it is given none."""
        return (*self.decoder_start, *self.written) if self.decoder_start else ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that a look takes, as far as the config tells; 0 where it does not.

    Attributes:
        states: The hidden states, as the model makes them and as they are kept.
        attention: The attention maps of all layers.
    """

    states: int
    attention: int


def refusal(model: LoadedModel) -> str:
    """Why a model can't be looked into with a text, as a sentence; empty when it can."""
    name = model.checkpoint.name
    if model.tokenizer is None:
        return f"{name} has no tokenizer, so no text can be turned into ids for it."
    main = model.model.main_input_name
    if main != "input_ids":
        return f"{name} reads {main.replace('_', ' ')} instead of text."
    return ""


def read(model: LoadedModel, text: str, *, most: int = POSITIONS, task: Task | None = None) -> Given:
    """Encode a text for a look.

    Args:
        model: A loaded model that reads text.
        text: Cut by the tokenizer's own truncation where it is longer.
        most: Positions, in ``[1, MOST]``; fewer where the model can't attend to as many.
        task: Asked whether to stop.

    Raises:
        NotSupported: The model reads no text.
        InputError: The text is empty.
    """
    tokenizer = _check(model, most)
    most = min(most, _reach(model))
    options = TokenizerOptions(truncation=True, max_length=most)
    encoding = encode(tokenizer, text, options, task=task or Silent())
    if not encoding.tokens:
        raise InputError("There is nothing to look at.", why="The text is empty.", remedy="Write or paste a text.")
    begin = _decoder_start(model, encoding)
    return _checked(model, Given(tuple(encoding.tokens), begin, (), text, most, encoding.truncated))


def follow(model: LoadedModel, start: Start, written: Sequence[int], *, most: int = POSITIONS) -> Given:
    """Take what was generated: the prompt, and the tokens behind it.

    Args:
        model: The model that wrote it.
        start: What the run started from.
        written: Ids of the new tokens.
        most: Positions, in ``[1, MOST]``.

    Raises:
        NotSupported: The model reads no text, or the prompt shows pictures.
        InputError: There is no token.
    """
    _check(model, most)
    if start.images:
        raise NotSupported(
            f"{model.checkpoint.name} can't be looked into here.",
            why="The prompt shows pictures, and only text is followed through the layers.",
            remedy="Look at a prompt without pictures.",
        )
    most = min(most, _reach(model))
    tokens, written = tuple(start.encoding.tokens), tuple(written)
    if not tokens:
        raise InputError("There is nothing to look at.", why="The prompt is empty.", remedy="Write at least one word.")
    begin = _decoder_start(model, start.encoding)
    room = most - len(begin) if begin else max(0, most - len(tokens))
    kept, new = tokens[:most], written[:room]
    cut = len(tokens) - len(kept) + len(written) - len(new)
    return _checked(model, Given(kept, begin, new, None, most, cut))


def estimate(model: LoadedModel, positions: int) -> Estimate:
    """The memory that a look at some positions takes, before it is taken."""
    config = model.model.config.get_text_config(decoder=True)
    sizes = [getattr(config, name, None) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")]
    layers, hidden, heads = (size if isinstance(size, int) else 0 for size in sizes)
    width = model.model.dtype.itemsize
    # Encoder, decoder, and the decoder's look at the encoder.
    stacks, maps = (2, 3) if model.encoder_decoder else (1, 1)
    return Estimate(
        stacks * (layers + 1) * positions * hidden * (width + 4), maps * layers * heads * positions**2 * width
    )


def check_room(model: LoadedModel, needed: int) -> None:
    """Refuse what memory has no room for.

    Raises:
        OutOfMemory: Fewer bytes are free on the model's device.
    """
    room = free(model.device)
    if room is not None and needed > room:
        raise OutOfMemory(
            f"There is no room to look into {model.checkpoint.name}.",
            why=f"It takes {needed / 1e9:.1f} GB, and {model.device} has {room / 1e9:.1f} GB free.",
            remedy="Look at fewer positions.",
        )


def tensors(model: LoadedModel, given: Given) -> dict[str, Any]:
    """The arguments of ``model(…)``, each of shape ``(1, seq)`` on its device, as the tokenizer names them."""
    import torch

    ids = given.input_ids
    known = model.tokenizer.model_input_names if model.tokenizer is not None else ()
    rows: dict[str, Sequence[int]] = {"input_ids": ids}
    more = len(ids) - len(given.tokens)
    if "attention_mask" in known:
        rows["attention_mask"] = [*(token.mask for token in given.tokens), *[1] * more]
    types = [token.type_id for token in given.tokens]
    if takes(model.model, "token_type_ids") and not more and None not in types:
        rows["token_type_ids"] = types  # type: ignore[assignment]  # None was just looked for
    if given.decoder_start:
        rows["decoder_input_ids"] = given.decoder_input_ids
    whole: dict[str, Any] = {name: torch.tensor([row], device=model.model.device) for name, row in rows.items()}
    if model.head == CHOICES:
        whole = {name: tensor[None] for name, tensor in whole.items()}
    # A cache would only take memory.
    return whole | ({"use_cache": False} if takes(model.model, "use_cache") else {})


def arguments(model: LoadedModel, given: Given) -> tuple[str, ...]:
    """Names of what `tensors` gives that the tokenizer's call gives too."""
    return tuple(name for name in tensors(model, given) if name not in ("decoder_input_ids", "use_cache"))


def takes(model: PreTrainedModel, name: str) -> bool:
    """Whether the model's forward names an argument."""
    return name in inspect.signature(model.forward).parameters


def worded(model: LoadedModel, error: Exception) -> WorkbenchError:
    """A pass that failed, in three sentences."""
    what = f"{model.checkpoint.name} can't be looked into with this text."
    plain = explain(error, what)
    if isinstance(plain, OutOfMemory):
        return plain
    return NotSupported(
        what, why=f"A pass of the model over it failed: {first_line(error)}", remedy="Load another checkpoint or head."
    )


def _check(model: LoadedModel, most: int) -> Any:
    why = refusal(model)
    if why:
        raise NotSupported(
            f"{model.checkpoint.name} can't be looked into here.", why=why, remedy="Load a checkpoint that reads text."
        )
    if not 1 <= most <= MOST:
        raise InputError(
            f"{most:,} positions can't be looked at.",
            why=f"Between 1 and {MOST:,} can be.",
            remedy=f"Choose another number; {POSITIONS} is usual.",
        )
    return model.tokenizer


def _reach(model: LoadedModel) -> int:
    limits = (context_of(model) if not model.encoder_decoder else model.facts.context, longest(model.tokenizer))
    return min((limit for limit in limits if limit), default=MOST)


def _checked(model: LoadedModel, given: Given) -> Given:
    try:
        rows = getattr(model.model.get_input_embeddings(), "num_embeddings", None)
    except NotImplementedError:
        return given
    largest = max(given.input_ids)
    if rows is not None and largest >= rows:
        raise NotSupported(
            f"{model.checkpoint.name} can't read this text.",
            why=f"Its tokenizer gives the id {largest:,}, and the model knows {rows:,} ids.",
            remedy="The tokenizer belongs to another checkpoint; load one whose files belong together.",
        )
    return given


def _decoder_start(model: LoadedModel, encoding: Encoding) -> tuple[int, ...]:
    if not model.encoder_decoder:
        return ()
    if model.generates:
        return start_of(model, encoding).decoder_start
    # Heads on top of both shift the input themselves; the bare model does not always.
    first = getattr(model.model.config, "decoder_start_token_id", None)
    return (int(first),) if model.head == "AutoModel" and first is not None else ()
