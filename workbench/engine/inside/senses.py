"""What a look is given: text, picture, sound or several of them, as the checkpoint's own processors prepare them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine import tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.facts import FILMS
from workbench.engine.generate import captions, page, pictures
from workbench.engine.generate.inputs import inputs, prepare_start
from workbench.engine.inside import deciding
from workbench.engine.inside import given as plain
from workbench.engine.inside.generated import SONGS, by_generate
from workbench.engine.inside.given import ANSWERS, CHOICES, POSITIONS, Given, check_most
from workbench.engine.inside.sights import sight_of, spectrogram
from workbench.engine.inside.submodels import composed, enter, submodels
from workbench.engine.processors import PLACED
from workbench.engine.task import Silent, Task
from workbench.engine.tasks import (
    aligning,
    documents,
    notes,
    raw_beside,
    raw_inputs,
    samples,
    sounds,
    transcribing,
    vision,
)
from workbench.engine.tasks.inputs import Request, check_text
from workbench.engine.tasks.processors import feature_extractor, image_processor
from workbench.engine.tasks.series import PATCHED
from workbench.engine.tasks.speaking import PHONEMES
from workbench.engine.tasks.writing import DENOISES
from workbench.engine.tasks.zero_shot_object_detection import TOLD
from workbench.engine.tokens import encode
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import Start, TaskInput, TaskOptions, Token

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

#: Arguments of ``model(…)`` that hold a picture, and those that hold a sound.
_SEEN = ("pixel_values", "flattened_patches")
_HEARD = ("input_features", "input_values", "audio_values", "audio_mel")
#: Names that configs have for the id that marks a picture among words.
_MARKS = ("image_token_id", "image_token_index")
#: Heads of models that read a text beside a picture in any case.
_COMPARE = ("AutoModelForZeroShotObjectDetection", "AutoModelForZeroShotImageClassification")
#: Tasks that prepare a picture in ways of their own: with boxes, or with the task in words.
_OWN = ("image-segmentation", "keypoint-detection")
#: Tasks of models that are shown films, of those that take anything, of those that are asked for what was said, and of
#: all others.
_FILMS, _ANYTHING, _ASKED, _OTHER = (
    ("video-classification", "films"),
    "any-to-any",
    "automatic-speech-recognition",
    "raw-outputs",
)
#: The task of models that say a text, each with a model of its own for each step.
_SPOKEN = "text-to-audio"
#: Architectures that a task has a way of its own for: that task, and the fields of `TaskInput` that it reads.
_SHOWN = {
    "shieldgemma2": ("image-classification", ("image",)),
    "diffusion_gemma": ("any-to-any", ("text", "image")),
    **dict.fromkeys(PHONEMES, ("text-to-audio", ("text",))),
    **dict.fromkeys(PATCHED, ("time-series-prediction", ("text",))),
    **dict.fromkeys(("superglue", "lightglue", "efficientloftr"), ("keypoint-matching", ("image", "other"))),
    "tvp": ("video-grounding", ("text", "video")),
}
#: Architectures whose body alone can't do without a text beside the picture, and the heads of Longformer that can't
#: without the separators between two texts.
_BESIDE, _PAIRED = ("grounding-dino", "mm-grounding-dino", *TOLD), ("AutoModelForQuestionAnswering", CHOICES)
#: Architectures that read a table, and the task that prepares it; what finds things is told of as its task is.
_TABLES, _TABLE, _NAMED = ("tapas",), "table-question-answering", "zero-shot-object-detection"
_WORDS = {
    _TABLE: "The question, and the table below it: a row a line",
    _NAMED: "What to find, one a line",
    "time-series-prediction": "Numbers, the oldest first, between commas or a line each",
}


def reads(model: LoadedModel) -> tuple[str, ...]:
    """What a look at a model is given, by the fields of `TaskInput`, what it can't do without first; empty for nothing.

    ``("image", "text")`` needs the picture, ``("text", "image")`` the text.
    """
    taken = set(inspect.signature(model.model.forward).parameters)
    main = _main(model)
    name = _task(model)
    if composed(model):
        return _taken_by(model, name) if name == _ANYTHING else ("text",) if name else ()
    if (own := _SHOWN.get(model.facts.model_type)) and own[0] == name:
        return own[1]
    if _is_told(model) or _is_asked(model):
        return ("text", "image")
    if name == _TABLE:
        return ("text",)
    if beside := raw_beside.given(model.facts.model_type):
        return beside
    if _is_shown_pages(model):
        return ("text", *(field for field, _ in documents.picture_field(model)))
    if name in _FILMS or (name == _ANYTHING and "input_ids" in taken) or raw_inputs.reads_series(model):
        return _taken_by(model, name)
    if model.takes_images:
        needs_picture = captions.beside(model) and not hasattr(model.model, "get_text_features")
        return ("image", "text") if needs_picture else ("text", "image")
    text = ("text",) if model.tokenizer is not None and taken & {"input_ids", "kwargs"} else ()
    if _compares(model):
        return (*text, *(("image",) if taken & set(_SEEN) else ("audio",)))
    if name == _ASKED:
        return ("text", "audio") if aligning.aligns(model) else ("audio",)
    if main in _SEEN or _cut(model):
        return ("image",)
    if main in _HEARD:
        # What a decoder has written so far.
        return ("audio", "text") if model.encoder_decoder and model.tokenizer is not None else ("audio",)
    return (*text, *(("image",) if _joins(model) else ())) if main == "input_ids" else ()


def refusal(model: LoadedModel) -> str:
    """Why a model can't be looked into, as a sentence; empty when it can."""
    if reads(model):
        return ""
    name, main = model.checkpoint.name, _main(model)
    if composed(model):
        return f"{name} is made of several models, and has no pass of its own that could be looked into."
    if main == "input_ids" and model.tokenizer is None:
        return f"{name} has no tokenizer, so no text can be turned into ids for it."
    return f"{name} reads {main.replace('_', ' ')}, and only texts, pictures and sounds can be followed."


