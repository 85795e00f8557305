"""The scripts of tasks on a table, on a sound with labels, and on a picture with labels or a question."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task import audio, vision
from workbench.engine.codegen.task.parts import LABELS, PRINT_LABELS, ROWS, Script, inputs, named, ranked
from workbench.engine.tasks.document_question_answering import SHARED, WINDOW
from workbench.engine.tasks.feature_extraction import lines
from workbench.engine.tasks.table_question_answering import rows
from workbench.engine.tasks.zero_shot_audio_classification import ALONE, COMPARED, TEMPLATE

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

_PLACED = "# 1. Preprocess: each id with the column and row it stands in"
_FITTED = ['truncation="drop_rows_to_fit"', "padding=True", 'return_tensors="pt"']


def _given_sound(given: TaskInput) -> list[str]:
    return [*audio.given_sound(given), *assign("labels", list(given.labels))]


def _given_questions(given: TaskInput) -> list[str]:
    asked = list(lines(given.text))
    return [*(assign("questions", asked) if len(asked) > 1 else assign("question", given.text)), *_table_of(given)]


def _table_of(given: TaskInput) -> list[str]:
    header, *body = rows(given.second) or ((),)
    return [
        *assign("columns", list(header)),
        *assign("rows", [list(row) for row in body]),
        "table = pandas.DataFrame(rows, columns=columns, dtype=str)",
    ]


def beside_table(made: Script) -> Script:
    """The script of a task on a text, where a table stands beside it."""

    def given_both(given: TaskInput) -> list[str]:
        return [*made.given(given), *_table_of(given)]

    def blocks(given: TaskInput, options: TaskOptions) -> list[list[str]]:
        _, *rest = made.blocks(given, options)
        arguments = ["table", "text", *_FITTED, *([f"max_length={options.max_length}"] if options.max_length else [])]
        return [[_PLACED, *inputs(arguments)], *rest]

    return replace(made, given=given_both, blocks=blocks, imports=_table_imports)


def _table_imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import pandas", "import torch")


def _table(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    several = len(lines(given.text)) > 1
    asked = "questions" if several else "question"
    arguments = ["table", asked, *_FITTED]
    one = ["with torch.inference_mode():", "    outputs = model(**inputs.to(model.device))"]
    taken = ["logits = [outputs[name].float().cpu() for name in names if outputs.get(name) is not None]"]
    if several and options.sequential:
        one = _IN_TURN
        taken = [
            "names = [name for name in names if outputs[0].get(name) is not None]",
            "logits = [torch.cat([each[name].float().cpu() for each in outputs]) for name in names]",
        ]
    answer = [
        'result = ", ".join(table.iat[cell] for cell in predicted[0][number])',
        "if len(logits) > 1 and predicted[1][number] != model.config.no_aggregation_label_index:",
        '    result = f"{model.config.aggregation_labels[predicted[1][number]]} > {result}"',
    ]
    told = ["number = 0", *answer, "print(result)"]
    if several:
        told = [
            "results = []",
            "for number, question in enumerate(questions):",
            *(f"    {line}" for line in answer),
            "    results.append(result)",
            '    print(f"{question} {result}")',
            "result = results",
        ]
    return [
        [_PLACED, *call("inputs = tokenizer(", arguments)],
        ["# 2. Forward", *one],
        [
            "# 3. Postprocess",
            'names = ("logits", "logits_aggregation")',
            *taken,
            "inputs = {name: tensor.cpu() for name, tensor in inputs.items()}",
            "predicted = tokenizer.convert_logits_to_predictions(inputs, *logits)",
            *told,
        ],
    ]


#: Each question with the cells of the answer before it.
_IN_TURN = [
    "outputs, chosen = [], set()",
    "for index in range(len(questions)):",
    "    part = {name: tensor[index : index + 1].to(model.device) for name, tensor in inputs.items()}",
    '    kinds = part["token_type_ids"][0]',
    "    cells = [(column, row) if of and column and row else None for of, column, row, *_ in kinds.tolist()]",
    "    kinds[:, 3] = torch.tensor([cell in chosen for cell in cells])",
    "    with torch.inference_mode():",
    "        outputs.append(model(**part))",
    "    found = {}",
    "    for cell, probability in zip(cells, outputs[-1].logits[0].sigmoid().tolist()):",
    "        found.setdefault(cell, []).append(probability)",
    "    chosen = {cell for cell, each in found.items() if cell and sum(each) / len(each) > 0.5}",
]


def sound(_given: TaskInput, options: TaskOptions, kind: str = "clap") -> list[list[str]]:
    """The steps of a model of a ``kind`` that compares a sound with a sentence for each label."""
    arguments = ["samples", "sampling_rate=wanted", 'return_tensors="pt"']
    return [
        [
            "# 1. Preprocess: the sound, and a sentence a label",
            f"template = {literal(options.template or TEMPLATE)}",
            "sentences = [template.format(label) for label in labels]",
            f"numpy.random.seed({options.seed})  # of a long sound it draws which part is heard",
            *call("sound = feature_extractor(", arguments),
            "sound = sound.to(model.device, dtype=model.dtype)",
            'inputs = tokenizer(sentences, padding=True, truncation=True, return_tensors="pt").to(model.device)',
        ],
        ["# 2. Forward", "with torch.inference_mode():", f"    logits = model(**inputs, **sound).{COMPARED[kind]}"],
        [
            "# 3. Postprocess",
            f"scores = logits[0].float().cpu().{'sigmoid()' if kind in ALONE else 'softmax(dim=0)'}",
            "result = sorted(zip(labels, scores.tolist()), key=lambda pair: pair[1], reverse=True)",
            *PRINT_LABELS,
        ],
    ]


def _objects(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    finish = ["outputs", f"threshold={options.threshold!r}", "target_sizes=size"]
    return [
        [
            "# 1. Preprocess",
            'pixels = image_processor(images=[image], return_tensors="pt").to(model.device, dtype=model.dtype)',
            "size = torch.tensor([[image.height, image.width]])",
        ],
        [
            "# 2. Forward and 3. Postprocess, label by label",
            "result = []",
            "for label in labels:",
            '    inputs = tokenizer(label, truncation=True, return_tensors="pt").to(model.device)',
            "    with torch.inference_mode():",
            "        outputs = model(**inputs, **pixels)",
            *call("    (found,) = image_processor.post_process_object_detection(", finish),
            '    for score, box in zip(found["scores"].tolist(), found["boxes"]):',
            "        if score:",
            "            result.append((label, score, *box.int().tolist()))",
            "result.sort(key=lambda row: row[1], reverse=True)",
            *([f"result = result[:{options.top_k}]"] if options.top_k else []),
            "for label, score, left, top, right, bottom in result:",
            '    print(f"{score:10.6f} {label} ({left}, {top}) to ({right}, {bottom})")',
        ],
    ]


def _question(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess",
            'inputs = tokenizer(text, truncation=True, return_tensors="pt").to(model.device)',
            'pixels = image_processor(images=[image], return_tensors="pt").to(model.device, dtype=model.dtype)',
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs, **pixels).logits"],
        [
            "# 3. Postprocess",
            LABELS,
            "scores = logits[0].float().cpu().sigmoid()",
            *ranked(options, named("index")),
        ],
    ]


def written_answer(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a question about a picture where the model writes its answer (BLIP)."""
    settings = f"max_new_tokens={options.max_new_tokens}"
    kept = ["**inputs", "**pixels", settings, "do_sample=False", "return_dict_in_generate=True", "output_logits=True"]
    prepare, *_ = _question(_given, options)
    prepare = [line.replace("truncation=True", "truncation=True, return_token_type_ids=False") for line in prepare]
    return [
        prepare,
        ["# 2. Forward, once for each new token", *call("written = model.generate(", kept)],
        [
            "# 3. Postprocess",
            "ids = written.sequences[0, 1:].cpu()",
            "logits = torch.stack(written.logits, dim=1)[0].float().cpu()",
            "score = logits.softmax(dim=-1)[range(len(ids)), ids].prod().item()",
            "result = [(tokenizer.decode(ids, skip_special_tokens=True).strip(), score)]",
            *PRINT_LABELS,
        ],
    ]


