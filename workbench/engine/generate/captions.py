"""Pictures that stand beside their text, where no mark in the text places them.

Encoders with a decoder such as TrOCR and Donut take a picture alone, or the beginning of what they shall write; BLIP,
GIT, Fuyu, Florence-2 and Kosmos-2 have processors that put picture and text together. UDOP is told the words of the
page in the picture besides, each with its box.

References:
    transformers, VisionEncoderDecoder; TrOCR; Donut; BLIP; Fuyu; GIT; GOT-OCR2; Pix2Struct; Florence-2; Kosmos-2; UDOP
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import page as page_words
from workbench.engine.generate import pictures
from workbench.engine.task import Task
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import Encoding, Message, Start

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

    from workbench.engine.models import LoadedModel

ALONE = ("vision-encoder-decoder", "pp_formulanet")
"""Architectures whose encoder is shown the picture alone; a text is what their decoder begins with."""

PROMPTED = {
    "florence2": "<OD>",
    "fuyu": "Generate a coco-style caption.\n",
    "instructblip": "What does the picture show?",
    "instructblipvideo": "What does the film show?",
    "kosmos-2": "<grounding>An image of",
    "kosmos-2.5": "<ocr>",
    "udop": "Question answering. What is the total?",
}
"""Architectures that need to be told what to do, and something to tell them."""

FRAMES = {"instructblipvideo": 4}
"""Architectures that are shown films of so many frames; where there is a picture alone, it stands for each of them."""

ASKING = ("got_ocr2",)
"""Architectures whose processor writes the whole prompt where there is none."""

WORDLESS = ("pp_chart2table",)
"""Architectures whose template says what is to be done, and leaves out what a turn says."""

TYPES = (*ALONE, *PROMPTED, *ASKING, "blip", "blip-2", "git", "pix2struct")
"""Architectures whose pictures have no mark in the text."""

PAGED = "udop"
"""The architecture that reads the words of a page with their boxes besides."""

INSIDE = {
    "blip": "text_decoder",
    "blip-2": "language_model",
    "instructblip": "language_model",
    "instructblipvideo": "language_model",
    "kosmos-2": "text_model",
}
"""Architectures whose ``generate`` hands what it is told to that of a model inside, by its name."""

ENCODING = ("t5gemma2",)
"""Architectures whose encoder reads a text with marks for the pictures, for a decoder to write its own."""

HANDING = ("janus",)
"""Architectures whose own ``generate`` draws pictures too, and leaves texts to the library's."""

#: What Pix2Struct writes questions with.
_FONT = ("ybelkada/fonts", "Arial.TTF")


def cleans(processor: Any) -> bool:
    """Whether a processor of pictures alone mends what was read, as Nougat's does."""
    return hasattr(processor, "post_process_generation")


def trimmed(kind: str, text: str) -> str:
    """A prompt without the spaces around it; Fuyu was trained on prompts that end in a line break, which stays.

    Args:
        kind: One of `TYPES`.
        text: As it was written; one of spaces alone becomes empty.
    """
    return text if kind == "fuyu" and text.strip() else text.strip()


def beside(model: LoadedModel) -> bool:
    """Whether a model takes its pictures beside the text."""
    return model.takes_images and _kind(model) in TYPES


def writer(model: LoadedModel) -> Any:
    """The part of a model whose ``generate`` has the library's loop; mostly the model itself."""
    return getattr(model.model, INSIDE.get(_kind(model), ""), model.model)


def writes_nothing(model: LoadedModel) -> NotSupported:
    """The refusal of a model that the library has among those that write, and that has no ``generate``, such as π0."""
    return NotSupported(
        f"{model.checkpoint.name} writes no text.",
        why=f"{type(model.model).__name__} has no generate(), although the library lists it among the models that "
        "answer about pictures: what it gives are numbers, such as the moves of a robot.",
        remedy="Load another checkpoint for this task.",
    )


def generating(model: LoadedModel) -> Callable[..., Any]:
    """The ``generate`` of a model; Janus' own hands texts on to the library's, and loses processors on the way."""
    from transformers import GenerationMixin

    return partial(GenerationMixin.generate, model.model) if _kind(model) in HANDING else model.model.generate


def ends(model: LoadedModel) -> tuple[int, ...]:
    """Ids that end a text of the model, as its files have them."""
    own = writer(model).generation_config.eos_token_id
    if _kind(model) == "blip":
        # As its own ``generate`` says.
        own = model.model.config.text_config.sep_token_id
    return () if own is None else (int(own),) if isinstance(own, int) else tuple(int(each) for each in own)


def wants_processor(model: LoadedModel) -> bool:
    """Whether a model writes about pictures alone, and lacks what prepares them."""
    return model.processor is None and (reads_pixels(model) or _kind(model) in INSIDE)


