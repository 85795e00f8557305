"""The script that fine-tunes a checkpoint: the same run as the workbench makes, loss for loss."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.engine.codegen.script import (
    WIDTH,
    assign,
    call,
    checkpoint_lines,
    columns,
    literal,
    script,
    tokenizer_lines,
)
from workbench.engine.codegen.train.reading import Reading, reading
from workbench.engine.codegen.train.recipe import Recipe, divides, source
from workbench.engine.codegen.train.recipes import recipe
from workbench.engine.codegen.train_methods import (
    asks_what_is_missing,
    base_argument,
    from_peft,
    from_transformers,
    loading_arguments,
    method_lines,
    packing_lines,
    saving_lines,
    trainer_options,
)
from workbench.engine.data import as_text
from workbench.engine.train.heads import HEADS
from workbench.engine.train.settings import training_arguments, training_threads

if TYPE_CHECKING:
    from workbench.engine.values import TrainSpec

_DRAW = [
    "if rows is not None:",
    "    dataset = dataset.shuffle(seed=seed).select(range(min(rows, len(dataset))))",
]

_PADDING = [
    "if tokenizer.pad_token_id is None:",
    "    tokenizer.pad_token = tokenizer.eos_token",
]

_PROCESSOR = ["processor = AutoImageProcessor.from_pretrained(checkpoint, trust_remote_code=False)"]

_STEP_SEED = [
    "class StepSeed(TrainerCallback):",
    '    """Chance depends on the seed and the step alone: neither an evaluation nor a stop changes what follows."""',
    "",
    "    def on_epoch_begin(self, args, state, control, **_):",
    "        torch.manual_seed(args.seed * 1_000_003 + int(state.epoch or 0))",
    "",
    "    def on_step_begin(self, args, state, control, **_):",
    "        torch.manual_seed(args.seed * 1_000_003 + 7919 * (state.global_step + 1))",
]

#: Modules of the standard library that a script may need, by what it then contains.
_MODULES = ("ast", "base64", "csv", "io", "json", "math", "re", "string")
_FROM = {
    "Counter": "collections",
    "Callable": "collections.abc",
    "Iterator": "collections.abc",
    "Mapping": "collections.abc",
    "partial": "functools",
    "Path": "pathlib",
    "Any": "typing",
}


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
    made = recipe(spec)
    read = reading(spec.data, spec.columns)
    other = None if spec.evaluation is None else reading(spec.evaluation, spec.columns, "evaluation_data")
    functions = _functions(made, read, other)
    blocks = [
        _settings(spec, read, other),
        ["", *source(functions), ""] if functions else [],
        [*read.lines, *_examples(spec, made, read)],
        _parts(spec, made, other),
        _model(spec, made),
        method_lines(spec),
        ["", *made.encode],
        ["", *source([*((made.reduce,) if made.reduce else ()), *made.measures]), "", "", *_STEP_SEED, ""],
        _trainer(spec, made),
        _saving(spec),
    ]
    return script(
        made.title,
        _imports(spec, made, "\n".join("\n".join(block) for block in blocks), _from_datasets(read, other)),
        *blocks,
    )


def _imports(spec: TrainSpec, made: Recipe, body: str, datasets: list[str]) -> list[str]:
    names = {
        *(["AutoTokenizer"] if made.reader == "tokenizer" else []),
        HEADS[spec.task].auto_class,
        *_classes(spec),
        "TrainerCallback",
        "set_seed",
        *made.names,
    }
    names |= set(from_transformers(spec))
    if "EvalPrediction" in body:
        names.add("EvalPrediction")
    modules = [f"import {name}" for name in _MODULES if re.search(rf"(?<![\w.]){name}\.\w", body)]
    used = [(module, name) for name, module in _FROM.items() if re.search(rf"\b{name}\b", body)]
    for module in dict.fromkeys(module for module, _ in used):
        modules.append(f"from {module} import {', '.join(name for of, name in used if of == module)}")
    return [
        "from __future__ import annotations",
        "",
        *modules,
        *([""] if modules else []),
        "import torch",
        f"from datasets import {', '.join(datasets)}",
        *from_peft(spec),
        "from transformers import (",
        # As ruff sorts them: classes, then functions.
        *(f"    {name}," for name in sorted(names, key=lambda name: (name[0].islower(), name))),
        ")",
    ]


def _settings(spec: TrainSpec, read: Reading, other: Reading | None) -> list[str]:
    return [
        *checkpoint_lines(spec.checkpoint),
        *assign("data", read.data),
        *(assign("evaluation_data", other.data) if other is not None else []),
        *assign("output_dir", str(spec.output_dir)),
        f"rows = {spec.rows}",
        f"max_length = {spec.max_length}",
        *([f"freeze_layers = {spec.freeze_layers}"] if spec.freeze_layers else []),
        f"seed = {spec.seed}",
        "",
        "# Another number of threads adds up in another order, and the losses differ in their last digits.",
        f"torch.set_num_threads({training_threads(spec)})",
    ]


def _functions(made: Recipe, *reads: Reading | None) -> list[Callable[..., Any]]:
    """What a script takes over from the workbench, each function once."""
    taken: list[Callable[..., Any]] = []
    for read in reads:
        if read is not None:
            taken += [*((as_text,) if read.typed else ()), *read.functions]
    return list(dict.fromkeys([*taken, *made.functions]))


def _from_datasets(*reads: Reading | None) -> list[str]:
    names = {"Dataset", *(name for read in reads if read is not None for name in read.names)}
    if reads[-1] is not None:
        names.add("concatenate_datasets")
    # As ruff sorts them: classes, then functions.
    return sorted(names, key=lambda name: (name[0].islower(), name))


def _parts(spec: TrainSpec, made: Recipe, other: Reading | None) -> list[str]:
    """Lines from ``dataset`` to ``parts`` and the labels."""
    if other is None:
        split = f"parts = dataset.train_test_split(test_size={spec.eval_fraction!r}, seed=seed)"
        return [*_DRAW, *made.labels, split]
    return [
        *_DRAW,
        'parts = {"train": dataset}',
        *other.lines,
        *_examples(spec, made, other),
        'parts["test"] = dataset',
        "# Labels that only the evaluation has are learned by no row, and count as wrong.",
        'dataset = concatenate_datasets([parts["train"], parts["test"]])',
        *made.labels,
    ]


def _examples(spec: TrainSpec, made: Recipe, read: Reading) -> list[str]:
    """Lines from ``records`` to ``dataset``."""
    values = []
    for role in HEADS[spec.task].roles:
        column = spec.columns.get(role.name)
        if column:
            cell = read.cells[column]
            text = f"as_text({cell})" if read.typed else cell
            values.append(f"{literal(role.name)}: {made.values.get(role.name, '').format(cell=cell) or text}")
    record, each = f"{{{', '.join(values)}}}", "for record in records"
    made_of = call("examples = [", [f"{record} {each}"], "]")
    if len(made_of) > 1 or columns(made_of[0]) > WIDTH:
        fits = columns(f"{record} {each}") + 4 <= WIDTH
        inside = [f"    {record} {each}"] if fits else [*call("{", values, "}", indent=4), f"    {each}"]
        made_of = ["examples = [", *inside, "]"]
    kept = f"[example for example in examples if {made.keep}]"
    lines = call("dataset = Dataset.from_list(", [kept])
    if columns(kept) + 4 > WIDTH:
        parts = ["example", "for example in examples", f"if {made.keep}"]
        lines = ["dataset = Dataset.from_list(", "    [", *(f"        {part}" for part in parts), "    ]", ")"]
    return [*made_of, *lines]


def _model(spec: TrainSpec, made: Recipe) -> list[str]:
    arguments = [
        base_argument(spec),
        'dtype="float32"',
        "use_safetensors=True",
        "trust_remote_code=False",
        *made.arguments,
    ]
    arguments += loading_arguments(spec)
    loaded = "model, loading" if asks_what_is_missing(spec) else "model"
    return [
        "set_seed(seed)  # before the model, because a fresh head is drawn at random",
        *(tokenizer_lines(of=spec.checkpoint) if made.reader == "tokenizer" else _PROCESSOR),
        *packing_lines(spec, made.arguments),
        *call(f"{loaded} = {HEADS[spec.task].auto_class}.from_pretrained(", arguments),
        *(_PADDING if made.pads else []),
        *made.settle,
    ]


def _classes(spec: TrainSpec) -> tuple[str, str]:
    """Of the trainer and its arguments."""
    generates = HEADS[spec.task].generation(spec.head_options)
    return ("Seq2SeqTrainer", "Seq2SeqTrainingArguments") if generates else ("Trainer", "TrainingArguments")


def _trainer(spec: TrainSpec, made: Recipe) -> list[str]:
    arguments = training_arguments(spec, spec.output_dir, cpu=True)
    spelled = {
        "output_dir": "output_dir",
        "seed": "seed",
        "data_seed": "seed",
        "use_cpu": "cpu",
        "dataloader_pin_memory": "not cpu",
    }
    values = [f"{name}={spelled.get(name) or literal(value)}" for name, value in arguments.items()]
    lines = ["cpu = not torch.accelerator.is_available()", *call(f"arguments = {_classes(spec)[1]}(", values)]
    options = [
        "model=model",
        "args=arguments",
        f"data_collator={made.collator}",
        "train_dataset=train",
        "eval_dataset=evaluation",
        f"processing_class={made.reader}",
        f"compute_metrics={made.metrics}",
    ]
    if made.reduce is not None:
        options.append(f"preprocess_logits_for_metrics={made.reduce.__name__}")
    lines += call(f"trainer = {_classes(spec)[0]}(", [*options, *trainer_options(spec)])
    if not divides(spec):
        lines += [
            "# This model doesn't divide its loss by the items of all accumulated batches, though Trainer thinks so.",
            "trainer.model_accepts_loss_kwargs = False",
        ]
    if spec.load_best_model_at_end:
        return [*lines, "trainer.train()  # ends with the weights of the best evaluation"]
    return [*lines, "trainer.train()"]


def _saving(spec: TrainSpec) -> list[str]:
    generates = HEADS[spec.task].auto_class in ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")
    return [
        *(["model.config.use_cache = True  # Trainer switched it off, and generate() wants it"] if generates else []),
        *saving_lines(spec),
        "trainer.processing_class.save_pretrained(output_dir)",
        "trainer.save_state()  # every logged value, in trainer_state.json",
    ]
