"""The logit lens: what the model's own head makes of the state after each layer.

References:
    nostalgebraist 2020, interpreting GPT: the logit lens
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.inside.given import takes
from workbench.engine.inside.states import Layers, Part
from workbench.engine.inside.views import VIEWS, put
from workbench.engine.task import Progress, Task
from workbench.engine.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from workbench.engine.models import LoadedModel

#: Most probable answers kept for each layer and position.
TOP = 10
#: Bytes of float32 logits that are worked on at once, where the model can be asked for some positions alone.
_CHUNK = 128 * 2**20
#: Heads that give labels by position.
_LABELLED = (
    "AutoModelForTokenClassification",
    "AutoModelForAudioFrameClassification",
    "AutoModelForObjectDetection",
)
#: How far logits of the same state may lie apart, as a share of the largest of them.
_ROUNDING = {"float32": 1e-4, "float64": 1e-6}


@dataclass(frozen=True, eq=False, slots=True)
class Lens:
    """What would be answered if the model stopped after a layer; the last row is what it does answer.

    Attributes:
        part: The `Part` it is of.
        rows: As that part names them.
        top_ids: The most probable answers, int32 of shape ``(rows, seq, kept)``, best first.
        top_probabilities: Theirs, float32 of the same shape: softmax, in float32, of the logits.
        entropies: Of the whole distribution, in bits, float32 of shape ``(rows, seq)``.
        final_ids: The answer of the last row at each position, int32 of shape ``(seq,)``.
        final_probabilities: Of that answer in each row, float32 of shape ``(rows, seq)``.
        final_ranks: Its rank there, 1 is the most probable, int32 of shape ``(rows, seq)``.
        vocabulary: Spells the ids of a language model.
        put: What the last layer returns with another state in it, as an expression of ``old`` and ``state``.
        labels: Names the ids of a tagger; empty for a language model.
    """

    part: str
    rows: tuple[str, ...]
    top_ids: np.ndarray
    top_probabilities: np.ndarray
    entropies: np.ndarray
    final_ids: np.ndarray
    final_probabilities: np.ndarray
    final_ranks: np.ndarray
    vocabulary: Vocabulary
    labels: tuple[str, ...] = ()
    put: str = "state"

    def spell(self, ids: Sequence[int]) -> list[str]:
        """How answers read."""
        return [self.labels[each] for each in ids] if self.labels else self.vocabulary.spell(ids)


def why_none(model: LoadedModel, logits: torch.Tensor | None, positions: int, kept: bool) -> str:
    """Why the head's output can't be had layer by layer, as a sentence; empty when it can."""
    kind = type(model.model).__name__
    if logits is None:
        return f"{kind} gives no words or labels by position, so there is nothing to read its states with."
    if logits.ndim == 2:
        # A classifier of pictures reads [CLS] or the mean alone.
        what = "text" if model.model.main_input_name == "input_ids" else "input"
        return f"The head of {kind} gives one answer for the whole {what} and none for each position."
    if logits.ndim != 3 or logits.shape[1] != (1 if kept else positions):
        return f"The head of {kind} gives an answer of shape {tuple(logits.shape)} and not one for each position."
    if not _labels(model, logits.shape[-1]) and model.tokenizer is None:
        return f"What the head of {kind} gives at each position has no names: neither labels nor words."
    return ""


def labelled(model: LoadedModel) -> bool:
    """Whether a model's head gives labels by position, and not words."""
    return model.head in _LABELLED


def writes_codes(model: LoadedModel) -> bool:
    """Whether a model reads the words of a text and answers with codes of a sound, which have no names."""
    return hasattr(model.model.config, "text_vocab_size")


def _labels(model: LoadedModel, width: int) -> tuple[str, ...]:
    """The labels that a head gives by position, or the numbers of its codes; empty for one that gives words."""
    if writes_codes(model):
        return tuple(map(str, range(width)))
    if not labelled(model):
        return ()
    names = model.model.config.id2label
    labels = tuple(str(names.get(number, f"LABEL_{number}")) for number in range(len(names)))
    # What finds things has one more for nothing.
    return (*labels, "nothing") if width == len(labels) + 1 else labels if len(labels) == width else ()


