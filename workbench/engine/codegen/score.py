"""The script that scores a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, checkpoint_lines, model_lines, script, tokenizer_lines

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint

_HEAD = "AutoModelForCausalLM"


def score(
    checkpoint: Checkpoint,
    text: str,
    dtype: str,
    device: str,
    *,
    window: int,
    overlap: int,
    add_special_tokens: bool = True,
    offsets: bool = True,
    attention: str | None = None,
) -> str:
    """A script that prints each token's surprise, rank and entropy, and the perplexity of the text.

    Args:
        checkpoint: Loaded by its folder.
        text: What is scored; its first position has nothing in front of it and is left out.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.
        window: Tokens in one forward pass.
        overlap: Tokens of context, at least, for what later windows score.
        add_special_tokens: Add what the tokenizer adds around a text.
        offsets: Whether the tokenizer knows which characters its tokens stand for; without, bits are not divided by
            bytes and characters.
        attention: ``sdpa`` or ``eager``; None leaves it to transformers.

    References:
        transformers, Perplexity of fixed-length models
    """
    arguments = ["text", 'return_tensors="pt"']
    arguments += [] if add_special_tokens else ["add_special_tokens=False"]
    arguments += ["return_offsets_mapping=True"] if offsets else []
    totals = [
        "total = sum(surprises)",
        "mean = total / len(surprises)",
        'print(f"{len(surprises)} tokens: perplexity {2**mean:.6g}, {mean:.6g} bits per token")',
    ]
    if offsets:
        totals += [
            "# The first token is not scored, so its characters don't count either.",
            'own = encoded["offset_mapping"][0].tolist()',
            "scored = text[min(own[0][1], own[1][0]) :]",
            "per_byte, per_character = total / len(scored.encode()), total / len(scored)",
            'print(f"{per_byte:.6g} bits per byte, {per_character:.6g} bits per character")',
        ]
    return script(
        "Score a text: how probable a model finds each of its tokens.",
        ["import torch", f"from transformers import {_HEAD}, AutoTokenizer"],
        checkpoint_lines(checkpoint),
        [*tokenizer_lines(of=checkpoint), *model_lines(checkpoint, _HEAD, dtype, device, attention=attention)],
        [
            *assign("text", text),
            *call("encoded = tokenizer(", arguments),
            'ids = encoded["input_ids"][0].to(model.device)',
        ],
        [
            "# A text longer than a window is read in several; each scores what is new in it, after `overlap` tokens.",
            f"window, overlap = {window}, {overlap}",
            "surprises, ranks, entropies = [], [], []",
            "first = 1",
            "while first < len(ids):",
            "    begin = first - overlap if first > 1 else 0",
            "    end = min(begin + window, len(ids))",
            "    with torch.inference_mode():",
            "        logits = model(ids[None, begin:end], use_cache=False).logits[0, first - begin - 1 : -1]",
            "    for row, target in zip(logits.float(), ids[first:end]):",
            "        bits = -row.log_softmax(-1) / torch.log(torch.tensor(2.0))",
            "        surprises.append(bits[target].item())",
            "        ranks.append((row > row[target]).sum().item() + 1)",
            "        entropies.append((bits * row.softmax(-1)).nansum().item())",
            "    first = end",
        ],
        [
            "for position in range(1, len(ids)):",
            "    measured = (surprises[position - 1], ranks[position - 1], entropies[position - 1])",
            "    piece = tokenizer.decode(ids[position : position + 1])",
            '    print("{:5} {:9.4f} bits  rank {:<7} entropy {:7.4f}  {!r}".format(position, *measured, piece))',
            *totals,
        ],
    )
