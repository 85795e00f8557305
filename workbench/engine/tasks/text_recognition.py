"""Text recognition: the letters of one line of writing in a picture.

Each moment from left to right is given the letter that is most probable there; what repeats or is blank is left out.

References:
    transformers, Auto Classes: AutoModelForTextRecognition; PP-OCRv5; PP-OCRv6
    Graves et al. 2006, Connectionist Temporal Classification
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.tasks import samples
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import Outputs, finisher, passed, pixels
from workbench.engine.values import Label, Reading, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SAMPLES", "SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="text-recognition",
    heads=("AutoModelForTextRecognition",),
    does="Reads a line of writing in a picture",
    inputs=(("image", "Picture of one line"),),
    options=(),
    shows="reading",
    example=TaskInput(),
)

SAMPLES: dict[str, Any] = {"image": samples.writing}
"""What the example's files are made by, where it is another than for most tasks."""

preprocess = pixels
forward = passed


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's text with its score, and how sure each of its letters is.

    Returns:
        ``ids`` and ``probabilities``, each of shape ``(letters,)``.

    Raises:
        NotSupported: The processor can't read letters, or its settings name too few of them.
    """
    finish = finisher(request, ("post_process_text_recognition",))
    probabilities, ids = outputs["last_hidden_state"][0].max(dim=-1)
    try:
        (found,) = finish(Outputs(outputs))
    except IndexError as error:
        known = len(image_processor(request.model).character_list)
        raise NotSupported(
            f"The letters of {request.model.checkpoint.name} can't be told.",
            why=f"Its image processor names {known:,} characters, and the model knows more of them.",
            remedy="Put the preprocessor_config.json that came with the weights beside them, or download it again.",
        ) from error
    kept = ids != 0
    kept[1:] &= ids[1:] != ids[:-1]
    characters = image_processor(request.model).character_list
    letters = tuple(
        Label(characters[index], share)
        for index, share in zip(ids[kept].tolist(), probabilities[kept].tolist(), strict=True)
    )
    score = found["score"] if letters else 0.0
    tensors = {"ids": ids[kept], "probabilities": probabilities[kept]}
    return Outcome(tensors, (Reading(found["text"], score, letters),))
