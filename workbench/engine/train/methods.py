"""What of a checkpoint is trained: everything, its head, or an adapter that peft puts beside frozen weights."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import models
from workbench.engine.adapters import adapter_in, settings_folder
from workbench.engine.errors import CheckpointError, InputError, NotSupported, explain, first_line
from workbench.engine.hub.local import plain_checkpoint
from workbench.engine.task import Silent, Task
from workbench.engine.train.freeze import freeze
from workbench.engine.train.heads import HEADS
from workbench.engine.train.own_adapter import OWN, attached, beneath, names_of, refusal
from workbench.engine.values import Checkpoint, Method, TrainSpec

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter of peft that fits every head, loads beside its base checkpoint and merges into it.

    Attributes:
        title: As a form shows it.
        about: What it does, in a sentence.
        config: peft's class.
        rank, alpha, dropout: peft's names of these settings; empty where it has none.
        more: Further settings that make it what it is.
    """

    title: str
    about: str
    config: str
    rank: str = ""
    alpha: str = ""
    dropout: str = ""
    more: tuple[tuple[str, Any], ...] = ()


#: By the name that `Method.kind` has. Prompt and prefix tuning are not here: they fit text heads only and can't be
#: merged. AdaLoRA is not: its shapes change while it trains, so that a resumed run would not be the same one.
ADAPTERS: dict[str, Adapter] = {
    "lora": Adapter(
        "LoRA",
        "Adds the product of two small matrices to each linear layer.",
        "LoraConfig",
        "r",
        "lora_alpha",
        "lora_dropout",
    ),
    "rslora": Adapter(
        "rsLoRA",
        "LoRA divided by the root of the rank, steadier at high ranks.",
        "LoraConfig",
        "r",
        "lora_alpha",
        "lora_dropout",
        (("use_rslora", True),),
    ),
    "dora": Adapter(
        "DoRA",
        "LoRA that learns the length of each weight vector apart from its direction; slower, better at low ranks.",
        "LoraConfig",
        "r",
        "lora_alpha",
        "lora_dropout",
        (("use_dora", True),),
    ),
    "loha": Adapter(
        "LoHa", "The elementwise product of two LoRA products: a higher rank from as few weights.",
        "LoHaConfig", "r", "alpha", "module_dropout",
    ),
    "lokr": Adapter(
        "LoKr", "A Kronecker product in place of LoRA's: fewer weights.", "LoKrConfig", "r", "alpha", "module_dropout"
    ),
    "vera": Adapter(
        "VeRA", "Shares random matrices among all layers and learns two vectors for each.",
        "VeraConfig", "r", "", "vera_dropout",
    ),
    "miss": Adapter("MiSS", "Learns one small matrix a layer, spread over its rows.", "MissConfig", "r", "",
                    "miss_dropout"),
    "ia3": Adapter("(IA)³", "Learns one factor for each output of a layer: the fewest weights.", "IA3Config",
                   more=(("feedforward_modules", ()),)),
}  # fmt: skip

#: Weights that bitsandbytes packs together with one scale.
_BLOCK = 64

