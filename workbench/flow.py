"""What the flow strip says: the picture of transformers, with what is loaded now written into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.runtime.session import Session
from workbench.widgets.quantities import format_count

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: The picture itself, while nothing is loaded: pane, title, detail.
PICTURE = (
    ("hub", "no checkpoint", "load one in Hub"),
    ("tokenizer", "tokenizer", "text → ids + mask"),
    ("tasks", "model", "not loaded"),
    ("probabilities", "logits", "scores of the next token"),
    ("playground", "generate", "new token ids"),
    ("playground", "text", "decoded"),
)

#: What is given to a model, by the name of its first tensor; the others read text.
_GIVEN = {
    "pixel_values": "picture",
    "pixel_values_videos": "film",
    "input_values": "sound",
    "input_features": "sound",
    "past_values": "numbers",
}
_ONE_ROW = tuple(f"AutoModelFor{each}Classification" for each in ("Sequence", "Image", "Audio", "Video"))
_ROW_A_POSITION = tuple(
    f"AutoModelFor{each}" for each in ("MaskedLM", "TokenClassification", "QuestionAnswering", "CTC")
)


def boxes(session: Session) -> tuple[tuple[str, str, str], ...]:
    """The boxes for a session: checkpoint → tokenizer → model → logits or hidden states → new tokens → text."""
    model, steps = session.model, session.steps
    if model is None:
        return PICTURE
    length = len(session.encoding.tokens) if session.encoding else 0
    sequence = _number(length) if length else "…"
    size = f"{format_count(model.parameters)} {model.dtype} {model.device}"
    start = (
        ("hub", model.checkpoint.name, model.checkpoint.source),
        _reader(model, f"[1×{sequence}] ids + mask" if length else "text → ids + mask"),
        ("tasks", type(model.model).__name__, size),
    )
    if model.generates:
        # An encoder-decoder has logits for what it writes, not for what it reads.
        written = _number(len(steps)) if steps else "…"
        shape = f"[1×{written if model.encoder_decoder else sequence}×{_number(model.facts.vocab_size or 0)}]"
        characters = sum(len(step.text) for step in steps)
        return (
            *start,
            ("probabilities", "logits", shape if model.facts.vocab_size else "scores of the next token"),
            ("playground", "generate", f"+{_many(len(steps), 'token')}" if steps else "new token ids"),
            ("playground", "text", _many(characters, "character") if steps else "decoded"),
        )
    width = model.facts.hidden_size
    hidden = ("inside", "hidden states", f"[1×{sequence}×{width}]" if width else "after each layer")
    if model.head in _ONE_ROW:
        return (*start, hidden, ("tasks", "logits", f"[1×{model.model.config.num_labels}]"))
    if model.head in _ROW_A_POSITION:
        return (*start, hidden, ("tasks", "logits", "one row a position"))
    if model.head == "AutoModel":
        return (*start, hidden)
    return (*start, hidden, ("tasks", "outputs", "what its head gives"))


def _reader(model: LoadedModel, ids: str) -> tuple[str, str, str]:
    """The box of what makes tensors of what a person gives."""
    first = model.model.main_input_name
    if first in _GIVEN:
        return ("tasks", "processor", f"{_GIVEN[first]} → {first}")
    return ("tokenizer", "tokenizer", ids if model.tokenizer is not None else "none in its folder")


def _many(number: int, noun: str) -> str:
    return f"{_number(number)} {noun}{'' if number == 1 else 's'}"


def _number(number: int) -> str:
    return f"{number:,}".replace(",", " ")