def wanted(model: LoadedModel) -> str:
    """What is to be written where a model reads a text, in a few words; empty where it reads none."""
    fields = reads(model)
    if "text" not in fields:
        return ""
    if raw_inputs.reads_series(model):
        return raw_inputs.columns(model)
    if _is_shown_pages(model) or _is_page(model):
        return page.WORDS
    if (name := _task(model)) in _WORDS:
        return _WORDS[name]
    if model.head == deciding.DECIDES:
        return deciding.WORDS
    if between := _separator(model):
        return f"A question, {between} and the text that answers it"
    words = {"audio": "What the decoder has written so far, or nothing", "image": "What the model is told, or nothing"}
    return words.get(fields[0], "Type or paste a text")


def example(model: LoadedModel) -> TaskInput:
    """Something to look into a model with: files that are made once, and a text where it wants one beside them."""
    fields = reads(model)
    if page.wanted(model):
        asked = "" if _is_shown_pages(model) or _is_page(model) else "What is the total?\n"
        return TaskInput(f"{asked}{page.EXAMPLE}", image=samples.page() if "image" in fields else None)
    ids = raw_inputs.ids(model)
    text = ids or "a house under a sun"
    if raw_inputs.reads_series(model):
        text = raw_inputs.example(model)
    elif model.facts.model_type in PATCHED:
        text = tasks.example(_task(model), model).text
    elif model.facts.model_type in (*raw_inputs.RETRIEVES, *captions.ASKING):
        # A page or a question, never both; or the processor writes the whole prompt.
        text = ""
    if model.head == deciding.DECIDES:
        text = deciding.EXAMPLE
    if between := _separator(model):
        text = f"What stands under the sun?{between}{text}"
    if _task(model) == _TABLE:
        table = tasks.example(_TABLE, model)
        text = f"{table.text}\n{table.second}"
    return TaskInput(
        text
        if fields[:1] == ("text",) or model.head == "AutoModel"
        else captions.PROMPTED.get(model.facts.model_type, ""),
        image=samples.picture() if "image" in fields and not (ids and raw_inputs.marks(model)) else None,
        audio=samples.sound() if "audio" in fields else None,
        video=samples.video() if "video" in fields else None,
        other=samples.picture() if "other" in fields else None,
        beside=samples.trimap() if "other" in fields else None,
    )


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
    if kind not in _SHOWN and model.takes_images and (image is not None or fields[0] == "image"):
        if model.head in PLACED:
            return _by_task(Request(model, asked, TaskOptions(), task), _OTHER, most)
        shown = (image,) if image is not None else ()
        start = prepare_start(model, asked.text, images=shown, task=task)
        return _followed(model, start, (), most)
    alone = fields == ("text",) or model.takes_images or (_joins(model) and image is None)
    written = (
        raw_inputs.reads_series(model)
        or _is_shown_pages(model)
        or _task(model) == _TABLE
        or kind in (*_SHOWN, *SONGS)
        or composed(model)
    )
    if fields[0] == "text" and alone and not written:
        between = _separator(model)
        if between and asked.text.count(between) != 1:
            raise InputError(
                f"{model.checkpoint.name} reads two texts with this head.",
                why=f"What all of it attends to ends at the separators between them, {between}, and they stand "
                f"{asked.text.count(between)} times in the text.",
                remedy=f"Write a question, {between} and the text that answers it.",
            )
        return plain.read(model, asked.text, most=most, task=task)
    request = Request(model, asked, TaskOptions(), task)
    if _is_told(model) or _is_asked(model):
        # It can't do without either, and would say so in its own words.
        check_text(asked.text)
        vision.picture(request)
    if name := _task(model):
        return _by_task(request, name, most)
    text = plain.read(model, asked.text, most=most, task=task) if fields[0] == "text" else Given(())
    if "image" in fields:
        return _seen(request, text)
    return _heard(request, text)


