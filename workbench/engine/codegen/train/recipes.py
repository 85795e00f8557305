"""The recipe of each head."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, literal
from workbench.engine.codegen.train.recipe import LABELLED, Recipe, label_order
from workbench.engine.train import metrics
from workbench.engine.train.heads import (
    HEADS,
    causal_lm,
    cells,
    chat,
    image_classification,
    masked_lm,
    prompt_form,
    question_answering,
    seq2seq,
    sequence_classification,
    token_classification,
)

if TYPE_CHECKING:
    from workbench.engine.values import TrainSpec


def recipe(spec: TrainSpec) -> Recipe:
    """What this run's head brings along."""
    return _RECIPES[spec.task](spec)


def _texts(spec: TrainSpec, targets: str) -> list[str]:
    given = 'batch["text"], batch["pair"]' if spec.columns.get("pair") else 'batch["text"]'
    return [
        "def encode(batch):",
        f"    encoded = tokenizer({given}, truncation=True, max_length=max_length)",
        f'    return {{**encoded, "labels": {targets}}}',
        "",
        "",
        *mapped(),
    ]


def mapped(function: str = "encode") -> list[str]:
    """Lines that encode both parts with a function of batches."""
    return [
        'names = parts["train"].column_names',
        f"train, evaluation = (parts[name].map({function}, batched=True, remove_columns=names) for name in parts)",
    ]


def _one_label(spec: TrainSpec) -> Recipe:
    return Recipe(
        "Fine-tune a checkpoint to classify text.",
        'example["text"].strip() and example["label"].strip()',
        _texts(spec, '[labels.index(label) for label in batch["label"]]'),
        "DataCollatorWithPadding(tokenizer)",
        "classification_metrics",
        metrics.predicted_ids,
        ("DataCollatorWithPadding",),
        measures=(metrics.classification_metrics,),
        labels=['labels = sorted(set(dataset["label"]))', *label_order(spec)],
        arguments=LABELLED,
        settle=_problem(spec),
    )


def _several_labels(spec: TrainSpec) -> Recipe:
    return Recipe(
        "Fine-tune a checkpoint to give text any number of labels.",
        'example["text"].strip()',
        _texts(spec, '[[float(label in several) for label in labels] for several in batch["label"]]'),
        "DataCollatorWithPadding(tokenizer)",
        "multi_label_metrics",
        metrics.above_zero,
        ("DataCollatorWithPadding",),
        values={"label": "as_labels({cell})"},
        functions=(cells.as_list, sequence_classification.as_labels),
        measures=(metrics.multi_label_metrics,),
        labels=['labels = sorted({label for several in dataset["label"] for label in several})', *label_order(spec)],
        arguments=LABELLED,
        settle=_problem(spec),
    )


def _number(spec: TrainSpec) -> Recipe:
    return Recipe(
        "Fine-tune a checkpoint to give text a number.",
        'example["text"].strip() and math.isfinite(example["label"])',
        _texts(spec, 'batch["label"]'),
        "DataCollatorWithPadding(tokenizer)",
        "regression_metrics",
        metrics.only_logits,
        ("DataCollatorWithPadding",),
        values={"label": "as_number({cell})"},
        functions=(sequence_classification.as_number,),
        measures=(metrics.regression_metrics,),
        labels=[f"labels = [{literal(spec.columns.get('label', ''))}]"],
        arguments=LABELLED,
        settle=_problem(spec),
    )


def _problem(spec: TrainSpec) -> list[str]:
    head = HEADS[spec.task]
    assert isinstance(head, sequence_classification.TextClassification)
    return [
        "if model.config.pad_token_id is None:",
        "    model.config.pad_token_id = tokenizer.pad_token_id",
        f"model.config.problem_type = {literal(head.problem_type)}",
    ]


