"""What a model is given to start from: ids, an encoder's input, pictures."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.facts import HEAR_ALONE
from workbench.engine.generate import captions, hearing, pictures
from workbench.engine.task import Silent, Task
from workbench.engine.tokens import encode, encode_chat
from workbench.engine.values import Encoding, Message, Start

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel


@dataclass(frozen=True, eq=False, slots=True)
class Inputs:
    """The arguments of ``model.generate`` that hold the input.

    Attributes:
        start: What the run starts from.
        kwargs: ``input_ids`` and ``attention_mask`` of shape ``(1, seq)`` on the model's device, and what belongs to
            them: ``decoder_input_ids``, ``pixel_values`` …
        length: Ids in front of the first new token in the sequence that is written.
    """

    start: Start
    kwargs: dict[str, Any]
    length: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The most tokens a model can attend to; None where it names no limit.

    Attributes:
        encoder: In an encoder's input; None without an encoder too.
        decoder: In the sequence that is written: prompt and new tokens, or the decoder's own.
    """

    encoder: int | None
    decoder: int | None


def limits(model: LoadedModel) -> Limits:
    """The longest sequences a model can attend to, encoder and decoder apart."""
    config = model.model.config
    if not model.encoder_decoder:
        return Limits(
            None, _whole(config.get_text_config(decoder=True), "max_position_embeddings") or model.facts.context
        )
    return Limits(_limit(config, "encoder"), _limit(config, "decoder"))


def _limit(config: Any, side: str) -> int | None:
    own = getattr(config, side, None) or config
    own = getattr(own, "text_config", None) or own
    # T5 and its kin know only how far apart two tokens are; the n_positions in their files limits nothing.
    if getattr(own, "relative_attention_num_buckets", None):
        return None
    return _whole(own, f"max_{side}_position_embeddings", "max_position_embeddings", "n_positions")


def _whole(config: Any, *names: str) -> int | None:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def tokenizer_of(model: LoadedModel) -> PreTrainedTokenizerBase:
    """The tokenizer of a model that writes text with the library's own loop.

    Raises:
        NotSupported: Its head writes no text, it has no tokenizer, or it goes about generation in its own way.
    """
    what = f"{model.checkpoint.name} can't generate text."
    if not model.generates:
        raise NotSupported(
            what,
            why=f"It was loaded as {model.head}, and only a causal, sequence-to-sequence, image-text-to-text or "
            "multimodal model writes text.",
            remedy="Use it in Tasks, or load a checkpoint whose architecture ends in ForCausalLM.",
        )
    if model.tokenizer is None:
        raise NotSupported(
            f"{model.checkpoint.name} can't read a prompt.",
            why="There is no tokenizer in its folder.",
            remedy="Load a checkpoint that has one.",
        )
    from transformers import GenerationMixin

    inside = captions.writer(model)
    handing = model.facts.model_type in (*captions.HANDING, *hearing.ADAPTING)
    if getattr(type(inside), "generate", None) is not GenerationMixin.generate and not handing:
        if not hasattr(model.model, "generate"):
            raise captions.writes_nothing(model)
        raise NotSupported(
            what,
            why=f"{type(model.model).__name__} has a way of generating of its own, which can't be watched step by "
            "step.",
            remedy="Run it in Tasks, or choose a checkpoint of another architecture.",
        )
    if model.facts.model_type in HEAR_ALONE:
        raise NotSupported(
            what,
            why="Each token that it writes comes with a moment of a sound, and there is none.",
            remedy="Run it in Tasks, which lets it hear one.",
        )
    if captions.wants_processor(model):
        raise captions.lacks_processor(model)
    if captions.reads_pixels(model) and not captions.beside(model):
        raise NotSupported(
            what,
            why=f"Its encoder reads {model.model.main_input_name.replace('_', ' ')} instead of text.",
            remedy="Run it in Tasks, or choose a checkpoint whose encoder reads text.",
        )
    return model.tokenizer


