"""Text generation: the text continued with ``generate()``.

References:
    transformers, Pipelines: TextGenerationPipeline; Generation: GenerationMixin.generate
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.models import LOAD_LOCK
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Request, context, encoded

if TYPE_CHECKING:
    from torch import Tensor


NAME = "text-generation"
HEAD = "AutoModelForCausalLM"


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
    import torch
    from transformers import StoppingCriteriaList

    first: list[Tensor] = []
    length = int(inputs.tensors["input_ids"].shape[1])

    def keep_first(_module: Any, _arguments: Any, output: Any) -> None:
        if not first:
            first.append(output.logits[:, -1].cpu())

    def watch(ids: Tensor, _scores: Any, **_: Any) -> Tensor:
        request.task.check()
        request.task.report(Progress(ids.shape[1] - length, request.options.max_new_tokens, "tokens"))
        return torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)

    sampling: dict[str, Any] = {"do_sample": request.options.do_sample}
    if request.options.do_sample:
        sampling["temperature"] = request.options.temperature
    tokenizer = request.tokenizer
    handle = request.model.model.register_forward_hook(keep_first)
    try:
        with _generator_alone(request), torch.random.fork_rng():
            torch.manual_seed(request.options.seed)
            sequences = request.model.model.generate(
                inputs.tensors["input_ids"].to(request.model.model.device),
                attention_mask=inputs.tensors["attention_mask"].to(request.model.model.device),
                max_new_tokens=request.options.max_new_tokens,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
                stopping_criteria=StoppingCriteriaList([watch]),
                **sampling,
            )
    finally:
        handle.remove()
    return {"sequences": sequences.cpu(), "first_logits": first[0]}


@contextmanager
def _generator_alone(request: Request) -> Iterator[None]:
    """Sampling draws from torch's global generator, as a train step does; neither may disturb the other's numbers."""
    if not request.options.do_sample:
        yield
        return
    while not LOAD_LOCK.acquire(timeout=0.1):
        request.task.check()
    try:
        yield
    finally:
        LOAD_LOCK.release()


def postprocess(
    request: Request, inputs: Inputs, outputs: dict[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Cut the prompt off and decode the rest without special tokens."""
    new_ids = outputs["sequences"][0, inputs.tensors["input_ids"].shape[1] :]
    text = str(request.tokenizer.decode(new_ids, skip_special_tokens=True))
    return {"new_ids": new_ids, "first_probabilities": outputs["first_logits"].float().softmax(dim=-1)}, (text,)
