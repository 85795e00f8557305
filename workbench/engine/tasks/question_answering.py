"""Question answering: the span of a context that answers a question.

The library has no pipeline for it any more; its three steps are those of the model's documentation: a softmax over the
start logits and one over the end logits, and the span whose two probabilities multiply to the most.

References:
    transformers, Task guides: Question answering; Auto Classes: AutoModelForQuestionAnswering
    Devlin et al. 2018, BERT, section 4.2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import NotSupported
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_runs, check_text, cut_at
from workbench.engine.values import Answer, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="question-answering",
    heads=("AutoModelForQuestionAnswering",),
    does="Finds the words of a context that answer a question",
    inputs=(("text", "Question"), ("second", "Context")),
    options=("top_k", "max_answer_tokens", "no_answer", "stride", "max_length"),
    shows="answer",
    example=TaskInput(
        "Where did they meet?", "Angela Merkel met Barack Obama in Berlin, Germany. The capital of France is Paris."
    ),
    defaults=(("top_k", 3),),
)

#: Tokens of a window over a long context, and those that two neighbouring windows share; as the models were trained.
WINDOW = 384
OVERLAP = 128
_WINDOWS_AT_ONCE = 8


def preprocess(request: Request) -> Inputs:
    """Tokenize question and context together; a long context becomes several windows that overlap.

    Returns:
        Tensors of shape ``(windows, seq)``; aside ``offset_mapping`` and ``in_context``, where an answer may lie.

    Raises:
        InputError: Question or context are empty.
        NotSupported: The tokenizer can't say where its tokens stand.
    """
    import torch

    tokenizer, question, context = request.tokenizer, request.text, request.given.second
    check_text(question, "question")
    check_text(context, "context")
    if not tokenizer.is_fast:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't find answers in a text.",
            why="Its tokenizer can't say where in the text a token stands.",
            remedy="Load a checkpoint with a tokenizer.json.",
        )
    check_runs(request)
    width = min(cut_at(request.model, request.options) or WINDOW, WINDOW)
    asked = len(tokenizer(question, add_special_tokens=False)["input_ids"])
    room = width - tokenizer.num_special_tokens_to_add(pair=True) - asked
    if room < 2:
        raise NotSupported(
            "The question is too long.",
            why=f"It has {asked:,} tokens, and question and context together may have {width:,}.",
            remedy="Shorten it.",
        )
    made = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=width,
        stride=min(OVERLAP, room // 2) if request.options.stride is None else min(request.options.stride, room - 1),
        padding="longest",
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="pt",
        verbose=False,
    )
    inside = [[place == 1 for place in made.sequence_ids(window)] for window in range(len(made["input_ids"]))]
    offsets = made.pop("offset_mapping")
    made.pop("overflow_to_sample_mapping", None)
    return Inputs(dict(made), {"offset_mapping": offsets, "in_context": torch.tensor(inside)})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass a window: ``start_logits`` and ``end_logits``, each of shape ``(windows, seq)``."""
    import torch

    count = len(inputs.tensors["input_ids"])
    starts, ends = [], []
    for first in range(0, count, _WINDOWS_AT_ONCE):
        request.task.check()
        request.task.report(Progress(first, count, "windows", "forward"))
        part = {name: tensor[first : first + _WINDOWS_AT_ONCE] for name, tensor in inputs.tensors.items()}
        output = request.model.model(**request.on_device(part))
        starts.append(output.start_logits.cpu())
        ends.append(output.end_logits.cpu())
    return {"start_logits": torch.cat(starts), "end_logits": torch.cat(ends)}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the positions of each window, and the best spans of all windows.

    A span starts and ends in the context, does not end before it starts, and has at most ``max_answer_tokens`` tokens;
    its score is the probability of its start times that of its end. With ``no_answer`` the first position of a window
    (where a model says that there is none) is a span too, and the least of those of all windows counts.

    Returns:
        ``start_probabilities`` and ``end_probabilities`` of shape ``(windows, seq)``, and ``span_scores`` of shape
        ``(tokens, tokens)``, starts down and ends across, for the part of the context with the best answer.
    """
    import torch

    inside = inputs.aside["in_context"]
    allowed = inside.clone()
    allowed[:, 0] = True  # where a model that was trained with questions without an answer says so
    if "attention_mask" in inputs.tensors:
        allowed &= inputs.tensors["attention_mask"].bool()
    starts, ends = (
        outputs[name].float().masked_fill(~allowed, float("-inf")).softmax(dim=-1)
        for name in ("start_logits", "end_logits")
    )
    none = (starts[:, 0] * ends[:, 0]).min().item()
    best: list[Answer] = []
    tokens: tuple[str, ...] = ()
    most, shown = -1.0, torch.zeros(0, 0)
    for window in range(len(inside)):
        request.task.check()
        places = inside[window].nonzero().flatten()
        if not len(places):
            continue
        spans = starts[window, places].unsqueeze(1) * ends[window, places].unsqueeze(0)
        spans = spans.triu().tril(request.options.max_answer_tokens - 1)
        count = min(request.options.top_k or 100, spans.numel())
        scores, flat = spans.flatten().topk(count)
        offsets = inputs.aside["offset_mapping"][window][places].tolist()
        if scores[0].item() > most:
            most, shown = scores[0].item(), spans
            ids = inputs.tensors["input_ids"][window][places].tolist()
            tokens = tuple(str(request.tokenizer.decode([token])) for token in ids)
        for score, place in zip(scores.tolist(), flat.tolist(), strict=True):
            if score > 0:
                start, end = offsets[place // len(places)][0], offsets[place % len(places)][1]
                best.append(Answer(request.given.second[start:end], score, start, end))
    if request.options.no_answer:
        best.append(Answer("", none, 0, 0))
    best.sort(key=lambda answer: answer.score, reverse=True)
    # Windows overlap, so that the same words can be found twice; the better score comes first and stays.
    once: dict[tuple[int, int], Answer] = {}
    for answer in best:
        once.setdefault((answer.start, answer.end), answer)
    return Outcome(
        {"start_probabilities": starts, "end_probabilities": ends, "span_scores": shown},
        tuple(once.values())[: request.options.top_k],
        tokens,
    )
