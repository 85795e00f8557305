"""What a look at a model is given: which of text, picture, sound and film it reads, and something to try."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import tasks
from workbench.engine.facts import FILMS
from workbench.engine.generate import captions, page
from workbench.engine.inside import deciding
from workbench.engine.inside.generated import SONGS
from workbench.engine.inside.given import ANSWERS, CHOICES
from workbench.engine.inside.submodels import composed, follows
from workbench.engine.processors import PLACED
from workbench.engine.tasks import (
    aligning,
    documents,
    image_segmentation,
    notes,
    raw_beside,
    raw_inputs,
    samples,
    transcribing,
)
from workbench.engine.tasks.series import PATCHED
from workbench.engine.tasks.speaking import PHONEMES, TURNS
from workbench.engine.tasks.zero_shot_object_detection import TOLD
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

HEARD = ("input_features", "input_values", "audio_values", "audio_mel")
"""Arguments of ``model(…)`` that hold a sound."""

ANYTHING = "any-to-any"
"""The task of models that take anything."""

OTHER = "raw-outputs"
"""The task of models that no other prepares the input of."""

FILMED = ("video-classification", "films")
"""Tasks of models that are shown films, the second prepared by `OTHER`."""

TABLE = "table-question-answering"
"""The task that prepares a table."""

NAMED = "zero-shot-object-detection"
"""The task of models that are told what to find."""

SHOWN = {
    "shieldgemma2": ("image-classification", ("image",)),
    "diffusion_gemma": ("any-to-any", ("text", "image")),
    **dict.fromkeys(PHONEMES, ("text-to-audio", ("text",))),
    **dict.fromkeys(PATCHED, ("time-series-prediction", ("text",))),
    **dict.fromkeys(("superglue", "lightglue", "efficientloftr"), ("keypoint-matching", ("image", "other"))),
    "tvp": ("video-grounding", ("text", "video")),
    "vitmatte": ("image-matting", ("image", "other")),
}
"""Architectures that a task has a way of its own for: that task, and the fields of `TaskInput` that it reads."""

#: Arguments of ``model(…)`` that hold a picture.
_SEEN = ("pixel_values", "flattened_patches")
#: Names that configs have for the id that marks a picture among words.
_MARKS = ("image_token_id", "image_token_index")
#: Heads of models that read a text beside a picture in any case.
_COMPARE = ("AutoModelForZeroShotObjectDetection", "AutoModelForZeroShotImageClassification")
#: Architectures that compare a text with a sound or a film, without a method of their own for the text.
_COMPARING = ("pe_audio", "pe_video")
#: Tasks that prepare a picture in ways of their own: with boxes, or with the task in words.
_OWN = ("image-segmentation", "keypoint-detection")
#: The task of models that are asked for what was said, and of those that say a text, each step with a model of its own.
_ASKED, _SPOKEN = "automatic-speech-recognition", "text-to-audio"
#: Architectures whose body alone can't do without a text beside the picture, and the heads of Longformer that can't
#: without the separators between two texts.
_BESIDE, _PAIRED = ("grounding-dino", "mm-grounding-dino", *TOLD), ("AutoModelForQuestionAnswering", CHOICES)
#: Architectures that read a table.
_TABLES = ("tapas",)
#: What is to be written for a task, in a few words.
_WORDS = {
    TABLE: "The question, and the table below it: a row a line",
    NAMED: "What to find, one a line",
    "time-series-prediction": "Numbers, the oldest first, between commas or a line each",
}


def reads(model: LoadedModel) -> tuple[str, ...]:
    """What a look at a model is given, by the fields of `TaskInput`, what it can't do without first; empty for nothing.

    ``("image", "text")`` needs the picture, ``("text", "image")`` the text.
    """
    taken = set(inspect.signature(model.model.forward).parameters)
    main = _main(model)
    name = task_of(model)
    if follows(model):
        return ("image",)
    if composed(model) and model.facts.model_type not in raw_beside.METHODS:
        return _taken_by(model, name) if name == ANYTHING else ("text",) if name else ()
    if (own := SHOWN.get(model.facts.model_type)) and own[0] == name:
        return own[1]
    if is_told(model) or is_asked(model):
        return ("text", "image")
    if name == TABLE:
        return ("text",)
    if model.facts.model_type in raw_beside.METHODS:
        return ()
    if beside := raw_beside.given(model.facts.model_type, model.head):
        return beside
    if is_shown_pages(model):
        return ("text", *(field for field, _ in documents.picture_field(model)))
    if name in FILMED or (name == ANYTHING and "input_ids" in taken) or raw_inputs.reads_series(model):
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
    if transcribing.goes_along(model):
        return ("audio", *text)
    if _at_once(model):
        return ("audio", "video")
    if name == OTHER and model.facts.model_type in TURNS:
        return ("text", "audio")
    if main in HEARD:
        # What a decoder has written so far; a transducer is given one token at a time, the blank first.
        writes = model.encoder_decoder and not hasattr(model.model.config, "blank_token_id")
        return ("audio", "text") if writes and model.tokenizer is not None else ("audio",)
    return (*text, *(("image",) if joins(model) else ())) if main == "input_ids" else ()


def refusal(model: LoadedModel) -> str:
    """Why a model can't be looked into, as a sentence; empty when it can."""
    if reads(model):
        return ""
    name, main = model.checkpoint.name, _main(model)
    if model.facts.model_type in raw_beside.METHODS:
        return f"{name} has no stack of layers whose states could be followed; raw outputs show all that it makes."
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
    if is_shown_pages(model) or _is_page(model):
        return page.WORDS
    if (name := task_of(model)) in _WORDS:
        return _WORDS[name]
    if model.head == deciding.DECIDES:
        return deciding.WORDS
    if between := separator(model):
        return f"A question, {between} and the text that answers it"
    words = {"audio": "What the decoder has written so far, or nothing", "image": "What the model is told, or nothing"}
    return words.get(fields[0], "Type or paste a text")


