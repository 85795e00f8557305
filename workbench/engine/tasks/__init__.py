"""Tasks: an input in, a result out, with the three steps between them as real tensors.

Each module writes one task's ``preprocess``, ``forward`` and ``postprocess`` out; where transformers has a pipeline for
it, the result is the pipeline's. `SPECS` is the table that names them.
"""

from __future__ import annotations

import inspect
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.facts import FILMS, HEAR_ALONE, reads, sees
from workbench.engine.generate import page
from workbench.engine.generate.captions import FRAMES
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tasks import (
    aligning,
    any_to_any,
    audio_classification,
    automatic_speech_recognition,
    axes,
    decision,
    depth_estimation,
    document_question_answering,
    feature_extraction,
    fill_mask,
    image_classification,
    image_feature_extraction,
    image_matting,
    image_segmentation,
    image_text_to_text,
    image_to_image,
    keypoint_detection,
    keypoint_matching,
    mask_generation,
    multiple_choice,
    next_sentence_prediction,
    normal_estimation,
    object_detection,
    pointmap_estimation,
    question_answering,
    raw_beside,
    raw_inputs,
    raw_outputs,
    samples,
    sentence_pair_classification,
    series,
    speaking,
    summarization,
    table_question_answering,
    table_recognition,
    text2text_generation,
    text_classification,
    text_generation,
    text_recognition,
    text_to_audio,
    time_series_prediction,
    token_classification,
    transcribing,
    translation,
    video_classification,
    video_grounding,
    video_object_tracking,
    video_segmentation,
    visual_document_retrieval,
    visual_question_answering,
    zero_shot_audio_classification,
    zero_shot_classification,
    zero_shot_image_classification,
    zero_shot_image_segmentation,
    zero_shot_object_detection,
    zero_shot_video_classification,
)
from workbench.engine.tasks.inputs import Request, Spec, broken, context, cut_at, views
from workbench.engine.values import Facts, Stage, TaskInput, TaskOptions, TaskResult

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

__all__ = ["SPECS", "TASKS", "Spec", "applies", "architecture", "context", "cut_at", "defaults",
           "example", "first", "head_for", "infer", "module", "run", "spec", "supports"]  # fmt: skip

_MODULES: tuple[Any, ...] = (
    text_classification,
    sentence_pair_classification,
    zero_shot_classification,
    token_classification,
    question_answering,
    table_question_answering,
    document_question_answering,
    multiple_choice,
    next_sentence_prediction,
    fill_mask,
    text_generation,
    decision,
    text2text_generation,
    summarization,
    translation,
    feature_extraction,
    image_classification,
    zero_shot_image_classification,
    object_detection,
    zero_shot_object_detection,
    image_segmentation,
    zero_shot_image_segmentation,
    mask_generation,
    image_matting,
    depth_estimation,
    normal_estimation,
    pointmap_estimation,
    image_to_image,
    keypoint_detection,
    keypoint_matching,
    text_recognition,
    table_recognition,
    visual_document_retrieval,
    image_feature_extraction,
    visual_question_answering,
    image_text_to_text,
    audio_classification,
    zero_shot_audio_classification,
    automatic_speech_recognition,
    text_to_audio,
    video_classification,
    zero_shot_video_classification,
    video_segmentation,
    video_object_tracking,
    video_grounding,
    time_series_prediction,
    any_to_any,
    raw_outputs,
)

SPECS: tuple[Spec, ...] = tuple(each.SPEC for each in _MODULES)
"""Every task that is written out."""

TASKS: tuple[tuple[str, str], ...] = tuple((spec.name, spec.heads[0]) for spec in SPECS)
"""Each task as the library names it, with the Auto class whose head it usually needs."""

#: What an example's files are made by.
_SAMPLES = {
    "image": samples.picture,
    "other": samples.turned_picture,
    "audio": samples.sound,
    "video": samples.video,
}

