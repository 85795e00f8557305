"""Generating with a compiled model over a cache of fixed size: what ``generate()`` is told, and who can have it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.generate import hearing
from workbench.engine.machine import no_compiler

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.engine.models import LoadedModel

#: How the compiler is run: torch's own way to build code, and all of it in the thread that asked.
BACKEND: dict[str, Any] = {"backend": "inductor", "options": {"compile_threads": 1}}
#: The cache's room is a multiple of as many tokens, so that the next text finds code of its size.
_BLOCK = 512
_SWITCH = "TOKENIZERS_PARALLELISM"


def compiling(length: int) -> dict[str, Any]:
    """Fields of a ``GenerationConfig`` for the library's static cache, and for the compiled model that it allows.

    Args:
        length: Ids there will be at most, prompt included.

    References:
        transformers, Optimizing inference: static kv-cache and torch.compile
    """
    from transformers import CompileConfig

    config = CompileConfig(mode=None, **BACKEND)
    # The library compiles by itself on GPUs alone.
    config._compile_all_devices = True
    room = _BLOCK * math.ceil(length / _BLOCK)
    return {"cache_implementation": "static", "max_cache_len": room, "compile_config": config}


@contextmanager
def compiling_of(model: PreTrainedModel) -> Iterator[None]:
    """Run one model compiled, and leave nothing of it to the rest of the process.

    The compiler gives up after a few kinds of code, all models counted, so what was built for another one goes first.

    Raises:
        NotSupported: No code could be built.
    """
    import torch
    from torch._dynamo.exc import TorchDynamoException

    if not hasattr(model, "_compiled_call"):
        torch.compiler.reset()
    before = os.environ.get(_SWITCH)
    try:
        yield
    except TorchDynamoException as error:
        told = str(getattr(error, "inner_exception", error)).strip() or type(error).__name__
        raise NotSupported(
            "The model could not be compiled.",
            why=f"torch.compile gave up: {told.splitlines()[0]}",
            remedy="Switch compiled off; the text is the same.",
        ) from error
    finally:
        # The library sets it when it compiles; tokenizers would use one core from then on.
        if before is not None:
            os.environ[_SWITCH] = before
        else:
            os.environ.pop(_SWITCH, None)


def no_compiling(model: LoadedModel) -> str:
    """Why a model can't be had compiled, or an empty text.

    In half precision another order of the sums changes what is chosen: of 16 texts of 100 tokens by SmolLM2 in
    bfloat16, 5 were the same over a static cache and 4 with a compiled model. In float32 all that were tried were the
    same, 1.01 to 1.08 times as fast on 2 cores; over a static cache without the compiler they came slower (0.96 to
    0.99), so that is not offered by itself. Nor are packed weights, which write other texts: 4 bits of bitsandbytes
    (none of 3 the same) were 1.5 times as fast, its 8 bits and torchao's no faster.

    Args:
        model: A loaded model that generates.
    """
    kind = type(model.model).__name__
    if model.model.device.type != "cpu":
        return f"The model is on {model.device}; that a compiled one writes the same text was only seen on a CPU."
    if model.dtype != "float32":
        return f"In {model.dtype} a compiled model writes another text; load the checkpoint in float32."
    if model.encoder_decoder:
        return f"{kind} has an encoder, for whose every length of input code would be built."
    if model.takes_images or hearing.hears(model) or not model.model._can_compile_fullgraph or model.model._is_stateful:
        return f"The library does not vouch for {kind} over a cache of fixed size."
    if getattr(model.model, "hf_quantizer", None) is not None:
        return "Its weights are packed, and compiled code is for whole ones."
    return no_compiler()
