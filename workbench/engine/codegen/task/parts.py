"""What the scripts of tasks are made of: what a script loads, and the lines that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.tasks.writing import chosen

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


@dataclass(frozen=True, slots=True)
class Script:
    """What a task's script is made of.

    Attributes:
        title: Its first line.
        given: The lines that name the input.
        blocks: The three steps, each a list of lines.
        imports: Lines before those of transformers, by the input and the options.
        classes: Further names of transformers.
        loads: ``tokenizer``, ``image_processor``, ``feature_extractor`` or ``processor``: what is read from the
            checkpoint besides the model.
        heads: Auto classes that the model can be loaded with besides those of the task.
        whole: The class to load instead, where the head stands for a part of it; mostly empty.
    """

    title: str
    given: Callable[[TaskInput], list[str]]
    blocks: Callable[[TaskInput, TaskOptions], list[list[str]]]
    imports: Callable[[TaskInput, TaskOptions], tuple[str, ...]] = lambda _given, _options: ("import torch",)
    classes: Callable[[TaskOptions], tuple[str, ...]] = lambda _options: ()
    loads: tuple[str, ...] = ("tokenizer",)
    heads: tuple[str, ...] = ()
    whole: str = ""


ROWS = [
    "rows = [row for row in csv.reader(page.splitlines(), skipinitialspace=True) if row]",
    'words = [",".join(row[:-4]).strip() for row in rows]',
    "boxes = [[int(side) for side in row[-4:]] for row in rows]",
]
"""The words of a ``page`` and their boxes."""

PRINT_LABELS = ["for label, score in result:", '    print(f"{score:10.6f} {label}")']


def given_text(given: TaskInput) -> list[str]:
    """``text = …``."""
    return assign("text", given.text)


def encode(options: TaskOptions, *more: str, texts: str = "text") -> list[str]:
    """The first step of tasks on a text or a pair."""
    arguments = [texts, 'return_tensors="pt"', *more]
    if options.max_length:
        arguments += ["truncation=True", f"max_length={options.max_length}"]
    return ["# 1. Preprocess", *inputs(arguments)]


def inputs(arguments: list[str]) -> list[str]:
    """``inputs = tokenizer(…)``, on the model's device."""
    line = call("inputs = tokenizer(", arguments, ").to(model.device)")
    return line if len(line) == 1 else [*call("inputs = tokenizer(", arguments), "inputs = inputs.to(model.device)"]


def forward(then: str = "logits = model(**inputs).logits") -> list[str]:
    """The second step of tasks that are one pass."""
    return ["# 2. Forward", "with torch.inference_mode():", f"    {then}"]


def threshold(options: TaskOptions) -> str:
    """`` if score >= …`` at the end of a comprehension."""
    return f" if score >= {options.threshold!r}" if options.threshold else ""


def scored(options: TaskOptions) -> list[str]:
    """Logits of a classifier to labels with scores, as ``options.function`` or ``problem_type`` asks."""
    own = [
        "config = model.config",
        'if config.problem_type == "regression":',
        "    scores = logits",
        'elif config.problem_type == "multi_label_classification" or config.num_labels == 1:',
        "    scores = logits.sigmoid()",
        "else:",
        "    scores = logits.softmax(dim=-1)",
    ]
    return [
        "# 3. Postprocess",
        LABELS,
        "logits = logits[0].float().cpu()",
        *(own if options.function == "auto" else [asked_scores(options)]),
        *ranked(options, named("index")),
    ]


LABELS = "id2label = model.config.id2label"
"""What `named` reads; it may have fewer names than the head has labels."""


def named(index: str) -> str:
    """An expression for the name of a label, after `LABELS`: as `Request.label` has it.

    Args:
        index: An expression for its number.
    """
    return f'id2label.get({index}, f"LABEL_{{{index.replace(chr(34), chr(39))}}}")'


def asked_scores(options: TaskOptions) -> str:
    """``scores = …`` of ``logits``, where the options say how."""
    made = {"softmax": ".softmax(dim=-1)", "sigmoid": ".sigmoid()", "none": ""}[options.function]
    return f"scores = logits{made}"


def ranked(options: TaskOptions, name: str) -> list[str]:
    """``scores`` to the best labels, printed.

    Args:
        options: ``top_k`` and ``threshold`` are read.
        name: An expression that names the label ``index``.
    """
    return [
        "best = sorted(enumerate(scores.tolist()), key=lambda pair: pair[1], reverse=True)"
        + (f"[:{options.top_k}]" if options.top_k else ""),
        f"result = [({name}, score) for index, score in best{threshold(options)}]",
        *PRINT_LABELS,
    ]


def writes(options: TaskOptions, opening: list[str], *more: str, tokenizer: str = "tokenizer") -> list[str]:
    """``sequences = model.generate(…)``.

    Args:
        options: How many tokens, and how each is chosen.
        opening: The arguments that hold the input.
        more: Further arguments.
        tokenizer: An expression for it; it is named where the writing stops at a text.
    """
    arguments = [*opening, *(f"{name}={value!r}" for name, value in chosen(options).items())]
    if options.stops:
        arguments += [f"stop_strings={literal(list(options.stops))}", f"tokenizer={tokenizer}"]
    seed = [f"torch.manual_seed({options.seed})"] if options.do_sample else []
    return [*seed, *call("sequences = model.generate(", [*arguments, *more])]


PAD = "pad_token_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id"
"""What fills up, where generate() needs to know."""


def answers(options: TaskOptions, *more: str) -> list[list[str]]:
    """Steps 2 and 3 where a model writes after the ``inputs`` of its ``processor``.

    Args:
        options: How many tokens, and how each is chosen.
        more: Further arguments of ``generate``.
    """
    return [
        [
            "# 2. Forward, once for each new token",
            "tokenizer = processor.tokenizer",
            PAD,
            *writes(options, ["**inputs"], "pad_token_id=pad_token_id", *more),
        ],
        [
            "# 3. Postprocess",
            'start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]',
            "result = tokenizer.decode(sequences[0, start:], skip_special_tokens=True)",
            "print(result)",
        ],
    ]


def denoised(blocks: list[list[str]], options: TaskOptions) -> list[list[str]]:
    """The steps of one that draws many tokens at once: by the seed, and with more than the ids to show for it."""
    prepared, forward, *rest = blocks
    seed = f"torch.manual_seed({options.seed})"
    drawn = [line for line in forward if line != seed]
    return [prepared, [drawn[0], seed, *drawn[1:], "sequences = sequences.sequences"], *rest]


def without_prompt(prompt: str) -> list[str]:
    """``result``: what a ``processor`` makes of ``sequences``, without what it makes of a prompt, as the pipeline does.

    Args:
        prompt: An expression for the ids of the prompt, of shape ``(1, seq)``.
    """
    named = "processor.post_process_image_text_to_text"
    return [
        f"(result,) = {named}(sequences, skip_special_tokens=True)",
        f"(asked,) = {named}({prompt}, skip_special_tokens=True)",
        "start = result.find(asked)",
        "if 0 <= start <= 2:",
        "    result = result[start + len(asked) :]",
    ]


def torch_when_sampling(_given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """Scripts that write text name torch for the seed alone."""
    return ("import torch",) if options.do_sample else ()