def _tags(spec: TrainSpec) -> Recipe:
    return Recipe(
        "Fine-tune a checkpoint to tag words.",
        'not ragged(example["tokens"], example["tags"])',
        [
            "def encode(batch):",
            '    made = tokenizer(batch["tokens"], is_split_into_words=True, truncation=True, max_length=max_length)',
            "    told = [",
            "        aligned(made.word_ids(place), [labels.index(tag) for tag in tags])"
            ' for place, tags in enumerate(batch["tags"])',
            "    ]",
            '    return {**made, "labels": told}',
            "",
            "",
            *mapped(),
            "train, evaluation = (",
            '    part.filter(lambda row: any(label != -100 for label in row["labels"]))'
            " for part in (train, evaluation)",
            ")",
        ],
        "DataCollatorForTokenClassification(tokenizer)",
        "partial(span_metrics, labels=labels)",
        metrics.predicted_ids,
        ("DataCollatorForTokenClassification",),
        values={"tokens": "as_words({cell})", "tags": "as_words({cell})"},
        functions=(
            cells.as_list,
            token_classification.as_words,
            token_classification.ragged,
            token_classification.tag_order,
            token_classification.aligned,
        ),
        measures=(metrics.span_metrics,),
        labels=[
            'labels = sorted({tag for tags in dataset["tags"] for tag in tags}, key=tag_order)',
            *label_order(spec),
        ],
        arguments=LABELLED,
        settle=[
            'if getattr(tokenizer, "add_prefix_space", None) is False:',
            "    tokenizer.add_prefix_space = True",
        ],
    )


_PROMPTED = [
    "def encode(row):",
    '    row = {**row, "prompt": written_prompt(row["prompt"], row["input"], with_input, without_input)}',
]


def _chat(spec: TrainSpec) -> Recipe:
    by_messages, head = bool(spec.columns.get("messages")), HEADS[spec.task]
    last = head.option(spec, "learn") == "last"
    formed = bool(spec.columns.get("input"))
    return Recipe(
        "Fine-tune a checkpoint on what an assistant says.",
        'not silent(json.loads(example["messages"]))' if by_messages else "answered(example)",
        [
            *(line for form in prompt_form.FORMS if formed for line in assign(form.name, head.option(spec, form.name))),
            *(["", "", *_PROMPTED] if formed else ["def encode(row):"]),
            f"    made = chat_ids(tokenizer, row, only_last={last})",
            "    return {name: ids[:max_length] for name, ids in made.items()}",
            "",
            "",
            'names = parts["train"].column_names',
            "train, evaluation = (",
            "    parts[name].map(encode, remove_columns=names)"
            '.filter(lambda row: any(label != -100 for label in row["labels"]))',
            "    for name in parts",
            ")",
        ],
        "DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)",
        "next_token_metrics",
        metrics.predicted_ids,
        ("DataCollatorForSeq2Seq",),
        values={"messages": "json.dumps(messages_in({cell}), ensure_ascii=False)"} if by_messages else {},
        functions=(
            chat.as_messages,
            *((chat.messages_in,) if by_messages else ()),
            chat.silent,
            chat.as_turns,
            *(() if by_messages else (chat.answered,)),
            *((prompt_form.written_prompt,) if formed else ()),
            chat.said_ids,
            chat.completed_ids,
            chat.chat_ids,
        ),
        measures=(metrics.perplexity, metrics.perplexities, metrics.next_token_metrics),
    )


def _blocks(_: TrainSpec) -> Recipe:
    return Recipe(
        "Fine-tune a checkpoint to continue text.",
        'example["text"].strip()',
        [
            "def encode(part):",
            '    cut = blocks_of(joined_ids(tokenizer, part["text"][:]), max_length)',
            '    return Dataset.from_dict({"input_ids": cut, "labels": cut})',
            "",
            "",
            'train, evaluation = encode(parts["train"]), encode(parts["test"])',
        ],
        "default_data_collator",
        "next_token_metrics",
        metrics.predicted_ids,
        ("default_data_collator",),
        functions=(causal_lm.joined_ids, causal_lm.blocks_of),
        measures=(metrics.perplexity, metrics.perplexities, metrics.next_token_metrics),
        pads=False,
    )


def _masked(spec: TrainSpec) -> Recipe:
    share = HEADS[spec.task].option(spec, "mlm_probability")
    return Recipe(
        "Fine-tune a checkpoint to fill in what is masked.",
        'example["text"].strip()',
        [
            "def encode(batch):",
            '    return tokenizer(batch["text"], truncation=True, max_length=max_length)',
            "",
            "",
            *mapped(),
            'train, evaluation = (part.select(maskable(tokenizer, part["input_ids"])) for part in (train, evaluation))',
        ],
        f"masking_collator(tokenizer, {share!r}, seed)",
        "masked_token_metrics",
        metrics.predicted_ids,
        functions=(masked_lm.maskable, masked_lm.masking_collator),
        measures=(metrics.perplexity, metrics.perplexities, metrics.masked_token_metrics),
    )


