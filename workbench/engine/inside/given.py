"""What a model is looked into with: a text or what was generated, cut to a number of positions; a picture; a sound."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.errors import InputError, NotSupported, OutOfMemory, WorkbenchError, explain, first_line
from workbench.engine.generate import context_of
from workbench.engine.generate.inputs import start_of
from workbench.engine.machine import free
from workbench.engine.models import check_count
from workbench.engine.task import Silent, Task
from workbench.engine.tasks.inputs import Request
from workbench.engine.tasks.raw_beside import ACTS
from workbench.engine.tasks.raw_outputs import STARTED
from workbench.engine.tasks.writing import DENOISES, drawing
from workbench.engine.tokens import encode, longest, running
from workbench.engine.values import Encoding, Start, TaskInput, TaskOptions, Token, TokenizerOptions

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.engine.models import LoadedModel

#: Positions looked at unless others are asked for, and the most there can be.
POSITIONS, MOST = 256, 1024
#: The head that reads several texts as one row; a look gives it one.
CHOICES = "AutoModelForMultipleChoice"
#: The head of models that answer a question about a picture; BLIP's does so with a decoder.
ANSWERS = "AutoModelForVisualQuestionAnswering"
#: The head that stands for whatever an architecture was trained with, which is mostly the one that writes.
_TRAINED = "AutoModelForPreTraining"
#: Heads whose decoder makes nothing of what the encoder reads by itself: of the bare model, and of those that write a
#: text before they speak it.
_BARE = ("AutoModel", "AutoModelForTextToWaveform")
#: The head of models that speak by a spectrogram, and what the decoder of those that have one is given of it.
_DRAWN, SILENCE = "AutoModelForTextToSpectrogram", "decoder_input_values"
#: Bytes of all attention maps of a pass, as the model makes them; they grow with the square of the positions.
ATTENTION_BUDGET = 2**30


@dataclass(frozen=True, eq=False, slots=True)
class Sight:
    """A picture as it went into the model.

    Attributes:
        pixels: As the processor made it, its normalization undone; uint8 of shape ``(height, width, 3)``. Where the
            processor cut it into strips, as it was given, made small.
        size: Height and width that the model's patches are counted by.
        whole: Whether the model is given the picture in one piece.
        merged: Rows and columns of the tokens that it became, where the processor tells them.
        front: Positions in front of them.
        order: Position of each of them, row by row, where they stand in another order.
        crops: How many pieces the picture was cut into, which are drawn one below the other.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    whole: bool = True
    merged: tuple[int, int] | None = None
    front: int = 0
    order: tuple[int, ...] = ()
    crops: int = 1


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
        image: The file of a picture, or None.
        audio: The file of a sound, or None.
        video: The file of a film, or None.
        other: The file of a second picture, or None.
        beside: The file that goes with a text or a second picture, or None.
        task: The task whose own preprocessing made what follows; empty where that is plainly the processor's.
        made: What the checkpoint's processor made of them, by the argument of ``model(…)``, on the CPU; empty where
            the ids above are all there is.
        sight: The picture that was made, or None.
        seconds: How long the sound is that was made; 0.0 without one.
        rate: Samples a second of what the model hears; 0 without a sound.
        submodel: Where the model keeps the one of those inside that is looked into; empty for the whole.
        run: Arguments of ``generate()``, where it alone prepares a pass, or calls that one; empty otherwise.
        by_generate: Whether it calls that one, because a pass does not.
        call: What that one is called with, by the argument of its ``forward``.
        placed: Those of its arguments that are told by their places, in order.
    """

    tokens: tuple[Token, ...]
    decoder_start: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    text: str | None = None
    most: int = POSITIONS
    cut: int = 0
    image: Path | None = None
    audio: Path | None = None
    video: Path | None = None
    other: Path | None = None
    beside: Path | None = None
    task: str = ""
    made: dict[str, Any] = field(default_factory=dict)
    sight: Sight | None = None
    seconds: float = 0.0
    rate: int = 0
    submodel: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    by_generate: bool = False
    call: dict[str, Any] = field(default_factory=dict)
    placed: tuple[str, ...] = ()

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
    tokenizer = running(_check(model, most))
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
        NotSupported: The model reads no text.
        InputError: There is no token.
    """
    _check(model, most)
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
    config = model.model.config
    # What sees or hears alone says its sizes itself, or in the config of the part that does.
    seeing = model.model.main_input_name != "input_ids" and getattr(config, "vision_config", None)
    config = seeing or config.get_text_config(decoder=True)
    sizes = [setting(config, name) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")]
    layers, hidden, heads = (size if isinstance(size, int) else 0 for size in sizes)
    width = model.model.dtype.itemsize
    # Encoder, decoder, and the decoder's look at the encoder.
    stacks, maps = (2, 3) if model.encoder_decoder else (1, 1)
    return Estimate(
        stacks * (layers + 1) * positions * hidden * (width + 4), maps * layers * heads * positions**2 * width
    )


def setting(config: Any, name: str) -> Any:
    """A setting of a config, or None; where its layers differ in it, which the library refuses to read, the largest."""
    try:
        return getattr(config, name, None)
    except RuntimeError:
        return max(getattr(layer, name) for layer in config.per_layer_config)


def reach(model: LoadedModel, given: Given) -> int:
    """The most positions that a part of a model has for what it is given, as far as its config tells of it."""
    known = [len(given.input_ids), len(given.decoder_input_ids)]
    config = getattr(model.model.config, "vision_config", model.model.config)
    patch = getattr(config, "patch_size", None)
    if (
        given.sight is not None
        and not given.tokens
        and isinstance(patch, int)
        and setting(config, "num_attention_heads") is not None
    ):
        known.append(given.sight.size[0] * given.sight.size[1] // patch**2)
    if given.audio is not None:
        known.append(getattr(model.model.config, "max_source_positions", 0) or int(given.seconds * 50))
    return max(known)


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
            remedy="Look at fewer positions, or load a smaller checkpoint.",
        )


def tensors(model: LoadedModel, given: Given) -> dict[str, Any]:
    """The arguments of ``model(…)`` on its device: those that were made, or ids ``(1, seq)`` and their masks."""
    import torch

    # A cache would only take memory.
    plain = {"use_cache": False} if takes(model.model, "use_cache") else {}
    if given.made:
        device, dtype = model.model.device, model.model.dtype
        return plain | {
            # Unlimited-OCR is told in lists how its pictures were cut.
            name: tensor.to(device, dtype if tensor.is_floating_point() else None) if hasattr(tensor, "to") else tensor
            for name, tensor in given.made.items()
        }
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
    if begins_silent(model):
        bins = model.model.config.num_mel_bins
        whole[SILENCE] = torch.zeros(1, 1, bins, device=model.model.device, dtype=model.model.dtype)
    if model.head == CHOICES:
        whole = {name: tensor[None] for name, tensor in whole.items()}
    return whole | plain


@contextmanager
def drawn(model: LoadedModel, task: Task, always: bool = False) -> Iterator[None]:
    """Let a model that hides parts of a picture from itself hide the same ones each time."""
    with drawing(Request(model, TaskInput(), TaskOptions(), task), always or draws(model)):
        yield


def draws(model: LoadedModel) -> bool:
    """Whether a pass of a model draws: what it hides from itself, as masked autoencoders do, or noise."""
    hides = hasattr(model.model.config, "mask_ratio") and takes(model.model, "noise")
    # What SpeechT5 has spoken goes through a dropout that is never off.
    return hides or begins_silent(model) or model.facts.model_type in ("vibevoice_asr", DENOISES, *ACTS)


def arguments(model: LoadedModel, given: Given) -> tuple[str, ...]:
    """Names of what `tensors` gives that the tokenizer's call gives too."""
    own = ("decoder_input_ids", SILENCE, "use_cache")
    return tuple(name for name in tensors(model, given) if name not in own)


def begins_silent(model: LoadedModel) -> bool:
    """Whether a decoder goes on behind a spectrogram, which begins with a frame of zeros."""
    return model.head == _DRAWN and takes(model.model, SILENCE)


def takes(model: PreTrainedModel, name: str) -> bool:
    """Whether the model's forward names an argument."""
    return name in inspect.signature(model.forward).parameters


def returns_states(model: LoadedModel) -> bool:
    """Whether a model can be asked for its hidden states."""
    parameters = inspect.signature(model.model.forward).parameters.values()
    return any(each.name == "output_hidden_states" or each.kind is each.VAR_KEYWORD for each in parameters)


def worded(model: LoadedModel, error: Exception) -> WorkbenchError:
    """A pass that failed, in three sentences."""
    what = f"{model.checkpoint.name} can't be looked into with this."
    plain = explain(error, what)
    if isinstance(plain, OutOfMemory):
        return plain
    return NotSupported(
        what, why=f"A pass of the model over it failed: {first_line(error)}", remedy="Load another checkpoint or head."
    )


def _check(model: LoadedModel, most: int) -> Any:
    if model.tokenizer is None:
        raise NotSupported(
            f"{model.checkpoint.name} can't be looked into with a text.",
            why="It has no tokenizer, so no text can be turned into ids for it.",
            remedy="Load a checkpoint that reads text.",
        )
    check_most(most)
    return model.tokenizer


def check_most(most: int) -> None:
    """Refuse a number of positions that can't be looked at.

    Raises:
        InputError: It is not in ``[1, MOST]``.
    """
    if not 1 <= most <= MOST:
        raise InputError(
            f"{most:,} positions can't be looked at.",
            why=f"Between 1 and {MOST:,} can be.",
            remedy=f"Choose another number; {POSITIONS} is usual.",
        )


def _reach(model: LoadedModel) -> int:
    limits = (context_of(model) if not model.encoder_decoder else model.facts.context, longest(model.tokenizer))
    return min((limit for limit in limits if limit), default=MOST)


def _checked(model: LoadedModel, given: Given) -> Given:
    check_count(model, len(given.input_ids))
    rows = model.known_ids
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
    config = model.model.config
    first = getattr(config, "decoder_start_token_id", None)
    if first is None and model.facts.model_type in STARTED:
        first = config.pad_token_id
    bare = model.head in _BARE or (model.head == _TRAINED and model.facts.model_type in STARTED)
    return (int(first),) if bare and first is not None else ()
