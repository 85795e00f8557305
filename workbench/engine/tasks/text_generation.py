"""Text generation: the text continued with ``generate()``.

References:
    transformers, Pipelines: TextGenerationPipeline; Generation: GenerationMixin.generate
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, context, encoded
from workbench.engine.tasks.writing import WRITES, generated
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="text-generation",
    heads=("AutoModelForCausalLM",),
    does="Continues a text, token by token",
    inputs=(("text", "Text"),),
    options=(*WRITES, "stops"),
    shows="text",
    example=TaskInput("The quick brown fox"),
)


def preprocess(request: Request) -> Inputs:
    """Tokenize the prompt; it is never cut, because its end is what is continued.

    Raises:
        InputError: Prompt and new tokens together don't fit the context.
    """
    inputs = encoded(request, cut=False)
    limit = context(request.model)
    length = int(inputs.tensors["input_ids"].shape[1])
    if limit is not None and length + request.options.max_new_tokens > limit:
        room = limit - length
        remedy = f"Ask for at most {room} new tokens." if room > 0 else f"Shorten it by {1 - room} tokens or more."
        raise InputError(
            "The text is too long to be continued." if room <= 0 else "There is no room for that many new tokens.",
            why=f"The prompt has {length:,} tokens and {request.options.max_new_tokens:,} are to follow, but "
            f"{request.model.checkpoint.name} has a context of {limit:,}.",
            remedy=remedy,
        )
    return inputs


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """Many passes, one a new token; a stop takes effect within a token.

    Returns:
        ``sequences`` of shape ``(1, seq + new)``, and ``first_logits`` of shape ``(1, vocab)``, what the first new
        token was chosen from.
    """
    tensors = {name: inputs.tensors[name] for name in ("input_ids", "attention_mask")}
    return generated(request, request.on_device(tensors), int(tensors["input_ids"].shape[1]))


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Cut the prompt off and decode the rest without special tokens."""
    new_ids = outputs["sequences"][0, inputs.tensors["input_ids"].shape[1] :]
    text = str(request.tokenizer.decode(new_ids, skip_special_tokens=True))
    tensors = {"new_ids": new_ids, "first_probabilities": outputs["first_logits"].float().softmax(dim=-1)}
    return Outcome(tensors, (text,))
