"""What all tasks share: a text as tensors within the context, and tensors as the boxes show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.task import Task
from workbench.engine.tokens import encode, longest
from workbench.engine.values import TaskOptions, TensorView

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel


@dataclass(frozen=True, eq=False, slots=True)
class Request:
    """What is asked of a task, the same for all three steps.

    Attributes:
        model: Loaded with the head the task needs.
        text: The input.
        options: Those that apply are read.
        task: Asked whether to stop.
    """

    model: LoadedModel
    text: str
    options: TaskOptions
    task: Task

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer.

        Raises:
            NotSupported: The checkpoint has none.
        """
        if self.model.tokenizer is None:
            raise NotSupported(
                f"{self.model.checkpoint.name} can't read text.",
                why="The checkpoint has no tokenizer that can be used, so text can't be turned into ids for it.",
                remedy="Put its tokenizer files beside the weights, or load a checkpoint that has a tokenizer.",
            )
        return self.model.tokenizer

    def label(self, index: int) -> str:
        """``config.id2label[index]``, or ``LABEL_index`` where the config has no name for it."""
        return str(self.model.model.config.id2label.get(index, f"LABEL_{index}"))

    def on_device(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors moved to where the model is."""
        return {name: tensor.to(self.model.model.device) for name, tensor in tensors.items()}


@dataclass(frozen=True, eq=False, slots=True)
class Inputs:
    """What preprocess made of a text.

    Attributes:
        tensors: What the model is called with, each of shape ``(1, seq)`` (``(lines, seq)`` for feature-extraction), on
            the CPU.
        aside: What postprocess needs besides, such as ``offset_mapping`` of shape ``(1, seq, 2)``.
        truncated: Tokens cut off.
    """

    tensors: dict[str, Tensor]
    aside: dict[str, Tensor] = field(default_factory=dict)
    truncated: int = 0


def context(model: LoadedModel) -> int | None:
    """The longest input in tokens, special ones included, or None where neither tokenizer nor config name one."""
    positions = model.facts.context
    if positions is not None:
        # RoBERTa and its kin count positions from padding_idx + 1, so that many of the table are never used.
        embeddings = getattr(model.model.base_model, "embeddings", None)
        padding = getattr(embeddings, "padding_idx", None)
        positions -= padding + 1 if isinstance(padding, int) else 0
    known = [limit for limit in (positions, longest(model.tokenizer) if model.tokenizer else None) if limit]
    return min(known, default=None)


def encoded(request: Request, *, cut: bool = True, aside: tuple[str, ...] = (), **arguments: Any) -> Inputs:
    """Encode the text as ``tokenizer(text, return_tensors="pt")`` does, cut at the context.

    Args:
        request: ``options.max_length`` cuts earlier than the context does.
        cut: Whether a text longer than that is cut.
        aside: Names of what the tokenizer returns for postprocess, not for the model.
        arguments: Further arguments of the tokenizer call.

    Raises:
        InputError: The text is empty, or can't be encoded.
        NotSupported: The checkpoint has no tokenizer.
    """
    tokenizer = request.tokenizer
    check_text(request.text)
    length = len(encode(tokenizer, request.text, task=request.task).tokens)
    limit = cut_at(request.model, request.options)
    if cut and limit is not None and length > limit:
        arguments |= {"truncation": True, "max_length": limit}
    tensors = dict(tokenizer(request.text, return_tensors="pt", verbose=False, **arguments))
    return Inputs(
        {name: tensor for name, tensor in tensors.items() if name not in aside},
        {name: tensors[name] for name in aside},
        max(0, length - int(tensors["input_ids"].shape[1])),
    )


def cut_at(model: LoadedModel, options: TaskOptions) -> int | None:
    """Tokens a text is cut at: the smaller of ``options.max_length`` and the context."""
    return min((limit for limit in (options.max_length, context(model)) if limit), default=None)


def check_text(text: str) -> None:
    """Refuse a text with nothing in it.

    Raises:
        InputError: The text is empty or only white space.
    """
    if not text.strip():
        raise InputError("There is no text yet.", why="The text is empty.", remedy="Write one, or take the example.")


def views(tensors: Mapping[str, Tensor]) -> tuple[TensorView, ...]:
    """Tensors as the boxes show them."""
    return tuple(view(name, tensor) for name, tensor in tensors.items())


def view(name: str, tensor: Tensor) -> TensorView:
    """A tensor as a box shows it: all values on the CPU, bfloat16 widened to float32."""
    import torch

    values = tensor.detach().cpu()
    if values.dtype == torch.bfloat16:
        values = values.float()
    return TensorView(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), values.numpy())
