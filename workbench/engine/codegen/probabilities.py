"""The script that looks at the next token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.codegen import knobs, prompting
from workbench.engine.codegen.script import (
    call,
    checkpoint_lines,
    imported,
    literal,
    model_lines,
    numbers,
    script,
    tokenizer_lines,
)
from workbench.engine.values import Situation

if TYPE_CHECKING:
    from workbench.engine.codegen.prompting import Prompt
    from workbench.engine.values import Checkpoint, Sampling, Start

# Without sampling the most probable token is taken, whatever its probability was.
_CERTAIN = "after = torch.nn.functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).float()[0]"


def probabilities(
    checkpoint: Checkpoint,
    ids: Sequence[int] | Situation,
    sampling: Sampling,
    dtype: str,
    device: str,
    *,
    head: str = "AutoModelForCausalLM",
    cached: bool = False,
    attention: str | None = None,
    start: Start | None = None,
) -> str:
    """A script that prints the most probable next tokens, before and after the knobs acted.

    Args:
        checkpoint: Loaded by its folder.
        ids: Everything before the token that is asked for, of shape ``(seq,)``, or the situation at that step.
        sampling: The knobs, in the order in which ``generate()`` applies them; those that are off are left out.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.
        head: Auto class of the model.
        cached: Feed the new tokens one by one over a cache, as ``generate()`` does; without an encoder and beams.
        attention: ``sdpa`` or ``eager``; None leaves it to transformers.
        start: What the text started from; where it has pictures or sounds, one pass goes over all of them.

    References:
        transformers, Utilities for Generation: LogitsProcessorList
    """
    situation = ids if isinstance(ids, Situation) else Situation(tuple(ids), len(ids))
    beams = situation.beams > 1
    names = knobs.Names(
        length=str(situation.prompt_length),
        eos=literal(situation.eos) if situation.eos else "",
        encoder_ids="encoder_ids" if situation.encoder_ids else "",
        device="" if device == "cpu" else "model.device",
        keep=str(1 + max(1, len(situation.eos))) if beams else "",
    )
    values = knobs.Values()
    calls = knobs.processors(sampling, names, values)
    prompt = _prompt(checkpoint, head, situation, start) if start is not None and start.files else None
    readers = prompt.readers if prompt else ["AutoTokenizer"]
    reads = prompt.read() if prompt else tokenizer_lines(of=checkpoint)
    needed = sorted({head, *readers, "LogitsProcessorList", *knobs.classes(calls), *knobs.mark_classes(sampling)})
    cached = cached and not (beams or situation.encoder_ids or prompt)
    cached = cached and len(situation.before) > situation.prompt_length > 0
    inputs: list[str] = []
    fed = "input_ids"
    if situation.encoder_ids:
        inputs = [
            *numbers("encoder", situation.encoder_ids),
            "encoder_ids = torch.tensor([encoder], device=model.device)",
        ]
        fed = "input_ids=encoder_ids, decoder_input_ids=input_ids"
    if prompt is not None and start is not None:
        inputs += [*prompt.said(), *prompt.encode(), *prompt.extend(), ""]
        fed = '**{**inputs, "decoder_input_ids": input_ids}' if start.decoder_start else "**inputs"
        if prompt.kind == "blip":
            # What its generate() is given ends with an id that it takes off.
            fed = '**{**inputs, "input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}'
    return script(
        "The next token: how probable each one is, before and after the knobs.",
        [*(prompt.imports if prompt else ["import torch"]), *imported(needed)],
        checkpoint_lines(checkpoint),
        [*reads, *model_lines(checkpoint, head, dtype, device, attention=attention)],
        [
            *inputs,
            *numbers("ids", situation.before),
            "input_ids = torch.tensor([ids], device=model.device)",
            "with torch.inference_mode():",
            *(_step_by_step(situation) if cached else [f"    logits = model({fed}).logits[:, -1].float()"]),
            # Beam search adds up log-probabilities, and hands these to the knobs.
            *(["logits = logits.log_softmax(dim=-1)"] if beams else []),
        ],
        [
            *values.lines,
            *knobs.mark_lines(sampling),
            *knobs.marking_lines(sampling, situation),
            *call("processors = [", calls, "]"),
            "knobs = LogitsProcessorList(processors)",
            "before = logits.softmax(dim=-1)[0]",
            "scores = knobs(input_ids, logits)",
            "after = scores.softmax(dim=-1)[0]" if sampling.do_sample or beams else _CERTAIN,
        ],
        [
            "for token_id in logits[0].topk(10).indices.tolist():",
            "    token = tokenizer.decode([token_id])",
            '    print(f"{token_id:8} {before[token_id]:10.6f} {after[token_id]:10.6f} {token!r}")',
        ],
    )


def _prompt(checkpoint: Checkpoint, head: str, situation: Situation, start: Start) -> Prompt:
    """What makes tensors of the files and the text, and of all that was written behind them."""
    written = () if start.decoder_start else situation.before[len(start.context_ids) :]
    text = start.encoding.text
    return prompting.of(checkpoint, head, text, pictures=start.images, sounds=start.sounds, prefix=written)


def _step_by_step(situation: Situation) -> list[str]:
    """The logits as generating them gives them; in half precision one pass over everything gives slightly others."""
    start = situation.prompt_length
    return [
        f"    out = model(input_ids[:, :{start}], use_cache=True)",
        f"    for place in range({start}, len(ids)):",
        "        # Token by token, as generate() does: one pass over all rounds otherwise.",
        "        out = model(input_ids[:, place : place + 1], past_key_values=out.past_key_values)",
        "    logits = out.logits[:, -1].float()",
    ]