def prepare_start(
    model: LoadedModel,
    text: str,
    messages: Sequence[Message] = (),
    images: Sequence[Path] = (),
    sounds: Sequence[Path] = (),
    *,
    truncate: bool = False,
    reserve: int = 1,
    task: Task | None = None,
) -> Start:
    """Encode what a generation starts from and check that the model can go on from there.

    Args:
        model: A loaded model that generates.
        text: A plain prompt, or an encoder's input. An empty one starts from the tokenizer's bos token, where it has
            one.
        messages: The turns of a chat instead, written by the checkpoint's own template.
        images: Pictures for the plain prompt, put in front of it unless it says where; with messages, for the last
            turn of the user.
        sounds: Sounds, likewise.
        truncate: Cut the oldest tokens off a text that is too long, instead of refusing it. A bos token stays.
        reserve: New tokens to leave room for when something is cut; at most half the context is kept free.
        task: Asked whether to stop.

    Raises:
        NotSupported: The model writes no text, has no tokenizer or takes no such files, or there are messages without a
            chat template.
        InputError: The prompt is empty and there is no bos token, it fills the context, or a file can't be used.

    References:
        transformers, Generation: generate; Processors: ProcessorMixin
    """
    task = task or Silent()
    tokenizer = tokenizer_of(model)
    turns = pictures.attach(messages, images, sounds) if messages else ()
    shown = tuple(path for turn in turns for path in turn.images) if turns else tuple(images)
    heard = tuple(path for turn in turns for path in turn.sounds) if turns else tuple(sounds)
    begins: tuple[int, ...] = ()
    if captions.beside(model) and not heard:
        encoding, begins = captions.encode_shown(model, text, turns, shown, task=task)
    elif shown or heard or model.processor is not None:
        encoding = pictures.encode_shown(model, text, turns, shown, heard, task=task)
    elif turns:
        encoding = encode_chat(tokenizer, turns, task=task)
    else:
        encoding = encode(tokenizer, text, task=task)
    start = replace(start_of(model, encoding, shown, begins), sounds=heard)
    if truncate:
        start = _truncated(model, start, reserve)
    if model.encoder_decoder and not captions.reads_pixels(model):
        _check_encoder(model, start)
    room(model, len(start.context_ids))
    return start


def start_of(model: LoadedModel, encoding: Encoding, images: Sequence[Path] = (), begins: Sequence[int] = ()) -> Start:
    """What a run starts from, with the decoder's start and the end tokens that ``generate()`` takes.

    Args:
        model: A loaded model that generates.
        encoding: The prompt, or the encoder's input. An empty prompt becomes the tokenizer's bos token, where it has
            one.
        images: Pictures whose tokens are in the encoding, or that the encoder reads instead of text.
        begins: Ids that a decoder goes on from, behind its start.

    Raises:
        NotSupported: The decoder's start is named nowhere, or the tokenizer gives ids that the model knows nothing of.

    References:
        transformers, Generation: GenerationConfig.decoder_start_token_id
    """
    import torch

    tokenizer = model.tokenizer
    if not (encoding.tokens or images) and tokenizer is not None and tokenizer.bos_token is not None:
        encoding = encode(tokenizer, str(tokenizer.bos_token))
    _check_known(model, encoding)
    # The library writes tensors into the config it prepares.
    own = captions.writer(model)
    config = copy.deepcopy(own.generation_config)
    decoder_start: tuple[int, ...] = ()
    if model.encoder_decoder:
        try:
            own._prepare_special_tokens(config, device="cpu")
        except ValueError as error:
            raise NotSupported(
                f"{model.checkpoint.name} can't begin a text.",
                why="Its files name no token that the decoder starts with (decoder_start_token_id or bos_token_id).",
                remedy="Add decoder_start_token_id to its generation_config.json.",
            ) from error
        said = {"decoder_input_ids": torch.tensor([list(begins)])} if begins else {}
        ids, _ = own._prepare_decoder_input_ids_for_generation(
            1, "input_ids", said, decoder_start_token_id=config._decoder_start_token_tensor, device="cpu"
        )
        decoder_start = tuple(ids[0].tolist())
    return Start(encoding, decoder_start, captions.ends(model), images=tuple(images))


def _check_known(model: LoadedModel, encoding: Encoding) -> None:
    """Refuse ids without a vector: on the CPU an index error, on a GPU the end of every later computation."""
    known = model.known_ids
    largest = max(encoding.input_ids, default=0)
    if known is not None and largest >= known:
        raise NotSupported(
            f"The tokenizer of {model.checkpoint.name} does not belong to its weights.",
            why=f"It made the id {largest:,}, and the model has vectors for {known:,} ids only.",
            remedy="Put the tokenizer files that came with the weights beside them, or download it again.",
        )


