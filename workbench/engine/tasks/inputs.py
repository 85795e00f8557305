"""What all tasks share: what is asked of them, a text as tensors within the context, and tensors as the boxes show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.engine import tokens
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate import page
from workbench.engine.models import check_count
from workbench.engine.task import Task
from workbench.engine.tasks import axes
from workbench.engine.tokens import longest
from workbench.engine.values import TaskInput, TaskOptions, TensorView

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from workbench.engine.models import LoadedModel


@dataclass(frozen=True, slots=True)
class Spec:
    """What a task is; its module holds one, and the window draws its controls from it.

    Attributes:
        name: As the library names it, such as ``text-classification``.
        heads: Auto classes whose models can do it, the usual one first.
        does: What it does, for people, without a full stop.
        inputs: What it is given: the fields of `TaskInput` in order, each with its label.
        options: Fields of `TaskOptions` that apply.
        shows: The kind of its result: ``labels``, ``entities``, ``answer``, ``filled``, ``text``, ``vectors``,
            ``boxes``, ``masks``, ``points``, ``matches``, ``depth``, ``field``, ``alpha``, ``image``, ``reading``,
            ``layout``, ``pages``, ``transcript``, ``sound``, ``cells``, ``series`` or ``tensors``.
        example: Something to try it on; a picture or a sound is drawn when it is asked for.
        defaults: Settings that differ from those of `TaskOptions`.
        choices: What a setting that is a text may be, of those that have few enough to be listed; empty where any
            text may do.
        batches: Whether several inputs can go through the model in one pass: ``rows`` where the outputs have a row
            each, ``tokens`` where they have a place for each token besides; empty where they can't.
    """

    name: str
    heads: tuple[str, ...]
    does: str
    inputs: tuple[tuple[str, str], ...]
    options: tuple[str, ...]
    shows: str
    example: TaskInput
    defaults: tuple[tuple[str, Any], ...] = ()
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    batches: str = ""

    @property
    def takes(self) -> tuple[str, ...]:
        """The fields of `TaskInput` that are read."""
        return tuple(name for name, _ in self.inputs)


@dataclass(frozen=True, eq=False, slots=True)
class Request:
    """What is asked of a task, the same for all three steps.

    Attributes:
        model: Loaded with a head that can do the task.
        given: The input.
        options: Those that apply are read.
        task: Asked whether to stop.
    """

    model: LoadedModel
    given: TaskInput
    options: TaskOptions
    task: Task

    @property
    def text(self) -> str:
        """The text of the input."""
        return self.given.text

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
        """Tensors moved to where the model is, those of numbers with a point in the dtype of its weights.

        Raises:
            NotSupported: There are ids that the model has no vector for.
            InputError: There are fewer ids than the model can read.
        """
        model = self.model.model
        if "input_ids" in tensors:
            self._check_ids(tensors["input_ids"])
        return {
            name: tensor.to(model.device, dtype=model.dtype) if tensor.is_floating_point() else tensor.to(model.device)
            for name, tensor in tensors.items()
        }

    def _check_ids(self, ids: Tensor) -> None:
        check_count(self.model, int(ids.shape[-1]))
        known = self.model.known_ids
        largest = int(ids.max()) if ids.numel() else 0
        if known is not None and largest >= known:
            raise NotSupported(
                f"The tokenizer of {self.model.checkpoint.name} does not belong to its weights.",
                why=f"It made the id {largest:,}, and the model has vectors for {known:,} ids only.",
                remedy="Put the tokenizer files that came with the weights beside them, or download it again.",
            )


@dataclass(frozen=True, eq=False, slots=True)
class Inputs:
    """What preprocess made of an input.

    Attributes:
        tensors: What the model is called with, such as ids of shape ``(1, seq)``, on the CPU.
        aside: What postprocess needs besides, such as ``offset_mapping`` of shape ``(1, seq, 2)``.
        truncated: Tokens cut off.
        heard: Seconds of a sound that are left of a longer one; 0.0 where it is whole.
    """

    tensors: dict[str, Tensor]
    aside: dict[str, Tensor] = field(default_factory=dict)
    truncated: int = 0
    heard: float = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """What postprocess made of the outputs.

    Attributes:
        tensors: Shown in the box.
        items: The result.
        tokens: What the rows and columns of a score matrix stand for, where there is one.
    """

    tensors: dict[str, Tensor]
    items: tuple[Any, ...]
    tokens: tuple[str, ...] = ()


def broken(outputs: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of outputs that hold NaN; nothing that is made of them means anything."""
    return tuple(name for name, made in outputs.items() if made.is_floating_point() and bool(made.isnan().any()))


