"""What an evaluation says besides the loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import EvalPrediction


def predicted_ids(logits: Any, _: torch.Tensor) -> torch.Tensor:
    """``preprocess_logits_for_metrics``: keep one id a row instead of its logits.

    Args:
        logits: Of shape ``(rows, labels)``, or a tuple that begins with them.

    Returns:
        Ids of shape ``(rows,)``.
    """
    first: torch.Tensor = logits[0] if isinstance(logits, tuple) else logits
    return first.argmax(dim=-1)


def classification_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """``compute_metrics``: the share of right rows, and the mean over labels of the F1 score, both in ``[0, 1]``.

    References:
        scikit-learn, accuracy_score and f1_score(average="macro")
    """
    from sklearn.metrics import accuracy_score, f1_score

    right, guessed = prediction.label_ids, prediction.predictions
    return {
        "accuracy": float(accuracy_score(right, guessed)),
        "f1": float(f1_score(right, guessed, average="macro", zero_division=0)),
    }


def perplexity(eval_loss: float) -> float:
    """``exp`` of the mean loss per token (nats); infinity where that overflows."""
    try:
        return math.exp(eval_loss)
    except OverflowError:
        return math.inf
