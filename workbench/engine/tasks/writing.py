"""What tasks that write share: ``generate()`` that can be stopped, with the logits of its first token kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.engine.models import LOAD_LOCK
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Request

if TYPE_CHECKING:
    from torch import Tensor


DENOISES = "diffusion_gemma"
"""The architecture that draws many tokens at once, and chooses all of them again and again."""

#: Names of what writes inside a model.
_INSIDE = ("thinker", "language_model", "text_decoder", "text_model")

#: What Unlimited-OCR's processor gives as lists of whole numbers, and its model wants so.
_LISTED = ("num_local_patches", "patches_grid")


def prepared(made: Mapping[str, Any]) -> Inputs:
    """What a processor made: its tensors, and aside how it cut the pictures where it says so in lists.

    Args:
        made: By the argument of ``generate``; what is neither is left out.
    """
    import torch

    tensors = {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}
    lists = {name: made[name] for name in _LISTED if isinstance(made.get(name), list)}
    return Inputs(
        {name: tensor.cpu() for name, tensor in tensors.items()},
        {name: torch.tensor(each) for name, each in lists.items()},
    )


def listed(inputs: Inputs) -> dict[str, Any]:
    """What `prepared` put aside, in lists again, for `generated`."""
    return {name: inputs.aside[name].tolist() for name in _LISTED if name in inputs.aside}


def generated(request: Request, tensors: Mapping[str, Tensor], length: int, **more: Any) -> dict[str, Tensor]:
    """Write new ids with ``generate()``; a stop takes effect within a token.

    Args:
        request: Its options say how many, and how each is chosen.
        tensors: What the model is called with.
        length: Tokens that the written sequence begins with.
        more: Further arguments of ``generate``.

    Returns:
        ``sequences`` of shape ``(1, length + new)``, and ``first_logits`` of shape ``(1, vocab)`` (a row a beam), what
        the first new token was chosen from, where one is chosen after the other.
    """
    tokenizer = request.tokenizer
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    denoises = request.model.facts.model_type == DENOISES
    with watched(request, length, draws=denoises) as (settings, first):
        made = request.model.model.generate(**tensors, **(settings | {"pad_token_id": pad} | more))
    return {"sequences": made.sequences.cpu()} if denoises else {"sequences": made.cpu(), "first_logits": first[0]}


def behind(outputs: Mapping[str, Tensor], length: int) -> dict[str, Tensor]:
    """What `generated` wrote behind so many ids: ``new_ids``, and ``first_probabilities`` where their logits are known.

    Args:
        outputs: Of `generated`.
        length: Tokens that the written sequence begins with.
    """
    tensors = {"new_ids": outputs["sequences"][0, length:]}
    if "first_logits" in outputs:
        tensors["first_probabilities"] = outputs["first_logits"].float().softmax(dim=-1)
    return tensors


@contextmanager
def watched(request: Request, length: int, *, draws: bool = False) -> Iterator[tuple[dict[str, Any], list[Tensor]]]:
    """Arguments for ``generate`` by the options, under which it can be stopped and draws by the seed.

    Args:
        request: Its options say how many tokens, and how each is chosen.
        length: Tokens that the written sequence begins with.
        draws: Whether something is drawn however each token is chosen.

    Yields:
        The arguments, and a list that gets the logits of shape ``(1, vocab)`` of the first new token.
    """
    import torch
    from transformers import StoppingCriteriaList

    first: list[Tensor] = []
    options = request.options

    def keep_first(_module: Any, _arguments: Any, output: Any) -> None:
        logits = getattr(output, "logits", None)
        if not first and logits is not None:
            first.append(logits[:, -1].cpu())

    def watch(ids: Tensor, _scores: Any, **_: Any) -> Tensor:
        request.task.check()
        request.task.report(Progress(max(0, ids.shape[1] - length), options.max_new_tokens, "tokens"))
        return torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)

    settings: dict[str, Any] = {
        "max_new_tokens": options.max_new_tokens,
        "do_sample": options.do_sample,
        "stopping_criteria": StoppingCriteriaList([watch]),
    }
    if options.do_sample:
        settings["temperature"] = options.temperature
    if options.num_beams > 1:
        settings["num_beams"] = options.num_beams
    # Of models that speak besides, and of some that see, one of those inside writes.
    model = request.model.model
    writers = [model, *(getattr(model, name, None) for name in _INSIDE)]
    handles = [writer.register_forward_hook(keep_first) for writer in writers if isinstance(writer, torch.nn.Module)]
    try:
        with drawing(request, draws or options.do_sample):
            yield settings, first
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def drawing(request: Request, draws: bool) -> Iterator[None]:
    """Seed torch's global generator, and give it back as it was.

    A train step draws from it too; where something is drawn here, neither may disturb the other's numbers.

    Args:
        request: Its options name the seed.
        draws: Whether anything is drawn.
    """
    import torch

    while draws and not LOAD_LOCK.acquire(timeout=0.1):
        request.task.check()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(request.options.seed)
            yield
    finally:
        if draws:
            LOAD_LOCK.release()
