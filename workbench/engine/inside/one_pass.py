"""One pass through the model with everything that comes by kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, WorkbenchError
from workbench.engine.inside import lens as lenses
from workbench.engine.inside.given import Given, check_room, estimate, takes, tensors, worded
from workbench.engine.inside.lens import Lens
from workbench.engine.inside.states import Layers, Part, Watch, rows_of
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from workbench.engine.models import LoadedModel

_KEYS = (("hidden_states", "model"), ("encoder_hidden_states", "encoder"), ("decoder_hidden_states", "decoder"))


@dataclass(frozen=True, eq=False, slots=True)
class Inside:
    """A model with one sequence in it.

    Attributes:
        checkpoint: Name of the model's checkpoint.
        given: What went in.
        parts: The model's one stack of layers, or encoder and decoder.
        lens: What its head makes of each state, or None.
        why_no_lens: The reason for that, as a sentence.
        writes: Whether its head answers with the token that follows, and not with what stands at a position.
        seconds: Time it took.
    """

    checkpoint: str
    given: Given
    parts: tuple[Part, ...]
    lens: Lens | None
    why_no_lens: str
    writes: bool
    seconds: float

    def part(self, name: str) -> Part:
        """The part of that name; KeyError where there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)


def look(model: LoadedModel, given: Given, *, task: Task | None = None) -> Inside:
    """Let a model read, and keep the state behind each layer and what its head would make of it there.

    Args:
        model: A loaded model that reads text; it is as it was afterwards.
        given: What it reads.
        task: Told of each layer, and asked at each whether to stop.

    Raises:
        NotSupported: The pass fails, or gives no hidden states by position.
        OutOfMemory: There is no room for them.

    References:
        transformers, Model outputs: ``hidden_states``
    """
    import torch

    task = task or Silent()
    began = time.perf_counter()
    check_room(model, estimate(model, len(given.input_ids)).states)
    kwargs = tensors(model, given)
    # The logits of all positions would be gigabytes for a long text and a large vocabulary.
    kept = {"logits_to_keep": 1} if takes(model.model, "logits_to_keep") else {}
    task.report(Progress(0, None, "layers", "one pass"))
    watch = Watch(model.model, task)
    try:
        with torch.inference_mode(), watch.running():
            out = model.model(**kwargs, **kept, output_hidden_states=True)
    except WorkbenchError:
        raise
    except Exception as error:
        raise worded(model, error) from error
    found = {name: out[key] for key, name in _KEYS if out.get(key)}
    _check_states(model, found)
    layers = {name: watch.layers_of(states) for name, states in found.items()}
    parts = tuple(_part(model, given, name, states, layers[name]) for name, states in found.items())
    lens = _lens(model, kwargs, out, found, layers, parts, bool(kept), task)
    return Inside(
        model.checkpoint.name,
        given,
        parts,
        lens if isinstance(lens, Lens) else None,
        lens if isinstance(lens, str) else "",
        model.generates,
        time.perf_counter() - began,
    )


def names(model: LoadedModel, given: Given, side: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Ids and faces of the positions of a part: ``encoder``, ``decoder`` or ``model``."""
    spell = Vocabulary(model.tokenizer).spell
    own = tuple(token.id for token in given.tokens)
    faces = tuple(_face(token.text, token.bytes, token.piece) for token in given.tokens)
    if side == "decoder":
        # Heads on top of both hand the input to the decoder too, moved by one.
        first = getattr(model.model.config, "decoder_start_token_id", None)
        ids = given.decoder_input_ids or ((first, *own[:-1]) if first is not None else own)
        return ids, tuple(spell(ids))
    if side == "encoder" or not given.written:
        return own, faces
    return (*own, *given.written), (*faces, *spell(given.written))


def _face(text: str, raw: bytes | None, piece: str) -> str:
    if text or not raw:
        return text or piece
    return f"‹{raw.hex(' ').upper()}›"


def _check_states(model: LoadedModel, found: dict[str, Any]) -> None:
    kind = type(model.model).__name__
    plain = all(
        state.ndim == 3 and state.shape[:2] == states[0].shape[:2] for states in found.values() for state in states
    )
    if not found or not plain:
        raise NotSupported(
            f"{model.checkpoint.name} can't be looked into here.",
            why=f"{kind} returns hidden states that are not one vector a position."
            if found
            else f"{kind} returns no hidden states.",
            remedy="Load a checkpoint of another architecture.",
        )


def _part(model: LoadedModel, given: Given, name: str, states: tuple[torch.Tensor, ...], layers: Layers | None) -> Part:
    import numpy

    ids, tokens = names(model, given, name)
    seq = states[0].shape[1]
    if seq != len(ids):
        # Some put positions of their own in front of those of the text, which have no token.
        ids, tokens = (-1,) * seq, tuple(str(position) for position in range(seq))
    values = tuple(state[0].float().cpu().numpy() for state in states)
    norms = numpy.stack([numpy.linalg.norm(value, axis=-1) for value in values])
    return Part(name, rows_of(states, layers), ids, tokens, values, norms, layers.path if layers is not None else "")


def _lens(
    model: LoadedModel,
    kwargs: dict[str, Any],
    out: Any,
    found: dict[str, tuple[torch.Tensor, ...]],
    layers: dict[str, Layers | None],
    parts: tuple[Part, ...],
    kept: bool,
    task: Task,
) -> Lens | str:
    part = parts[-1]
    states, own, logits = found[part.name], layers[part.name], out.get("logits")
    why = lenses.why_none(model, logits, states[-1].shape[1], kept)
    if why:
        return why
    if part.name == "encoder" or own is None:
        return f"The layers of {type(model.model).__name__} could not be told from what else it is made of."
    if "encoder" in found:
        from transformers.modeling_outputs import BaseModelOutput

        kwargs = kwargs | {"encoder_outputs": BaseModelOutput(last_hidden_state=out.encoder_last_hidden_state)}
    try:
        return lenses.focus(model, kwargs, own, states, logits, part.name, part.rows, task)
    except WorkbenchError:
        raise
    except Exception as error:
        raise worded(model, error) from error
