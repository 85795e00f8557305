"""The script that tokenizes texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, checkpoint_lines, literal, script, tokenizer_lines

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TokenizerOptions


def tokenizer(checkpoint: Checkpoint, texts: Sequence[str], options: TokenizerOptions) -> str:
    """A script that encodes texts and prints each position's id and piece, and the text decoded again.

    Args:
        checkpoint: Loaded by its folder.
        texts: One or more; several become one rectangle when ``options.padding`` asks for it.
        options: The switches of the tokenizer call; what stands at its default is left out.
    """
    arguments = ["texts"]
    if not options.add_special_tokens:
        arguments.append("add_special_tokens=False")
    names = ["padding", "truncation", "padding_side"]
    # Alone, max_length would switch truncation on.
    if options.truncation or options.padding == "max_length":
        names.insert(2, "max_length")
    for name in names:
        if value := getattr(options, name):
            arguments.append(f"{name}={literal(value)}")
    borrow = ["if tokenizer.pad_token is None:", "    tokenizer.pad_token = tokenizer.eos_token"]
    return script(
        "Tokenize: what the model sees of a text.",
        ["from transformers import AutoTokenizer"],
        checkpoint_lines(checkpoint),
        [*tokenizer_lines(checkpoint), *(borrow if options.padding else [])],
        [*assign("texts", list(texts)), *call("encoded = tokenizer(", arguments)],
        [
            'for ids, mask in zip(encoded["input_ids"], encoded["attention_mask"]):',
            "    pieces = tokenizer.convert_ids_to_tokens(ids)",
            "    for position, (token_id, piece, attended) in enumerate(zip(ids, pieces, mask)):",
            '        print(f"{position:5} {token_id:8} {attended} {piece!r}")',
            "    print(repr(tokenizer.decode(ids)))",
        ],
    )
