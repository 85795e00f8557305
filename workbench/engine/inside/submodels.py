"""The models that a model is made of, such as the one that sees: each is looked into with what it is called with."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, WorkbenchError
from workbench.engine.inside.given import Given, drawn, tensors, worded
from workbench.engine.inside.sights import sight_within
from workbench.engine.task import Silent, Task
from workbench.engine.tasks.inputs import Request
from workbench.engine.tasks.processors import feature_extractor, image_processor
from workbench.engine.tasks.speaking import stoppable
from workbench.engine.tasks.writing import drawing
from workbench.engine.tokens.positions import Pieces, slow_tokens
from workbench.engine.values import TaskInput, TaskOptions

if TYPE_CHECKING:
    from torch import nn

    from workbench.engine.models import LoadedModel

#: Arguments of a call that say what is to be returned or kept, and not what goes in.
KEPT = (
    "encoder_past_key_values",
    "logits_to_keep",
    "output_attentions",
    "output_hidden_states",
    "padding_cache",
    "past_key_values",
    "return_dict",
    "use_cache",
)
#: How a model writes on where a pass alone does not call each of its models.
WRITES: dict[str, Any] = {"max_new_tokens": 2, "do_sample": False}
#: What a model is called with, and which of it by place.
_Call = tuple[dict[str, Any], tuple[str, ...]]


class _Reached(BaseException):
    """The model that is looked into was called, so the pass of the whole need not go on."""


def submodels(model: LoadedModel) -> tuple[str, ...]:
    """Where a model keeps those that it is made of, by the library's own names, such as ``model.vision_tower``.

    Each has a kind of config of its own; the layers of one model in several classes are none.
    """
    return tuple(_inside(model.model, type(model.model.config), ""))


def composed(model: LoadedModel) -> bool:
    """Whether a model has no pass of its own over one input, and only lets those that it is made of work."""
    return _has_no_pass(model) or follows(model)


def follows(model: LoadedModel) -> bool:
    """Whether a model is handed a session of a film, with what it remembers of the frames before.

    Over one picture its ``get_image_features()`` runs what sees each frame.
    """
    return "inference_session" in inspect.signature(model.model.forward).parameters


def passed(model: LoadedModel) -> Callable[..., Any]:
    """What runs a model over one input: the model, or where that follows a film, what sees a picture of it."""
    return model.model.get_image_features if follows(model) else model.model


def enter(model: LoadedModel, given: Given, path: str, *, task: Task | None = None) -> Given:
    """Take what one of the models inside is called with, instead of what the whole is given.

    Args:
        model: The whole.
        given: What it is given.
        path: One of `submodels`; empty leaves what was given as it is.
        task: Asked at each pass whether to stop.

    Raises:
        NotSupported: The whole fails with what it is given, or does not call that model.
    """
    if not path:
        return given
    task = task or Silent()
    try:
        call = None if _has_no_pass(model) else _called(model, given, path, task)
        if call is None and (given.run or model.model.can_generate()):
            plain = {name: each for name, each in tensors(model, given).items() if name != "use_cache"} | WRITES
            given = replace(given, run=given.run or plain, by_generate=True)
            call = _called(model, given, path, task)
    except WorkbenchError:
        raise
    except Exception as error:
        raise worded(model, error) from error
    if call is None:
        raise NotSupported(
            f"{path} can't be looked into with this.",
            why=f"{type(model.model).__name__} did not run its forward with what it was given.",
            remedy="Give the model what this part of it reads, such as a picture or a sound, or choose another part.",
        )
    return replace(given, submodel=path, call=call[0], placed=call[1])


def entered(
    model: LoadedModel, given: Given, *, task: Task | None = None, anew: bool = False
) -> tuple[LoadedModel, Given, dict[str, Any]]:
    """The model that a pass is of, what is known of what it reads, and its arguments.

    Args:
        model: The whole.
        given: What was taken.
        task: Asked whether to stop.
        anew: Whether the whole is to call the model inside once more, as it does so otherwise with eager attention.
    """
    if not given.submodel:
        return model, given, tensors(model, given)
    again = _called(model, given, given.submodel, task or Silent()) if anew else None
    call = again[0] if again is not None else given.call
    inner = within(model, given)
    plain = {"use_cache": False} if "use_cache" in inspect.signature(inner.model.forward).parameters else {}
    return inner, _known(model, inner, given, call), {**call, **plain}


def within(model: LoadedModel, given: Given) -> LoadedModel:
    """The model that is looked into: the whole, or the one of those inside that was entered."""
    if not given.submodel:
        return model
    module: Any = model.model.get_submodule(given.submodel)
    facts = replace(model.facts, model_type=module.config.model_type)
    head = "AutoModelForCausalLM" if module.can_generate() else "AutoModel"
    return replace(model, model=module, facts=facts, head=head)


def joined(model: LoadedModel, run: Mapping[str, Any], names: tuple[str, ...], *, task: Task) -> dict[str, Any]:
    """What ``generate()`` gave a model that writes beside what it hears, all its steps in one.

    Args:
        model: The model.
        run: Arguments of ``generate()``.
        names: Arguments of ``model(…)`` that each step has a part of, along their second axis.
        task: Asked at each step whether to stop.
    """
    import torch

    steps: list[dict[str, Any]] = []
    with _watched(model.model, lambda call, _placed: steps.append(call)):
        _write(model, run, task)
    found = {name: torch.cat([step[name] for step in steps], dim=1) for name in names}
    same = {name: each for name, each in steps[0].items() if name == "num_delay_tokens"}
    return found | same


def _has_no_pass(model: LoadedModel) -> bool:
    import torch

    return type(model.model).forward is torch.nn.Module.forward


def _inside(module: nn.Module, kind: type, path: str) -> Iterator[str]:
    from transformers import PreTrainedModel

    for name, child in module.named_children():
        place = f"{path}.{name}" if path else name
        own = isinstance(child, PreTrainedModel) and type(child.config) is not kind
        if own:
            yield place
        yield from _inside(child, type(child.config) if own else kind, place)


def _called(model: LoadedModel, given: Given, path: str, task: Task) -> _Call | None:
    """What the whole calls a model inside with first; None where it does not."""
    import torch

    calls: list[_Call] = []

    def keep(*call: Any) -> None:
        calls.append(call)
        raise _Reached

    try:
        with _watched(model.model.get_submodule(path), keep):
            if given.by_generate:
                _write(model, given.run, task)
            else:
                with torch.inference_mode(), stoppable(_request(model, task)), drawn(model, task):
                    passed(model)(**tensors(model, given))
    except _Reached:
        return calls[0]
    return None


def _write(model: LoadedModel, run: Mapping[str, Any], task: Task) -> None:
    device, dtype = model.model.device, model.model.dtype
    moved = {
        name: each.to(device, dtype if each.is_floating_point() else None) if hasattr(each, "to") else each
        for name, each in run.items()
    }
    request = _request(model, task)
    with stoppable(request), drawing(request, True):
        model.model.generate(**moved)


def _request(model: LoadedModel, task: Task) -> Request:
    return Request(model, TaskInput(), TaskOptions(), task)


@contextmanager
def _watched(module: nn.Module, keep: Callable[[dict[str, Any], tuple[str, ...]], None]) -> Iterator[None]:
    """Hand over what a module is called with, by name."""
    # Not by a hook: Bark calls the forward of one of its models itself.
    forward, own = module.forward, module.__dict__.get("forward")
    names = tuple(inspect.signature(forward).parameters)

    @functools.wraps(forward)
    def take(*given: Any, **named: Any) -> Any:
        call = dict(zip(names, given, strict=False)) | named
        placed = names[: len(given)]
        keep({name: each for name, each in call.items() if each is not None and name not in KEPT}, placed)
        return forward(*given, **named)

    module.forward = take
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


def _known(model: LoadedModel, inner: LoadedModel, given: Given, call: Mapping[str, Any]) -> Given:
    """What is known of what a model inside reads: its tokens if they are those of the text, its part of the picture."""
    ids, vectors = call.get("input_ids"), call.get("inputs_embeds")
    own, begun = given.input_ids, given.decoder_input_ids
    read = tuple(ids[0].tolist()) if ids is not None and ids.ndim == 2 and len(ids) == 1 else ()
    same = bool(own) and (read == own or (vectors is not None and vectors.shape[:2] == (1, len(own))))
    tokens, written = (given.tokens, () if begun else given.written) if same else ((), ())
    if read and read == begun and model.tokenizer is not None:
        tokens = tuple(slow_tokens(Pieces(model.tokenizer), list(read), [1] * len(read), None, Silent()))
    asks = call.get("decoder_input_ids")
    both = same and asks is not None and tuple(asks[0].tolist()) == begun
    sight = None
    if given.image is not None:
        sight = sight_within(inner.model, call, image_processor(model), given.image)
        # What reads marks the picture among its tokens as the whole does.
        sight = given.sight if sight is None and same else sight
    return replace(
        given,
        tokens=tokens,
        written=given.written if both else written,
        decoder_start=given.decoder_start if both else (),
        sight=sight,
        seconds=_seconds(model, given, call) if not same else given.seconds,
        made=dict(call),
    )


def _seconds(model: LoadedModel, given: Given, call: Mapping[str, Any]) -> float:
    """How long the sound is that a model inside is given, which its extractor may have filled up; 0.0 without one."""
    features = call.get("input_features")
    if not given.seconds or features is None:
        return 0.0 if {"input_ids", "inputs_embeds"} & set(call) else given.seconds
    try:
        extractor: Any = feature_extractor(model)
    except NotSupported:
        return given.seconds
    size, hop = getattr(extractor, "feature_size", 0), getattr(extractor, "hop_length", 0)
    frames = features.shape[-1] if features.shape[-1] != size else features.shape[-2]
    return frames * hop / extractor.sampling_rate if hop else given.seconds
