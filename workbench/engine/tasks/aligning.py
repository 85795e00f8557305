"""Forced alignment: when each word of a transcript was said.

References:
    transformers, Models: Qwen3ASR, Qwen3ASRForTokenClassification
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, WorkbenchError, first_line
from workbench.engine.tasks import sounds
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, check_text
from workbench.engine.tasks.processors import missing, processor
from workbench.engine.values import Chunk

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

ARCHITECTURES = ("qwen3_asr",)
"""Architectures that are told what was said, and say when."""

HEAD = "AutoModelForTokenClassification"
"""The Auto class of those that do; another writes down what was said."""

INPUTS = (("audio", "Sound"), ("text", "Transcript"))
"""What they are given."""


def aligns(model: LoadedModel) -> bool:
    """Whether a model is told what was said."""
    return model.head == HEAD and model.facts.model_type in ARCHITECTURES


def preprocess(request: Request) -> Inputs:
    """The sound with the words of its transcript, between marks for their times.

    Raises:
        InputError: The sound or its transcript is missing or can't be used, or the language is none that is known.
        NotSupported: The checkpoint has no processor that works here, or no template with marks for times.
    """
    import torch

    extractor, samples = sounds.heard(request)
    made, (words,) = _prepared(request, samples)
    marks = int((made["input_ids"] == request.model.model.config.timestamp_token_id).sum())
    if marks != 2 * len(words):
        raise NotSupported(
            f"{request.model.checkpoint.name} can't say when a word was said.",
            why=f"Its chat template writes {marks} marks for times, and {len(words)} words want {2 * len(words)}.",
            remedy="Download the checkpoint again, with the chat template that aligners are published with.",
        )
    aside = {"samples": torch.from_numpy(samples)[None], "sampling_rate": torch.tensor([extractor.sampling_rate])}
    return Inputs({name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)}, aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, seq, moments)``; a moment is 80 ms where the processor says nothing else."""
    return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.float().cpu()}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The best moment at each mark, put in order by the processor: the transcript, and its words as `Chunk`s."""
    _, words = _prepared(request, inputs.aside["samples"][0].numpy())
    (found,) = processor(request.model).decode_forced_alignment(
        logits=outputs["logits"],
        input_ids=inputs.tensors["input_ids"],
        word_lists=words,
        timestamp_token_id=request.model.model.config.timestamp_token_id,
    )
    chunks = [Chunk(word["text"], float(word["start_time"]), float(word["end_time"])) for word in found]
    return Outcome({"moments": outputs["logits"].argmax(dim=-1)}, (request.text, *chunks))


def _prepared(request: Request, samples: Any) -> Any:
    check_text(request.text, "transcript")
    try:
        made = processor(request.model).prepare_forced_aligner_inputs(
            audio=samples, transcript=request.text, language=request.options.source_language or None
        )
    except WorkbenchError:
        raise
    except ImportError as error:
        raise missing(f"{request.model.checkpoint.name} can't cut this transcript into words.", error) from error
    except Exception as error:
        raise InputError(
            "The sound and its transcript could not be prepared.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Choose another language, as its code or its name, or take another sound.",
        ) from error
    if not made[1][0]:
        raise InputError(
            "There is no word to look for.",
            why="The transcript is nothing but signs that are not spoken.",
            remedy="Write down what is said in the sound.",
        )
    return made
