"""The scripts of tasks on two texts, or on a text and some labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.parts import PRINT_LABELS, Script, encode, forward, scored
from workbench.engine.tasks.question_answering import OVERLAP, WINDOW
from workbench.engine.tasks.zero_shot_classification import TEMPLATE

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


def _pair(first: str, second: str, given: TaskInput) -> list[str]:
    return [*assign(first, given.text), *assign(second, given.second)]


def _given_pair(given: TaskInput) -> list[str]:
    return _pair("text", "text_pair", given)


def _given_question(given: TaskInput) -> list[str]:
    return _pair("question", "context", given)


def _given_labels(given: TaskInput) -> list[str]:
    return [*assign("text", given.text), *assign("labels", list(given.labels))]


def _given_choices(given: TaskInput) -> list[str]:
    return [*assign("text", given.text), *assign("choices", list(given.labels))]


def _sentence_pair(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [encode(options, texts="text, text_pair"), forward(), scored(options)]


def _next_sentence(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        encode(options, texts="text, text_pair"),
        forward(),
        [
            "# 3. Postprocess: 0 is a continuation, 1 a random sentence",
            "scores = logits[0].float().cpu().softmax(dim=-1)",
            'result = sorted(zip(["IsNext", "NotNext"], scores.tolist()), key=lambda pair: pair[1], reverse=True)',
            *PRINT_LABELS,
        ],
    ]


def _multiple_choice(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    arguments = ["[text] * len(choices)", "choices", "padding=True", 'return_tensors="pt"']
    if options.max_length:
        arguments += ["truncation=True", f"max_length={options.max_length}"]
    return [
        [
            "# 1. Preprocess: a row a choice, and all rows one input",
            *call("encoded = tokenizer(", arguments),
            "inputs = {name: tensor.unsqueeze(0).to(model.device) for name, tensor in encoded.items()}",
        ],
        forward(),
        [
            "# 3. Postprocess",
            "scores = logits[0].float().cpu().softmax(dim=-1)",
            "result = sorted(zip(choices, scores.tolist()), key=lambda pair: pair[1], reverse=True)",
            *PRINT_LABELS,
        ],
    ]


def _zero_shot(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    arguments = ["[text] * len(labels)", "sentences", "padding=True", 'padding_side="right"', 'return_tensors="pt"']
    if options.max_length:
        arguments += ['truncation="only_first"', f"max_length={options.max_length}"]
    alone = "logits[:, [-1 if entailment == 0 else 0, entailment]].softmax(dim=-1)[:, 1]"
    return [
        [
            "# 1. Preprocess: does each sentence follow from the text?",
            f"template = {literal(options.template or TEMPLATE)}",
            "sentences = [template.format(label) for label in labels]",
            "if tokenizer.pad_token is None:",
            "    tokenizer.pad_token = tokenizer.eos_token",
            *call("inputs = tokenizer(", arguments),
            "inputs = inputs.to(model.device)",
        ],
        forward(),
        [
            "# 3. Postprocess",
            "logits = logits.float().cpu()",
            "id2label = model.config.id2label",
            'named = (index for index, name in id2label.items() if name.lower().startswith("entail"))',
            "entailment = next(named, -1)  # the last label, where none is called so",
            *([f"scores = {alone}"] if options.multi_label else _together(alone)),
            "result = sorted(zip(labels, scores.tolist()), key=lambda pair: pair[1], reverse=True)",
            *PRINT_LABELS,
        ],
    ]


def _together(alone: str) -> list[str]:
    return [
        "if len(labels) == 1:",
        f"    scores = {alone}",
        "else:",
        "    scores = logits[:, entailment].softmax(dim=-1)",
    ]


def _question_answering(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    width = min(options.max_length or WINDOW, WINDOW)
    arguments = [
        "question",
        "context",
        'truncation="only_second"',
        f"max_length={width}",
        "stride=stride",
        'padding="longest"',
        "return_overflowing_tokens=True",
        "return_offsets_mapping=True",
        'return_tensors="pt"',
    ]
    none = ["no_answer = (starts[:, 0] * ends[:, 0]).min().item()", "found[(0, 0)] = no_answer"]
    return [
        [
            "# 1. Preprocess: a long context becomes several windows",
            'asked = len(tokenizer(question, add_special_tokens=False)["input_ids"])',
            f"room = {width} - tokenizer.num_special_tokens_to_add(pair=True) - asked",
            f"stride = min({OVERLAP}, room // 2)"
            if options.stride is None
            else f"stride = min({options.stride}, room - 1)",
            *call("inputs = tokenizer(", arguments),
            "windows = range(inputs.input_ids.shape[0])",
            "in_context = torch.tensor([[place == 1 for place in inputs.sequence_ids(window)] for window in windows])",
            'offsets = inputs.pop("offset_mapping")',
            'inputs.pop("overflow_to_sample_mapping")',
            "inputs = inputs.to(model.device)",
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs)"],
        [
            "# 3. Postprocess: the spans whose start and end are the most probable together",
            "allowed = in_context.clone()",
            "allowed[:, 0] = True",
            'allowed &= inputs["attention_mask"].cpu().bool()',
            'starts = outputs.start_logits.float().cpu().masked_fill(~allowed, float("-inf")).softmax(dim=-1)',
            'ends = outputs.end_logits.float().cpu().masked_fill(~allowed, float("-inf")).softmax(dim=-1)',
            "found = {}",
            "for window in windows:",
            "    places = in_context[window].nonzero().flatten()",
            "    spans = starts[window, places].unsqueeze(1) * ends[window, places].unsqueeze(0)",
            f"    spans = spans.triu().tril({options.max_answer_tokens - 1})",
            f"    scores, best = spans.flatten().topk(min({options.top_k or 100}, spans.numel()))",
            "    characters = offsets[window][places].tolist()",
            "    for score, place in zip(scores.tolist(), best.tolist()):",
            "        start, end = characters[place // len(places)][0], characters[place % len(places)][1]",
            "        if score > 0:",
            "            found[(start, end)] = max(score, found.get((start, end), 0.0))",
            *(none if options.no_answer else []),
            "best = sorted(found.items(), key=lambda pair: pair[1], reverse=True)"
            + (f"[:{options.top_k}]" if options.top_k else ""),
            "result = [(context[start:end], score, start, end) for (start, end), score in best]",
            "for answer, score, start, end in result:",
            '    print(f"{score:10.6f} {start:5} {end:5} {answer!r}")',
        ],
    ]


SCRIPTS: dict[str, Script] = {
    "sentence-pair-classification": Script("Classify two texts together.", _given_pair, _sentence_pair),
    "zero-shot-classification": Script("Say which labels fit a text.", _given_labels, _zero_shot),
    "question-answering": Script("Find the answer to a question in a text.", _given_question, _question_answering),
    "multiple-choice": Script("Choose how a text goes on.", _given_choices, _multiple_choice),
    "next-sentence-prediction": Script("Say whether one sentence follows another.", _given_pair, _next_sentence),
}
"""By the name of the task."""
