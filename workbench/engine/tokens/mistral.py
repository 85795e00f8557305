"""Mistral's own tokenizer (mistral-common): what it has in the place of a chat template and of added tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.task import Task
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import Encoding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def conversation(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
    variables: Mapping[str, Any],
    ways: Mapping[str, bool],
    task: Task,
) -> Encoding:
    """Write a conversation by the tokenizer's own program, exactly as ``apply_chat_template`` gives its ids.

    Args:
        tokenizer: Mistral's own.
        messages: As ``apply_chat_template`` takes them.
        tools: Schemas, or None.
        variables: Further arguments, such as ``{"reasoning_effort": "high"}``.
        ways: ``add_generation_prompt``, which writes nothing but wants the user last, and ``continue_final_message``.
        task: Asked now and then whether to stop.

    Raises:
        InputError: It refuses the conversation.

    References:
        transformers, Tokenizer: MistralCommonBackend.apply_chat_template
    """
    task.check()
    try:
        ids = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tools=tools,
            return_dict=False,
            **ways,
            **variables,
        )
    except Exception as error:  # its checks raise kinds of their own, and pydantic's
        raise InputError(
            "Mistral's own tokenizer refused this conversation.",
            why=f"{type(error).__name__}: {str(error).strip().rstrip('.')}.",
            remedy="It wants user and assistant to alternate, one system message at the start, and the user last.",
        ) from error
    text = str(tokenizer.decode(ids, skip_special_tokens=False))
    return Encoding(text, slow_tokens(Pieces(tokenizer), ids, [1] * len(ids), None, task))
