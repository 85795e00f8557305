"""Text to text: an encoder reads the text, a decoder writes another one.

The library has no pipeline for it any more; its three steps are ``tokenizer(text)``, ``generate()`` and ``decode``.

References:
    transformers, Generation: GenerationMixin.generate; Auto Classes: AutoModelForSeq2SeqLM
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, encoded
from workbench.engine.tasks.writing import WRITES, generated
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="text2text-generation",
    heads=("AutoModelForSeq2SeqLM",),
    does="Reads a text and writes another one",
    inputs=(("text", "Text"),),
    options=(*WRITES, "stops"),
    shows="text",
    example=TaskInput("A tokenizer cuts a text into the pieces that the model has learned."),
)


def preprocess(request: Request) -> Inputs:
    """Tokenize, special tokens included, cut at the context."""
    return encoded(request)


def prefixed(request: Request, task: str) -> Request:
    """The request with what the checkpoint wants in front of the text for a task (T5: ``summarize: ``).

    Args:
        request: A text that begins with it already is left as it is.
        task: What its name in ``config.task_specific_params`` begins with.
    """
    from dataclasses import replace

    known: dict[str, dict[str, Any]] = getattr(request.model.model.config, "task_specific_params", None) or {}
    prefixes = [str(given.get("prefix", "")) for name, given in known.items() if name.startswith(task)]
    if not prefixes or request.text.startswith(tuple(prefix for prefix in prefixes if prefix)):
        return request
    return replace(request, given=replace(request.given, text=prefixes[0] + request.text))


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass of the encoder, then one of the decoder a new token; a stop takes effect within a token.

    Returns:
        ``sequences`` of shape ``(1, 1 + new)``, the decoder's start token first, and ``first_logits`` of shape
        ``(1, vocab)``.
    """
    return generated(request, request.on_device(inputs.tensors), 1)


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Decode without special tokens."""
    sequence = outputs["sequences"][0]
    text = str(request.tokenizer.decode(sequence, skip_special_tokens=True))
    probabilities = outputs["first_logits"].float().softmax(dim=-1)
    return Outcome({"new_ids": sequence[1:], "first_probabilities": probabilities}, (text,))
