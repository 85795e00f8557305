"""What the library's other loops need besides what `recorder` has: genuine processor lists, and draws of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.generate.inputs import Inputs
from workbench.engine.generate.recorder import not_numbers
from workbench.engine.sampling import fields, processors
from workbench.engine.sampling.library import LAST, PROCESSORS, WARPERS
from workbench.engine.values import Sampling, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

    from workbench.engine.models import LoadedModel


def without_end(config: GenerationConfig, prepared: StoppingCriteriaList, strategy: Strategy) -> StoppingCriteriaList:
    """Leave end tokens out of a config and its criteria when none is wanted: ``generate()`` has no word for that."""
    if strategy.eos_token_ids != ():
        return prepared
    config._eos_token_tensor = None
    return type(prepared)(each for each in prepared if not hasattr(each, "eos_token_id"))


def set_knobs(config: GenerationConfig, sampling: Sampling) -> None:
    """Give a prepared config exactly these knobs, so that nothing of the checkpoint's own config acts besides them."""
    given = fields(sampling)
    for name in (*PROCESSORS, *WARPERS, *LAST, "min_length", "guidance_scale"):
        setattr(config, name, given.get(name))
    config.min_length = 0


def library_list(
    model: LoadedModel, config: GenerationConfig, sampling: Sampling, inputs: Inputs, device: torch.device
) -> LogitsProcessorList:
    """The library's own list for these knobs, with as many rows as the run has beams.

    Args:
        model: A loaded model that generates.
        config: As ``generate()`` prepared it; its beams and end tokens count.
        sampling: The knobs.
        inputs: What the run was given.
        device: Where the scores are.
    """
    encoder = inputs.start.decoder_start
    mask = inputs.kwargs.get("decoder_attention_mask" if encoder else "attention_mask")
    # As ``generate()`` does: no mask where nothing is masked, and one row a beam.
    mask = None if mask is None or bool(mask.all()) else mask.repeat_interleave(config.num_beams, dim=0)
    eos = config._eos_token_tensor
    return processors(
        model,
        sampling,
        inputs.length,
        eos.tolist() if eos is not None else (),
        device,
        inputs.kwargs.get("input_ids") if encoder else None,
        mask,
        num_beams=config.num_beams,
    )


def fixed(sampling: Sampling, first: Sampling) -> Sampling:
    """The knobs as they stand, but for those that a loop reads only once, at its start."""
    return replace(
        sampling,
        do_sample=first.do_sample,
        max_new_tokens=first.max_new_tokens,
        seed=first.seed,
        watermarking_config=first.watermarking_config,
    )


def written(inputs: Inputs) -> Sequence[int]:
    """The ids in front of the first new one, in the sequence that is written."""
    ids: list[int] = inputs.kwargs["decoder_input_ids" if inputs.start.decoder_start else "input_ids"][0].tolist()
    return ids


def check_scores(model: LoadedModel, raw: torch.Tensor, processed: torch.Tensor) -> None:
    """Look whether anything can be chosen from scores ``(rows, vocab)``.

    Raises:
        NotSupported: What the model gave is not numbers.
        InputError: The knobs leave no token in any row.
    """
    best = float(processed.max())
    if math.isfinite(best):
        return
    if not math.isfinite(float(raw.max())):
        raise not_numbers(model)
    raise InputError(
        "The knobs leave no token to choose.",
        why="Together they removed every token of the vocabulary.",
        remedy="Switch one of them off, or press Neutral.",
    )


@contextmanager
def own_draws(seed: int) -> Iterator[None]:
    """Let everything this thread draws come from a generator of its own, as if torch had been seeded for it alone.

    torch's own generator is the whole process's: a fine-tune beside would disturb the draws, and be disturbed by them.

    Args:
        seed: As for ``torch.manual_seed``.

    References:
        torch, Extending PyTorch: TorchFunctionMode
    """
    import torch
    from torch.overrides import TorchFunctionMode

    generators: dict[torch.device, torch.Generator] = {}
    drawing = (torch.multinomial, torch.Tensor.multinomial, torch.rand_like)

    class Draws(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func in drawing:
                device = args[0].device
                if device not in generators:
                    generators[device] = torch.Generator(device=device).manual_seed(seed)
                kwargs = {**kwargs, "generator": generators[device]}
            return func(*args, **kwargs)

    with Draws():
        yield
