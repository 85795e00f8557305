"""Folders that hold an adapter: what peft wrote, where the checkpoint beneath it lies, and how the two become one."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import CheckpointError, NotSupported, UnsafeRefused

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: The kinds that change weights and can be merged into them, as peft names them.
MERGED = frozenset({"LORA", "ADALORA", "LOHA", "LOKR", "VERA", "IA3", "MISS", "OFT", "BOFT", "HRA"})

_LIMIT = 2**20

#: The Auto classes of what peft says an adapter is for.
_HEADS = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}
_CLASSIFIER = re.compile(r"(.+\.)?(classifier|score)(\.out_proj)?\.weight")


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """An adapter as its adapter_config.json describes it.

    Attributes:
        path: Its folder.
        kind: ``peft_type``, such as ``LORA``.
        base_name: ``base_model_name_or_path``: a folder or a Hub repository.
        base: The folder of that checkpoint, or None when it is not on this machine.
        pickled: Whether the adapter's weights are a pickle.
        config: All of adapter_config.json.
    """

    path: Path
    kind: str
    base_name: str
    base: Path | None
    pickled: bool
    config: dict[str, Any]

    @property
    def beneath(self) -> str:
        """Its checkpoint as ``from_pretrained`` finds it: a folder where it is here, else what the adapter names."""
        return str(self.base or self.base_name)

    @property
    def base_title(self) -> str:
        """What its checkpoint is called: a repository of the Hub by its name, not by the commit it lies under."""
        if self.base is None or self.base.parent.name != "snapshots":
            return self.base.name if self.base is not None else self.base_name
        return self.base.parent.parent.name.removeprefix("models--").replace("--", "/", 1)

    @property
    def head(self) -> str | None:
        """The Auto class it is for, where it names one."""
        return _HEADS.get(str(self.config.get("task_type")))

    def fits(self, auto_class: str) -> bool:
        """Whether it can go on beside a head of this Auto class: it was made for it, or does not name one."""
        return self.head in (None, auto_class)

    @property
    def labels(self) -> int | None:
        """How many labels the classification head has that it brings; None where it brings none."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path / "adapter_model.safetensors", framework="pt") as file:
                found = [name for name in file.keys() if _CLASSIFIER.fullmatch(name)]  # noqa: SIM118 - it is no dict
                return int(file.get_slice(found[0]).get_shape()[0]) if found else None
        except (OSError, SafetensorError):
            return None