def focus(
    model: LoadedModel,
    kwargs: dict[str, Any],
    layers: Layers,
    states: Sequence[torch.Tensor],
    logits: torch.Tensor,
    part: Part,
    task: Task,
) -> Lens | str:
    """Read each state with the model's own way from its last layer to its logits.

    The layers are passed over: each returns what it returned before, and the last one the state that is read. So
    final norm, projection, head, scale and soft cap are the model's own code, whatever it calls them.

    Args:
        model: Its layers are as they were afterwards.
        kwargs: What the pass was given.
        layers: Those that gave the states.
        states: As the library returned them.
        logits: Of the pass, at its last positions.
        part: Whose states they are.
        task: Told of each row, and asked whether to stop.

    Returns:
        The lens, or why there is none, as a sentence.
    """
    import torch

    last, count, seq = layers.outputs[-1], len(states), len(part.ids)
    made: dict[str, np.ndarray] = {}
    final: torch.Tensor | None = None
    # Backwards, because the answer of the last row is looked for in all the others.
    for done, row in enumerate(reversed(range(count))):
        task.check()
        task.report(Progress(done, count, "layers", "reading the states with the model's head"))
        # The last state has the final norm behind it already: the last layer's own output takes its place.
        output = last if row == count - 1 else put(last, states[row], layers.view)
        for begin, ours in _logits(model, kwargs, layers, output, seq, logits.shape[-1]):
            task.check()
            if len(ours) > seq - begin:
                return f"{type(model.model).__name__} answers at more positions than it returns states for."
            if row == count - 1:
                if begin + ours.shape[0] == seq and not _alike(ours[-1], logits[0, -1], model.dtype):
                    return (
                        f"The way of {type(model.model).__name__} from its last layer to its logits could not be found."
                    )
                if not torch.isfinite(ours.max(-1).values).all():
                    return f"The logits hold NaN or infinity; the model computes in {model.dtype}."
                best = ours.argmax(-1)
                final = best if final is None else torch.cat([final, best])
            _fill(made, (count, seq, min(TOP, ours.shape[-1])), row, begin, ours, final)
    task.report(Progress(count, count, "layers", "reading the states with the model's head"))
    top = made["top_probabilities"]
    if layers.view in VIEWS[3:] and np.array_equal(top[0], top[-1]):
        # ProphetNet answers by the streams that stand behind the one it returns.
        return f"The head of {type(model.model).__name__} does not read the states that it returns."
    assert final is not None
    labels = _labels(model, logits.shape[-1])
    vocabulary = Vocabulary(model.tokenizer)
    if not labels:
        # Here and not where they are drawn: thousands of them take a while.
        vocabulary.spell(np.unique(made["top_ids"][..., 0]).tolist())
    answers = final.int().cpu().numpy()
    return Lens(
        part.name, part.rows, final_ids=answers, vocabulary=vocabulary, labels=labels, put=layers.view.code, **made
    )


@contextmanager
def _returning(layers: Layers, last: Any) -> Iterator[None]:
    """Let layers return what they returned, the last one something else, and what was done before them likewise."""
    returns: dict[torch.nn.Module, list[Any]] = {module: [output] for module, output in layers.before}
    for module, output in zip(layers.modules, (*layers.outputs[:-1], last), strict=True):
        returns.setdefault(module, []).append(output)
    before = {module: module.__dict__.get("forward") for module in returns}
    try:
        for module, outputs in returns.items():
            module.forward = _giving(outputs)
        yield
    finally:
        for module, forward in before.items():
            if forward is None:
                module.__dict__.pop("forward", None)
            else:
                module.forward = forward


def _giving(outputs: Sequence[Any]) -> Callable[..., Any]:
    """What gives these one call after the other, whatever it is called with."""
    left = iter(outputs)
    return lambda *_, **__: next(left)


def _logits(
    model: LoadedModel, kwargs: dict[str, Any], layers: Layers, output: Any, seq: int, width: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Logits ``(positions, width)`` in float32, with the position they begin at, some at a time."""
    import torch

    size = max(1, _CHUNK // (4 * width)) if model.generates and takes(model.model, "logits_to_keep") else seq
    for begin in range(0, seq, size):
        end = min(begin + size, seq)
        kept = {} if end - begin == seq else {"logits_to_keep": torch.arange(begin, end, device=model.model.device)}
        with torch.inference_mode(), _returning(layers, output):
            found = model.model(**kwargs, **kept).logits.flatten(0, 1).float()
        yield begin, found


def _alike(ours: torch.Tensor, theirs: torch.Tensor, dtype: str) -> bool:
    import torch

    ours, theirs = torch.nan_to_num(ours), torch.nan_to_num(theirs.float())
    return bool((ours - theirs).abs().max() <= _ROUNDING.get(dtype, 0.05) * theirs.abs().max().clamp(min=1e-3))


def _fill(
    made: dict[str, np.ndarray],
    shape: tuple[int, int, int],
    row: int,
    begin: int,
    logits: torch.Tensor,
    final: torch.Tensor | None,
) -> None:
    import torch

    if not made:
        made["top_ids"] = np.zeros(shape, np.int32)
        made["top_probabilities"] = np.full(shape, np.nan, np.float32)
        for name in ("entropies", "final_probabilities"):
            made[name] = np.full(shape[:2], np.nan, np.float32)
        made["final_ranks"] = np.zeros(shape[:2], np.int32)
    assert final is not None
    place = slice(begin, begin + len(logits))
    wanted = final[place, None]
    probabilities = logits.softmax(-1)
    best = probabilities.topk(shape[2])
    made["top_ids"][row, place] = best.indices.cpu()
    made["top_probabilities"][row, place] = best.values.cpu()
    made["entropies"][row, place] = (torch.special.entr(probabilities).sum(-1) / math.log(2)).cpu()
    made["final_probabilities"][row, place] = probabilities.gather(-1, wanted)[:, 0].cpu()
    made["final_ranks"][row, place] = ((logits > logits.gather(-1, wanted)).sum(-1) + 1).cpu()
