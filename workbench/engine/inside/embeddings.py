"""The vectors of a text's tokens, and what stands near them in the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.inside.states import Part
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from workbench.engine.models import LoadedModel

#: Stands for the rows of the embedding matrix, where other numbers stand for hidden states.
EMBEDDING = -1
#: Rows of the embedding matrix that are compared at once.
_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A token of the vocabulary, or a position of the same pass.

    Attributes:
        id: Its id, or the position.
        text: As it reads.
        cosine: Of the angle between its row of the embedding matrix and the vector asked about.
    """

    id: int
    text: str
    cosine: float


def vectors(model: LoadedModel, part: Part, row: int) -> np.ndarray:
    """The vectors of a part's tokens, float32 of shape ``(seq, hidden)``.

    Args:
        model: The model the part is of.
        part: Whose tokens.
        row: A hidden state by its place, or `EMBEDDING` for the rows of the embedding matrix, which no position,
            scale or norm has touched.

    Raises:
        NotSupported: The part's tokens have no rows.
    """
    import torch

    if row != EMBEDDING:
        return part.states[row]
    if min(part.ids) < 0:
        raise NotSupported(
            f"{model.checkpoint.name} has positions that are no tokens.",
            why="They have no row in the embedding matrix.",
            remedy="Choose a hidden state.",
        )
    matrix = _matrix(model)
    return np.asarray(matrix[torch.tensor(part.ids, device=matrix.device)].float().cpu())


def neighbours(
    model: LoadedModel, vector: np.ndarray, *, count: int = 20, task: Task | None = None
) -> tuple[Neighbour, ...]:
    """The tokens whose rows of the input embedding matrix point most in the direction of a vector.

    Args:
        model: Whose vocabulary.
        vector: Of shape ``(hidden,)``, as long as the rows.
        count: How many.
        task: Told of the rows, and asked now and then whether to stop.

    Raises:
        NotSupported: The model's embedding has no matrix.
        InputError: The vector has another length, or is zero or not finite.

    References:
        torch, nn.functional.cosine_similarity
    """
    import torch

    task = task or Silent()
    matrix = _matrix(model)
    if vector.shape != (matrix.shape[1],):
        raise InputError(
            "These states can't be compared with the vocabulary.",
            why=f"They have {len(vector):,} numbers, and the rows of the embedding matrix {matrix.shape[1]:,}.",
            remedy="Choose the input embedding.",
        )
    asked = torch.from_numpy(np.asarray(vector, np.float32)).to(matrix.device)
    if not bool(torch.isfinite(asked).all()) or not bool(asked.any()):
        raise InputError(
            "This vector has no direction.",
            why="It is zero, or holds NaN or infinity.",
            remedy="Choose another token or layer.",
        )
    cosines = torch.empty(len(matrix))
    with torch.inference_mode():
        for begin in range(0, len(matrix), _ROWS):
            task.check()
            task.report(Progress(begin, len(matrix), "rows", "comparing with the vocabulary"))
            rows = matrix[begin : begin + _ROWS].float()
            cosines[begin : begin + len(rows)] = torch.nn.functional.cosine_similarity(rows, asked[None]).cpu()
    best = cosines.topk(min(count, len(cosines)))
    ids = best.indices.tolist()
    return tuple(map(Neighbour, ids, Vocabulary(model.tokenizer).spell(ids), best.values.tolist()))


def alike(part: Part, vectors: np.ndarray, position: int, *, count: int = 20) -> tuple[Neighbour, ...]:
    """The positions of a part whose vectors point most in the direction of one of them.

    Args:
        part: Whose positions, which are no tokens: patches of a picture, or moments of a sound.
        vectors: Of shape ``(seq, hidden)``.
        position: The one.
        count: How many.
    """
    cosines = similarities(vectors, position)
    best = np.argsort(-cosines, kind="stable")[:count].tolist()
    return tuple(Neighbour(each, part.tokens[each], float(cosines[each])) for each in best)


def similarities(vectors: np.ndarray, position: int) -> np.ndarray:
    """The cosine of the angle between one vector and each, float32 of shape ``(seq,)``.

    References:
        torch, nn.functional.cosine_similarity
    """
    import torch

    whole = torch.from_numpy(np.asarray(vectors, np.float32))
    return np.asarray(torch.nn.functional.cosine_similarity(whole, whole[position][None]))


def _matrix(model: LoadedModel) -> torch.Tensor:
    try:
        matrix = getattr(model.model.get_input_embeddings(), "weight", None)
    except NotImplementedError:
        matrix = None
    if matrix is None or matrix.ndim != 2:
        raise NotSupported(
            f"{model.checkpoint.name} has no matrix of embeddings.",
            why=f"{type(model.model).__name__} makes vectors of its ids in a way of its own.",
            remedy="Choose a hidden state.",
        )
    return matrix.detach()