#: The field of an example by the tensor that a model names first; some leave it to that to say what they read.
_READS = {
    "pixel_values": "image",
    "pixel_values_videos": "video",
    "input_values": "audio",
    "input_features": "audio",
}

#: Tensors of the fields that some models take beside the text that they state alone.
_TAKEN = {"audio": {"input_values", "input_features"}, "video": {"pixel_values_videos"}}

#: Architectures that were made to translate, whatever else the head could write.
_TRANSLATORS = ("marian", "m2m_100", "nllb-moe", "mbart", "fsmt", *speaking.SEAMLESS)
#: Architectures that speak, and have no head to tell them by.
_SPEAKERS = ("dia", "vibevoice")
#: Architectures that hear or speak by their heads alone.
_LISTENERS = (*any_to_any.HEARS, "qwen2_audio")
_BODIES = (*_SPEAKERS, *transcribing.LANGUAGES, *_LISTENERS)
_SUMMARIZERS = ("pegasus", "pegasus_x", "led", "bigbird_pegasus")


def first(model: LoadedModel) -> str:
    """The task to begin with: what a checkpoint was trained for, or what the head it was loaded with is for."""
    inferred = infer(model.facts)
    if supports(model, inferred):
        return inferred
    own = (spec.name for spec in SPECS if spec.heads[0] == model.head and supports(model, spec.name))
    return next(own, inferred)


def infer(facts: Facts) -> str:
    """The task a checkpoint was trained for, by its config alone; what needs no head where none of the others fits."""
    head = facts.trained_head
    if head == "AutoModelForSequenceClassification" and (
        zero_shot_classification.entailment(dict(enumerate(facts.labels))) is not None
    ):
        return zero_shot_classification.SPEC.name
    if facts.model_type in (*any_to_any.TALKERS, *any_to_any.MIXED):
        return any_to_any.SPEC.name
    unspelled = facts.model_type in text_recognition.ONLY["AutoModel"] and not facts.has_tokenizer
    if head == "AutoModel" and (facts.model_type in _BODIES or unspelled):
        return raw_outputs.SPEC.name
    if facts.model_type in transcribing.LANGUAGES:
        return automatic_speech_recognition.SPEC.name
    if head == "AutoModelForSeq2SeqLM":
        if any_to_any.answers(facts):
            return any_to_any.SPEC.name
        if facts.model_type in _TRANSLATORS:
            return translation.SPEC.name
        return (summarization if facts.model_type in _SUMMARIZERS else text2text_generation).SPEC.name
    if facts.model_type in zero_shot_audio_classification.COMPARED and facts.has_tokenizer:
        return zero_shot_audio_classification.SPEC.name
    if facts.model_type in _SPEAKERS:
        return text_to_audio.SPEC.name
    alone = next((each for each in _MODULES if _alone(each, head or facts.heads[0], facts)), None)
    if alone is not None and (facts.has_tokenizer or not {"text", "labels"} & set(alone.SPEC.takes)):
        return str(alone.SPEC.name)
    if facts.model_type in raw_beside.REGIONS:
        return raw_outputs.SPEC.name
    if facts.model_type in FILMS and head != video_classification.SPEC.heads[0]:
        return raw_outputs.SPEC.name
    if facts.model_type in document_question_answering.AMONG_TEXTS and head == question_answering.SPEC.heads[0]:
        return document_question_answering.SPEC.name
    unread = image_feature_extraction if sees(facts.model_type) and not facts.takes_images else raw_outputs
    fallback = feature_extraction if facts.has_tokenizer and reads(facts.model_type) else unread
    # Some heads do more than one task; the one that they usually do comes first.
    usual = sorted(SPECS, key=lambda spec: spec.heads[0] != head)
    found = next((spec.name for spec in usual if _does(spec.name, head or "", facts)), fallback.SPEC.name)
    return fallback.SPEC.name if found == feature_extraction.SPEC.name else found