def _answers(spec: TrainSpec) -> Recipe:
    return Recipe(
        "Fine-tune a checkpoint to find the answer to a question in a text.",
        'not unlearnable(example["question"], example["context"], json.loads(example["answers"]))',
        [
            "def encode(batch):",
            "    batch = dict(batch)",
            '    batch["answers"] = [',
            "        json.dumps(as_answers(json.loads(cell), context), ensure_ascii=False)",
            '        for cell, context in zip(batch["answers"], batch["context"], strict=True)',
            "    ]",
            f"    windows = answer_windows(tokenizer, batch, max_length, {HEADS[spec.task].option(spec, 'stride')})",
            '    windows["told"] = [told_of(batch, place) for place in windows.pop("row")]',
            "    return windows",
            "",
            "",
            *mapped(),
        ],
        "DataCollatorWithPadding(tokenizer)",
        "partial(answer_metrics, encoded=evaluation)",
        question_answering.start_and_end,
        ("DataCollatorWithPadding",),
        values={"answers": "json.dumps({cell}, ensure_ascii=False)"},
        functions=(
            cells.as_list,
            question_answering.as_answers,
            question_answering.unlearnable,
            question_answering.answer_windows,
            question_answering.told_of,
        ),
        measures=(
            metrics.plain_words,
            metrics.answer_scores,
            question_answering.best_answer,
            question_answering.answer_metrics,
        ),
    )


def _written(spec: TrainSpec) -> Recipe:
    head = HEADS[spec.task]
    prefix, longest = head.option(spec, "prefix"), head.option(spec, "max_target_length")
    generates = bool(head.generation(spec.head_options))
    measures = [metrics.generated_metrics] if generates else [metrics.written_metrics]
    return Recipe(
        "Fine-tune a checkpoint to write one text after reading another.",
        'example["source"].strip() and example["target"].strip()',
        [
            "def encode(batch):",
            f"    return written_ids(tokenizer, batch, {literal(prefix)}, max_length, {longest})",
            "",
            "",
            *mapped(),
        ],
        "DataCollatorForSeq2Seq(tokenizer, model=model, label_pad_token_id=-100)",
        "partial(generated_metrics, tokenizer=tokenizer)" if generates else "written_metrics",
        None if generates else metrics.predicted_ids,
        ("DataCollatorForSeq2Seq", *(["PreTrainedTokenizerBase"] if generates else [])),
        functions=(seq2seq.written_ids,),
        measures=(metrics.perplexity, metrics.perplexities, *measures),
    )


def _pictures(spec: TrainSpec) -> Recipe:
    folder = literal(image_classification.folder_of(spec))
    return Recipe(
        "Fine-tune a checkpoint to classify pictures.",
        f'example["label"].strip() and not unreadable(example["image"], {folder})',
        [
            "def encode(part):",
            '    told = [labels.index(label) for label in part["label"]]',
            '    return Dataset.from_dict({"image": part["image"], "labels": told})',
            "",
            "",
            'train, evaluation = encode(parts["train"]), encode(parts["test"])',
        ],
        f"picture_collator(processor, {folder})",
        "classification_metrics",
        metrics.predicted_ids,
        ("AutoImageProcessor",),
        values={"image": "as_picture({cell})"},
        functions=(
            image_classification.as_picture,
            image_classification.opened,
            image_classification.unreadable,
            image_classification.picture_collator,
        ),
        measures=(metrics.classification_metrics,),
        labels=['labels = sorted(set(dataset["label"]))', *label_order(spec)],
        arguments=LABELLED,
        pads=False,
        reader="processor",
    )


_RECIPES: dict[str, Callable[[TrainSpec], Recipe]] = {
    "text-classification": _one_label,
    "multi-label-classification": _several_labels,
    "text-regression": _number,
    "token-classification": _tags,
    "chat": _chat,
    "text-generation": _blocks,
    "fill-mask": _masked,
    "question-answering": _answers,
    "text2text-generation": _written,
    "image-classification": _pictures,
}
