"""The lines of a training script that say what of the checkpoint is trained: everything, the head, or an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.engine.adapters import adapter_in
from workbench.engine.codegen.script import call, literal
from workbench.engine.train.heads import HEADS
from workbench.engine.train.methods import options
from workbench.engine.train.own_adapter import OWN

if TYPE_CHECKING:
    from workbench.engine.values import TrainSpec

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

_WHOLE = [
    "# Trained whole: what the checkpoint has no weights for, and a head that reads out.",
    'missing = [*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])]',
    'whole = {name.rpartition(".")[0] for name in missing}',
    "if model.get_output_embeddings() is None and model.base_model is not model:",
    '    body = f"{model.base_model_prefix}."',
    '    whole |= {name.rpartition(".")[0] for name, _ in model.named_parameters() if not name.startswith(body)}',
    'whole = sorted(whole - {""})',
]

_HEAD = ["for name, weight in model.named_parameters():", '    weight.requires_grad_(name.rpartition(".")[0] in whole)']

_MERGING = (
    "learned = {name for name, weight in model.named_parameters() if weight.requires_grad}",
    "model = PeftModel.from_pretrained(model, checkpoint, trust_remote_code=False).merge_and_unload()",
    "for name, weight in model.named_parameters():",
    "    weight.requires_grad_(name in learned)  # peft had frozen them all",
)

_COUNT = [
    "trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)",
    'print(f"{trained:,} weights are trained.")',
]


def from_transformers(spec: TrainSpec) -> list[str]:
    """What has to be imported from transformers."""
    packed = ["BitsAndBytesConfig"] if spec.method.bits else []
    return packed + (["EarlyStoppingCallback"] if spec.early_stopping_patience else [])


def from_peft(spec: TrainSpec) -> list[str]:
    """The import of peft, a line or none."""
    if adapter_in(spec.checkpoint.path) is not None:
        more = ["load_peft_weights"] if spec.method.kind == "head" else []
        return [f"from peft import {', '.join(['PeftModel', *more])}"]
    if not spec.method.is_adapter:
        return []
    name, _ = options(spec.method, HEADS[spec.task].auto_class)
    prepare = ["prepare_model_for_kbit_training"] if spec.method.bits else []
    return [f"from peft import {', '.join([name, 'get_peft_model', *prepare])}"]


def asks_what_is_missing(spec: TrainSpec) -> bool:
    """Whether ``from_pretrained`` has to be asked for its ``loading`` information too."""
    return spec.method.kind not in ("full", OWN)


def loading_arguments(spec: TrainSpec) -> list[str]:
    """What ``from_pretrained`` is given besides."""
    arguments = ["output_loading_info=True"] if asks_what_is_missing(spec) else []
    if spec.method.bits:
        arguments += [
            "quantization_config=packed",
            'device_map={"": torch.accelerator.current_accelerator() or torch.device("cpu")}',
        ]
    return arguments


def packing_lines(spec: TrainSpec, labelled: Sequence[str]) -> list[str]:
    """The lines before ``from_pretrained``: how the weights of the base are packed.

    Args:
        spec: The run.
        labelled: What ``from_pretrained`` is told of labels.
    """
    if not spec.method.bits:
        return []
    settings = ["load_in_8bit=True"]
    if spec.method.bits == 4:
        settings = ["load_in_4bit=True", 'bnb_4bit_quant_type="nf4"', "bnb_4bit_compute_dtype=torch.bfloat16"]
    given = ['device_map="meta"', "use_safetensors=True", "trust_remote_code=False", "output_loading_info=True"]
    return [
        "# A look without weights: what is trained whole is not packed.",
        *call(f"model, loading = {HEADS[spec.task].auto_class}.from_pretrained(", ["checkpoint", *given, *labelled]),
        *_WHOLE,
        'device = torch.accelerator.current_accelerator() or torch.device("cpu")',
        *call("packed = BitsAndBytesConfig(", [*settings, "llm_int8_skip_modules=whole or None"]),
        "set_seed(seed)",
    ]


def _brought(lines: Sequence[str]) -> list[str]:
    """The lines that look for what is trained whole, where an adapter brings some of what was missing."""
    stored = 'stored = {name.removeprefix("base_model.model.") for name in load_peft_weights(checkpoint)}'
    return [
        stored,
        *(line.replace("for name in missing}", "for name in missing if name not in stored}") for line in lines),
    ]


def base_argument(spec: TrainSpec) -> str:
    """What ``from_pretrained`` loads: ``checkpoint``, or what lies beneath it where that is an adapter."""
    adapter = adapter_in(spec.checkpoint.path)
    return "checkpoint" if adapter is None else literal(adapter.beneath)


def method_lines(spec: TrainSpec) -> list[str]:
    """The lines between loading the model and encoding the rows."""
    method = spec.method
    if method.kind == OWN:
        attached = ["model", "checkpoint", "is_trainable=True", "trust_remote_code=False"]
        return [*call("model = PeftModel.from_pretrained(", attached), *_COUNT]
    merging = [] if adapter_in(spec.checkpoint.path) is None else list(_MERGING)
    if method.kind == "full":
        return [*merging, *(_FREEZE if spec.freeze_layers else [])]
    if method.kind == "head":
        return [*merging, *(_brought(_WHOLE) if merging else _WHOLE), *_HEAD, *_COUNT]
    name, given = options(method, HEADS[spec.task].auto_class)
    settings = [*(f"{key}={literal(value)}" for key, value in given.items()), "modules_to_save=whole or None"]
    prepare = (
        call(
            "model = prepare_model_for_kbit_training(",
            ["model", f"use_gradient_checkpointing={spec.activation_checkpointing}"],
        )
        if method.bits
        else []
    )
    return [
        *([] if method.bits else _WHOLE),
        *prepare,
        *call(f"adapter = {name}(", settings),
        "model = get_peft_model(model, adapter)",
        *_COUNT,
    ]


def trainer_options(spec: TrainSpec) -> list[str]:
    """What ``Trainer`` is given besides."""
    callbacks = ["StepSeed()"]
    if spec.early_stopping_patience:
        callbacks.append(f"EarlyStoppingCallback({spec.early_stopping_patience}, {spec.early_stopping_threshold})")
    return [f"callbacks=[{', '.join(callbacks)}]"]


def saving_lines(spec: TrainSpec) -> list[str]:
    """The lines that save the model."""
    if not spec.method.is_adapter:
        return ["model.save_pretrained(output_dir)"]
    return [
        "# The adapter alone, which names its base checkpoint, and the config of the model it belongs to.",
        "model.save_pretrained(output_dir, save_embedding_layers=False)",
        "base = model.get_base_model()",
        "base.config.architectures = [type(base).__name__]",
        "base.config.save_pretrained(output_dir)",
    ]
