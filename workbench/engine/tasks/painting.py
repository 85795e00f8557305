"""A picture drawn by a model that writes: codes one by one, each chosen as a token is, which a decoder makes pixels of.

The library's ``generate`` has the loop. What its pipeline and its documentation end with, ``postprocess`` of pixels
with their colours last to ``"PIL.Image.Image"``, fails in transformers 5.23 with both image processors of Janus, that
for torchvision and that for Pillow; given colours first, and asked for arrays, both finish the picture.

References:
    transformers, Models: Janus, image generation; Pipelines: AnyToAnyPipeline, ``generation_mode``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Outcome, Request
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.writing import chosen, drawing

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

PAINTERS = ("janus",)
"""Architectures that can draw a picture instead of writing a text."""

MODE = "image"
"""The ``generation_mode`` that the processor and ``generate`` are told where a picture is drawn."""

UNREAD = ("max_new_tokens", "num_beams")
"""Settings of a text that don't apply: a picture has as many codes as it has, and only one is followed."""


def can(model: LoadedModel) -> bool:
    """Whether a model can draw."""
    return model.facts.model_type in PAINTERS and hasattr(model.model, "decode_image_tokens")


def asked(request: Request) -> bool:
    """Whether a picture is asked for, of a model that can draw.

    Raises:
        InputError: There is a picture to look at besides.
    """
    if not (can(request.model) and request.options.paints):
        return False
    if request.given.image is not None:
        raise InputError(
            "A picture can't be drawn after another one.",
            why=f"{request.model.checkpoint.name} draws what a text says, and reads no picture while it draws.",
            remedy="Take the picture out, or don't ask for one to be drawn.",
        )
    return True


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """A pass for each code of the picture, with the text and without it, then one of the decoder.

    Returns:
        ``image_tokens`` of shape ``(1, codes)``; ``first_logits`` of shape ``(2, codebook)``, what the first code was
        chosen from, with the text and without it; ``pixels`` of shape ``(1, height, width, 3)`` as the decoder gives
        them.

    Raises:
        NotSupported: The checkpoint's files don't say which token a picture begins with.
    """
    import torch
    from transformers import LogitsProcessorList

    model = request.model.model
    if "boi_token_id" not in (getattr(model.generation_config, "generation_kwargs", None) or {}):
        raise NotSupported(
            f"{request.model.checkpoint.name} can't begin a picture.",
            why="Its generation_config.json names no boi_token_id, the token that a picture begins with.",
            remedy='Add "generation_kwargs": {"boi_token_id": …} to it, as published checkpoints have it.',
        )
    first: list[Tensor] = []
    count = int(model.config.vision_config.num_image_tokens)
    done = 0

    def watch(_ids: Tensor, scores: Tensor) -> Tensor:
        nonlocal done
        request.task.check()
        request.task.report(Progress(done, count, "codes"))
        done += 1
        if not first:
            first.append(scores.float().cpu())
        return scores

    tokenizer = request.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    told = settings(request.options) | {"pad_token_id": pad, "logits_processor": LogitsProcessorList([watch])}
    with drawing(request, request.options.do_sample), torch.inference_mode():
        codes = model.generate(**request.on_device(inputs.tensors), **told, generation_mode=MODE)
        pixels = model.decode_image_tokens(codes)
    return {"image_tokens": codes.cpu(), "first_logits": first[0], "pixels": pixels.float().cpu()}


def postprocess(request: Request, outputs: dict[str, Tensor]) -> Outcome:
    """Undo what the processor does to a picture that is looked at.

    Returns:
        ``picture`` of shape ``(height, width, 3)``, red, green and blue from 0 to 255; the same as an array.
    """
    import torch

    # Both kinds of image processor want the colours first.
    (made,) = processor(request.model).postprocess(list(outputs["pixels"].permute(0, 3, 1, 2)))["pixel_values"]
    picture = torch.as_tensor(made).permute(1, 2, 0).contiguous()
    return Outcome({"picture": picture, "image_tokens": outputs["image_tokens"][0]}, (picture.numpy(),))


def settings(options: Any) -> dict[str, Any]:
    """Arguments for ``generate`` by the options, those that apply to a picture."""
    return {name: value for name, value in chosen(options).items() if name not in UNREAD}
