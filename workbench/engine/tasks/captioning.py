"""Captioning: what models write about a picture that stands beside their text, where no mark in the text places it.

Encoders with a decoder such as TrOCR and Donut take a picture alone, or the beginning of what they shall write; BLIP,
GIT, Fuyu, Florence-2 and Kosmos-2 have processors that put picture and text together. Some tell where in the picture
the things are that they write of.

References:
    transformers, VisionEncoderDecoder; TrOCR; Donut; BLIP; Fuyu; GIT; Florence-2; Kosmos-2; UDOP
    transformers, Pipelines: ImageTextToTextPipeline
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from workbench.engine.generate.captions import ALONE, FRAMES, PROMPTED, cleans, together, trimmed
from workbench.engine.processors import missing
from workbench.engine.tasks import videos
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, check_text
from workbench.engine.tasks.processors import image_processor, processor
from workbench.engine.tasks.vision import picture, size
from workbench.engine.tasks.writing import watched
from workbench.engine.values import Place, Segment

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

#: A line of writing as Kosmos-2.5 tells it: its box, then what it says.
_LINE = r"<bbox><x_(\d+)><y_(\d+)><x_(\d+)><y_(\d+)></bbox>(.*?)(?=<bbox>|$)"
#: Characters that may stand before the prompt in what was written; as the pipeline allows.
_RESIDUE = 2


def preprocess(request: Request) -> Inputs:
    """Picture and text as the checkpoint's processor puts them together; of those that are shown films, a film.

    Returns:
        ``pixel_values`` (Pix2Struct: ``flattened_patches``), and what the text became; aside ``target_size``, the own
        height and width of the picture, or of the film's frames.

    Raises:
        InputError: There is no picture or film, it can't be read, or a text or words are needed and missing.
        NotSupported: The checkpoint has no processor that works here, or what it cleans a text with is not installed.
    """
    import torch

    kind = request.model.facts.model_type
    text = trimmed(kind, request.text)
    opened: Image | np.ndarray
    if kind in FRAMES and request.given.video is not None:
        opened = videos.spread(request.given.video, FRAMES[kind], task=request.task)
        sides = list(opened.shape[1:3])
    else:
        opened = picture(request)
        sides = [opened.height, opened.width]
    aside = {"target_size": torch.tensor([sides])}
    if kind in PROMPTED:
        check_text(text, "prompt")
    if kind in ALONE and request.options.cleaned:
        _cleaned(request.model.processor, "")
    reader = image_processor(request.model) if kind in ALONE else processor(request.model)
    return Inputs(together(request.model, reader, opened, text, request.given.second), aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """Many passes, one a new token; a stop takes effect within a token.

    Returns:
        ``sequences`` of shape ``(1, length)``, what the text became at their beginning; ``first_logits`` of shape
        ``(1, vocab)`` where the model lets them be seen.
    """
    model = request.model.model
    # BLIP writes into what it is given.
    given = {name: tensor.clone() for name, tensor in request.on_device(inputs.tensors).items()}
    begun = inputs.tensors.get("decoder_input_ids", inputs.tensors.get("input_ids"))
    with watched(request, int(begun.shape[1]) if begun is not None else 1) as (settings, first):
        if request.model.facts.model_type != "blip" and model.generation_config.pad_token_id is None:
            settings["pad_token_id"] = request.tokenizer.eos_token_id
        sequences = model.generate(**given, **settings)
    return {"sequences": sequences.cpu()} | ({"first_logits": first[0]} if first else {})


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """What was written, without the prompt; and the places in the picture that it names.

    Returns:
        ``sequences`` and ``first_probabilities``; the text, then a `Place` or a `Segment` for each.
    """
    kind, sequences = request.model.facts.model_type, outputs["sequences"]
    tensors = {"sequences": sequences}
    if "first_logits" in outputs:
        tensors["first_probabilities"] = outputs["first_logits"].float().softmax(dim=-1)
    if kind in ALONE:
        return Outcome(tensors, (_read(request, sequences),))
    reader = processor(request.model)
    text = written(reader, inputs, sequences)
    if kind == "kosmos-2":
        # Its words and the pieces of the picture they belong to, without the marks between them.
        told = reader.batch_decode(sequences, skip_special_tokens=True)[0]
        text, entities = reader.post_process_generation(told)
        return Outcome(tensors, (text, *_entities(entities, *size(inputs))))
    if kind == "kosmos-2.5":
        return Outcome(tensors, (text, *_lines(text, inputs)))
    if kind == "florence2":
        task = florence_task(request.text)
        if task:
            told = reader.batch_decode(sequences, skip_special_tokens=False)[0]
            height, width = size(inputs)
            parsed = reader.post_process_generation(told, task=task, image_size=(width, height))[task]
            places = () if isinstance(parsed, str) else _places(parsed, height, width)
            return Outcome(tensors, (parsed if isinstance(parsed, str) else text, *places))
    return Outcome(tensors, (text,))


def florence_task(text: str) -> str:
    """The mark such as ``<OD>`` that a prompt begins with; empty where it begins with none."""
    found = re.match(r"<[A-Z_]+>", text.strip())
    return found[0] if found is not None else ""


def _read(request: Request, sequences: Tensor) -> str:
    """What a decoder read: text, or JSON where the checkpoint's processor makes it of marks such as ``<s_name>``."""
    reader: Any = request.model.processor
    tokenizer: Any = request.tokenizer
    if hasattr(reader, "token2json"):
        told = str(tokenizer.decode(sequences[0]))
        for token in (tokenizer.eos_token, tokenizer.pad_token):
            told = told.replace(str(token), "")
        # The first mark says what the task was.
        told = re.sub(r"<.*?>", "", told, count=1).strip()
        return json.dumps(reader.token2json(told), ensure_ascii=False, indent=2)
    if hasattr(reader, "post_process"):
        return str(reader.post_process(sequences)[0])
    text = str(tokenizer.decode(sequences[0], skip_special_tokens=True))
    return _cleaned(reader, text) if request.options.cleaned else text