BOTH = ("tokenizer", "image_processor")
"""What a script on a picture with a text loads besides the model."""


def _given_page(given: TaskInput) -> list[str]:
    return [
        *assign("question", given.text),
        *assign("page", given.second),
        *ROWS,
    ]


def _page_imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import csv", "import torch")


def _page(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    taken = 'len(tokenizer(question.split(), is_split_into_words=True, add_special_tokens=False)["input_ids"])'
    texts = ["question.split()", "words", "is_split_into_words=True", "return_token_type_ids=True"]
    return [
        [
            *_windows(options, taken, texts),
            "bbox = [",
            "    [",
            "        boxes[word] if word >= 0 else [1000 if id_ == tokenizer.sep_token_id else 0] * 4",
            '        for word, id_ in zip(places[window], inputs["input_ids"][window].tolist())',
            "    ]",
            "    for window in windows",
            "]",
            'inputs["bbox"] = torch.tensor(bbox)',
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs.to(model.device))"],
        _best_words(options),
    ]


def _windows(options: TaskOptions, taken: str, texts: list[str]) -> list[str]:
    """``inputs``, with the ``places`` of their ids among the words, -1 where there is none.

    Args:
        options: How long a window is, and how much two of them share.
        taken: An expression for the tokens of the question.
        texts: What the tokenizer is given.
    """
    width = min(options.max_length or WINDOW, WINDOW)
    stride = min(width // 2, SHARED) if options.stride is None else options.stride
    arguments = [
        *texts, 'truncation="only_second"', f"max_length={width}", "stride=stride", 'padding="longest"',
        'padding_side="right"', "return_overflowing_tokens=True", 'return_tensors="pt"',
    ]  # fmt: skip
    return [
        "# 1. Preprocess: a long page becomes windows that overlap, each id with the box of its word",
        f"asked = {taken}",
        f"stride = min({stride}, {width} - tokenizer.num_special_tokens_to_add(pair=True) - asked - 1)",
        *call("inputs = tokenizer(", arguments),
        'inputs.pop("overflow_to_sample_mapping", None)',
        'windows = range(len(inputs["input_ids"]))',
        "parts = [zip(inputs.sequence_ids(window), inputs.word_ids(window)) for window in windows]",
        "places = [[word if sequence == 1 else -1 for sequence, word in part] for part in parts]",
    ]


def _best_words(options: TaskOptions) -> list[str]:
    """The third step: the words of a page whose start and end are the most probable together."""
    none = ['answers.append(("(no answer)", (starts[:, 0] * ends[:, 0]).min().item()))'] if options.no_answer else []
    kept = f"[:{options.top_k}]" if options.top_k else ""
    return [
        "# 3. Postprocess: the starts and ends whose probabilities multiply to the most",
        "places = torch.tensor(places)",
        "allowed = places >= 0",
        "allowed[:, 0] = True",
        "both = (outputs.start_logits, outputs.end_logits)",
        "both = (logits[:, : places.shape[1]].float().cpu() for logits in both)",
        'starts, ends = (logits.masked_fill(~allowed, float("-inf")).softmax(dim=-1) for logits in both)',
        "found = {}",
        "for window in windows:",
        "    inside = (places[window] >= 0).nonzero().flatten()",
        "    spans = starts[window, inside].unsqueeze(1) * ends[window, inside].unsqueeze(0)",
        f"    spans = spans.triu().tril({options.max_answer_tokens - 1})",
        f"    scores, best = spans.flatten().topk(min({options.top_k or 100}, spans.numel()))",
        "    for score, place in zip(scores.tolist(), best.tolist()):",
        "        first, last = places[window, inside[[place // len(inside), place % len(inside)]]].tolist()",
        "        found[first, last] = max(score, found.get((first, last), 0.0))",
        'answers = [(" ".join(words[first : last + 1]), score) for (first, last), score in found.items()]',
        *none,
        f"answers = sorted(answers, key=lambda answer: answer[1], reverse=True){kept}",
        "result, best = answers[0]",
        "for answer, score in answers:",
        '    print(f"{score:10.6f} {answer}")',
    ]


#: Each window is shown the whole picture.
_REPEATED = [
    'seen = "image" if "image" in inputs else "pixel_values"',
    "inputs[seen] = inputs[seen].repeat(len(windows), 1, 1, 1)",
]


def seen_page(given: TaskInput, options: TaskOptions, looks: list[str]) -> list[list[str]]:
    """The steps where the model may look at the page's picture, and its tokenizer places the boxes (LayoutLMv3).

    Args:
        given: With or without a picture.
        options: How the answer is looked for.
        looks: The lines that put the picture among the inputs.
    """
    alone = 'tokenizer([question], [["."]], boxes=[[[0] * 4]], add_special_tokens=False)'
    _, forward, finish = _page(given, options)
    return [
        [
            *_windows(options, f"{alone}.sequence_ids(0).count(0)", ["[question]", "[words]", "boxes=[boxes]"]),
            *([*looks, *_REPEATED] if given.image is not None else []),
        ],
        forward,
        finish,
    ]


def given_seen_page(given: TaskInput) -> list[str]:
    """Question, words, boxes and, where there is one, the picture of the page."""
    return [*_given_page(given), *(vision.given_picture(given) if given.image is not None else [])]


def seen_page_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """What a script on a page needs besides transformers."""
    return (*_page_imports(given, options), *(["from PIL import Image, ImageOps"] if given.image is not None else []))


SCRIPTS: dict[str, Script] = {
    "document-question-answering": Script("Answer a question about a page.", _given_page, _page, _page_imports),
    "table-question-answering": Script("Answer a question about a table.", _given_questions, _table, _table_imports),
    "zero-shot-audio-classification": Script(
        "Say which labels fit a sound.",
        _given_sound,
        sound,
        lambda given, options: (*audio.imports(given, options), "import numpy"),
        loads=("tokenizer", "feature_extractor"),
    ),
    "zero-shot-object-detection": Script(
        "Find things by their names in a picture.", vision.given_labels, _objects, vision.imports, loads=BOTH
    ),
    "visual-question-answering": Script(
        "Answer a question about a picture.", vision.given_text, _question, vision.imports, loads=BOTH
    ),
}
"""By the name of the task."""
