"""Fill-mask: what could stand where the mask token stands, in a text or in one beside a table.

References:
    transformers, Pipelines: FillMaskPipeline; Auto Classes: AutoModelForMaskedLM; TapasForMaskedLM
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.tasks import table_question_answering as tables
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text, cut_at, encoded
from workbench.engine.values import Filled, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="fill-mask",
    heads=("AutoModelForMaskedLM",),
    does="Finds what could stand where the mask token stands",
    inputs=(("text", "Text"),),
    options=("top_k", "targets", "max_length"),
    shows="filled",
    example=TaskInput("The capital of France is [MASK]."),
    batches="tokens",
)


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: some read a text beside a table, and fill in what the table tells."""
    if model.facts.model_type not in tables.TABULAR:
        return SPEC
    # Its tokenizer finds the mask between spaces alone.
    example = TaskInput("What is the capital of [MASK] ?", tables.SPEC.example.second)
    return replace(SPEC, inputs=(*SPEC.inputs, tables.TABLE), example=example)


def preprocess(request: Request) -> Inputs:
    """Tokenize, and see that a mask token is there.

    Raises:
        InputError: The text has no mask token, or none within the context; or the table is missing or does not fit.
        NotSupported: The tokenizer has no mask token.
    """
    tokenizer = request.tokenizer
    if tokenizer.mask_token is None:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't fill a mask.",
            why="Its tokenizer has no mask token.",
            remedy="Load a checkpoint that was trained on masked text, such as BERT.",
        )
    inputs = _encoded(request)
    if not bool((inputs.tensors["input_ids"] == tokenizer.mask_token_id).any()):
        raise _unmasked(request, inputs)
    return inputs


def _unmasked(request: Request, inputs: Inputs) -> InputError:
    mask = str(request.tokenizer.mask_token)
    what = "There is nothing to fill in."
    if mask in request.text and request.model.facts.model_type in tables.TABULAR:
        why = f"The tokenizer finds {mask} only where there are spaces around it."
        return InputError(what, why=why, remedy="Put a space before and behind it.")
    where = "in the part that fits the context" if inputs.truncated else "in the text"
    return InputError(
        what,
        why=f"There is no {mask} {where}.",
        remedy=f"Write {mask} where a word is to be found, as in “The capital of France is {mask}.”",
    )


def _encoded(request: Request) -> Inputs:
    if request.model.facts.model_type not in tables.TABULAR:
        return encoded(request)
    check_text(request.text)
    return tables.beside_table(request, request.text, cut_at(request.model, request.options))


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, seq, vocab)``."""
    return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.cpu()}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the vocabulary at each mask, and the best ``top_k`` tokens there, or the best of ``targets``.

    With several masks each is filled alone: the others stay in its texts.

    Raises:
        InputError: None of the targets has a token.
    """
    import torch

    tokenizer = request.tokenizer
    input_ids = inputs.tensors["input_ids"][0]
    masks = (input_ids == tokenizer.mask_token_id).nonzero().flatten()
    probabilities = outputs["logits"][0, masks].float().softmax(dim=-1)
    wanted = targets(request) if request.options.targets else torch.arange(probabilities.shape[-1])
    count = min(request.options.top_k or len(wanted), len(wanted))
    top = probabilities[:, wanted].topk(count)
    top_ids = wanted[top.indices]
    items = []
    for index, position in enumerate(masks.tolist()):
        for score, token_id in zip(top.values[index].tolist(), top_ids[index].tolist(), strict=True):
            ids = input_ids.clone()
            ids[position] = token_id
            kept = ids[ids != tokenizer.pad_token_id] if tokenizer.pad_token_id is not None else ids
            sequence = tokenizer.decode(kept, skip_special_tokens=len(masks) == 1)
            items.append(Filled(index, token_id, str(tokenizer.decode([token_id])), score, str(sequence)))
    tensors = {"masks": masks, "probabilities": probabilities, "top": top.values, "top_ids": top_ids}
    return Outcome(tensors, tuple(items))


def targets(request: Request) -> Tensor:
    """The ids that may stand in place of a mask, of shape ``(targets,)``: each target's, or that of its first token.

    Raises:
        InputError: There is none.
    """
    import torch

    tokenizer = request.tokenizer
    known = tokenizer.get_vocab()
    found: set[int] = set()
    for target in request.options.targets:
        ids = [known[target]] if target in known else tokenizer(target, add_special_tokens=False)["input_ids"]
        found.update(ids[:1])
    if not found:
        raise InputError(
            "There is nothing to choose from.",
            why="None of the targets has a token.",
            remedy="Write other targets, or none to choose from the whole vocabulary.",
        )
    return torch.tensor(sorted(found))
