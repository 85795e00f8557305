"""What an evaluation says besides the loss.

A script that Show code writes carries the text of these functions, so each stands on its own and imports what it needs.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import EvalPrediction, PreTrainedTokenizerBase


def predicted_ids(logits: Any, _: torch.Tensor) -> torch.Tensor:
    """``preprocess_logits_for_metrics``: keep the likeliest id instead of all logits.

    Args:
        logits: Of shape ``(rows, labels)`` or ``(rows, seq, labels)``, or a tuple that begins with them.

    Returns:
        Ids of shape ``(rows,)`` or ``(rows, seq)``.
    """
    first: torch.Tensor = logits[0] if isinstance(logits, tuple) else logits
    return first.argmax(dim=-1)


def above_zero(logits: Any, _: torch.Tensor) -> torch.Tensor:
    """``preprocess_logits_for_metrics``: 1 where a logit is above 0, a probability above a half, else 0."""
    first: torch.Tensor = logits[0] if isinstance(logits, tuple) else logits
    return (first > 0).long()


def only_logits(logits: Any, _: torch.Tensor) -> torch.Tensor:
    """``preprocess_logits_for_metrics``: keep the logits and nothing else of what a model gives."""
    first: torch.Tensor = logits[0] if isinstance(logits, tuple) else logits
    return first


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


def multi_label_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """``compute_metrics``: F1 over all labels and as mean over labels, and rows with every label right; in ``[0, 1]``.

    References:
        scikit-learn, f1_score(average="micro" and "macro"), accuracy_score of an indicator matrix
    """
    from sklearn.metrics import accuracy_score, f1_score

    right, guessed = prediction.label_ids.astype(int), prediction.predictions
    return {
        "f1": float(f1_score(right, guessed, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(right, guessed, average="macro", zero_division=0)),
        "exact_match": float(accuracy_score(right, guessed)),
    }


def regression_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """``compute_metrics``: mean squared and absolute error in the label's unit, and Pearson's correlation.

    Numbers that are all the same have no correlation, and none is told.

    References:
        scikit-learn, mean_squared_error and mean_absolute_error; numpy, corrcoef
    """
    import numpy as np
    from sklearn.metrics import mean_absolute_error, mean_squared_error

    right, guessed = prediction.label_ids.reshape(-1), prediction.predictions.reshape(-1)
    told = {
        "mse": float(mean_squared_error(right, guessed)),
        "mae": float(mean_absolute_error(right, guessed)),
    }
    if right.std() > 0 and guessed.std() > 0:
        told["pearson"] = float(np.corrcoef(right, guessed)[0, 1])
    return told


def span_metrics(prediction: EvalPrediction, labels: list[str]) -> dict[str, float]:
    """``compute_metrics``: of tags per token, scored where a word begins; all in ``[0, 1]``.

    Args:
        prediction: Ids of shape ``(rows, seq)``; what is -100 among the right ones is not scored.
        labels: Names by id. Where all are ``O`` or begin with a letter and ``-`` (as in ``B-PER``) whole entities are
            counted, else single tags.

    References:
        seqeval, precision_score, recall_score and f1_score; scikit-learn, f1_score(average="macro")
    """
    kept = prediction.label_ids != -100
    pairs = zip(prediction.label_ids, prediction.predictions, kept, strict=True)
    rows = [([labels[i] for i in right[mask]], [labels[i] for i in guess[mask]]) for right, guess, mask in pairs]
    right, guessed = [row[0] for row in rows], [row[1] for row in rows]
    accuracy = float((prediction.label_ids[kept] == prediction.predictions[kept]).mean())
    if not all(label == "O" or label[1:2] == "-" for label in labels):
        from sklearn.metrics import f1_score as tag_f1

        flat = [[tag for row in rows_ for tag in row] for rows_ in (right, guessed)]
        return {"f1": float(tag_f1(*flat, average="macro", zero_division=0)), "accuracy": accuracy}
    from seqeval.metrics import f1_score, precision_score, recall_score

    return {
        "f1": float(f1_score(right, guessed, zero_division=0)),
        "precision": float(precision_score(right, guessed, zero_division=0)),
        "recall": float(recall_score(right, guessed, zero_division=0)),
        "accuracy": accuracy,
    }


def next_token_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """``compute_metrics``: how often the likeliest next token is the right one, in ``[0, 1]``, and the perplexity."""
    right, guessed = prediction.label_ids[:, 1:], prediction.predictions[:, :-1]
    kept = right != -100
    return {"token_accuracy": float((right[kept] == guessed[kept]).mean()), **perplexities(prediction)}


def masked_token_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """``compute_metrics``: how often the likeliest token is the hidden one, in ``[0, 1]``, and the perplexity."""
    kept = prediction.label_ids != -100
    accuracy = (prediction.label_ids[kept] == prediction.predictions[kept]).mean() if kept.any() else 0.0
    return {"token_accuracy": float(accuracy), **perplexities(prediction)}


def written_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """``compute_metrics``: token accuracy given the right tokens before, rows with every token right, perplexity."""
    kept = prediction.label_ids != -100
    hits = prediction.label_ids == prediction.predictions
    return {
        "token_accuracy": float(hits[kept].mean()),
        "exact_match": float((hits | ~kept).all(axis=1).mean()),
        **perplexities(prediction),
    }


def generated_metrics(prediction: EvalPrediction, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """``compute_metrics`` of texts that were generated, against those that should have been.

    BLEU and chrF lie in ``[0, 100]``, as papers tell them; the F1 of ROUGE (words by their stems, of a-z and 0-9 alone)
    and exact match in ``[0, 1]``. ``tokens`` is the mean length of what was written.

    Args:
        prediction: Ids of shape ``(rows, seq)``; -100 fills up.
        tokenizer: Decodes them.

    References:
        sacrebleu, BLEU and CHRF; rouge_score, RougeScorer; Post 2018, A Call for Clarity in Reporting BLEU Scores
    """
    import numpy as np
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF

    filling = tokenizer.pad_token_id
    ids, right_ids = (np.where(part == -100, filling, part) for part in (prediction.predictions, prediction.label_ids))
    written, right = (
        [text.strip() for text in tokenizer.batch_decode(part, skip_special_tokens=True)] for part in (ids, right_ids)
    )
    names = ["rouge1", "rouge2", "rougeL"]
    scorer = RougeScorer(names, use_stemmer=True)
    scores = [scorer.score(target, text) for target, text in zip(right, written, strict=True)]
    return {
        "bleu": float(BLEU(force=True).corpus_score(written, [right]).score),
        "chrf": float(CHRF().corpus_score(written, [right]).score),
        **{name: float(np.mean([score[name].fmeasure for score in scores])) for name in names},
        "exact_match": float(np.mean([text == target for text, target in zip(written, right, strict=True)])),
        "tokens": float((ids != filling).sum(axis=1).mean()),
        **perplexities(prediction),
    }


def perplexities(prediction: EvalPrediction) -> dict[str, float]:
    """The perplexity, where the losses are known (``include_for_metrics=["loss"]``)."""
    if prediction.losses is None:
        return {}
    return {"perplexity": perplexity(prediction.losses.mean().item())}


def perplexity(eval_loss: float) -> float:
    """``exp`` of the mean loss per token (nats); infinity where that overflows."""
    try:
        return math.exp(eval_loss)
    except OverflowError:
        return math.inf


def plain_words(answer: str) -> list[str]:
    """An answer's words as SQuAD compares them: in small letters, without punctuation and articles."""
    small = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", small).split()


def answer_scores(guessed: str, right: list[str]) -> tuple[float, float]:
    """Exact match and F1 over words, in ``[0, 1]``, against the best of several right answers; none means no answer.

    References:
        Rajpurkar et al. 2016, SQuAD: the evaluation script of version 1.1; of 2.0 for rows without an answer
    """
    words = plain_words(guessed)
    best = (0.0, 0.0)
    for answer in right or [""]:
        wanted = plain_words(answer)
        both = sum((Counter(words) & Counter(wanted)).values())
        f1 = 2 * both / (len(words) + len(wanted)) if words and wanted else float(words == wanted)
        best = (max(best[0], float(words == wanted)), max(best[1], f1))
    return best
