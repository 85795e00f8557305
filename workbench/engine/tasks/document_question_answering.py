"""Document question answering: the words of a page that answer a question, by what they say and where they stand.

The words and their boxes are given, as whatever read the page found them; nothing is read off a picture here.
LayoutLMv2 looks at the picture of the page besides, and LayoutLMv3 may.

References:
    transformers, Pipelines: DocumentQuestionAnsweringPipeline; Xu et al. 2019, LayoutLM; Xu et al. 2020, LayoutLMv2;
    Huang et al. 2022, LayoutLMv3
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.page import EXAMPLE, WORDS, placing, words
from workbench.engine.tasks import documents
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text, cut_at
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="document-question-answering",
    heads=("AutoModelForDocumentQuestionAnswering", "AutoModelForQuestionAnswering"),
    does="Finds the words of a page that answer a question",
    inputs=(
        ("text", "Question"),
        ("second", WORDS),
    ),
    options=("top_k", "max_answer_tokens", "no_answer", "stride", "max_length"),
    shows="labels",
    example=TaskInput("What is the total?", EXAMPLE),
    defaults=(("top_k", 3),),
)

AMONG_TEXTS = ("lilt", "layoutlmv2", "layoutlmv3")
"""Architectures that read pages, and that the library has among those asked about texts; of LiLT it has no other."""

WINDOW = 512
"""Tokens of a window over a long page, as LayoutLM was trained."""

SHARED = 256
"""Tokens that two neighbouring windows share at most, unless ``options.stride`` says otherwise; as the pipeline has."""

_SIDES = 4


def fitted(model: LoadedModel) -> Spec:
    """The task with a place for the page's picture, where the model looks at it."""
    return replace(SPEC, inputs=(*SPEC.inputs, *documents.picture_field(model)))


def preprocess(request: Request) -> Inputs:
    """Question and words as ids, each with the box of its word; a long page becomes several windows that overlap.

    Returns:
        Tensors of shape ``(windows, seq)`` and ``bbox`` of shape ``(windows, seq, 4)``; aside ``word_ids``, -1 where
        there is none of the page.

    Raises:
        InputError: Question or words are empty, a line is no word with its box, or a picture is missing or damaged.
        NotSupported: The architecture can't be asked that way, or its tokenizer can't tell words apart.
    """
    import torch

    if not request.tokenizer.is_fast:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't be asked about words and boxes.",
            why="Its tokenizer is a slow one, which can't say what word a token belongs to.",
            remedy="Load a checkpoint with a tokenizer.json, such as impira/layoutlm-document-qa.",
        )
    check_text(request.text, "question")
    check_text(request.given.second, "page")
    page = words(request.given.second)
    tokenizer = request.tokenizer
    asked = request.text.split()
    width = min(cut_at(request.model, request.options) or WINDOW, WINDOW)
    placed = placing(tokenizer)
    if placed:
        alone = tokenizer([request.text], [["."]], boxes=[[[0] * _SIDES]], add_special_tokens=False, verbose=False)
        taken = alone.sequence_ids(0).count(0)
    else:
        taken = len(tokenizer(asked, is_split_into_words=True, add_special_tokens=False)["input_ids"])
    room = width - tokenizer.num_special_tokens_to_add(pair=True) - taken
    if room < 2:
        raise InputError(
            "The question is too long.",
            why=f"It has {taken:,} tokens, and question and words together may have {width:,}.",
            remedy="Shorten it.",
        )
    wanted = request.options.stride
    stride = min(width // 2, SHARED) if wanted is None else wanted
    settings: dict[str, Any] = {
        "truncation": "only_second", "max_length": width, "stride": min(stride, room - 1),
        "padding": "longest", "padding_side": "right", "return_overflowing_tokens": True, "return_tensors": "pt",
        "verbose": False,
    }  # fmt: skip
    if placed:
        beside = [[list(box) for _, box in page]]
        made = tokenizer([request.text], [[word for word, _ in page]], boxes=beside, **settings)
    else:
        words_alone = [word for word, _ in page]
        made = tokenizer(asked, words_alone, is_split_into_words=True, return_token_type_ids=True, **settings)
    made.pop("overflow_to_sample_mapping", None)
    places, boxes = [], []
    for window, ids in enumerate(made["input_ids"].tolist()):
        of = list(zip(made.sequence_ids(window), made.word_ids(window), ids, strict=True))
        places.append([word if sequence == 1 else -1 for sequence, word, _ in of])
        boxes.append(
            [
                page[word][1] if sequence == 1 else (1000 if id_ == tokenizer.sep_token_id else 0,) * _SIDES
                for sequence, word, id_ in of
            ]
        )
    aside = {"word_ids": torch.tensor(places)}
    if not placed:
        return Inputs({**made, "bbox": torch.tensor(boxes)}, aside)
    return Inputs({**documents.seen(request, len(places)), **made}, aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass over all windows: ``start_logits`` and ``end_logits``, each of shape ``(windows, seq)``."""
    output = request.model.model(**request.on_device(inputs.tensors))
    # The patches of a picture stand behind the tokens.
    width = inputs.tensors["input_ids"].shape[1]
    logits = {"start_logits": output.start_logits, "end_logits": output.end_logits}
    return {name: tensor[:, :width].float().cpu() for name, tensor in logits.items()}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the positions of each window, and the spans of words whose two probabilities multiply to the most.

    Returns:
        ``start_probabilities`` and ``end_probabilities`` of shape ``(windows, seq)``; a `Label` for each answer.
    """
    page = words(request.given.second)
    places = inputs.aside["word_ids"]
    # The first position is where a model says that there is no answer; it takes its share of the probability.
    allowed = places >= 0
    allowed[:, 0] = True
    starts, ends = (
        outputs[name].masked_fill(~allowed, float("-inf")).softmax(dim=-1) for name in ("start_logits", "end_logits")
    )
    best: dict[tuple[int, int], float] = {}
    for window in range(len(places)):
        request.task.check()
        inside = (places[window] >= 0).nonzero().flatten()
        if not len(inside):
            continue
        spans = starts[window, inside].unsqueeze(1) * ends[window, inside].unsqueeze(0)
        spans = spans.triu().tril(request.options.max_answer_tokens - 1)
        scores, flat = spans.flatten().topk(min(request.options.top_k or 100, spans.numel()))
        for score, place in zip(scores.tolist(), flat.tolist(), strict=True):
            first, last = (int(places[window, inside[each]]) for each in divmod(place, len(inside)))
            # Windows overlap, and a word has several tokens: the same words can be found twice.
            best[first, last] = max(score, best.get((first, last), 0.0))
    items = [
        Label(" ".join(word for word, _ in page[first : last + 1]), score) for (first, last), score in best.items()
    ]
    if request.options.no_answer:
        items.append(Label("(no answer)", float((starts[:, 0] * ends[:, 0]).min())))
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"start_probabilities": starts, "end_probabilities": ends}, tuple(items[: request.options.top_k]))
