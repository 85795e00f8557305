"""The scripts that do a task, with its three steps written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import (
    assign,
    call,
    checkpoint_lines,
    literal,
    model_lines,
    script,
    seed_lines,
    tokenizer_lines,
)
from workbench.engine.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TaskOptions

_ENCODE = 'inputs = tokenizer(text, return_tensors="pt").to(model.device)'
_LOGITS = ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs).logits"]

_TITLES = {
    "text-classification": ("Classify a text.", "AutoModelForSequenceClassification"),
    "token-classification": ("Find the entities in a text.", "AutoModelForTokenClassification"),
    "fill-mask": ("Fill in the masked words of a text.", "AutoModelForMaskedLM"),
    "text-generation": ("Continue a text.", "AutoModelForCausalLM"),
    "feature-extraction": ("Turn texts into vectors and compare them.", "AutoModel"),
}


def task(checkpoint: Checkpoint, name: str, text: str, options: TaskOptions, dtype: str, device: str) -> str:
    """A script that does a task and prints its result.

    Args:
        checkpoint: Loaded by its folder, with the head the task needs.
        name: As the library names it, such as ``text-classification``.
        text: The input; for feature-extraction each line is an input of its own.
        options: Those that apply are written out; without ``max_length`` nothing is cut.
        dtype: As torch spells it, or ``auto``.
        device: As torch spells it.

    Raises:
        NotSupported: There is no such task.

    References:
        transformers, Pipelines
    """
    blocks = {
        "text-classification": _text_classification,
        "token-classification": _token_classification,
        "fill-mask": _fill_mask,
        "text-generation": _text_generation,
        "feature-extraction": _feature_extraction,
    }
    if name not in blocks:
        raise NotSupported(
            f"There is no script for {name}.", why="This task is not known.", remedy=f"Use one of {', '.join(blocks)}."
        )
    title, head = _TITLES[name]
    entities = name == "token-classification" and options.aggregation != "none"
    imports = [f"from transformers import {head}, AutoTokenizer" + (", pipeline" if entities else "")]
    if name == "feature-extraction":
        imports.insert(0, "from torch.nn.functional import normalize")
    if name != "text-generation" or options.do_sample:
        imports.insert(0, "import torch")
    given = assign("texts", _lines(text)) if name == "feature-extraction" else assign("text", text)
    return script(
        title,
        imports,
        checkpoint_lines(checkpoint),
        [*seed_lines(head), *tokenizer_lines(), *model_lines(head, dtype, device)],
        given,
        *blocks[name](options),
    )


def _encode(options: TaskOptions, *more: str) -> list[str]:
    arguments = ["text", 'return_tensors="pt"', *more]
    if options.max_length:
        arguments += ["truncation=True", f"max_length={options.max_length}"]
    return ["# 1. Preprocess", *_inputs(arguments)]


def _inputs(arguments: list[str]) -> list[str]:
    line = call("inputs = tokenizer(", arguments, ").to(model.device)")
    return line if len(line) == 1 else [*call("inputs = tokenizer(", arguments), "inputs = inputs.to(model.device)"]


def _threshold(options: TaskOptions) -> str:
    return f" if score >= {options.threshold!r}" if options.threshold else ""


def _text_classification(options: TaskOptions) -> list[list[str]]:
    return [
        _encode(options),
        _LOGITS,
        [
            "# 3. Postprocess",
            "config = model.config",
            "logits = logits[0].float().cpu()",
            'if config.problem_type == "regression":',
            "    scores = logits",
            'elif config.problem_type == "multi_label_classification" or config.num_labels == 1:',
            "    scores = logits.sigmoid()",
            "else:",
            "    scores = logits.softmax(dim=-1)",
            "best = sorted(enumerate(scores.tolist()), key=lambda pair: pair[1], reverse=True)"
            + (f"[:{options.top_k}]" if options.top_k else ""),
            f"result = [(config.id2label[index], score) for index, score in best{_threshold(options)}]",
            "for label, score in result:",
            '    print(f"{score:10.6f} {label}")',
        ],
    ]


def _token_classification(options: TaskOptions) -> list[list[str]]:
    if options.aggregation == "none":
        return [
            [
                *_encode(options, "return_offsets_mapping=True", "return_special_tokens_mask=True"),
                'offsets = inputs.pop("offset_mapping")[0].tolist()',
                'special = inputs.pop("special_tokens_mask")[0].tolist()',
            ],
            _LOGITS,
            [
                "# 3. Postprocess",
                "probabilities = logits[0].float().cpu().softmax(dim=-1)",
                "result = []",
                "for position, (start, end) in enumerate(offsets):",
                "    score, index = probabilities[position].max(dim=-1)",
                "    label, score = model.config.id2label[index.item()], score.item()",
                '    if not special[position] and label != "O"'
                + (f" and score >= {options.threshold!r}:" if options.threshold else ":"),
                "        result.append((label, score, start, end))",
                *_PRINT_ENTITIES,
            ],
        ]
    limit = [f"tokenizer.model_max_length = {options.max_length}"] if options.max_length else []
    arguments = [
        '"token-classification"',
        "model=model",
        "tokenizer=tokenizer",
        "device=model.device",
        f"aggregation_strategy={literal(options.aggregation)}",
    ]
    threshold = []
    if options.threshold:
        threshold = [f"result = [entity for entity in result if entity[1] >= {options.threshold!r}]"]
    rows = '(found["entity_group"], float(found["score"]), found["start"], found["end"])'
    return [
        [
            *limit,
            *call("tagger = pipeline(", arguments),
            f"result = [{rows} for found in tagger(text)]",
            *threshold,
            *_PRINT_ENTITIES,
        ]
    ]


_PRINT_ENTITIES = [
    "for label, score, start, end in result:",
    '    print(f"{score:10.6f} {label:10} {start:5} {end:5} {text[start:end]!r}")',
]


def _fill_mask(options: TaskOptions) -> list[list[str]]:
    return [
        _encode(options),
        _LOGITS,
        [
            "# 3. Postprocess: each mask for itself",
            'input_ids = inputs["input_ids"][0].cpu()',
            "masks = (input_ids == tokenizer.mask_token_id).nonzero().flatten().tolist()",
            "probabilities = logits[0, masks].float().cpu().softmax(dim=-1)",
            f"top = probabilities.topk(min({options.top_k}, probabilities.shape[-1]))"
            if options.top_k
            else "top = probabilities.sort(descending=True)",
            "result = []",
            "for mask, (scores, token_ids) in enumerate(zip(top.values.tolist(), top.indices.tolist())):",
            "    for score, token_id in zip(scores, token_ids):",
            "        result.append((mask, token_id, score))",
            '        print(f"{score:10.6f} mask {mask + 1} {tokenizer.decode([token_id])!r}")',
        ],
    ]


def _text_generation(options: TaskOptions) -> list[list[str]]:
    arguments = [
        'inputs["input_ids"]',
        'attention_mask=inputs["attention_mask"]',
        f"max_new_tokens={options.max_new_tokens}",
        f"do_sample={options.do_sample}",
    ]
    if options.do_sample:
        arguments.append(f"temperature={options.temperature!r}")
    arguments.append("pad_token_id=pad_token_id")
    seed = [f"torch.manual_seed({options.seed})"] if options.do_sample else []
    return [
        ["# 1. Preprocess", _ENCODE],
        [
            "# 2. Forward, once for each new token",
            "pad_token_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id",
            *seed,
            *call("sequences = model.generate(", arguments),
        ],
        [
            "# 3. Postprocess",
            'new_ids = sequences[0, inputs["input_ids"].shape[1] :].cpu()',
            "result = tokenizer.decode(new_ids, skip_special_tokens=True)",
            "print(result)",
        ],
    ]


def _feature_extraction(options: TaskOptions) -> list[list[str]]:
    arguments = ["texts", "padding=True", 'padding_side="right"', 'return_tensors="pt"']
    if options.max_length:
        arguments += ["truncation=True", f"max_length={options.max_length}"]
    pool = {
        "mean": ["embeddings = (hidden * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)"],
        "cls": ["embeddings = hidden[:, 0]"],
        "last": ["embeddings = hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]"],
    }[options.pooling]
    mask = ['mask = inputs["attention_mask"].cpu()'] if options.pooling != "cls" else []
    return [
        [
            "# 1. Preprocess",
            "if tokenizer.pad_token is None:",
            "    tokenizer.pad_token = tokenizer.eos_token",
            *_inputs(arguments),
        ],
        [
            "# 2. Forward",
            "body = model.get_encoder() if model.config.is_encoder_decoder else model",
            "with torch.inference_mode():",
            "    hidden = body(**inputs).last_hidden_state.float().cpu()",
        ],
        [
            "# 3. Postprocess",
            *mask,
            *pool,
            "directions = normalize(embeddings, dim=-1)",
            *(["embeddings = directions"] if options.normalize else []),
            "similarity = directions @ directions.T",
            "print(embeddings)",
            "print(similarity)",
        ],
    ]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
