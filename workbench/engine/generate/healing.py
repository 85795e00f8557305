"""Healing of a prompt's end: its last token gives way to a longer one that begins like it, where that is likelier."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.task import Silent
from workbench.engine.tokens import decode
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import Encoding, Start

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel


def no_healing(model: LoadedModel) -> str:
    """Why the end of a prompt can't be healed, or an empty text.

    Args:
        model: A loaded model that generates.
    """
    if model.encoder_decoder:
        return f"{type(model.model).__name__} writes a sequence of its own, and not behind the prompt's end."
    if model.tokenizer is None:
        return "There is no tokenizer to look for longer tokens in."
    missing = [name for name in ("bos_token", "pad_token") if getattr(model.tokenizer, name) is None]
    if missing:
        return f"The library puts the pad token for the bos token meanwhile, and this tokenizer has no {missing[0]}."
    return ""


def heal(model: LoadedModel, start: Start) -> Start:
    """Heal the end of a plain prompt, as ``generate(token_healing=True)`` does.

    The library strips blanks off the prompt, and lets the model choose greedily among the tokens that begin like the
    last one, which it slightly prefers. Where the tokenizer puts a bos token in front, the pad token stands there
    afterwards.

    Args:
        model: A loaded model that generates, for which `no_healing` finds nothing.
        start: Of a plain prompt.

    Returns:
        A start with the healed ids, its ``unhealed`` the prompt as it was written; the same one where nothing changed.

    Raises:
        NotSupported: The library can't heal with this tokenizer.

    References:
        transformers, GenerationMixin.heal_tokens
    """
    import torch
    from transformers import GenerationConfig

    tokenizer, own = model.tokenizer, model.model.generation_config
    assert tokenizer is not None
    ids = torch.tensor([start.encoding.input_ids], device=model.model.device)
    # Nothing of the checkpoint's own settings but its special tokens decides, as in the run itself.
    model.model.generation_config = GenerationConfig(eos_token_id=own.eos_token_id, pad_token_id=own.pad_token_id)
    try:
        with torch.inference_mode():
            healed = model.model.heal_tokens(ids, tokenizer)[0].tolist()
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise NotSupported(
            "The end of the prompt could not be healed.",
            why=f"The library's healing does not get on with this tokenizer: {first_line(error)}",
            remedy="Switch token_healing off.",
        ) from error
    finally:
        model.model.generation_config = own
    if tuple(healed) == start.encoding.input_ids:
        return start
    tokens = slow_tokens(Pieces(tokenizer), healed, [1] * len(healed), None, Silent())
    text = decode(tokenizer, healed, skip_special_tokens=True)
    return replace(start, encoding=Encoding(text, tokens), unhealed=start.encoding.text)