def lacks_processor(model: LoadedModel) -> NotSupported:
    """The refusal of a model that `wants_processor`."""
    why = next((note for note in model.notes if "processor" in note), "It writes about pictures, and has no processor.")
    remedy = "Download the checkpoint again with its preprocessor_config.json, or try it in Tasks."
    installed = "Do that, or load another checkpoint."
    return NotSupported(
        f"{model.checkpoint.name} can't generate text.", why=why, remedy=installed if "Install" in why else remedy
    )


def reads_pixels(model: LoadedModel) -> bool:
    """Whether a model has an encoder that reads a picture and no text."""
    return bool(model.encoder_decoder and model.model.main_input_name != "input_ids" and _kind(model) not in INSIDE)


def refused(model: LoadedModel) -> dict[str, str]:
    """What such a model does not offer, by the names of `workbench.engine.generate.strategies.supports`, with why."""
    if not beside(model):
        return {}
    found = {}
    name = type(model.model).__name__
    if _kind(model) in INSIDE:
        why = f"{name} hands the writing to a model inside it, which the library's {{}} does not know of."
        ways = {
            "prompt_lookup": "guessing", "assisted": "guessing", "early_exit": "guessing", "mtp": "guessing",
            "guidance": "guidance",
        }  # fmt: skip
        found = {way: why.format(what) for way, what in ways.items()}
    if _kind(model) == "blip":
        found["eos_token_ids"] = f"{name} ends a text at the token of its own, whatever it is told."
    if writer(model).generation_config.use_cache is False:
        why = f"Guesses are checked over a cache, and {name} is set to keep none (use_cache)."
        found |= dict.fromkeys(("prompt_lookup", "assisted", "early_exit", "mtp"), why)
    if reads_pixels(model):
        why = f"It acts on the tokens of an encoder's input, and the encoder of {name} reads a picture."
        found |= dict.fromkeys(("encoder_repetition_penalty", "encoder_no_repeat_ngram_size"), why)
    return found


def together(
    model: LoadedModel, reader: Any, opened: Image | np.ndarray, text: str, page: str = ""
) -> dict[str, Tensor]:
    """Picture and text as the checkpoint's processor puts them together.

    Args:
        model: Of one of `TYPES`.
        reader: Its processor; its image processor for those that are shown the picture `ALONE`.
        opened: The picture, in RGB; or the frames of a film, of shape ``(frames, height, width, 3)``, for `FRAMES`.
        text: The prompt, or what the decoder begins with; may be empty where the architecture needs none.
        page: The words of the page with their boxes, for UDOP.

    Returns:
        ``pixel_values`` (Pix2Struct: ``flattened_patches``), and what the text became, on the CPU.

    Raises:
        InputError: The processor refuses them, or the words of the page are missing or have no boxes.
        NotSupported: A font is needed that was not downloaded.
    """
    kind = _kind(model)
    if kind == "pix2struct" and text:
        _check_font(reader)
    told: dict[str, Any] = {"text": [text]} if text and kind not in ALONE else {}
    if kind == PAGED:
        told |= _boxed(model, page)
    shown: Any = [opened]
    if kind in FRAMES:
        import numpy

        still = not isinstance(opened, numpy.ndarray)
        shown = numpy.stack([numpy.asarray(opened)] * FRAMES[kind]) if still else opened
    try:
        both = dict(reader(images=shown, return_tensors="pt", **told))
    except Exception as error:
        raise InputError(
            "The picture and the text could not be prepared together.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Try another text, such as one of those on its model card.",
        ) from error
    if kind in ALONE:
        begins = {}
        if text:
            assert model.tokenizer is not None
            begins = {
                "decoder_input_ids": model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
            }
        return {"pixel_values": both["pixel_values"], **begins}
    takes = inspect.signature(model.model.forward).parameters
    return {name: both[name] for name in sorted(both, key=lambda name: name != "pixel_values") if name in takes}


def encode_shown(
    model: LoadedModel, text: str, messages: Sequence[Message], images: Sequence[Path], *, task: Task
) -> tuple[Encoding, tuple[int, ...]]:
    """Encode a prompt with the picture that it is about.

    Args:
        model: Of one of `TYPES`.
        text: A plain prompt; may be empty where the architecture needs none.
        messages: The turns of a chat instead.
        images: One picture.
        task: Asked whether to stop.

    Returns:
        The text with all its tokens, those of the picture included, where the model reads text; and what a decoder is
        to begin with, behind its start.

    Raises:
        NotSupported: There are messages without a chat template, or a font is missing.
        InputError: There is not one picture, it can't be read, or the model needs to be told what to do.
    """
    if messages:
        text = pictures.render(pictures.processor_of(model), messages, False)
    check_one(model, images)
    task.check()
    made = _given(model, text, images)
    if "input_ids" not in made:
        begins = made.get("decoder_input_ids")
        return Encoding(text, ()), () if begins is None else tuple(begins[0].tolist())
    ids, mask = made["input_ids"][0].tolist(), made["attention_mask"][0].tolist()
    assert model.tokenizer is not None
    return Encoding(text, slow_tokens(Pieces(model.tokenizer), ids, mask, None, task)), ()


