"""The scripts of tasks on a table, on a sound with labels, and on a picture with labels or a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task import audio, vision
from workbench.engine.codegen.task.parts import PRINT_LABELS, ROWS, Script, ranked
from workbench.engine.tasks.document_question_answering import WINDOW
from workbench.engine.tasks.table_question_answering import rows
from workbench.engine.tasks.zero_shot_audio_classification import TEMPLATE

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


def _given_sound(given: TaskInput) -> list[str]:
    return [*audio.given_sound(given), *assign("labels", list(given.labels))]


def _given_table(given: TaskInput) -> list[str]:
    header, *body = rows(given.second) or ((),)
    return [
        *assign("question", given.text),
        *assign("columns", list(header)),
        *assign("rows", [list(row) for row in body]),
        "table = pandas.DataFrame(rows, columns=columns, dtype=str)",
    ]


def _table_imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import pandas", "import torch")


def _table(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    arguments = ["table", "question", 'truncation="drop_rows_to_fit"', "padding=True", 'return_tensors="pt"']
    return [
        ["# 1. Preprocess: each id with the column and row it stands in", *call("inputs = tokenizer(", arguments)],
        ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs.to(model.device))"],
        [
            "# 3. Postprocess",
            'names = ("logits", "logits_aggregation")',
            "logits = [outputs[name].float().cpu() for name in names if outputs.get(name) is not None]",
            "inputs = {name: tensor.cpu() for name, tensor in inputs.items()}",
            "predicted = tokenizer.convert_logits_to_predictions(inputs, *logits)",
            "cells = predicted[0][0]",
            'result = ", ".join(table.iat[cell] for cell in cells)',
            "if len(logits) > 1 and predicted[1][0] != model.config.no_aggregation_label_index:",
            '    result = f"{model.config.aggregation_labels[predicted[1][0]]} > {result}"',
            "print(result)",
        ],
    ]


def _sound(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
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
        ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs, **sound).logits_per_audio"],
        [
            "# 3. Postprocess",
            "scores = logits[0].float().cpu().softmax(dim=0)",
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
            "scores = logits[0].float().cpu().sigmoid()",
            *ranked(options, "model.config.id2label[index]"),
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
    width = min(options.max_length or WINDOW, WINDOW)
    arguments = [
        "question.split()", "words", "is_split_into_words=True", 'truncation="only_second"', f"max_length={width}",
        "return_token_type_ids=True", 'return_tensors="pt"',
    ]  # fmt: skip
    none = [
        "if starts[0] * ends[0] > best:",
        '    result, best = "", (starts[0] * ends[0]).item()',
    ]
    return [
        [
            "# 1. Preprocess: the first window of the page, each id with the box of its word",
            *call("inputs = tokenizer(", arguments),
            "sequences, places = inputs.sequence_ids(0), inputs.word_ids(0)",
            'separators = (inputs["input_ids"][0] == tokenizer.sep_token_id).tolist()',
            "bbox = [",
            "    boxes[word] if sequence == 1 else [1000 if separator else 0] * 4",
            "    for sequence, word, separator in zip(sequences, places, separators)",
            "]",
            'inputs["bbox"] = torch.tensor([bbox])',
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs.to(model.device))"],
        [
            "# 3. Postprocess: the start and the end whose probabilities multiply to the most",
            "inside = torch.tensor([sequence == 1 for sequence in sequences])",
            "allowed = inside.clone()",
            "allowed[0] = True",
            'starts = outputs.start_logits[0].float().cpu().masked_fill(~allowed, float("-inf")).softmax(dim=-1)',
            'ends = outputs.end_logits[0].float().cpu().masked_fill(~allowed, float("-inf")).softmax(dim=-1)',
            "spans = (starts * inside).unsqueeze(1) * (ends * inside).unsqueeze(0)",
            f"spans = spans.triu().tril({options.max_answer_tokens - 1})",
            "first, last = divmod(spans.argmax().item(), len(spans))",
            'result, best = " ".join(words[places[first] : places[last] + 1]), spans.max().item()',
            *(none if options.no_answer else []),
            'print(f"{best:10.6f} {result}")',
        ],
    ]


def seen_page(given: TaskInput, options: TaskOptions, looks: list[str]) -> list[list[str]]:
    """The steps where the model may look at the page's picture, and its tokenizer places the boxes (LayoutLMv3).

    Args:
        given: With or without a picture.
        options: How the answer is looked for.
        looks: The lines that put the picture among the inputs.
    """
    width = min(options.max_length or WINDOW, WINDOW)
    arguments = [
        "[question]", "[words]", "boxes=[boxes]", 'truncation="only_second"', f"max_length={width}",
        'return_tensors="pt"',
    ]  # fmt: skip
    _, forward, finish = _page(given, options)
    return [
        [
            "# 1. Preprocess: the first window of the page, each id with the box of its word",
            *call("inputs = tokenizer(", arguments),
            "sequences, places = inputs.sequence_ids(0), inputs.word_ids(0)",
            *(looks if given.image is not None else []),
        ],
        forward,
        [line.replace("_logits[0]", "_logits[0, : len(sequences)]") for line in finish],
    ]


def given_seen_page(given: TaskInput) -> list[str]:
    """Question, words, boxes and, where there is one, the picture of the page."""
    return [*_given_page(given), *(vision.given_picture(given) if given.image is not None else [])]


def seen_page_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """What a script on a page needs besides transformers."""
    return (*_page_imports(given, options), *(["from PIL import Image, ImageOps"] if given.image is not None else []))


SCRIPTS: dict[str, Script] = {
    "document-question-answering": Script("Answer a question about a page.", _given_page, _page, _page_imports),
    "table-question-answering": Script("Answer a question about a table.", _given_table, _table, _table_imports),
    "zero-shot-audio-classification": Script(
        "Say which labels fit a sound.",
        _given_sound,
        _sound,
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
