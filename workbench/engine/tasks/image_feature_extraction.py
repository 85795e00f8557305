"""Image feature extraction: the hidden states of a picture's patches, and one vector for the whole.

References:
    transformers, Pipelines: ImageFeatureExtractionPipeline; Model outputs: BaseModelOutput.last_hidden_state
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.tasks import raw_inputs
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.vision import PICTURE, pixels
from workbench.engine.tasks.writing import drawing
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

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
    model = request.model.model
    # Of some models without a head a part bears the name that a body has under one.
    body = model if request.model.head == "AutoModel" else model.base_model
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
    """One vector for the picture: the mean or the maximum over its patches, the first (``cls``) or the last of them.

    Raises:
        InputError: ``options.pooling`` is none that is known.
    """
    from torch.nn.functional import normalize

    hidden = outputs["last_hidden_state"]
    if hidden.dim() == 2 and raw_inputs.part(request.model.facts.model_type):
        # Patches of all pictures stand one behind another there.
        hidden = hidden[None]
    # A map has its places behind its channels; a summary (RADIO) is one vector.
    hidden = hidden if hidden.dim() == 3 else hidden.reshape(*hidden.shape[:2], -1).transpose(1, 2)
    pools = {"mean": hidden.mean(dim=1), "cls": hidden[:, 0], "max": hidden.amax(dim=1), "last": hidden[:, -1]}
    if request.options.pooling not in pools:
        raise InputError(
            "The hidden states can't be pooled.",
            why=f"There is no pooling called “{request.options.pooling}”.",
            remedy="Use mean, cls, max or last.",
        )
    embedding = pools[request.options.pooling]
    embedding = normalize(embedding, dim=-1) if request.options.normalize else embedding
    return Outcome({"embeddings": embedding}, tuple(tuple(row) for row in embedding.tolist()))