#: What peft calls the heads it knows.
_TASK_TYPES = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
    "AutoModelForCausalLM": "CAUSAL_LM",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a method would train of a checkpoint, before any weight is read.

    Attributes:
        trained, total: Numbers of weights, the adapter's included.
        layers: Names of the linear layers an adapter can go to, and how many of each there are.
        heads: Modules that are trained whole beside an adapter.
    """

    trained: int
    total: int
    layers: tuple[tuple[str, int], ...]
    heads: tuple[str, ...]


def options(method: Method, auto_class: str) -> tuple[str, dict[str, Any]]:
    """The class of peft that configures an adapter, and its keyword arguments without ``modules_to_save``.

    References:
        peft, Configuration: LoraConfig and its kin
    """
    adapter = ADAPTERS[method.kind]
    given: dict[str, Any] = {}
    if auto_class in _TASK_TYPES:
        given["task_type"] = _TASK_TYPES[auto_class]
    given["target_modules"] = list(method.targets) or "all-linear"
    for name, value in ((adapter.rank, method.rank), (adapter.alpha, method.alpha), (adapter.dropout, method.dropout)):
        if name:
            given[name] = value
    return adapter.config, given | {name: list(v) if isinstance(v, tuple) else v for name, v in adapter.more}


def trained_whole(model: PreTrainedModel, missing: Iterable[str]) -> tuple[str, ...]:
    """The modules that a frozen body needs trained whole: those without stored weights, and a head that reads out.

    Args:
        model: With its head.
        missing: Names of the weights that the checkpoint has none for.

    Returns:
        Names of modules, sorted.
    """
    heads = {name.rpartition(".")[0] for name in missing}
    if model.get_output_embeddings() is None and model.base_model is not model:
        body = f"{model.base_model_prefix}."
        heads |= {name.rpartition(".")[0] for name, _ in model.named_parameters() if not name.startswith(body)}
    return tuple(sorted(heads - {""}))


def apply(model: PreTrainedModel, spec: TrainSpec, missing: Iterable[str]) -> PreTrainedModel | PeftModel:
    """Freeze what the method leaves as it is, and add the adapter where there is one.

    Args:
        model: Loaded for the head of ``spec.task``.
        spec: The run.
        missing: Names of the weights that the checkpoint has none for, as the loading told them.

    Returns:
        The model to be trained: the same one, or peft's around it.

    Raises:
        InputError: Nothing would be left to train, or there is no such layer.
        NotSupported: peft can't add this adapter to this model, or the checkpoint's own does not fit it.
    """
    method = spec.method
    if method.kind == "full":
        freeze(model, spec.freeze_layers)
        return model
    heads = trained_whole(model, missing)
    if method.kind == "head":
        if not heads:
            raise InputError(
                "Could not train the head alone.",
                why=f"The head of {type(model).__name__} is the embeddings read backwards, so there is none to train.",
                remedy="Choose another method, such as LoRA.",
            )
        for name, weight in model.named_parameters():
            weight.requires_grad_(name.rpartition(".")[0] in heads)
        return model
    if method.kind == OWN:
        return attached(model, spec)
    _look_for(method.targets, model, spec)
    import peft

    name, given = options(method, HEADS[spec.task].auto_class)
    what = f"Could not add {ADAPTERS[method.kind].title} to {spec.checkpoint.name}."
    if method.bits:
        _check_packed(model, spec)
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=spec.activation_checkpointing)
    try:
        made = peft.get_peft_model(model, getattr(peft, name)(**given, modules_to_save=list(heads) or None))
    except ValueError as error:
        raise NotSupported(what, why=first_line(error), remedy="Choose LoRA, or train everything.") from error
    return made


def _check_packed(model: PreTrainedModel, spec: TrainSpec) -> None:
    """On a CPU, bitsandbytes computes with 4 bits only where the rows of a layer fill its blocks."""
    packed = [module for module in model.modules() if type(module).__name__ == "Linear4bit"]
    narrow = [module.in_features for module in packed if module.in_features % _BLOCK]
    if narrow and model.device.type == "cpu":
        raise NotSupported(
            f"Could not train {spec.checkpoint.name} in 4 bits.",
            why=f"On a CPU, bitsandbytes needs layers of a multiple of {_BLOCK} inputs, and one has {narrow[0]}.",
            remedy="Choose 8 bits, or leave the base in full precision.",
        )


def _look_for(targets: Sequence[str], model: PreTrainedModel, spec: TrainSpec) -> None:
    names = [name for name, _ in model.named_modules()]
    absent = [one for one in targets if not any(name == one or name.endswith(f".{one}") for name in names)]
    if absent:
        raise InputError(
            f"Could not add {ADAPTERS[spec.method.kind].title} to {spec.checkpoint.name}.",
            why=f"It has no layer called {absent[0]}.",
            remedy="Choose layers from the list, or all linear layers.",
        )


def save(
    model: PreTrainedModel | PeftModel, folder: Path, checkpoint: Checkpoint, weights: dict[str, Any] | None = None
) -> None:
    """Save what was trained: a whole checkpoint, or an adapter as peft saves it, with the config of its model.

    Args:
        model: As `apply` made it.
        folder: Made when missing.
        checkpoint: What the run started from. An adapter names it: by its Hub id where it has one, else by its folder;
            one that was trained on names what lies beneath it, as it did before.
        weights: All of them by name, where the model holds only a part; None takes the model's.
    """
    from peft import PeftModel

    if not isinstance(model, PeftModel):
        model.save_pretrained(folder, state_dict=weights)
        return
    # Left to itself, it asks the Hub whether the vocabulary has grown.
    model.save_pretrained(folder, state_dict=weights, save_embedding_layers=False)
    base = model.get_base_model()
    config = copy.deepcopy(base.config)
    config.architectures = [type(base).__name__]
    # How the base was packed while it was trained is no matter of the adapter's.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.save_pretrained(folder)
    name, revision = str(checkpoint.path.resolve()), None
    if (own := adapter_in(checkpoint.path)) is not None:
        name, revision = names_of(own)
    elif checkpoint.source == "hub":
        name, revision = checkpoint.name, checkpoint.revision
    file, card = folder / "adapter_config.json", folder / "README.md"
    written = json.loads(file.read_text("utf-8")) | {"base_model_name_or_path": name, "revision": revision}
    file.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if card.is_file():
        # A path of this machine says nothing to whoever reads the card.
        card.write_text(card.read_text("utf-8").replace(str(checkpoint.path), checkpoint.name), encoding="utf-8")


def layout(spec: TrainSpec, labels: Sequence[str], *, task: Task | None = None) -> Layout:
    """Count what a run would train, on a model without weights.

    Args:
        spec: The run; nothing of its data is read.
        labels: Names of the labels, as they are known.
        task: May stop it.

    Raises:
        WorkbenchError: The checkpoint can't have this head, or the method does not fit it.
    """
    import transformers

    task = task or Silent()
    while not models.LOAD_LOCK.acquire(timeout=0.1):
        task.check()
    what = f"Could not count the weights of {spec.checkpoint.name}."
    auto_class = HEADS[spec.task].auto_class
    try:
        if (refused := refusal(spec, auto_class)) is not None:
            raise refused
        path = beneath(spec.checkpoint).path
        settings = settings_folder(spec.checkpoint.path, what)
        config = transformers.AutoConfig.from_pretrained(settings, trust_remote_code=False, local_files_only=True)
        if labels:
            config.id2label, config.label2id = dict(enumerate(labels)), {name: at for at, name in enumerate(labels)}
        model, info = getattr(transformers, auto_class).from_pretrained(
            path,
            config=config,
            device_map="meta",
            dtype="float32",
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise explain(error, what) from error
    finally:
        models.LOAD_LOCK.release()
    layers = linear_layers(model)
    missing = {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}
    heads = trained_whole(model, missing)
    made = apply(model, spec, missing)
    return Layout(*counted(made), layers, heads)


def counted(model: PreTrainedModel | PeftModel) -> tuple[int, int]:
    """Weights that are trained, and all weights; a weight that two modules share counts once."""
    weights = list(model.parameters())
    return sum(weight.numel() for weight in weights if weight.requires_grad), sum(weight.numel() for weight in weights)


def linear_layers(model: PreTrainedModel) -> tuple[tuple[str, int], ...]:
    """The last names of the linear layers inside the layers of a model, such as ``q_proj``, and how often each occurs.

    Those that occur once are left out where others occur more often: they are heads, poolers and projections.
    """
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    found = Counter(
        _short(name) for name, module in model.named_modules() if isinstance(module, Linear | Conv1D) and "." in name
    )
    most = max(found.values(), default=0)
    return tuple((name, count) for name, count in found.items() if count > 1 or most == 1)


def _short(name: str) -> str:
    """What follows the number of the layer: ``encoder.layer.0.attention.self.query`` is ``attention.self.query``."""
    parts = name.split(".")
    numbers = [at for at, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[numbers[-1] + 1 :]) if numbers else parts[-1]


def no_bits(device: str) -> str:
    """Why a base can't be loaded in 8 or 4 bits here, or an empty string.

    Args:
        device: As torch spells it, such as ``cuda:0``.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        return "bitsandbytes, which packs weights into 8 or 4 bits, is not installed."
    if device.split(":")[0] not in ("cuda", "cpu"):
        return f"bitsandbytes packs weights on a CUDA GPU or the CPU, and a run here computes on {device}."
    return ""


def merge(folder: Path, into: Path) -> Checkpoint:
    """Merge an adapter into its base checkpoint and save the whole as a checkpoint of its own.

    Args:
        folder: An adapter, as a run or peft saves it.
        into: Must not exist yet; it appears only when everything in it is written.

    Raises:
        CheckpointError: The folder holds no adapter, or its base is not on this machine.
        InputError: ``into`` is taken.
    """
    what = f"Could not merge {folder.name}."
    if adapter_in(folder) is None:
        raise CheckpointError(what, why="It holds no adapter.", remedy="Choose the folder of an adapter.")
    if into.exists():
        raise InputError(what, why=f"The folder {into} exists already.", remedy="Choose another name.")
    loaded = models.load(Checkpoint(folder.name, folder), device="cpu")
    partial = into.with_name(f".{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        loaded.model.save_pretrained(partial)
        if loaded.tokenizer is not None:
            loaded.tokenizer.save_pretrained(partial)
        partial.replace(into)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return plain_checkpoint(into, into.name, "folder")
