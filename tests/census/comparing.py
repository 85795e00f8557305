"""What the library's own pipelines give, and whether a result has all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.tasks import decision, feature_extraction, processors, transcribing
from workbench.engine.values import TaskInput, TaskOptions, TaskResult

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: Tasks whose items stand for the tensors that the pipeline returns whole.
_WHOLE = ("feature-extraction", "image-feature-extraction")
_VOICES = ("bark", "dia", "higgs_audio_v2", "seamless_m4t", "seamless_m4t_v2")
_SEES = ("image", "object", "depth", "mask", "keypoint", "visual", "video", "document")


def pipeline(name: str, model: LoadedModel, given: TaskInput, options: TaskOptions) -> Any:
    """What ``transformers.pipeline`` makes of the same input.

    Raises:
        LookupError: The library has no pipeline for the task.
    """
    import torch
    import transformers
    from transformers.pipelines import PIPELINE_REGISTRY

    # Of a head the pipeline returns something else than the vectors of the text, and some decoders it gives nothing.
    kind = model.facts.model_type
    reads = not model.encoder_decoder or kind in feature_extraction.ALONG
    bare = model.head in ("AutoModel", "AutoModelForTextEncoding") and reads
    unlike = (
        # It can't be told in which language something is said, and of some voices it wants to know in its own way.
        (name == "automatic-speech-recognition" and kind in transcribing.LANGUAGES)
        or (name == "text-to-audio" and kind in _VOICES)
        or (name == "any-to-any" and given.audio is not None)
        # It hands a text on without the table.
        or (name == "fill-mask" and bool(given.second))
        # It takes the width of a picture for its height.
        or name == "keypoint-matching"
        or kind == "kosmos-2"
    )
    if name not in PIPELINE_REGISTRY.supported_tasks or (name in _WHOLE and not bare) or unlike:
        raise LookupError(name)
    parts: dict[str, Any] = {"tokenizer": model.tokenizer}
    if name in ("image-text-to-text", "any-to-any"):
        parts = {"processor": processors.processor(model)}
    elif name.startswith(_SEES) or name in ("zero-shot-image-classification", "zero-shot-object-detection"):
        parts["image_processor"] = processors.image_processor(model)
    elif "audio" in name or "speech" in name:
        parts["feature_extractor"] = None if name == "text-to-audio" else processors.feature_extractor(model)
    made = transformers.pipeline(name, model=model.model, device="cpu", **parts)
    torch.manual_seed(options.seed)
    return _asked(name, made, model, given, options)


def _asked(name: str, made: Any, model: LoadedModel, given: TaskInput, options: TaskOptions) -> Any:
    picture, labels = str(given.image), list(given.labels)
    new = {"max_new_tokens": options.max_new_tokens, "do_sample": False}
    match name:
        case "text-generation":
            return [each["generated_text"] for each in made(given.text, return_full_text=False, **new)]
        case "image-text-to-text" | "any-to-any":
            from PIL import Image

            from workbench.engine.generate import captions, pictures

            reader = processors.processor(model)
            if getattr(reader, "chat_template", None) and given.image is not None:
                shown = [{"type": "image", "image": Image.open(picture).convert("RGB")}]
                turns = [{"role": "user", "content": [*shown, {"type": "text", "text": given.text}]}]
                found = made(text=turns, return_full_text=False, generate_kwargs=new)
                return [each["generated_text"] for each in found]
            marked = given.image is not None and model.facts.model_type not in (*captions.TYPES, "idefics")
            mark = pictures._placeholders(reader, 1) if marked else ""
            seen = {"images": Image.open(picture).convert("RGB")} if given.image is not None else {}
            found = made(text=mark + given.text, **seen, return_full_text=False, generate_kwargs=new)
            return [each["generated_text"] for each in found]
        case "question-answering" | "document-question-answering" | "visual-question-answering":
            return made(image=picture, question=given.text, top_k=options.top_k)
        case "table-question-answering":
            return made(table=_table(given.second), query=given.text)
        case "decision":
            return made(decision.asked(given))["question"]["probabilities"]
        case "zero-shot-classification":
            found = made(given.text, candidate_labels=labels, multi_label=options.multi_label)
            return {key: found[key] for key in ("labels", "scores")}
        case "zero-shot-image-classification" | "zero-shot-audio-classification":
            return made(picture if given.image is not None else _heard(given)["raw"], candidate_labels=labels)
        case "zero-shot-object-detection":
            return made(picture, candidate_labels=labels, threshold=options.threshold)
        case "image-segmentation" | "object-detection":
            return made(picture, threshold=options.threshold)
        case "depth-estimation":
            return made(picture)["predicted_depth"]
        case "mask-generation":
            side = options.points_per_side
            found = made(picture, points_per_crop=side, pred_iou_thresh=0.0, stability_score_thresh=0.0)
            return list(found["masks"])
        case "keypoint-matching":
            return made([picture, str(given.other)], threshold=options.threshold)
        case "video-classification":
            return made(str(given.video), top_k=options.top_k)
        case "automatic-speech-recognition":
            wanted = {} if model.head[-3:] in ("CTC", "TDT", "NNT") else {"generate_kwargs": {**new, "num_beams": 1}}
            if wanted and model.facts.model_type.startswith("seamless"):
                wanted["generate_kwargs"]["tgt_lang"] = model.tokenizer.src_lang.strip("_")
            return [made(_heard(given), **wanted)["text"]]
        case "audio-classification":
            return made(_heard(given), top_k=options.top_k)
        case "text-to-audio":
            found = made(given.text, **({"generate_kwargs": new} if model.model.can_generate() else {}))
            return [np.asarray(found["audio"]).squeeze()]
        case "token-classification":
            return made(given.text, aggregation_strategy=options.aggregation)
        case "text-classification" | "fill-mask" | "image-classification":
            return made(given.text if given.image is None else picture, top_k=options.top_k)
        case _:
            return made(given.text if given.image is None else picture)


def _table(text: str) -> Any:
    import csv

    import pandas

    rows = list(csv.reader(text.splitlines()))
    return pandas.DataFrame(rows[1:], columns=rows[0])


def _heard(given: TaskInput) -> dict[str, Any]:
    import soundfile

    samples, rate = soundfile.read(given.audio, dtype="float32", always_2d=True)
    return {"raw": samples.mean(axis=1), "sampling_rate": rate}


def mine(result: TaskResult) -> Any:
    """What of a result is to have all that the library gives."""
    if result.task in _WHOLE:
        return [view.values for view in result.stages[1].tensors]
    if result.task == "visual-document-retrieval":
        # The library gives the scores of a question in a row.
        return [np.array([each.score for each in result.items]), result.items]
    if result.task == "raw-outputs":
        return {view.name: view.values for view in result.stages[1].tensors}
    return result.items


def covers(ours: Any, theirs: Any) -> bool:
    """Whether each number, text and array of one result is in the other one."""
    our, their = _taken_apart(ours), _taken_apart(theirs)
    same = all(any(text in each for each in our[1]) for text in their[1])
    found = np.sort(np.asarray(our[0], dtype=np.float64))
    for number in their[0]:
        at = np.searchsorted(found, number)
        near = found[max(0, at - 1) : at + 1]
        same = same and bool(np.isclose(near, number, rtol=1e-3, atol=1e-4, equal_nan=True).any())
    for array in their[2]:
        same = same and any(_alike(each, array) for each in our[2])
    return bool(same)


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    if one.size != other.size:
        return False
    if one.dtype == bool or other.dtype == bool:
        return bool(((one.ravel() > 0) == (other.ravel() > 0)).all())
    pair = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return bool(np.allclose(*pair, rtol=1e-3, atol=1e-4, equal_nan=True))


def _taken_apart(value: Any) -> tuple[list[float], list[str], list[np.ndarray]]:
    """The numbers, the texts and the arrays of anything."""
    numbers: list[float] = []
    texts: list[str] = []
    arrays: list[np.ndarray] = []
    pending: list[Any] = [value]
    while pending:
        each = pending.pop()
        if hasattr(each, "detach"):
            each = each.detach().float().cpu().numpy()
        if type(each).__module__.startswith("PIL"):
            each = np.asarray(each) > 0
        if isinstance(each, np.ndarray) and each.ndim:
            arrays.append(each)
        elif isinstance(each, bool | int | float | np.generic | np.ndarray):
            numbers.append(float(each))
        elif isinstance(each, str):
            # Pipelines give the tokens of a word, which some tokenizers write small.
            texts.append(each.strip().lower())
        elif is_dataclass(each):
            pending += [getattr(each, entry.name) for entry in fields(each)]
        elif isinstance(each, dict):
            pending += each.values()
        elif _is_rows(each):
            arrays.append(np.asarray(each, dtype=np.float64))
        elif isinstance(each, Iterable):
            pending += each
    return numbers, texts, arrays


def _is_rows(value: Any) -> bool:
    """Whether nested lists are the numbers of one array."""
    if not isinstance(value, list | tuple) or not value or not isinstance(value[0], list | tuple):
        return False
    row: Any = value[0]
    while isinstance(row, list | tuple) and row and isinstance(row[0], list | tuple):
        row = row[0]
    try:
        return all(isinstance(number, float) for number in row) and np.asarray(value).size > 0
    except ValueError:
        # Of different lengths.
        return False
