"""What a look is given: text, picture, sound or several of them, as the checkpoint's own processors prepare them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine import tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import pictures
from workbench.engine.generate.inputs import inputs, prepare_start
from workbench.engine.inside import deciding
from workbench.engine.inside import given as plain
from workbench.engine.inside.generated import SONGS, by_generate
from workbench.engine.inside.given import ANSWERS, POSITIONS, Given, check_most
from workbench.engine.inside.modalities import (
    ANYTHING,
    FILMED,
    HEARD,
    NAMED,
    OTHER,
    SHOWN,
    TABLE,
    is_asked,
    is_shown,
    is_shown_pages,
    is_told,
    joins,
    reads,
    refusal,
    separator,
    task_of,
)
from workbench.engine.inside.sights import sight_of, spectrogram
from workbench.engine.inside.submodels import composed, enter, passed, submodels
from workbench.engine.processors import PLACED
from workbench.engine.task import Silent, Task
from workbench.engine.tasks import (
    aligning,
    raw_inputs,
    sounds,
    vision,
)
from workbench.engine.tasks.inputs import Request, check_text
from workbench.engine.tasks.processors import feature_extractor, image_processor
from workbench.engine.tasks.raw_beside import reads_file
from workbench.engine.tasks.raw_outputs import BEGINS
from workbench.engine.tasks.writing import DENOISES
from workbench.engine.tokens import encode
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import Start, TaskInput, TaskOptions, Token

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


def take(
    model: LoadedModel, asked: TaskInput, *, most: int = POSITIONS, submodel: str = "", task: Task | None = None
) -> Given:
    """Prepare whatever of text, picture and sound a model is given.

    Args:
        model: A loaded model.
        asked: What is there; what the model does not read is passed over.
        most: Positions of a text, in ``[1, MOST]``. Pictures and sounds are looked at whole.
        submodel: One of `submodels`, to look into that; empty for the whole, or the first where that has no pass.
        task: Asked whether to stop.

    Raises:
        NotSupported: The model reads nothing of it, or what prepares it is missing.
        InputError: Something that it needs is missing, or can't be read.
    """
    task = task or Silent()
    check_most(most)
    fields = reads(model)
    if not fields:
        raise NotSupported(
            f"{model.checkpoint.name} can't be looked into here.",
            why=refusal(model),
            remedy="Load a checkpoint that reads texts, pictures or sounds.",
        )
    asked = TaskInput(**{field: getattr(asked, field) for field in fields})
    if composed(model):
        submodel = submodel or submodels(model)[0]
    return enter(model, _taken_whole(model, asked, fields, most, task), submodel, task=task)


def _taken_whole(model: LoadedModel, asked: TaskInput, fields: tuple[str, ...], most: int, task: Task) -> Given:
    image, kind = asked.image, model.facts.model_type
    if model.head == deciding.DECIDES:
        return _decided(Request(model, deciding.parted(asked.text), TaskOptions(), task), asked.text, most)
    if not is_shown(model) and model.takes_images and (image is not None or fields[0] == "image"):
        if model.head in PLACED or reads_file(kind, model.head):
            return _by_task(Request(model, asked, TaskOptions(), task), OTHER, most)
        shown = (image,) if image is not None else ()
        start = prepare_start(model, asked.text, images=shown, task=task)
        return _followed(model, start, (), most)
    alone = fields == ("text",) or model.takes_images or (joins(model) and image is None)
    written = (
        raw_inputs.reads_series(model)
        or is_shown_pages(model)
        or task_of(model) == TABLE
        or kind in (*SHOWN, *SONGS)
        or composed(model)
    )
    if fields[0] == "text" and alone and not written:
        between = separator(model)
        if between and asked.text.count(between) != 1:
            raise InputError(
                f"{model.checkpoint.name} reads two texts with this head.",
                why=f"What all of it attends to ends at the separators between them, {between}, and they stand "
                f"{asked.text.count(between)} times in the text.",
                remedy=f"Write a question, {between} and the text that answers it.",
            )
        return plain.read(model, asked.text, most=most, task=task)
    request = Request(model, asked, TaskOptions(), task)
    if is_told(model) or is_asked(model):
        # It can't do without either, and would say so in its own words.
        check_text(asked.text)
        vision.picture(request)
    if name := task_of(model):
        return _by_task(request, name, most)
    text = plain.read(model, asked.text, most=most, task=task) if fields[0] == "text" else Given(())
    if "image" in fields:
        return _seen(request, text)
    return _heard(request, text)


def told(name: str, asked: TaskInput) -> TaskInput:
    """What a task is given where one text says it all: a question above its table, or what to find, one a line."""
    if name == TABLE:
        question, _, table = asked.text.strip().partition("\n")
        return replace(asked, text=question, second=table)
    if name == NAMED:
        return replace(asked, labels=tuple(line for line in asked.text.splitlines() if line.strip()))
    return asked


def follow(
    model: LoadedModel,
    start: Start,
    written: Sequence[int],
    *,
    most: int = POSITIONS,
    submodel: str = "",
    task: Task | None = None,
) -> Given:
    """Take what was generated: the prompt with its pictures, and the tokens behind it.

    Args:
        model: The model that wrote it.
        start: What the run started from.
        written: Ids of the new tokens.
        most: Positions, in ``[1, MOST]``; a prompt with pictures is taken whole, and so many of the tokens behind it.
        submodel: As of `take`.
        task: Asked whether to stop.

    Raises:
        NotSupported: The model reads no text.
        InputError: There is no token, or a picture can't be read any more.
    """
    return enter(model, _followed(model, start, written, most), submodel, task=task)


def _followed(model: LoadedModel, start: Start, written: Sequence[int], most: int) -> Given:
    if not start.images:
        return plain.follow(model, start, written, most=most)
    check_most(most)
    new = tuple(written)[:most]
    # PaliGemma's processor makes what it is trained towards as well.
    made = {
        name: tensor
        for name, tensor in inputs(model, start, new).kwargs.items()
        if tensor is not None and name != "labels"
    }
    reader: Any = pictures.processor_of(model)
    sight = sight_of(made, getattr(reader, "image_processor", reader), start.images[0])
    return Given(
        tuple(start.encoding.tokens), start.decoder_start, new, start.encoding.text, most, len(written) - len(new),
        image=start.images[0],
        made={name: tensor if isinstance(tensor, list) else tensor.cpu() for name, tensor in made.items()},
        sight=sight if len(start.images) == 1 else None,
    )  # fmt: skip


def _by_task(request: Request, name: str, most: int) -> Given:
    """What the preprocessing of a task makes."""
    model, asked = request.model, request.given
    if name == ANYTHING and asked.image is None and asked.audio is None and not composed(model):
        return plain.read(model, asked.text, most=most, task=request.task)
    name = OTHER if name == FILMED[1] else name
    if name == OTHER and "video" in reads(model) and asked.video is None:
        raise InputError(
            "There is no video yet.", why="No file was chosen.", remedy="Drop one on the pane, or choose one."
        )
    request = replace(request, given=told(name, asked), options=tasks.defaults(name))
    tensors = tasks.module(name).preprocess(request).tensors
    made, run = by_generate(request, tensors, most) or (
        # An aligner's forward hands on what it has no names for.
        tensors if model.facts.model_type == DENOISES or aligning.aligns(model) else _taken(model, tensors, Given(())),
        {},
    )
    ids, mask = (made or run).get("input_ids"), made.get("attention_mask")
    tokens: tuple[Token, ...] = ()
    if ids is not None and model.tokenizer is not None:
        # Kyutai's have codes of the sound behind each.
        ids = ids[..., 0] if ids.ndim == 3 else ids
        seen = mask if mask is not None and mask.shape == ids.shape else ids * 0 + 1
        tokens = tuple(slow_tokens(Pieces(model.tokenizer), ids[0].tolist(), seen[0].tolist(), None, request.task))
    if model.head == ANSWERS and model.facts.model_type == "blip" and ids is not None:
        # It answers with a decoder, which generate() begins so.
        made["decoder_input_ids"] = ids.new_tensor([[model.model.decoder_start_token_id]])
    # A song has several codes at each position, a row a codebook.
    begins = made.get("decoder_input_ids") if model.facts.model_type not in SONGS else None
    sight = None
    if asked.image is not None and name != "keypoint-matching":
        reader: Any = model.processor
        pixels = image_processor(model) if reader is None else getattr(reader, "image_processor", reader)
        sight = sight_of(made or run, pixels, asked.image)
    sound = sounds.read(asked.audio, task=request.task) if asked.audio is not None else None
    return Given(
        tokens, tuple(begins.flatten().tolist()) if begins is not None else (), (), asked.text, most, 0,
        image=asked.image, audio=asked.audio, video=asked.video, other=asked.other, beside=asked.beside, task=name,
        made=made, sight=sight,
        seconds=len(sound.samples) / sound.rate if sound is not None else 0.0, run=run,
    )  # fmt: skip


def _decided(request: Request, text: str, most: int) -> Given:
    """A text with a question about it, as the library's template writes them."""
    made = deciding.decided(request)
    ids = made["input_ids"][0].tolist()
    tokens = slow_tokens(Pieces(request.model.tokenizer), ids, [1] * len(ids), None, request.task)
    return Given(tuple(tokens), (), (), text, most, made=made)