def check_one(model: LoadedModel, images: Sequence[Path]) -> None:
    """Refuse to write about no picture, or about several.

    Raises:
        InputError: There is not one.
    """
    if len(images) != 1:
        raise InputError(
            f"{model.checkpoint.name} writes about one picture.",
            why=f"There are {len(images)}." if images else "There is none yet.",
            remedy="Remove all but one." if images else "Drop a picture on the prompt, or press Add images.",
        )


def tensors(model: LoadedModel, start: Start, more: Sequence[int] = ()) -> dict[str, Any]:
    """The arguments of ``generate`` for a start, as `pictures.tensors` has them."""
    import torch

    check_one(model, start.images)
    made = _given(model, start.encoding.text, start.images)
    if "input_ids" in made:
        pictures.check_same(made["input_ids"], start)
    device, dtype = model.model.device, model.model.dtype
    kwargs: dict[str, Any] = {
        name: value.to(device, dtype if value.is_floating_point() else None) for name, value in made.items()
    }
    if start.decoder_start:
        kwargs["decoder_input_ids"] = torch.tensor([[*start.decoder_start, *more]], device=device)
        return kwargs
    return pictures.followed(kwargs, more)


def handed(model: LoadedModel, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as the model's own ``generate`` wants them: BLIP's takes the last token off what it is given."""
    if _kind(model) != "blip":
        return dict(kwargs)
    import torch

    longer = {
        name: torch.cat([kwargs[name], torch.ones_like(kwargs[name][:, :1])], dim=1)
        for name in ("input_ids", "attention_mask")
    }
    return {**kwargs, **longer}


def _given(model: LoadedModel, text: str, images: Sequence[Path]) -> dict[str, Tensor]:
    """What the model is given, with the ids stated that its ``generate`` makes where there is no text."""
    import torch

    kind, config = _kind(model), model.model.config
    if kind in PROMPTED and not text.strip():
        raise InputError(
            "There is no prompt yet.",
            why=f"{model.checkpoint.name} has to be told what to do with the picture.",
            remedy=f"Write it, such as {PROMPTED[kind]}",
        )
    reader: Any = pictures.processor_of(model)
    opened = pictures.read(images[0])
    text, page = page_words.told(text) if kind == PAGED else (text if text.strip() else "", "")
    made = together(model, reader.image_processor if kind in ALONE else reader, opened, text, page)
    # It masks nothing: there is one text.
    made.pop("decoder_attention_mask", None)
    if reads_pixels(model):
        return made
    if "input_ids" not in made:
        made["input_ids"] = torch.tensor([_first(model)])
        made["attention_mask"] = torch.ones_like(made["input_ids"])
    elif kind == "blip":
        own = torch.tensor([[config.text_config.bos_token_id]])
        made["input_ids"] = torch.cat([own, made["input_ids"][:, 1:-1]], dim=1)
        made["attention_mask"] = made["attention_mask"][:, :-1]
    return made


def _boxed(model: LoadedModel, page: str) -> dict[str, Any]:
    """The words of a page and their boxes, as UDOP's processor wants them."""
    boxed = page_words.words(page)
    if not boxed:
        raise InputError(
            "There are no words of the page yet.",
            why=f"{model.checkpoint.name} reads the words of a page, each with its box.",
            remedy="Write them below what is asked, one a line, like “Total,80,700,160,730” (in thousandths).",
        )
    return {"text_pair": [[word for word, _ in boxed]], "boxes": [[list(box) for _, box in boxed]]}


def _first(model: LoadedModel) -> list[int]:
    """The ids that a text begins with where nothing was said, as the model's ``generate`` makes them."""
    config = model.model.config
    if _kind(model) == "git":
        return [model.model.generation_config.bos_token_id]
    pictured = [config.image_token_index] * config.num_query_tokens if _kind(model) == "blip-2" else []
    return [*pictured, config.text_config.bos_token_id]


def _kind(model: LoadedModel) -> str:
    return str(model.facts.model_type)


def _check_font(reader: Any) -> None:
    """Refuse what the library would ask the Hub for in the midst of it: a font, to write a question over a picture."""
    from huggingface_hub import try_to_load_from_cache

    if reader.image_processor.is_vqa and not isinstance(try_to_load_from_cache(*_FONT), str):
        raise NotSupported(
            "The question can't be written over the picture.",
            why=f"The library does it with a font of the Hub, {_FONT[1]} of {_FONT[0]}, which was not downloaded.",
            remedy=f"Download {_FONT[0]} in Hub, or load a checkpoint that is told what to do otherwise.",
        )