def spec(name: str, model: LoadedModel | None = None) -> Spec:
    """What a task is.

    Args:
        name: One of `SPECS`.
        model: Leave out the inputs and settings that this one does not read.

    Raises:
        NotSupported: There is no such task.
    """
    steps = module(name)
    found: Spec = steps.SPEC
    return steps.fitted(model) if model is not None and hasattr(steps, "fitted") else found


def head_for(name: str, facts: Facts | None = None) -> str:
    """The Auto class a task needs; with facts, the first one that the architecture has.

    Raises:
        NotSupported: There is no such task.
    """
    heads = spec(name).heads
    fit = [head for head in heads if facts is not None and head in facts.heads and _does(name, head, facts)]
    return fit[0] if fit else heads[0]


def _does(name: str, head: str, facts: Facts) -> bool:
    """Whether a head of an architecture does a task: Dia speaks, and the library has it among those that hear."""
    hears = name == automatic_speech_recognition.SPEC.name
    if hears and head == aligning.HEAD:
        return facts.model_type in aligning.ARCHITECTURES
    if hears and facts.model_type in transcribing.LANGUAGES and any_to_any.SPEC.heads[0] in facts.heads:
        # The class is the same by whichever of its Auto classes it was loaded.
        return head in any_to_any.ALSO
    if facts.model_type in HEAR_ALONE and head == text2text_generation.SPEC.heads[0]:
        return False
    speaks = name == text_to_audio.SPEC.name
    if speaks and facts.model_type in any_to_any.TALKERS:
        return False
    if head == "AutoModelForSpeechSeq2Seq" and (speaks or hears):
        return speaks == (facts.model_type in _SPEAKERS)
    alone = _alone(module(name), head, facts)
    if alone is not None:
        return alone
    if name == document_question_answering.SPEC.name and head == question_answering.SPEC.heads[0]:
        return facts.model_type in document_question_answering.AMONG_TEXTS
    if name == question_answering.SPEC.name and facts.model_type in raw_beside.REGIONS:
        # What it is asked about is a picture's regions.
        return False
    pictured = (image_segmentation.SPEC.name, zero_shot_image_classification.SPEC.name)
    if name in pictured and facts.model_type in FILMS:
        return False
    return head in spec(name).heads


def _alone(steps: Any, head: str, facts: Facts) -> bool | None:
    """Whether an architecture is among the few that do a task with a head of many; None for other heads."""
    only = getattr(steps, "ONLY", {}).get(head)
    return None if only is None else bool({facts.model_type, *facts.architectures} & set(only))


def supports(model: LoadedModel, name: str) -> bool:
    """Whether a model as it is loaded can do a task; feature extraction looks below any head that reads text."""
    if name == feature_extraction.SPEC.name:
        taken = inspect.signature(model.model.forward).parameters
        return model.tokenizer is not None or "input_ids" in taken
    if name == zero_shot_audio_classification.SPEC.name:
        # They have no head to tell them by.
        return model.facts.model_type in zero_shot_audio_classification.COMPARED
    if name == any_to_any.SPEC.name:
        # The class is the same by whichever of its Auto classes it was loaded.
        answers = any_to_any.answers(model.facts) and model.head in any_to_any.ALSO
        return answers and model.facts.model_type not in transcribing.PACED
    if name == image_feature_extraction.SPEC.name:
        # Some leave out what they read first, and ImageGPT's pictures are ids of colours.
        first = next(iter(inspect.signature(model.model.forward).parameters), "")
        # What follows things through a film is handed a session of it.
        shown = "pixel_values" in (first, getattr(model.model, "main_input_name", "")) and first != "inference_session"
        # Some have the whole of a model in the table of those that see, as Llama 4.
        alone = model.head == "AutoModel" and not model.facts.takes_images
        return shown or (alone and sees(model.facts.model_type))
    if name == raw_outputs.SPEC.name and infer(model.facts) == name:
        return True
    return _does(name, model.head, model.facts)


def defaults(name: str) -> TaskOptions:
    """The settings that a task starts with."""
    return replace(TaskOptions(), **dict(spec(name).defaults))


