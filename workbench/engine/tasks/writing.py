"""What tasks that write share: ``generate()`` that can be stopped, with the logits of its first token kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.models import LOAD_LOCK
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.values import TaskOptions

if TYPE_CHECKING:
    from torch import Tensor


DRAWS = ("temperature", "draw_top_k", "top_p", "seed")
"""Settings of how a token is drawn, where one is."""

WRITES = ("max_new_tokens", "num_beams", "do_sample", *DRAWS)
"""Settings of tasks that write."""

DENOISES = "diffusion_gemma"
"""The architecture that draws many tokens at once, and chooses all of them again and again."""

#: What torch says when it is asked to draw from numbers that are no probabilities.
_IMPROBABLE = "probability tensor contains"
#: What transformers says where nothing names the token that a decoder begins with.
_UNBEGUN = "`decoder_start_token_id` or `bos_token_id`"

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


def chosen(options: TaskOptions) -> dict[str, Any]:
    """Arguments for ``generate`` by the options; what is left to the checkpoint is not among them."""
    settings: dict[str, Any] = {"max_new_tokens": options.max_new_tokens, "do_sample": options.do_sample}
    drawn = {"temperature": options.temperature, "top_k": options.draw_top_k, "top_p": options.top_p}
    settings |= drawn if options.do_sample else {}
    settings["num_beams"] = options.num_beams
    return {name: value for name, value in settings.items() if value is not None}


@contextmanager
def watched(request: Request, length: int, *, draws: bool = False) -> Iterator[tuple[dict[str, Any], list[Tensor]]]:
    """Arguments for ``generate`` by the options, under which it can be stopped and draws by the seed.

    Args:
        request: Its options say how many tokens, and how each is chosen.
        length: Tokens that the written sequence begins with.
        draws: Whether something is drawn however each token is chosen.

    Yields:
        The arguments, and a list that gets the logits of shape ``(1, vocab)`` of the first new token.

    Raises:
        NotSupported: A token is drawn from logits that hold NaN, or nothing says which token a decoder begins with.
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

    settings = chosen(options) | {"stopping_criteria": StoppingCriteriaList([watch])}
    if options.stops:
        settings |= {"stop_strings": list(options.stops), "tokenizer": request.tokenizer}
    # Of models that speak besides, and of some that see, one of those inside writes.
    model = request.model.model
    writers = [model, *(getattr(model, name, None) for name in _INSIDE)]
    handles = [writer.register_forward_hook(keep_first) for writer in writers if isinstance(writer, torch.nn.Module)]
    try:
        with drawing(request, draws or options.do_sample):
            yield settings, first
    except ValueError as error:
        if _UNBEGUN not in str(error):
            raise
        raise NotSupported(
            f"{request.model.checkpoint.name} can't begin a text.",
            why="Its files name no token that the decoder starts with (decoder_start_token_id or bos_token_id).",
            remedy="Add decoder_start_token_id to its generation_config.json.",
        ) from error
    except RuntimeError as error:
        if _IMPROBABLE not in str(error):
            raise
        raise NotSupported(
            f"No token can be drawn from what {request.model.checkpoint.name} gave.",
            why=f"Its logits hold NaN or infinity; it computes in {request.model.dtype}.",
            remedy="Load it in float32 or bfloat16; if that does not help, its weights are damaged.",
        ) from error
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