def adapter_in(path: Path) -> AdapterFolder | None:
    """The adapter a folder holds, or None when it holds none, or a whole checkpoint beside it."""
    if any((path / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json")):
        return None
    return _described(path)


def embedded_in(path: Path, what: str) -> AdapterFolder | None:
    """The adapter that is a part of a whole checkpoint, which transformers loads with it; None where there is none.

    Granite Speech has one for what it hears: see `follow_sounds`.

    Args:
        path: Of the checkpoint.
        what: What is being done, as "Could not …".

    Raises:
        NotSupported: An adapter lies there that the config does not ask for, or of a kind that can run code.
        UnsafeRefused: It is pickled.
    """
    if not (path / "adapter_config.json").exists():
        return None
    adapter = _described(path)
    if adapter is None or not _asked_for(path):
        # Transformers would load it too, unasked.
        raise NotSupported(
            what,
            why="It holds an adapter beside a whole checkpoint, and which of them is meant does not show.",
            remedy="Move adapter_config.json and the adapter's weights into a folder of their own.",
        )
    _check(adapter, what)
    return adapter


def follow_sounds(model: PreTrainedModel) -> None:
    """Switch the adapter that is a part of a model on for sounds and off for text alone, at the first pass of each run.

    Its own ``generate()`` does so; this does it for every pass that begins a sequence.

    References:
        transformers, ``GraniteSpeechForConditionalGeneration.generate``
    """

    def switch(model: Any, _: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        past = kwargs.get("past_key_values")
        if past is None or past.get_seq_length() == 0:
            (model.disable_adapters if kwargs.get("input_features") is None else model.enable_adapters)()

    model.register_forward_pre_hook(switch, with_kwargs=True)


def decides_with(model: PreTrainedModel) -> str:
    """The subfolder with the adapter that a decision model's settings ask for; empty for none, and for other models."""
    return str(getattr(getattr(model, "decision_config", None), "adapter", None) or "")


def put_on(model: PreTrainedModel, path: Path, what: str) -> None:
    """Put the adapter that `decides_with` names onto a model, as ``pipeline("decision")`` does; it asks for it no more.

    Args:
        model: A decision model.
        path: Of its checkpoint.
        what: What is being done, as "Could not …".

    Raises:
        NotSupported: There is no such subfolder, or its adapter is of a kind that can run code.
        UnsafeRefused: It is pickled.
    """
    name = decides_with(model)
    adapter = _described(path / name) if Path(name).name == name else None
    if adapter is None:
        raise NotSupported(
            what,
            why=f"Its decision settings ask for the adapter “{name}”, which is not in its folder.",
            remedy="Download the checkpoint again, with its subfolders.",
        )
    _check(adapter, what)
    settings: Any = model.decision_config
    model.load_adapter(str(path), adapter_kwargs={"subfolder": name})
    settings.adapter = None


def _asked_for(path: Path) -> bool:
    try:
        return json.loads((path / "config.json").read_bytes()).get("has_lora_adapter") is True
    except (OSError, ValueError, RecursionError, AttributeError):
        return False


def _described(path: Path) -> AdapterFolder | None:
    file = path / "adapter_config.json"
    try:
        config = json.loads(file.read_bytes()) if file.stat().st_size <= _LIMIT else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(config, dict):
        return None
    name = config.get("base_model_name_or_path")
    name = name if isinstance(name, str) else ""
    revision = config.get("revision")
    return AdapterFolder(
        path=path,
        kind=str(config.get("peft_type") or ""),
        base_name=name,
        base=_folder(path, name, revision if isinstance(revision, str) else None),
        pickled=not (path / "adapter_model.safetensors").is_file(),
        config=config,
    )


def base_of(adapter: AdapterFolder, what: str) -> Path:
    """The folder of the checkpoint beneath an adapter.

    Raises:
        UnsafeRefused: The adapter is pickled.
        NotSupported: Adapters of its kind can't be merged.
        CheckpointError: Its checkpoint is not on this machine.
    """
    _check(adapter, what)
    return _beneath(adapter, what)


def _check(adapter: AdapterFolder, what: str) -> None:
    if adapter.pickled:
        raise UnsafeRefused(
            what,
            why="Its adapter's weights are pickled, a format that can run any program when it is opened.",
            remedy="Choose an adapter with adapter_model.safetensors.",
        )
    if adapter.kind not in MERGED or adapter.config.get("megatron_config"):
        raise NotSupported(
            what,
            why=f"An adapter of the kind {adapter.kind or 'that it names none'} can't be merged into its checkpoint.",
            remedy="Load it with peft itself.",
        )


def settings_folder(path: Path, what: str) -> Path:
    """The folder whose config.json a checkpoint goes by: its own, or that of what lies beneath an adapter without one.

    Args:
        path: Of the checkpoint.
        what: What is being done, as "Could not …".

    Raises:
        CheckpointError: It is an adapter, and the checkpoint beneath it is not on this machine.
    """
    adapter = None if (path / "config.json").is_file() else adapter_in(path)
    return path if adapter is None else _beneath(adapter, what)


def merged(model: PreTrainedModel, adapter: AdapterFolder) -> tuple[PreTrainedModel, set[str]]:
    """The model with an adapter in its weights, and the names of the weights that come whole from the adapter."""
    from peft import PeftModel
    from safetensors import safe_open
    from tqdm import tqdm

    # Without bars on a terminal there is nothing for its monitor thread to watch.
    tqdm.monitor_interval = 0
    learned = {name for name, weight in model.named_parameters() if weight.requires_grad}
    with_adapter = PeftModel.from_pretrained(model, str(adapter.path), trust_remote_code=False, local_files_only=True)
    with safe_open(adapter.path / "adapter_model.safetensors", framework="pt") as file:
        stored = {name.removeprefix("base_model.model.") for name in file.keys()}  # noqa: SIM118 - it is no dict
    whole = with_adapter.merge_and_unload()
    for name, weight in whole.named_parameters():
        # peft has frozen them all.
        weight.requires_grad_(name in learned)
    return whole, stored


def _beneath(adapter: AdapterFolder, what: str) -> Path:
    if adapter.base is None:
        raise CheckpointError(
            what,
            why=f"It is an adapter to {adapter.base_name or 'a checkpoint it does not name'}, "
            "which is not on this machine.",
            remedy="Download that checkpoint, or write its folder into base_model_name_or_path of adapter_config.json.",
        )
    return adapter.base


def _folder(path: Path, name: str, revision: str | None) -> Path | None:
    if not name:
        return None
    for folder in (Path(name).expanduser(), path / name):
        if (folder / "config.json").is_file():
            return folder
    if name.count("/") > 1 or Path(name).is_absolute():
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(
            name, "config.json", cache_dir=os.environ.get("HF_HUB_CACHE"), revision=revision or "main"
        )
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None
