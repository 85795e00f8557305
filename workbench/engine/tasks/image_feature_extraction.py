"""Image feature extraction: the hidden states of a picture's patches, and one vector for the whole.

References:
    transformers, Pipelines: ImageFeatureExtractionPipeline; Model outputs: BaseModelOutput.last_hidden_state
"""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.facts import FILMS, sees
from workbench.engine.tasks import raw_beside, raw_inputs
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.pooling import POOLER, own_vector, required, unknown
from workbench.engine.tasks.vision import PICTURE, pixels
from workbench.engine.tasks.writing import drawing
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

__all__ = ["DRAWS", "SPEC", "forward", "postprocess", "preprocess", "sees_alone"]

SPEC = Spec(
    name="image-feature-extraction",
    heads=("AutoModel",),
    does="Turns a picture into vectors",
    inputs=PICTURE,
    options=("pooling", "normalize"),
    shows="vectors",
    example=TaskInput(),
)

DRAWS = ("vit_mae",)
"""Architectures that hide a part of the picture, drawn by the seed."""

#: What image processors make besides the pixels, by the names that bodies have for it.
_MADE = {"pixel_values", "pixel_mask", "pixel_attention_mask", "spatial_shapes", "image_grid_thw"}
#: Classes with a head, and those that give the maps of several layers: neither has one tensor of hidden states.
_UNLIKE = re.compile(r"(?<=[a-z0-9A-Z])For[A-Z]|Backbone$")


def sees_alone(model: LoadedModel) -> bool:
    """Whether the body of a model makes vectors of one picture, with nothing beside it, as the pipeline needs it."""
    kind = model.facts.model_type
    whole = model.head == "AutoModel"
    body = _body(model)
    if kind in (*FILMS, *raw_beside.PAIRS) or _UNLIKE.search(type(body).__name__):
        return False
    takes = inspect.signature(body.forward).parameters
    if not required(body) <= {*_MADE, *dict(raw_inputs.NAMES)}:
        return False
    # Some have the whole of a model in the table of those that see, as Llama 4.
    listed = whole and not model.facts.takes_images and sees(kind)
    if "pixel_values" not in takes:
        # ImageGPT's pictures are ids of colours, and parts of larger models have other names for pixels.
        return listed and "text" not in model.model.input_modalities
    # What reads a text besides does not do without it.
    first = next(iter(takes))
    return not {"input_ids", "decoder_input_ids"} & set(takes) and (
        listed or "pixel_values" in (first, getattr(model.model, "main_input_name", ""))
    )


def _body(model: LoadedModel) -> Any:
    # Of some models without a head a part bears the name that a body has under one.
    return model.model if model.head == "AutoModel" else model.model.base_model


def preprocess(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it, by the names that a part of a larger model has for it.

    Raises:
        InputError: There is no picture, it can't be read, or the processor can't prepare it.
        NotSupported: The checkpoint has no image processor that works here.
    """
    made = pixels(request)
    named = raw_inputs.called(request.model, made.tensors) if raw_inputs.part(request.model.facts.model_type) else {}
    return replace(made, tensors=named or made.tensors)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass below any head: ``last_hidden_state`` of shape ``(1, patches, hidden)``, or a map ``(1, c, h, w)``.

    Raises:
        NotSupported: The model can't be shown a picture alone.
    """
    body = _body(request.model)
    try:
        with drawing(request, request.model.facts.model_type in DRAWS):
            output = body(**request.on_device(inputs.tensors))
            hidden = output[0].float().cpu()
    except (AttributeError, TypeError, ValueError) as error:
        raise NotSupported(
            f"{request.model.checkpoint.name} makes no vectors of pictures alone.",
            why=f"The model says: {first_line(error)}",
            remedy="Choose raw-outputs, or the task that it was made for, or load an encoder of pictures, such as ViT.",
        ) from error
    found = {"last_hidden_state": hidden}
    pooled = output.get("pooler_output")
    return found if pooled is None else found | {"pooler_output": pooled.float().cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """One vector for the picture, by its patches or as the model itself pools them.

    Returns:
        ``embeddings`` of shape ``(1, hidden)``: the mean or the maximum over the patches, the first (``cls``) or the
        last of them; or ``pooler_output``, which ``pipeline(…, pool=True)`` gives.

    Raises:
        InputError: ``options.pooling`` is none that is known.
        NotSupported: The model's own vector is asked for, and it makes none.
    """
    from torch.nn.functional import normalize

    embedding = _vector(request, outputs)
    embedding = normalize(embedding, dim=-1) if request.options.normalize else embedding
    return Outcome({"embeddings": embedding}, tuple(tuple(row) for row in embedding.tolist()))


def _vector(request: Request, outputs: dict[str, Tensor]) -> Tensor:
    pooling = request.options.pooling
    if pooling == POOLER:
        # Convolutional models leave the height and the width of their one place.
        return own_vector(request, outputs).flatten(1)
    hidden = outputs["last_hidden_state"]
    if hidden.dim() == 2 and raw_inputs.part(request.model.facts.model_type):
        # Patches of all pictures stand one behind another there.
        hidden = hidden[None]
    # A map has its places behind its channels; a summary (RADIO) is one vector.
    hidden = hidden if hidden.dim() == 3 else hidden.reshape(*hidden.shape[:2], -1).transpose(1, 2)
    pools = {"mean": hidden.mean(dim=1), "cls": hidden[:, 0], "max": hidden.amax(dim=1), "last": hidden[:, -1]}
    if pooling not in pools:
        raise unknown(pooling)
    return pools[pooling]