def applies(name: str, model: LoadedModel) -> tuple[str, ...]:
    """The settings of a task that a model reads: one that writes nothing has no use for how it would."""
    return spec(name, model).options


def example(name: str, model: LoadedModel | None = None) -> TaskInput:
    """An input to try a task on, with the checkpoint's own mask token where one is needed."""
    given = spec(name, model).example
    if model is not None and given.text and (ids := raw_inputs.ids(model)):
        given = replace(given, text=ids)
        if raw_inputs.marks(model) or model.facts.model_type in any_to_any.AMONG:
            return given
    mask = getattr(model.tokenizer, "mask_token", None) if model is not None and model.tokenizer is not None else None
    if name == fill_mask.SPEC.name and mask:
        return replace(given, text=given.text.replace("[MASK]", mask))
    made: dict[str, Any] = {}
    paged = {"image": samples.page} if page.EXAMPLE in (given.text, given.second) else {}
    takes = spec(name, model).takes
    # Some are shown a picture as a film that stands still, where the task has no film.
    still = {"image"} if model is not None and model.facts.model_type in FRAMES and "video" not in takes else set()
    # Pages are a folder of pictures, which is no film.
    paper = name == visual_document_retrieval.SPEC.name
    for field, make in (_SAMPLES | getattr(module(name), "SAMPLES", {}) | paged).items():
        if field in takes and (paper or field in still or _takes(model, field)):
            made[field] = make()
    return replace(given, **made)


def _takes(model: LoadedModel | None, field: str) -> bool:
    """Whether an example is of use to a model that may take several kinds of input."""
    if model is None:
        return True
    kind = model.facts.model_type
    if kind in speaking.CONVERSES:
        # A tone is no voice to speak like.
        return False
    if field == "beside" and (kind in raw_beside.REGIONS or raw_beside.stands_between(kind, model.head)):
        # A mask is no region, and nothing that another part writes.
        return False
    if field not in _READS.values():
        return True
    if field == "image" and (kind in FILMS or kind in raw_beside.REGIONS):
        return False
    if model.facts.heads == (raw_outputs.SPEC.heads[-1],) and kind.endswith(("_vision", "_audio")):
        return field == ("image" if kind.endswith("_vision") else "audio")
    first = _READS.get(str(getattr(model.model, "main_input_name", "")))
    stated = getattr(model.model, "input_modalities", field)
    if stated == "text" and _TAKEN.get(field, set()) & set(inspect.signature(model.model.forward).parameters):
        return True
    # A part of a larger model states what all of that reads.
    alone = stated == "text" or raw_inputs.part(kind)
    seen = field in (first if first is not None and alone else stated)
    # What sees pictures and films is shown a picture.
    return kind in FILMS or (seen and "image" not in stated) if field == "video" else seen


def architecture(facts: Facts) -> tuple[str, str]:
    """Whether a checkpoint is an encoder, a decoder or both, and what that means.

    Returns:
        ``encoder``, ``decoder`` or ``encoder-decoder``, and a sentence for people.
    """
    asked = facts.model_type in transcribing.LANGUAGES and any_to_any.SPEC.heads[0] in facts.heads
    if asked or facts.model_type in _LISTENERS or infer(facts) == any_to_any.SPEC.name:
        # Some of them stand among the models of sequences to sequences, for want of a better place.
        return "decoder", (
            "Each token sees only those before it; encoders of their own turn pictures and sounds into some of them."
        )
    if facts.model_type in series.DECIDES:
        return "decoder", "Each step sees only those before it, so that the model can say what to do next."
    if time_series_prediction.SPEC.heads[0] in facts.heads:
        return "decoder", "Each part of the series sees only those before it, so that the model can say how it goes on."
    if facts.model_type in speaking.AT_ONCE:
        return "encoder", "Every position sees the whole text; further parts make the sound of all of it at once."
    if facts.model_type in speaking.DECODERS:
        return "decoder", "Each piece of sound sees only the text and the pieces before it; others make it audible."
    if facts.encoder_decoder or {"AutoModelForSpeechSeq2Seq", *table_recognition.SPEC.heads} & set(facts.heads):
        return "encoder-decoder", (
            "An encoder reads the whole input; a decoder writes a new sequence, token by token, looking back at it."
        )
    if facts.takes_images:
        return "decoder", (
            "Each token sees only those before it; an encoder of its own turns the picture into the first of them."
        )
    if "AutoModelForCausalLM" in facts.heads or "AutoModelForImageTextToText" in facts.heads:
        return "decoder", "Each token sees only those before it, so that the model can go on writing token by token."
    return "encoder", (
        "Every position sees the whole input, in both directions; a head reads the vectors, and nothing is written."
    )


