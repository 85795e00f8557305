"""What the pane says about a distribution, in sentences with numbers."""

from __future__ import annotations

import math

from workbench.engine.sampling import Distribution, Trace
from workbench.panes.probabilities.looking import Shown
from workbench.widgets.probability_table import format_percent
from workbench.widgets.quantities import format_bytes
from workbench.widgets.trace_bar import Stage
from workbench.widgets.visible_text import drawable, one_line

#: Knobs that change scores and remove nothing: their chip needs no room for a count.
_RESHAPING = {
    "temperature", "repetition_penalty", "encoder_repetition_penalty", "exponential_decay_length_penalty",
    "remove_invalid_values", "renormalize_logits",
}  # fmt: skip
#: Where a knob's own name is not what people call it.
NAMES = {"greedy": "greedy decoding"}


def quoted(text: str, characters: int) -> str:
    """The end of what stands in front, in quotation marks."""
    line = one_line(drawable(text[-4 * characters :]))
    return f"“…{line[-characters:]}”" if len(line) > characters or len(text) > len(line) else f"“{line}”"


def place(shown: Shown, steps: int) -> str:
    """Where the token stands."""
    if shown.step is not None:
        words = f"step {shown.step.index + 1:,} of {steps:,}"
    elif shown.given is not None:
        words = f"position {len(shown.situation.before)} of the prompt, given"
    else:
        words = "not chosen yet"
    return f"{words}, scored here" if shown.scored else words


def stages(distribution: Distribution, trace: Trace) -> list[Stage]:
    """The funnel: everything, what each processor took, what is left."""
    size = distribution.logits.size
    counted = f"{size:,}"
    entropy = f"{distribution.entropy:.2f} bits"
    made = [Stage("all", f"{counted} · {entropy}", 1.0, "", f"{counted} tokens, {entropy} of entropy before any knob")]
    left = 1.0
    for act in trace.acts:
        removed = 0.0 if math.isnan(act.removed) else act.removed
        left *= 1.0 - removed
        name, count = NAMES.get(act.name, act.name), act.removed_count
        room = "" if act.name in _RESHAPING else f"−{counted} · > 99.99 %"
        if count:
            words = f"−{count:,} · {format_percent(removed)}"
            tip = f"{name} removed {tokens(count)} · {format_percent(removed)} of the probability it was handed"
        else:
            words = "reshapes" if act.changed else "no change"
            tip = f"{name} changed scores and removed nothing" if act.changed else f"{name} changed nothing here"
        value = _value(trace, act.name)
        tip += f"; it stands at {value}" if value else ""
        made.append(Stage(name, words, left, room if count or room else "", f"{tip}. Left: {format_percent(left)}"))
    kept = f"{trace.kept:,} · {trace.entropy:.2f} bits"
    if not trace.kept:
        made.append(Stage("kept", "0", 0.0, f"{counted} · 88.88 bits", "every token is cut: nothing can be drawn here"))
        return made
    tip = f"{tokens(trace.kept)} kept to draw from, {trace.entropy:.2f} bits of entropy after the knobs"
    made.append(Stage("kept", kept, left, f"{counted} · 88.88 bits", tip))
    return made


def facts(shown: Shown, distribution: Distribution) -> str:
    """Entropy, surprise, rank, probability and time of what stands there."""
    token_id = shown.token_id
    parts = [f"entropy {distribution.entropy:.2f} bits"]
    if token_id is not None:
        probability = float(distribution.probabilities[token_id])
        surprise = -math.log2(probability) if probability > 0 else math.inf
        bits = f"{surprise:.2f} bits" if math.isfinite(surprise) else "without limit"
        parts += [
            f"surprise {bits}",
            f"rank {distribution.rank(token_id):,}",
            f"{format_percent(probability)} before the knobs",
        ]
    step = shown.step
    if step is not None:
        parts.append("chosen by you" if step.forced else _time(step.seconds))
        if shown.guided is not None:
            parts.append("before guidance")
    if shown.scored:
        parts.append("scored here, in one pass: the last bits may differ")
    return " · ".join(parts)


def fate(shown: Shown, now: Trace, held: float | None, text: str, same: bool) -> str:
    """What the token that stands there was drawn with, and whether it could still be.

    Args:
        shown: What is looked at.
        now: Under the knobs as they stand.
        held: Its probability under the knobs of its step, or None when that is not known.
        text: How the token reads.
        same: Whether the knobs stand as they did.
    """
    token_id = shown.token_id
    if token_id is None:
        return "Nothing is chosen here yet."
    name = f"“{one_line(drawable(text))}”"
    if shown.step is None:
        was = f"{name} was given"
        verb = "it would be drawn with"
    elif shown.step.forced:
        was = f"{name} was chosen by you"
        if held is not None:
            was += f"; the knobs of that step gave it {format_percent(held)}"
        verb = "it would be drawn with"
    elif held is None:
        was, verb = f"{name} was drawn", "it has"
    else:
        was, verb = f"{name} was drawn with {format_percent(held)} under the knobs of that step", "it has"
    if same and shown.step is not None:
        return f"{was}; they stand as they did."
    if now.possible(token_id):
        after = float(now.probabilities[token_id])
        return f"{was}; under the knobs as they stand {verb} {format_percent(after)}."
    if not now.kept:
        return f"{was}; now it is not possible: the knobs cut every token, and a generation would end here."
    cut = now.cut_by(token_id)
    by = f"cut by {NAMES.get(cut, cut)}" if cut else "the model itself rules it out"
    return f"{was}; now it is not possible: {by}."


def memory(kept: int, steps: int, used: int, budget: int) -> str:
    """How much of the record still has its logits, and what goes first."""
    size = f"{format_bytes(used)} of {format_bytes(budget)}"
    return f"logits kept for {kept:,} of {tokens(steps, 'step')} · {size}; the oldest steps of other branches go first"


def tokens(count: int, noun: str = "token") -> str:
    """A number of things."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _value(trace: Trace, name: str) -> str:
    value = getattr(trace.sampling, name, None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:g}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
