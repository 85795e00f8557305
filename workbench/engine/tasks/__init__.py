"""Tasks: an input in, a result out, with the three steps between them as real tensors.

Each module writes one task's ``preprocess``, ``forward`` and ``postprocess`` out; where transformers has a pipeline for
it, the result is the pipeline's. `SPECS` is the table that names them.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.facts import BLIND, FILMS, HEADS, HEAR_ALONE, auto_tables, reads, sees
from workbench.engine.generate import page
from workbench.engine.generate.captions import FRAMES, writes_nothing
from workbench.engine.task import Silent, Task
from workbench.engine.tasks import (
    aligning,
    any_to_any,
    audio_classification,
    automatic_speech_recognition,
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
    sides,
    speaking,
    steps,
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
from workbench.engine.tasks.inputs import Request, Spec, context, cut_at
from workbench.engine.values import Facts, TaskInput, TaskOptions, TaskResult

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

__all__ = ["SPECS", "TASKS", "Spec", "applies", "architecture", "can_finish", "context", "cut_at",
           "defaults", "example", "finish", "first", "head_for", "infer", "missing_head", "module",
           "run", "spec", "supports", "unsupported"]  # fmt: skip

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
    """The task to begin with: what a checkpoint was trained for, else what the head it was loaded with does best."""
    inferred = infer(model.facts)
    if supports(model, inferred):
        return inferred
    able = (each for each in SPECS if supports(model, each.name))
    best = min(able, key=lambda each: (each.heads[0] != model.head, model.head not in each.heads), default=None)
    return best.name if best is not None else inferred


def infer(facts: Facts) -> str:
    """The task a checkpoint was trained for, by its config alone; what needs no head where none of the others fits."""
    head = facts.trained_head
    if head == "AutoModelForSequenceClassification" and (
        zero_shot_classification.entailment(dict(enumerate(facts.labels))) is not None
    ):
        return zero_shot_classification.SPEC.name
    blind = head == image_text_to_text.SPEC.heads[0] and facts.model_type in BLIND
    if blind or facts.model_type in (*any_to_any.TALKERS, *any_to_any.MIXED):
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
    # The text of what follows a thing through a film is its place there, which no tokenizer reads.
    spelled = alone is not video_object_tracking and {"text", "labels"} & set(alone.SPEC.takes if alone else ())
    if alone is not None and (facts.has_tokenizer or not spelled):
        return str(alone.SPEC.name)
    if facts.model_type in (*raw_beside.REGIONS, *raw_beside.ACTS):
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
    written = module(name)
    found: Spec = written.SPEC
    return written.fitted(model) if model is not None and hasattr(written, "fitted") else found


def head_for(name: str, facts: Facts | None = None) -> str:
    """The Auto class a task needs; with facts, the first one that the architecture has.

    Raises:
        NotSupported: There is no such task.
    """
    heads = spec(name).heads
    fit = [head for head in heads if facts is not None and head in facts.heads and _does(name, head, facts)]
    return fit[0] if fit else heads[0]


def missing_head(model: LoadedModel, name: str) -> str:
    """The Auto class that a task needs and a model was not loaded as; empty where it is not the head that is wrong."""
    if _refusal(model, name) is not None:
        return ""
    head = head_for(name, model.facts)
    # Vectors are made below any head, so that another one would not help.
    below = name in (feature_extraction.SPEC.name, image_feature_extraction.SPEC.name)
    return "" if head == model.head or below else head


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
    if name == image_text_to_text.SPEC.name and facts.model_type in BLIND:
        return False
    paged = document_question_answering.AMONG_TEXTS
    if name == question_answering.SPEC.name and facts.model_type in (*raw_beside.REGIONS, *paged):
        # What it is asked about is a picture's regions, or the words of a page.
        return False
    pictured = (image_segmentation.SPEC.name, zero_shot_image_classification.SPEC.name)
    if name in pictured and facts.model_type in FILMS:
        return False
    return head in spec(name).heads


def _alone(written: Any, head: str, facts: Facts) -> bool | None:
    """Whether an architecture is among the few that do a task with a head of many; None for other heads."""
    only = getattr(written, "ONLY", {}).get(head)
    return None if only is None else bool({facts.model_type, *facts.architectures} & set(only))


def supports(model: LoadedModel, name: str) -> bool:
    """Whether a model as it is loaded can do a task; feature extraction looks below any head that reads text."""
    if _refusal(model, name) is not None:
        return False
    if raw_beside.reads_file(model.facts.model_type, model.head):
        # Whatever the library's tables have it among, it reads numbers that no other task has.
        return name == raw_outputs.SPEC.name
    if name == feature_extraction.SPEC.name:
        return model.facts.model_type not in raw_beside.TOGETHER and feature_extraction.reads_alone(model)
    if name == zero_shot_audio_classification.SPEC.name:
        # They have no head to tell them by.
        return model.facts.model_type in zero_shot_audio_classification.COMPARED
    if name == any_to_any.SPEC.name:
        # The class is the same by whichever of its Auto classes it was loaded.
        answers = any_to_any.answers(model.facts) and model.head in any_to_any.ALSO
        return answers and _whole(model) and model.facts.model_type not in transcribing.PACED
    if name == image_feature_extraction.SPEC.name:
        return image_feature_extraction.sees_alone(model)
    if name == raw_outputs.SPEC.name and (infer(model.facts) == name or not raw_beside.passes(model)):
        return raw_beside.passes(model)
    if name == text_to_audio.SPEC.name and text_to_audio.speaks_alone(model):
        return True
    return _does(name, model.head, model.facts)


def _refusal(model: LoadedModel, name: str) -> NotSupported | None:
    """What a checkpoint lacks for a task besides the head, where the task has more to ask for."""
    written = module(name)
    refused: NotSupported | None = written.refusal(model) if hasattr(written, "refusal") else None
    return refused


def _whole(model: LoadedModel) -> bool:
    """Whether all that answers was loaded: some architectures are loaded to write without what sees or hears."""
    names = auto_tables()[dict(HEADS)[any_to_any.SPEC.heads[0]]].get(model.facts.model_type, ())
    return not names or type(model.model).__name__ in names


def defaults(name: str, model: LoadedModel | None = None) -> TaskOptions:
    """The settings that a task starts with, with a model as it does it."""
    return replace(TaskOptions(), **dict(spec(name, model).defaults))


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
    # What reads either a text or a sound is given a text where both may be.
    told = model is not None and model.facts.model_type in speaking.SEAMLESS and "text" in takes
    # Pages are a folder of pictures, which is no film; what finds things in a film may be loaded for pictures alone.
    needed = name in (visual_document_retrieval.SPEC.name, video_object_tracking.SPEC.name)
    for field, make in (_SAMPLES | getattr(module(name), "SAMPLES", {}) | paged).items():
        if field in takes and not (told and field == "audio") and (needed or field in still or _takes(model, field)):
            made[field] = make()
    if "beside" in takes and model is not None and (numbers := raw_beside.example(model)) is not None:
        made["beside"] = numbers
    return replace(given, **made)


def _takes(model: LoadedModel | None, field: str) -> bool:
    """Whether an example is of use to a model that may take several kinds of input."""
    if model is None:
        return True
    kind = model.facts.model_type
    if kind in speaking.CONVERSES:
        # A tone is no voice to speak like.
        return False
    if field == "beside" and (kind in raw_beside.REGIONS or raw_beside.reads_file(kind, model.head)):
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
    asked = facts.model_type in _LISTENERS or infer(facts) == any_to_any.SPEC.name
    return sides.of(facts, asked=asked)


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
    task = task or Silent()
    given = TaskInput(given) if isinstance(given, str) else given
    request = Request(model, given, options or defaults(name, model), task)
    if not supports(model, name):
        raise unsupported(model, name)
    return steps.whole(module(name), request)


def can_finish(result: TaskResult, options: TaskOptions) -> bool:
    """Whether `finish` can give what `run` would, because the first two steps read none of the settings that differ."""
    return steps.same_but_last(result, options)


def finish(model: LoadedModel, result: TaskResult, options: TaskOptions, *, task: Task | None = None) -> TaskResult:
    """Do the last step of a result again under other settings, without another pass through the model.

    Args:
        model: That the result is of.
        result: One that `can_finish` under these settings.
        options: Those that apply to the last step are read.
        task: Hears of the step.

    Raises:
        InputError: A setting can't be used; the remedy says what can.
    """
    request = Request(model, result.given, options, task or Silent())
    return steps.last(module(result.task), request, result)


def unsupported(model: LoadedModel, name: str) -> NotSupported:
    """The refusal of a task, by what the checkpoint lacks, the head that it needs or what the class with it reads."""
    if (refused := _refusal(model, name)) is not None:
        return refused
    if name == image_text_to_text.SPEC.name and not hasattr(model.model, "generate"):
        return writes_nothing(model)
    head = missing_head(model, name)
    if not head:
        why = f"It is not for {type(model.model).__name__}, which wants other inputs or gives no such answer."
        remedy = f"Choose {first(model)}."
    else:
        why = f"It needs a head of the kind {head}, and this model was loaded as {model.head}."
        remedy = f"Load it again as {head}, or choose {first(model)}."
    return NotSupported(f"{model.checkpoint.name} can't do {name} as it is loaded.", why=why, remedy=remedy)


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