def example(model: LoadedModel) -> TaskInput:
    """Something to look into a model with: files that are made once, and a text where it wants one beside them."""
    fields = reads(model)
    if page.wanted(model):
        asked = "" if is_shown_pages(model) or _is_page(model) else "What is the total?\n"
        return TaskInput(f"{asked}{page.EXAMPLE}", image=samples.page() if "image" in fields else None)
    ids = raw_inputs.ids(model)
    text = ids or raw_inputs.asked(model, "a house under a sun")
    if raw_inputs.reads_series(model):
        text = raw_inputs.example(model)
    elif model.facts.model_type in (*PATCHED, *PHONEMES):
        text = tasks.example(task_of(model), model).text
    elif "image" in fields and model.facts.model_type in (*raw_inputs.RETRIEVES, *captions.ASKING):
        # A page or a question, never both; or the processor writes the whole prompt.
        text = ""
    if model.head == deciding.DECIDES:
        text = deciding.EXAMPLE
    if between := separator(model):
        text = f"What stands under the sun?{between}{text}"
    if task_of(model) == TABLE:
        table = tasks.example(TABLE, model)
        text = f"{table.text}\n{table.second}"
    if fields[:1] != ("text",) and model.head != "AutoModel" and model.facts.model_type not in raw_beside.ACTS:
        text = captions.PROMPTED.get(model.facts.model_type, "")
    return TaskInput(
        text if "text" in fields else "",
        image=samples.picture() if "image" in fields and not (ids and raw_inputs.marks(model)) else None,
        audio=samples.sound() if "audio" in fields else None,
        video=samples.video() if "video" in fields else None,
        other=tasks.example(task_of(model), model).other if "other" in fields else None,
        beside=_beside(model),
    )


def _beside(model: LoadedModel) -> Path | None:
    """The file of an example: what another part writes, or the mask of the picture that is to be learned from."""
    if "beside" not in (fields := reads(model)):
        return None
    return samples.trimap() if "other" in fields else raw_beside.example(model)


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