def inputs(model: LoadedModel, start: Start, more: Sequence[int] = ()) -> Inputs:
    """Make tensors of a start.

    Args:
        model: A loaded model that generates.
        start: What the run starts from; where an encoder-decoder's lacks the decoder's start, that of the library is
            filled in.
        more: Ids that were written after it and are taken over, of shape ``(new,)``.

    Raises:
        InputError: A file can't be read any more, or is another one now.
        NotSupported: There are pictures or sounds and the model takes none, or it writes about pictures alone and lacks
            what prepares them.
    """
    import torch

    if captions.wants_processor(model):
        raise captions.lacks_processor(model)
    if model.encoder_decoder and not start.decoder_start:
        start = replace(start, decoder_start=start_of(model, start.encoding).decoder_start)
    device = model.model.device
    written = [*start.context_ids, *more]
    if start.files or captions.beside(model) or pictures.interleaved(model.processor):
        made = captions.tensors if captions.beside(model) else pictures.tensors
        return Inputs(start, made(model, start, more), len(written))
    if start.decoder_start:
        ids, mask = list(start.encoding.input_ids), list(start.encoding.attention_mask)
    else:
        ids, mask = written, [*start.encoding.attention_mask, *(1 for _ in more)]
    kwargs = {
        "input_ids": torch.tensor([ids], device=device),
        "attention_mask": torch.tensor([mask], device=device),
    }
    if start.decoder_start:
        kwargs["decoder_input_ids"] = torch.tensor([written], device=device)
    return Inputs(start, kwargs, len(written))


def room(model: LoadedModel, length: int) -> int | None:
    """New tokens that fit behind as many in the sequence that is written, or None without a limit.

    Raises:
        InputError: There is nothing to continue, or none fits.
    """
    if not length:
        raise InputError(
            "There is nothing to continue.",
            why="The prompt is empty, and this tokenizer has no token for the beginning of a text.",
            remedy="Write at least one word.",
        )
    context = limits(model).decoder
    if context is None:
        return None
    if length >= context:
        raise _too_long(
            length - context + 1,
            f"It has {length:,} tokens; {model.checkpoint.name} attends to {context:,} at most, and one of them has "
            "to be left for the next token.",
        )
    return context - length


def _check_encoder(model: LoadedModel, start: Start) -> None:
    count = len(start.encoding.tokens)
    if not count:
        raise InputError(
            "There is nothing to read.",
            why="The encoder's input is empty, and this tokenizer adds no token of its own.",
            remedy="Write at least one word.",
        )
    longest = limits(model).encoder
    if longest is not None and count > longest:
        raise _too_long(
            count - longest, f"It has {count:,} tokens, and the encoder of {model.checkpoint.name} reads {longest:,}."
        )


def _too_long(over: int, why: str) -> InputError:
    return InputError(
        f"The prompt is {over:,} {'token' if over == 1 else 'tokens'} too long.",
        why=why,
        remedy="Shorten the prompt or the conversation, let its beginning be cut off, or load a checkpoint with a "
        "longer context.",
    )


def _truncated(model: LoadedModel, start: Start, reserve: int) -> Start:
    bounds = limits(model)
    if model.encoder_decoder:
        longest = bounds.encoder
    else:
        longest = bounds.decoder and bounds.decoder - max(1, min(reserve, bounds.decoder // 2))
    tokens = start.encoding.tokens
    if longest is None or len(tokens) <= longest:
        return start
    if start.files or pictures.interleaved(model.processor):
        # What would go is as likely as not a picture or a sound, and half of one means nothing.
        raise _too_long(
            len(tokens) - longest,
            f"It has {len(tokens):,} tokens with its pictures and sounds, which can't be cut in parts.",
        )
    bos = model.tokenizer.bos_token_id if model.tokenizer is not None else None
    head = tokens[:1] if tokens[0].id == bos else ()
    cut = (*head, *tokens[len(tokens) - longest + len(head) :])
    dropped = len(tokens) - len(cut)
    numbered = tuple(replace(token, position=position) for position, token in enumerate(cut))
    return replace(
        start, encoding=replace(start.encoding, tokens=numbered, truncated=dropped), dropped=start.dropped + dropped
    )