def _seen(request: Request, text: Given) -> Given:
    """A picture, alone or beside a text."""
    model = request.model
    tensors = vision.pixels(request).tensors
    assert request.given.image is not None
    sight = sight_of(tensors, image_processor(model), request.given.image)
    return replace(text, image=request.given.image, made=_taken(model, tensors, text), sight=sight)


def _heard(request: Request, text: Given) -> Given:
    """A sound, alone, beside a text, or with what a decoder has written of it."""
    model = request.model
    prepared = sounds.features(request, **raw_inputs.masked(model))
    extractor = feature_extractor(model)
    main = next(prepared.tensors[name] for name in HEARD if name in prepared.tensors)
    rate = int(extractor.sampling_rate)
    hop = getattr(extractor, "hop_length", None)
    # Whisper's are always as long as the model hears at once, however short the sound.
    frames = main.shape[-1] if main.shape[-1] != getattr(extractor, "feature_size", 0) else main.shape[-2]
    samples = prepared.aside["samples"].shape[1]
    seconds = frames * hop / rate if main.ndim == 3 and hop and frames < samples else samples / rate
    named = raw_inputs.called(model, prepared.tensors)
    made = _taken(model, prepared.tensors | named, text)
    sight = spectrogram(model, main)
    if model.encoder_decoder:
        text = replace(text, decoder_start=_written(request))
        import torch

        made["decoder_input_ids"] = torch.tensor([text.decoder_start])
    # Where patches are cut out of the spectrogram, a position is no moment.
    heard = {"sight": sight} if sight is not None else {"seconds": seconds, "rate": rate}
    return replace(text, text=request.given.text, audio=request.given.audio, made=made, **heard)


