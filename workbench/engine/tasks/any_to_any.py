"""Any to any: a text written to whatever of text, picture and sound the model takes.

References:
    transformers, Pipelines: AnyToAnyPipeline; Auto Classes: AutoModelForMultimodalLM
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import pictures
from workbench.engine.tasks import sounds
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.writing import generated
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="any-to-any",
    heads=("AutoModelForMultimodalLM",),
    does="Writes an answer to a text with a picture, a sound, or both",
    inputs=(
        ("text", "Question or prompt"),
        ("image", "Picture, if there is one"),
        ("audio", "Sound, if there is one"),
    ),
    options=("max_new_tokens", "num_beams", "do_sample", "temperature", "seed"),
    shows="text",
    example=TaskInput("What is this?"),
)


#: Auto classes that load such a model as well.
ALSO = (
    *SPEC.heads,
    "AutoModelForImageTextToText",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSpeechSeq2Seq",
    "AutoModelForCausalLM",
    "AutoModelForTextToWaveform",
)

TALKERS = ("qwen2_5_omni", "qwen3_omni_moe")
"""Architectures that speak their answer besides, for which they have another model; here they write it."""


def preprocess(request: Request) -> Inputs:
    """What was given as the checkpoint's chat template shows it, or one after the other without one.

    Raises:
        InputError: There is no text, a file can't be read, or the processor can't put them together.
        NotSupported: The checkpoint has no processor that works here, or does not take a picture or a sound.
    """
    import torch

    check_text(request.text, "question")
    reader = processor(request.model)
    parts = _parts(request, reader)
    try:
        if getattr(reader, "chat_template", None):
            content = [*parts, {"type": "text", "text": request.text}]
            made = reader.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            more = {{"image": "images"}.get(part["type"], part["type"]): part[part["type"]] for part in parts}
            made = reader(text=request.text, **more, return_tensors="pt")
    except Exception as error:
        raise InputError(
            "What was given could not be prepared together.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Leave the picture or the sound out, or take another.",
        ) from error
    return Inputs({name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """Many passes, one a new token; a stop takes effect within a token."""
    more: dict[str, Any] = {}
    if request.model.facts.model_type in TALKERS:
        # Of its models it is the one that thinks whose tokens are counted.
        more = {"generation_mode": "text", "thinker_max_new_tokens": request.options.max_new_tokens}
    return generated(request, request.on_device(inputs.tensors), _prompt(request, inputs), **more)


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Cut the prompt off and decode the rest without special tokens."""
    new_ids = outputs["sequences"][0, _prompt(request, inputs) :]
    text = str(request.tokenizer.decode(new_ids, skip_special_tokens=True))
    return Outcome(
        {"new_ids": new_ids, "first_probabilities": outputs["first_logits"].float().softmax(dim=-1)}, (text,)
    )


def _prompt(request: Request, inputs: Inputs) -> int:
    """Tokens that what is written begins with."""
    return 1 if request.model.encoder_decoder else int(inputs.tensors["input_ids"].shape[1])


def _parts(request: Request, reader: Any) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if request.given.image is not None:
        _check(request, "pictures", getattr(reader, "image_processor", None))
        parts.append({"type": "image", "image": pictures.read(request.given.image)})
    if request.given.audio is not None:
        extractor: Any = getattr(reader, "feature_extractor", None) or getattr(reader, "audio_processor", None)
        _check(request, "sounds", extractor)
        heard = sounds.read(request.given.audio, task=request.task)
        parts.append({"type": "audio", "audio": sounds.resampled(heard, extractor.sampling_rate)})
    return parts


def _check(request: Request, what: str, part: Any) -> None:
    if part is None:
        raise NotSupported(
            f"{request.model.checkpoint.name} takes no {what}.",
            why=f"Its processor has no part that prepares {what}.",
            remedy="Take it out, or load another checkpoint.",
        )
