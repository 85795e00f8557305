"""The scripts of tasks on one text: classify, mark, fill in, continue, turn into vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.parts import (
    LABELS,
    PAD,
    Script,
    encode,
    forward,
    given_text,
    inputs,
    named,
    scored,
    torch_when_sampling,
    writes,
)
from workbench.engine.tasks.feature_extraction import ALONG, lines, side
from workbench.engine.tasks.pooling import POOLER
from workbench.engine.tasks.projection import LEAST, PERPLEXITY

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


def _text_classification(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [encode(options), forward(), scored(options)]


#: A text as its words; where each stands is counted in the text with a space between two of them.
_SPLIT = ["words = text.split()", 'text = " ".join(words)']
_PLACED = [
    "word_ids = inputs.word_ids(0)",
    'before = [0 if word is None else len(" ".join([*words[:word], ""])) for word in word_ids]',
    'inputs["offset_mapping"] += torch.tensor(before, device=model.device)[None, :, None]',
]


def _token_classification(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    told = ["return_offsets_mapping=True", "return_special_tokens_mask=True"]
    told += ["is_split_into_words=True"] if options.split else []
    if options.aggregation == "none":
        return [
            [
                *(_SPLIT if options.split else []),
                *encode(options, *told, texts="words" if options.split else "text"),
                *(_PLACED if options.split else []),
                'offsets = inputs.pop("offset_mapping")[0].tolist()',
                'special = inputs.pop("special_tokens_mask")[0].tolist()',
            ],
            forward(),
            [
                "# 3. Postprocess",
                *assign("ignored", list(options.ignore_labels)),
                "probabilities = logits[0].float().cpu().softmax(dim=-1)",
                LABELS,
                "result = []",
                "for position, (start, end) in enumerate(offsets):",
                "    score, index = probabilities[position].max(dim=-1)",
                f"    label, score = {named('index.item()')}, score.item()",
                "    if not special[position] and label not in ignored"
                + (f" and score >= {options.threshold!r}:" if options.threshold else ":"),
                "        result.append((label, score, start, end))",
                *_PRINT_ENTITIES,
            ],
        ]
    given = assign("ignored", list(options.ignore_labels)) if options.ignore_labels != ("O",) else []
    limit = [f"tokenizer.model_max_length = {options.max_length}"] if options.max_length else []
    arguments = [
        '"token-classification"',
        "model=model",
        "tokenizer=tokenizer",
        "device=model.device",
        f"aggregation_strategy={literal(options.aggregation)}",
    ]
    if options.ignore_labels != ("O",):
        arguments.append("ignore_labels=ignored")
    if options.stride is not None:
        arguments.append(f"stride={options.stride}")
    found = "tagger(words, is_split_into_words=True)[0]" if options.split else "tagger(text)"
    kept = []
    if options.threshold:
        kept = [f"result = [entity for entity in result if entity[1] >= {options.threshold!r}]"]
    rows = '(found["entity_group"], float(found["score"]), found["start"], found["end"])'
    return [
        [
            *limit,
            *given,
            *(_SPLIT if options.split else []),
            *call("tagger = pipeline(", arguments),
            f"result = [{rows} for found in {found}]",
            *kept,
            *_PRINT_ENTITIES,
        ]
    ]


_PRINT_ENTITIES = [
    "for label, score, start, end in result:",
    '    print(f"{score:10.6f} {label:10} {start:5} {end:5} {text[start:end]!r}")',
]


def _wanted(options: TaskOptions) -> list[str]:
    if not options.targets:
        return []
    return [
        *assign("targets", list(options.targets)),
        "vocab = tokenizer.get_vocab()",
        'tokens = [tokenizer(target, add_special_tokens=False)["input_ids"] for target in targets]',
        "wanted = {vocab.get(target, ids[0]) for target, ids in zip(targets, tokens)}",
        "wanted = torch.tensor(sorted(wanted))",
        "probabilities = probabilities[:, wanted]",
    ]


def _fill_mask(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    found = "wanted[top.indices]" if options.targets else "top.indices"
    return [
        encode(options),
        forward(),
        [
            "# 3. Postprocess: each mask for itself",
            'input_ids = inputs["input_ids"][0].cpu()',
            "masks = (input_ids == tokenizer.mask_token_id).nonzero().flatten().tolist()",
            "probabilities = logits[0, masks].float().cpu().softmax(dim=-1)",
            *_wanted(options),
            f"top = probabilities.topk(min({options.top_k}, probabilities.shape[-1]))"
            if options.top_k
            else "top = probabilities.sort(descending=True)",
            "result = []",
            f"for mask, (scores, token_ids) in enumerate(zip(top.values.tolist(), {found}.tolist())):",
            "    for score, token_id in zip(scores, token_ids):",
            "        result.append((mask, token_id, score))",
            '        print(f"{score:10.6f} mask {mask + 1} {tokenizer.decode([token_id])!r}")',
        ],
    ]


def _text_generation(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    opening = ['inputs["input_ids"]', 'attention_mask=inputs["attention_mask"]']
    return [
        ["# 1. Preprocess", 'inputs = tokenizer(text, return_tensors="pt").to(model.device)'],
        [
            "# 2. Forward, once for each new token",
            PAD,
            *writes(options, opening, "pad_token_id=pad_token_id"),
        ],
        [
            "# 3. Postprocess",
            'new_ids = sequences[0, inputs["input_ids"].shape[1] :].cpu()',
            "result = tokenizer.decode(new_ids, skip_special_tokens=True)",
            "print(result)",
        ],
    ]


def features(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The three steps from ``texts`` to vectors."""
    arguments = ["texts", "padding=True", 'padding_side="right"', 'return_tensors="pt"']
    if options.max_length:
        arguments += ["truncation=True", f"max_length={options.max_length}"]
    pool = {
        "mean": ["embeddings = (hidden * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)"],
        "cls": ["embeddings = hidden[:, 0]"],
        "max": ['embeddings = hidden.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(dim=1)'],
        "last": ["embeddings = hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]"],
        POOLER: [],
    }[options.pooling]
    read = 'mask = inputs["attention_mask"].cpu()[:, : hidden.shape[1]]'
    mask = [read] if options.pooling not in ("cls", POOLER) else []
    found = "embeddings = body(**inputs).pooler_output" if options.pooling == POOLER else "hidden = body(**inputs)[0]"
    return [
        [
            "# 1. Preprocess",
            "if tokenizer.pad_token is None:",
            "    tokenizer.pad_token = tokenizer.eos_token",
            *inputs(arguments),
        ],
        [
            "# 2. Forward",
            "body = model.get_encoder() if model.config.is_encoder_decoder else model.base_model",
            "with torch.inference_mode():",
            f"    {found}.float().cpu()",
        ],
        ["# 3. Postprocess", *mask, *pool, *_compared(given, options)],
    ]