def context(model: LoadedModel) -> int | None:
    """The longest input in tokens, special ones included, or None where neither tokenizer nor config name one."""
    # T5 and its kin name a length they were trained on; their positions are relative and have no end.
    endless = hasattr(model.model.config, "relative_attention_num_buckets")
    positions = None if endless else model.facts.context
    if positions is not None:
        # RoBERTa and its kin count positions from padding_idx + 1, so that many of the table are never used.
        embeddings = getattr(model.model.base_model, "embeddings", None)
        padding = getattr(embeddings, "padding_idx", None)
        positions -= padding + 1 if isinstance(padding, int) else 0
    known = [limit for limit in (positions, longest(model.tokenizer) if model.tokenizer else None) if limit]
    return min(known, default=None)


def encoded(
    request: Request, *, second: str | None = None, cut: bool = True, aside: tuple[str, ...] = (), **arguments: Any
) -> Inputs:
    """Encode the text as ``tokenizer(text, return_tensors="pt")`` does, cut at the context.

    Args:
        request: ``options.max_length`` cuts earlier than the context does.
        second: The other text of a pair; the longer of the two is cut.
        cut: Whether a text longer than that is cut.
        aside: Names of what the tokenizer returns for postprocess, not for the model.
        arguments: Further arguments of the tokenizer call.

    Raises:
        InputError: A text is empty, or can't be encoded.
        NotSupported: The checkpoint has no tokenizer, or one that reads pages.
    """
    tokenizer = request.tokenizer
    check_runs(request)
    texts = [request.text] if second is None else [request.text, second]
    for text in texts:
        check_text(text)
    request.task.check()
    tensors = dict(tokenizer(*texts, return_tensors="pt", verbose=False, **arguments))
    length = int(tensors["input_ids"].shape[1])
    limit = cut_at(request.model, request.options)
    if cut and limit is not None and length > limit:
        arguments |= {"truncation": True, "max_length": limit}
        tensors = dict(tokenizer(*texts, return_tensors="pt", verbose=False, **arguments))
    return Inputs(
        {name: tensor for name, tensor in tensors.items() if name not in aside},
        {name: tensors[name] for name in aside},
        max(0, length - int(tensors["input_ids"].shape[1])),
    )


def cut_at(model: LoadedModel, options: TaskOptions) -> int | None:
    """Tokens a text is cut at: the smaller of ``options.max_length`` and the context."""
    return min((limit for limit in (options.max_length, context(model)) if limit), default=None)


def pads(model: LoadedModel) -> bool:
    """Whether rows of different length can be filled up at their ends, to go through the model together.

    A decoder finds the last token by the pad token, and needs one; XLNet's head reads the last place whatever is there.
    """
    config = model.model.config
    return getattr(config, "pad_token_id", None) is not None and getattr(config, "summary_type", "") != "last"


def check_text(text: str, which: str = "text") -> None:
    """Refuse a text with nothing in it, or with what no tokenizer can read.

    Raises:
        InputError: The text is empty, only white space, or has a lone surrogate.
    """
    if not text.strip():
        raise InputError(
            f"There is no {which} yet.", why=f"The {which} is empty.", remedy="Write one, or take the example."
        )
    tokens.check_text(text)


def check_runs(request: Request) -> None:
    """Refuse running text where the tokenizer reads words with boxes.

    Raises:
        NotSupported: It does.
    """
    if (refused := paged(request.model)) is not None:
        raise refused


def paged(model: LoadedModel) -> NotSupported | None:
    """Why a model can't do a task of running text: its tokenizer reads words with boxes; None where it does not."""
    if not page.wanted(model):
        return None
    return NotSupported(
        f"{model.checkpoint.name} reads no running text.",
        why="It reads the words of a page, each with its box.",
        remedy="Choose document-question-answering, token-classification, text-classification or "
        "feature-extraction, which are given pages here.",
    )


def check_labels(labels: tuple[str, ...], least: int = 1, which: str = "candidate labels") -> None:
    """Refuse too few labels, or one that no tokenizer can read.

    Raises:
        InputError: There are fewer than ``least``, or one has a lone surrogate.
    """
    if len(labels) < least or not all(label.strip() for label in labels):
        raise InputError(
            f"There are too few {which}.",
            why=f"{len(labels)} were given, and at least {least} are needed.",
            remedy="Write one a line.",
        )
    for label in labels:
        tokens.check_text(label)


def views(tensors: Mapping[str, Tensor], known: Mapping[str, tuple[str, ...]] | None = None) -> tuple[TensorView, ...]:
    """Tensors as the boxes show them.

    Args:
        tensors: By name.
        known: The axes of outputs, by name; without it the tensors are inputs.
    """
    found = []
    for name, tensor in tensors.items():
        stated = axes.inputs(name, tensor.ndim) if known is None else known.get(name, ())
        found.append(view(name, tensor, stated if len(stated) == tensor.ndim else ()))
    return tuple(found)


def view(name: str, tensor: Tensor, known: tuple[str, ...] = ()) -> TensorView:
    """A tensor as a box shows it: all values on the CPU, bfloat16 widened to float32."""
    import torch

    values = tensor.detach().cpu()
    if values.dtype == torch.bfloat16:
        values = values.float()
    return TensorView(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), values.numpy(), known)