def _written(request: Request) -> tuple[int, ...]:
    """What a decoder is given: the token it starts with, and what it has written so far."""
    config, tokenizer = request.model.model.config, request.model.tokenizer
    start = next((each for name in BEGINS if (each := getattr(config, name, None)) is not None), None)
    if start is None:
        raise NotSupported(
            f"What {request.model.checkpoint.name} writes can't be looked into.",
            why="Its config.json names no token that the decoder starts with (decoder_start_token_id or pad_token_id).",
            remedy="Add decoder_start_token_id to its config.json.",
        )
    ids = encode(tokenizer, request.text, task=request.task).input_ids if tokenizer is not None and request.text else ()
    end = getattr(tokenizer, "eos_token_id", None)
    ids = ids[:-1] if ids and ids[-1] == end else ids
    return tuple(ids) if ids and ids[0] == start else (int(start), *ids)


def _taken(model: LoadedModel, tensors: dict[str, Tensor], text: Given) -> dict[str, Tensor]:
    """What ``model(…)`` names of what was made, and the text's ids beside it."""
    whole = passed(model)
    named = inspect.signature(getattr(whole, "forward", whole)).parameters
    beside = plain.tensors(model, text) if text.tokens else {}
    words = {name: tensor.cpu() for name, tensor in beside.items() if name != "use_cache"}
    found = {name: tensor for name, tensor in {**tensors, **words}.items() if name in named}
    if not found:
        raise InputError(
            f"{model.checkpoint.name} takes nothing of what was made.",
            why=f"The processor made {', '.join(tensors)}, and the model reads {', '.join(list(named)[:4])}.",
            remedy="Download the checkpoint again, so that its processor fits it.",
        )
    return found