def _compared(given: TaskInput, options: TaskOptions) -> list[str]:
    """Lines from ``embeddings`` to the cosines between them, and a map."""
    return [
        "directions = normalize(embeddings, dim=-1)",
        *(["embeddings = directions"] if options.normalize else []),
        "similarity = directions @ directions.T",
        "result = embeddings.tolist()",
        "print(embeddings)",
        "print(similarity)",
        *_map(given, options),
    ]


def two_sided(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    """The steps of an encoder-decoder of a ``kind``, by the states of the side that is asked."""
    prepare, encode, finish = features(given, options)
    if side(kind, options.states) == "encoder":
        return [prepare, encode, finish]
    told = ["input_ids=shifted", "encoder_hidden_states=states", 'encoder_attention_mask=inputs["attention_mask"]']
    shifts = [
        'ids = inputs["input_ids"]',
        "start = torch.full_like(ids[:, :1], model.config.decoder_start_token_id or 0)",
        "shifted = torch.cat([start, ids[:, :-1]], dim=1)",
        "with torch.inference_mode():",
        "    states = model.get_encoder()(**inputs)[0]",
        *call("    outputs = model.get_decoder()(", told),
        "hidden = outputs[0].float().cpu()",
    ]
    itself = ["with torch.inference_mode():", "    hidden = model.base_model(**inputs)[0].float().cpu()"]
    reads = "# 2. Forward: the decoder reads the texts along, one place to the right"
    return [prepare, [reads, *(itself if kind in ALONG else shifts)], finish]


def self_pooled(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a model that gives one vector a text."""
    prepare, *_ = features(given, options)
    return [
        prepare,
        forward("embeddings = model(**inputs)[0].float().cpu()"),
        ["# 3. Postprocess: the model has pooled them itself", *_compared(given, options)],
    ]


def _given_lines(given: TaskInput) -> list[str]:
    return assign("texts", list(lines(given.text)))


def _map(given: TaskInput, options: TaskOptions) -> list[str]:
    count = len(lines(given.text))
    if options.projection == "none" or count < LEAST:
        return []
    made = {
        "pca": 'PCA(n_components=2, svd_solver="full")',
        "t-sne": f"TSNE(perplexity=min({PERPLEXITY}, (len(embeddings) - 1) / 3), random_state=0)",
    }[options.projection]
    return ["# A map: each text as a point", f"places = {made}.fit_transform(embeddings.numpy())", "print(places)"]


def _normalizes(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    names = {"pca": "from sklearn.decomposition import PCA", "t-sne": "from sklearn.manifold import TSNE"}
    drawn = [names[options.projection]] if _map(given, options) else []
    return ("import torch", "from torch.nn.functional import normalize", *drawn)


def _joins(options: TaskOptions) -> tuple[str, ...]:
    return ("pipeline",) if options.aggregation != "none" else ()


SCRIPTS: dict[str, Script] = {
    "text-classification": Script("Classify a text.", given_text, _text_classification),
    "token-classification": Script("Find the entities in a text.", given_text, _token_classification, classes=_joins),
    "fill-mask": Script("Fill in the masked words of a text.", given_text, _fill_mask),
    "text-generation": Script("Continue a text.", given_text, _text_generation, torch_when_sampling),
    "feature-extraction": Script("Turn texts into vectors and compare them.", _given_lines, features, _normalizes),
}
"""By the name of the task."""