def told(name: str, asked: TaskInput) -> TaskInput:
    """What a task is given where one text says it all: a question above its table, or what to find, one a line."""
    if name == _TABLE:
        question, _, table = asked.text.strip().partition("\n")
        return replace(asked, text=question, second=table)
    if name == _NAMED:
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


def _main(model: LoadedModel) -> str:
    found = model.model.main_input_name
    if model.facts.model_type == "speech-encoder-decoder":
        # Either way of hearing, so its encoder tells which.
        found = model.model.encoder.main_input_name
    taken = inspect.signature(model.model.forward).parameters
    if found in _SEEN and found not in taken and "input_ids" in taken:
        # The text model of a SAM says what all of it sees.
        found = "input_ids"
    if found == "inputs":
        # Perceiver calls both so, and takes each by its own name too.
        found = next((name for name in ("pixel_values", "input_ids") if name in taken), found)
    return str(found[0] if isinstance(found, list) else found)


def _task(model: LoadedModel) -> str:
    """The task whose preprocessing a model wants, because there is more to it than its processor; mostly none."""
    kind = model.facts.model_type
    if kind in _SHOWN and tasks.supports(model, _SHOWN[kind][0]):
        return _SHOWN[kind][0]
    name = tasks.infer(model.facts)
    if composed(model):
        # By its name the bare model of Bark is the one that speaks, too.
        return _ANYTHING if tasks.supports(model, _ANYTHING) else _SPOKEN if model.tokenizer is not None else ""
    if _is_shown_films(model):
        return _FILMS[0] if tasks.supports(model, _FILMS[0]) else _FILMS[1]
    if tasks.supports(model, _ANYTHING) and not model.takes_images and "audio" in _modalities(model):
        return _ANYTHING
    if (
        name == _ASKED
        and tasks.supports(model, name)
        and (_main(model) == "input_ids" or model.facts.model_type in (*transcribing.PACED, notes.ARCHITECTURE))
    ):
        return name
    if kind in _TABLES:
        return _TABLE
    if kind in TOLD and (_is_told(model) or tasks.supports(model, _NAMED)):
        return _NAMED
    if kind in SONGS and tasks.supports(model, _SPOKEN):
        return _SPOKEN
    if kind == "oneformer" and model.head == "AutoModel":
        # Its body is told the task in words, too.
        return _OWN[0]
    hides = raw_inputs.hides(model.head, kind) or bool(raw_beside.given(kind))
    if raw_inputs.reads_series(model) or hides or kind in raw_inputs.RETRIEVES or _joins(model):
        return _OTHER
    if _is_told(model) or _is_asked(model):
        return _OTHER
    headless = model.takes_images and model.head in PLACED
    if _is_shown_pages(model) or _cut(model) or headless or _main(model) == "audio_mel":
        return _OTHER
    return name if name in _OWN and kind in ("oneformer", "vitpose") and tasks.supports(model, name) else ""


def _cut(model: LoadedModel) -> bool:
    """Whether a part of a larger model sees a picture, though it says that it reads ids, or has names of its own."""
    taken = set(inspect.signature(model.model.forward).parameters)
    named = "grid_thw" in taken or (bool(taken & set(_SEEN)) and _main(model) == "input_ids")
    return named and "input_ids" not in taken


def _is_told(model: LoadedModel) -> bool:
    """Whether the body of a model that finds what it is told of reads that beside the picture."""
    return model.facts.model_type in _BESIDE and model.head == "AutoModel"


def _is_asked(model: LoadedModel) -> bool:
    """Whether a model answers a question about a picture by writing on after it."""
    return model.head == ANSWERS and model.facts.model_type == "blip-2"


def _separator(model: LoadedModel) -> str:
    """What stands between two texts, where a head can't do without: it tells Longformer what all attend to."""
    if model.facts.model_type != "longformer" or model.head not in _PAIRED or model.tokenizer is None:
        return ""
    # What the model counts is its own, whatever the tokenizer calls it.
    number = getattr(model.model.config, "sep_token_id", None)
    between: Any = model.tokenizer.convert_ids_to_tokens(number) if number is not None else ""
    return 2 * str(between or "")