def run(
    model: LoadedModel,
    name: str,
    given: TaskInput | str,
    options: TaskOptions | None = None,
    *,
    task: Task | None = None,
) -> TaskResult:
    """Do a task and keep every step.

    Args:
        model: Loaded with a head that can do the task.
        name: One of `SPECS`.
        given: The input; a str is its text. For feature-extraction each line is an input of its own.
        options: Those that apply to the task are read; None takes what the task starts with.
        task: Asked whether to stop between the steps, and at each token that is written.

    Raises:
        NotSupported: The head, the tokenizer or the architecture can't do the task.
        InputError: The input or an option can't be used; the remedy says what can.

    References:
        transformers, Pipelines
    """
    import torch

    task = task or Silent()
    given = TaskInput(given) if isinstance(given, str) else given
    steps = module(name)
    request = Request(model, given, options or defaults(name), task)
    if not supports(model, name):
        raise NotSupported(
            f"{model.checkpoint.name} can't do {name} as it is loaded.",
            why=f"It needs a head of the kind {head_for(name, model.facts)}, and this model was loaded as "
            f"{model.head}.",
            remedy=f"Load it again as {head_for(name, model.facts)}, or choose {infer(model.facts)}.",
        )
    with torch.inference_mode(), axes.watched(model) as known:
        started = time.perf_counter()
        task.report(Progress(0, 3, "steps", "preprocess"))
        inputs = steps.preprocess(request)
        task.check()
        encoded = time.perf_counter()
        task.report(Progress(1, 3, "steps", "forward"))
        outputs = steps.forward(request, inputs)
        task.check()
        computed = time.perf_counter()
        task.report(Progress(2, 3, "steps", "postprocess"))
        nothing = broken(outputs)
        try:
            outcome = steps.postprocess(request, inputs, outputs)
        except ValueError as error:
            if not nothing:
                raise
            raise NotSupported(
                f"What {model.checkpoint.name} gave is no number, and {name} can't be made of it.",
                why=f"There is NaN in {', '.join(nothing)}; it computes in {model.dtype}.",
                remedy="Load it in float32 or bfloat16; if that does not help, its weights are damaged.",
            ) from error
        ended = time.perf_counter()
        task.report(Progress(3, 3, "steps"))
    stages = (
        Stage("preprocess", views({**inputs.tensors, **inputs.aside}), encoded - started),
        Stage("forward", views(outputs, known), computed - encoded),
        Stage("postprocess", views(outcome.tensors), ended - computed),
    )
    return TaskResult(name, given, stages, outcome.items, inputs.truncated, outcome.tokens, inputs.heard, nothing)


def module(name: str) -> Any:
    """The module that writes a task out: its ``SPEC``, ``preprocess``, ``forward`` and ``postprocess``.

    Raises:
        NotSupported: There is no such task.
    """
    for each in _MODULES:
        if name == each.SPEC.name:
            return each
    raise NotSupported(
        f"There is no task called “{name}”.",
        why="It is not among the tasks that are written out here.",
        remedy=f"Use one of {', '.join(spec.name for spec in SPECS)}.",
    )
