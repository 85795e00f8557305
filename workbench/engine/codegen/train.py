"""The script that fine-tunes a checkpoint: the same run as the workbench makes, loss for loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, checkpoint_lines, literal, script, tokenizer_lines
from workbench.engine.data import Format, sniff
from workbench.engine.errors import DataError
from workbench.engine.train.heads import HEADS
from workbench.engine.train.settings import training_arguments, training_threads

if TYPE_CHECKING:
    from workbench.engine.values import TrainSpec

_TITLES = {
    "text-classification": "Fine-tune a checkpoint to classify text.",
    "text-generation": "Fine-tune a checkpoint to continue text.",
}

_COLLATORS = {"text-classification": "DataCollatorWithPadding", "text-generation": "default_data_collator"}

_AS_TEXT = [
    "def as_text(value):",
    "    if isinstance(value, str):",
    "        return value",
    '    return "" if value is None else json.dumps(value, ensure_ascii=False)',
]

_DRAW = [
    "if rows is not None:",
    "    dataset = dataset.shuffle(seed=seed).select(range(min(rows, len(dataset))))",
]

_PADDING = [
    "if tokenizer.pad_token_id is None:",
    "    tokenizer.pad_token = tokenizer.eos_token",
    "if model.config.pad_token_id is None:",
    "    model.config.pad_token_id = tokenizer.pad_token_id",
]

_FREEZE = [
    "# Freeze the embeddings and the first layers: all that comes before layer freeze_layers in the base model.",
    "base = model.base_model",
    "layers = max((module for module in base.modules() if isinstance(module, torch.nn.ModuleList)), key=len)",
    "first_trained = next(layers[freeze_layers].parameters()) if freeze_layers < len(layers) else None",
    "for weight in base.parameters():",
    "    if weight is first_trained:",
    "        break",
    "    weight.requires_grad_(False)",
]

_ENCODE_LABELLED = [
    "def encode(batch):",
    '    encoded = tokenizer(batch["text"], truncation=True, max_length=max_length)',
    '    return {**encoded, "labels": [labels.index(label) for label in batch["label"]]}',
    "",
    "",
    'train, evaluation = (parts[name].map(encode, batched=True, remove_columns=["text", "label"]) for name in parts)',
]

_ENCODE_BLOCKS = [
    "def blocks(part):",
    '    """The texts one after the other, each followed by the end token, cut into blocks of max_length ids."""',
    "    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]",
    '    ids = [token for text in part["text"] for token in [*tokenizer(text, verbose=False)["input_ids"], *end]]',
    "    cut = [ids[at : at + max_length] for at in range(0, len(ids) - max_length + 1, max_length)]",
    '    return Dataset.from_dict({"input_ids": cut, "labels": cut})',
    "",
    "",
    'train, evaluation = blocks(parts["train"]), blocks(parts["test"])',
]

_METRICS = [
    "def predicted_ids(logits, _):",
    "    return (logits[0] if isinstance(logits, tuple) else logits).argmax(dim=-1)",
    "",
    "",
    "def metrics(prediction):",
    "    right, guessed = prediction.label_ids, prediction.predictions",
    '    f1 = f1_score(right, guessed, average="macro", zero_division=0)',
    '    return {"accuracy": accuracy_score(right, guessed), "f1": f1}',
]


def train(spec: TrainSpec) -> str:
    """A script that makes the same run as ``fine_tune(spec)`` and prints every step.

    Its losses are those of the workbench bit for bit where versions, machine and number of threads are the same; so the
    number of threads is written down.

    Args:
        spec: The run. The data file is looked into for its delimiter and encoding; where it can't be read, the script
            takes it for a CSV in UTF-8.

    References:
        transformers, Trainer
    """
    classify = spec.task == "text-classification"
    modules, reading = _reading(spec)
    return script(
        _TITLES[spec.task],
        _imports(spec, modules),
        _settings(spec),
        reading,
        [
            *_DRAW,
            *(['labels = sorted(set(dataset["label"]))'] if classify else []),
            f"parts = dataset.train_test_split(test_size={spec.eval_fraction!r}, seed=seed)",
        ],
        _model(spec),
        _FREEZE if spec.freeze_layers else [],
        ["", *(_ENCODE_LABELLED if classify else _ENCODE_BLOCKS)],
        ["", *_METRICS, ""] if classify else [],
        _trainer(spec),
        [
            *(
                []
                if classify
                else ["model.config.use_cache = True  # Trainer switched it off, and generate() wants it"]
            ),
            "model.save_pretrained(output_dir)",
            "tokenizer.save_pretrained(output_dir)",
            "trainer.save_state()  # every logged value, in trainer_state.json",
        ],
    )


def _imports(spec: TrainSpec, modules: list[str]) -> list[str]:
    names = [
        "AutoTokenizer",
        HEADS[spec.task].auto_class,
        "Trainer",
        "TrainingArguments",
        _COLLATORS[spec.task],
        "set_seed",
    ]
    # As ruff sorts them: classes, then functions.
    names.sort(key=lambda name: (name[0].islower(), name))
    metrics = ["from sklearn.metrics import accuracy_score, f1_score"] if spec.task == "text-classification" else []
    return [
        *(f"import {name}" for name in modules),
        *([""] if modules else []),
        "import torch",
        "from datasets import Dataset",
        *metrics,
        "from transformers import (",
        *(f"    {name}," for name in names),
        ")",
    ]


def _settings(spec: TrainSpec) -> list[str]:
    return [
        *checkpoint_lines(spec.checkpoint),
        *assign("data", str(spec.data.path)),
        *assign("output_dir", str(spec.output_dir)),
        f"rows = {spec.rows}",
        f"max_length = {spec.max_length}",
        *([f"freeze_layers = {spec.freeze_layers}"] if spec.freeze_layers else []),
        f"seed = {spec.seed}",
        "",
        "# Another number of threads adds up in another order, and the losses differ in their last digits.",
        f"torch.set_num_threads({training_threads(spec)})",
    ]


def _reading(spec: TrainSpec) -> tuple[list[str], list[str]]:
    """The standard modules that reading the data takes, and its lines; they end in ``dataset``."""
    path = spec.data.path or Path(spec.data.name)
    try:
        form = sniff(path)
    except (DataError, OSError):
        form = Format("jsonl" if path.suffix == ".jsonl" else "csv", "utf-8")
    keys = [role.name for role in HEADS[spec.task].roles]
    names = [spec.columns[key] for key in keys]
    newline = ', newline=""' if form.kind == "csv" else ""
    lines = [f"with open(data, encoding={literal(form.encoding)}{newline}) as file:"]
    if form.kind == "csv":
        skipped = "[1:]" if form.header else ""
        reader = f"csv.reader(file, delimiter={literal(form.delimiter)})"
        lines.append(f"    records = [record for record in {reader} if record]{skipped}")
        cells = [
            f"record[{form.columns.index(name) if name in form.columns else position}]"
            for position, name in enumerate(names)
        ]
    elif form.kind == "lines":
        lines.append('    records = [line.rstrip("\\n") for line in file if line.strip()]')
        cells = ["record"]
    else:
        key = f"[{literal(form.key)}]" if form.key is not None else ""
        lines.append(
            f"    records = json.load(file){key}"
            if form.kind == "json"
            else "    records = [json.loads(line) for line in file if line.strip()]"
        )
        lines += ["", "", *_AS_TEXT, "", ""]
        cells = [f"as_text(record.get({literal(name)}))" for name in names]
    filled = " and ".join(f"{cell}.strip()" for cell in cells)
    lines.append(f"records = [record for record in records if {filled}]")
    values = [f"{literal(key)}: [{cell} for record in records]" for key, cell in zip(keys, cells, strict=True)]
    lines += call("dataset = Dataset.from_dict({", values, "})")
    return {"csv": ["csv"], "lines": []}.get(form.kind, ["json"]), lines


def _model(spec: TrainSpec) -> list[str]:
    arguments = ["checkpoint", 'dtype="float32"', "use_safetensors=True", "trust_remote_code=False"]
    classify = spec.task == "text-classification"
    if classify:
        arguments += [
            "id2label=dict(enumerate(labels))",
            "label2id={label: number for number, label in enumerate(labels)}",
            "ignore_mismatched_sizes=True",
        ]
    lines = [
        "set_seed(seed)  # before the model, because a fresh head is drawn at random",
        *tokenizer_lines(),
        *call(f"model = {HEADS[spec.task].auto_class}.from_pretrained(", arguments),
    ]
    return [*lines, *_PADDING] if classify else lines


def _trainer(spec: TrainSpec) -> list[str]:
    classify = spec.task == "text-classification"
    arguments = training_arguments(spec, spec.output_dir, cpu=True)
    spelled = {
        "output_dir": "output_dir",
        "seed": "seed",
        "data_seed": "seed",
        "use_cpu": "cpu",
        "dataloader_pin_memory": "not cpu",
    }
    values = [f"{name}={spelled.get(name) or literal(value)}" for name, value in arguments.items()]
    lines = ["cpu = not torch.accelerator.is_available()", *call("arguments = TrainingArguments(", values)]
    options = [
        "model=model",
        "args=arguments",
        f"data_collator={'DataCollatorWithPadding(tokenizer)' if classify else 'default_data_collator'}",
        "train_dataset=train",
        "eval_dataset=evaluation",
        "processing_class=tokenizer",
    ]
    if classify:
        options += ["compute_metrics=metrics", "preprocess_logits_for_metrics=predicted_ids"]
    lines += call("trainer = Trainer(", options)
    if classify:
        lines += [
            "# Classification heads don't divide by the rows of all accumulated batches, though Trainer thinks so.",
            "trainer.model_accepts_loss_kwargs = False",
        ]
    return [*lines, "trainer.train()"]