def _joins(model: LoadedModel) -> bool:
    """Whether a model reads a text and may be given a picture besides, in one stack of layers."""
    taken = set(inspect.signature(model.model.forward).parameters)
    sees = "pixel_values" in taken and getattr(model.model.config, "vision_config", taken) is not None
    # Where ids mark the picture among the words, only the processor of another head can write them.
    marked = any(getattr(model.model.config, name, None) is not None for name in _MARKS)
    joined = _main(model) == "input_ids" and sees and not model.takes_images and not marked
    return joined and model.tokenizer is not None and not _compares(model)


def _is_shown_pages(model: LoadedModel) -> bool:
    """Whether a model reads the words of a page with their boxes; of UDOP they stand in its prompt."""
    return page.wanted(model) and not model.takes_images


def _is_page(model: LoadedModel) -> bool:
    """Whether the body of a model reads those words and is told nothing besides, as UDOP's does."""
    return page.wanted(model) and model.head in PLACED


def _is_shown_films(model: LoadedModel) -> bool:
    config = model.model.config
    if _compares(model) and model.facts.model_type in FILMS:
        return True
    frames = any(hasattr(config, name) for name in ("num_frames", "tubelet_size", "frames_per_clip"))
    return _main(model) in (*_SEEN, "pixel_values_videos") and frames and not model.takes_images


def _modalities(model: LoadedModel) -> tuple[str, ...]:
    found = getattr(model.model, "input_modalities", None) or ()
    return (found,) if isinstance(found, str) else tuple(found)


def _taken_by(model: LoadedModel, name: str) -> tuple[str, ...]:
    """What the preprocessing of a task takes."""
    if name in _FILMS:
        return ("text", "video") if _compares(model) else ("video",)
    more = [field for field in ("image", "audio") if field in _modalities(model)] if name == _ANYTHING else []
    if getattr(model.model.config, "audio_config", name) is None:
        more = [field for field in more if field != "audio"]
    return ("text", *more)


def _by_task(request: Request, name: str, most: int) -> Given:
    """What the preprocessing of a task makes."""
    model, asked = request.model, request.given
    if name == _ANYTHING and asked.image is None and asked.audio is None and not composed(model):
        return plain.read(model, asked.text, most=most, task=request.task)
    name = _OTHER if name == _FILMS[1] else name
    if name == _OTHER and "video" in reads(model) and asked.video is None:
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


def _compares(model: LoadedModel) -> bool:
    """Whether a model is given a text beside a picture or a sound, and has a stack of layers for each."""
    named = hasattr(model.model, "get_text_features") or model.facts.model_type == "pe_audio"
    return named or model.head in _COMPARE


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
    main = next(prepared.tensors[name] for name in _HEARD if name in prepared.tensors)
    rate = int(extractor.sampling_rate)
    hop = getattr(extractor, "hop_length", None)
    # Whisper's are always as long as the model hears at once, however short the sound.
    frames = main.shape[-1] if main.shape[-1] != getattr(extractor, "feature_size", 0) else main.shape[-2]
    samples = prepared.aside["samples"].shape[1]
    seconds = frames * hop / rate if main.ndim == 3 and hop else samples / rate
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
    start = getattr(config, "decoder_start_token_id", None)
    start = config.pad_token_id if start is None else start
    ids = encode(tokenizer, request.text, task=request.task).input_ids if tokenizer is not None and request.text else ()
    end = getattr(tokenizer, "eos_token_id", None)
    ids = ids[:-1] if ids and ids[-1] == end else ids
    return tuple(ids) if ids and ids[0] == start else (int(start), *ids)


def _taken(model: LoadedModel, tensors: dict[str, Tensor], text: Given) -> dict[str, Tensor]:
    """What ``model(…)`` names of what was made, and the text's ids beside it."""
    named = inspect.signature(model.model.forward).parameters
    beside = plain.tensors(model, text) if text.tokens else {}
    words = {name: tensor.cpu() for name, tensor in beside.items() if name != "use_cache"}
    found = {name: tensor for name, tensor in {**words, **tensors}.items() if name in named}
    if not found:
        raise InputError(
            f"{model.checkpoint.name} takes nothing of what was made.",
            why=f"The processor made {', '.join(tensors)}, and the model reads {', '.join(list(named)[:4])}.",
            remedy="Download the checkpoint again, so that its processor fits it.",
        )
    return found