def task_of(model: LoadedModel) -> str:
    """The task whose preprocessing a model wants, because there is more to it than its processor; mostly none."""
    kind = model.facts.model_type
    if is_shown(model):
        return SHOWN[kind][0]
    name = tasks.infer(model.facts)
    if composed(model):
        # By its name the bare model of Bark is the one that speaks, too.
        return ANYTHING if tasks.supports(model, ANYTHING) else _SPOKEN if model.tokenizer is not None else ""
    if _is_shown_films(model):
        return FILMED[0] if tasks.supports(model, FILMED[0]) else FILMED[1]
    if tasks.supports(model, ANYTHING) and not model.takes_images and "audio" in _modalities(model):
        return ANYTHING
    if (
        name == _ASKED
        and tasks.supports(model, name)
        and (_main(model) == "input_ids" or model.facts.model_type in (*transcribing.PACED, notes.ARCHITECTURE))
    ):
        return name
    if kind in _TABLES:
        return TABLE
    if kind in TOLD and (is_told(model) or tasks.supports(model, NAMED)):
        return NAMED
    if kind in SONGS and tasks.supports(model, _SPOKEN):
        return _SPOKEN
    if kind == image_segmentation.TOLD and model.head == "AutoModel":
        # Its body is told the task in words, too.
        return _OWN[0]
    hides = raw_inputs.hides(model.head, kind) or bool(raw_beside.given(kind, model.head))
    if raw_inputs.reads_series(model) or hides or kind in raw_inputs.RETRIEVES or joins(model):
        return OTHER
    if is_told(model) or is_asked(model):
        return OTHER
    if transcribing.goes_along(model) or _at_once(model) or kind == "csm":
        # CSM is told who speaks, and how that sounded before.
        return OTHER
    headless = model.takes_images and model.head in PLACED
    if is_shown_pages(model) or _cut(model) or headless or _main(model) == "audio_mel":
        return OTHER
    return name if name in _OWN and kind in (image_segmentation.TOLD, "vitpose") and tasks.supports(model, name) else ""


def _at_once(model: LoadedModel) -> bool:
    """Whether a model hears a film that it sees, and can do neither alone."""
    taken = set(inspect.signature(model.model.forward).parameters)
    return {"input_values", "pixel_values_videos"} <= taken and not model.takes_images


def _cut(model: LoadedModel) -> bool:
    """Whether a part of a larger model sees a picture, though it says that it reads ids, or has names of its own."""
    taken = set(inspect.signature(model.model.forward).parameters)
    named = "grid_thw" in taken or (bool(taken & set(_SEEN)) and _main(model) == "input_ids")
    return named and "input_ids" not in taken


def is_shown(model: LoadedModel) -> bool:
    """Whether a model is one of `SHOWN`, with a head that does that task."""
    kind = model.facts.model_type
    return kind in SHOWN and tasks.supports(model, SHOWN[kind][0])


def is_told(model: LoadedModel) -> bool:
    """Whether the body of a model that finds what it is told of reads that beside the picture."""
    return model.facts.model_type in _BESIDE and model.head == "AutoModel"


def is_asked(model: LoadedModel) -> bool:
    """Whether a model answers a question about a picture by writing on after it."""
    return model.head == ANSWERS and model.facts.model_type == "blip-2"


def separator(model: LoadedModel) -> str:
    """What stands between two texts, where a head can't do without: it tells Longformer what all attend to."""
    if model.facts.model_type != "longformer" or model.head not in _PAIRED or model.tokenizer is None:
        return ""
    # What the model counts is its own, whatever the tokenizer calls it.
    number = getattr(model.model.config, "sep_token_id", None)
    between: Any = model.tokenizer.convert_ids_to_tokens(number) if number is not None else ""
    return 2 * str(between or "")


def joins(model: LoadedModel) -> bool:
    """Whether a model reads a text and may be given a picture besides, in one stack of layers."""
    taken = set(inspect.signature(model.model.forward).parameters)
    sees = "pixel_values" in taken and getattr(model.model.config, "vision_config", taken) is not None
    # Where ids mark the picture among the words, only the processor of another head can write them.
    marked = any(getattr(model.model.config, name, None) is not None for name in _MARKS)
    joined = _main(model) == "input_ids" and sees and not model.takes_images and not marked
    return joined and model.tokenizer is not None and not _compares(model)


def is_shown_pages(model: LoadedModel) -> bool:
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
    main = _main(model)
    return (main == "pixel_values_videos" or (main in _SEEN and frames)) and not model.takes_images


def _modalities(model: LoadedModel) -> tuple[str, ...]:
    found = getattr(model.model, "input_modalities", None) or ()
    return (found,) if isinstance(found, str) else tuple(found)


def _taken_by(model: LoadedModel, name: str) -> tuple[str, ...]:
    """What the preprocessing of a task takes."""
    if name in FILMED:
        return ("text", "video") if _compares(model) else ("video",)
    more = [field for field in ("image", "audio") if field in _modalities(model)] if name == ANYTHING else []
    if getattr(model.model.config, "audio_config", name) is None:
        more = [field for field in more if field != "audio"]
    return ("text", *more)


def _compares(model: LoadedModel) -> bool:
    """Whether a model is given a text beside a picture or a sound, and has a stack of layers for each."""
    named = hasattr(model.model, "get_text_features") or model.facts.model_type in _COMPARING
    return named or model.head in _COMPARE
