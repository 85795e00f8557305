"""What the flow strip says: the picture of transformers, with what is loaded now written into it."""

from __future__ import annotations

from workbench.runtime.session import Session
from workbench.widgets.quantities import format_count

#: The picture itself, while nothing is loaded: pane, title, detail.
PICTURE = (
    ("hub", "no checkpoint", "load one in Hub"),
    ("tokenizer", "tokenizer", "text → ids + mask"),
    ("tasks", "model", "not loaded"),
    ("probabilities", "logits", "scores of the next token"),
    ("playground", "generate", "new token ids"),
    ("playground", "text", "decoded"),
)


def boxes(session: Session) -> tuple[tuple[str, str, str], ...]:
    """The boxes for a session: checkpoint → tokenizer → model → logits or hidden states → new tokens → text."""
    model, steps = session.model, session.steps
    if model is None:
        return PICTURE
    length = len(session.encoding.tokens) if session.encoding else 0
    sequence = f"{length:,}".replace(",", " ") if length else "…"
    size = f"{format_count(model.parameters)} {model.dtype} {model.device}"
    start = (
        ("hub", model.checkpoint.name, model.checkpoint.source),
        ("tokenizer", "tokenizer", f"[1×{sequence}] ids + mask" if length else "text → ids + mask"),
        ("tasks", type(model.model).__name__, size),
    )
    if model.head == "AutoModelForCausalLM":
        vocabulary = f"{model.facts.vocab_size or 0:,}".replace(",", " ")
        characters = sum(len(step.text) for step in steps)
        return (
            *start,
            ("probabilities", "logits", f"[1×{sequence}×{vocabulary}]"),
            ("playground", "generate", f"+{_many(len(steps), 'token')}" if steps else "new token ids"),
            ("playground", "text", _many(characters, "character") if steps else "decoded"),
        )
    hidden = ("inside", "hidden states", f"[1×{sequence}×{model.facts.hidden_size}]")
    if model.head == "AutoModelForSequenceClassification":
        return (*start, hidden, ("tasks", "logits", f"[1×{len(model.facts.labels)}]"))
    if model.head == "AutoModel":
        return (*start, hidden)
    return (*start, hidden, ("tasks", "logits", "one row a position"))


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")