def _cleaned(reader: Any, text: str) -> str:
    """A page as Nougat's processor mends it, without rewriting its Markdown, as its documentation has it."""
    if not cleans(reader):
        return text
    try:
        return str(reader.post_process_generation(text, fix_markdown=False))
    except ImportError as error:
        raise missing("What was read can't be cleaned up here.", error) from error


def written(reader: Any, inputs: Inputs, sequences: Tensor) -> str:
    """What was written, as the pipeline cuts the prompt off.

    Args:
        reader: The checkpoint's processor.
        inputs: Their ``input_ids`` are the prompt, where there is one.
        sequences: Ids of shape ``(1, length)``; behind the prompt, unless a decoder wrote them.
    """
    text = str(reader.post_process_image_text_to_text(sequences, skip_special_tokens=True)[0])
    if "input_ids" not in inputs.tensors:
        return text
    prompt = str(reader.post_process_image_text_to_text(inputs.tensors["input_ids"], skip_special_tokens=True)[0])
    start = text.find(prompt)
    return text[start + len(prompt) :] if 0 <= start <= _RESIDUE else text


def _entities(entities: list[Any], height: int, width: int) -> list[Place]:
    """Kosmos-2 tells corners in shares of the picture."""
    return [
        Place(name, left * width, top * height, right * width, bottom * height)
        for name, _, boxes in entities
        for left, top, right, bottom in boxes
    ]


def _lines(text: str, inputs: Inputs) -> list[Place]:
    """Kosmos-2.5 tells corners of lines of writing in pixels of the picture as its processor made it."""
    height, width = size(inputs)
    across, down = width / float(inputs.tensors["width"]), height / float(inputs.tensors["height"])
    found = []
    for *corners, said in re.findall(_LINE, text, re.DOTALL):
        left, top, right, bottom = map(int, corners)
        # Now and then it writes a box with nothing inside.
        if left < right and top < bottom:
            found.append(Place(said.strip(), left * across, top * down, right * across, bottom * down))
    return found


def _places(parsed: dict[str, Any], height: int, width: int) -> list[Place | Segment]:
    """Florence-2 tells boxes, the corners of lines of writing, or outlines, all in pixels."""
    found: list[Place | Segment] = []
    names = parsed.get("labels", parsed.get("bboxes_labels", ()))
    for name, corners in zip(names, parsed.get("bboxes", parsed.get("quad_boxes", ())), strict=False):
        across, down = corners[0::2], corners[1::2]
        found.append(Place(name, min(across), min(down), max(across), max(down)))
    for name, outlines in zip(parsed.get("polygons_labels", names), parsed.get("polygons", ()), strict=False):
        found.append(Segment(name or "part", None, _inside(outlines, height, width)))
    return found


def _inside(outlines: list[list[float]], height: int, width: int) -> Any:
    """The pixels within some outlines, each its corners one after the other."""
    import numpy
    from PIL import Image, ImageDraw

    drawn = Image.new("1", (width, height))
    for outline in outlines:
        ImageDraw.Draw(drawn).polygon([(x, y) for x, y in zip(outline[0::2], outline[1::2], strict=True)], fill=1)
    return numpy.asarray(drawn)
