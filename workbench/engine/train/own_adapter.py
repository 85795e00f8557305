"""Training on the adapter that a checkpoint is, beside the frozen weights of the checkpoint beneath it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.adapters import AdapterFolder, adapter_in, base_of
from workbench.engine.errors import NotSupported, explain
from workbench.engine.values import Checkpoint, TrainSpec

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

#: The method of this name; see `Method.kind`.
OWN = "own"

_REMEDY = "Choose another method, which merges it first, or another task."


def beneath(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint whose weights are frozen: that beneath an adapter, else the checkpoint itself.

    Raises:
        CheckpointError: It is an adapter to a checkpoint that is not on this machine.
        NotSupported, UnsafeRefused: It is an adapter that can't be loaded.
    """
    adapter = adapter_in(checkpoint.path)
    if adapter is None:
        return checkpoint
    return replace(checkpoint, path=base_of(adapter, f"Could not train {checkpoint.name}."))


def refusal(spec: TrainSpec, auto_class: str) -> NotSupported | None:
    """Why a run can't use its checkpoint so, where that is an adapter or is taken for one.

    Args:
        spec: The run.
        auto_class: Of its head.
    """
    what = f"Could not train {spec.checkpoint.name}."
    adapter = adapter_in(spec.checkpoint.path)
    if spec.method.kind == OWN and adapter is None:
        return NotSupported(what, why="It is no adapter that could be trained on.", remedy="Choose another method.")
    if spec.method.kind == OWN and adapter is not None and not adapter.fits(auto_class):
        return NotSupported(what, why=f"Its adapter was made for {adapter.head}, not {auto_class}.", remedy=_REMEDY)
    if adapter is not None and spec.method.is_adapter and spec.method.kind != OWN:
        return NotSupported(
            what,
            why="It is an adapter to another checkpoint, and a new adapter would have two checkpoints beneath it.",
            remedy="Train its own adapter further, or everything (it is merged first then). For a new adapter merge it "
            "before: Save or push… under Evaluation, where a run made it.",
        )
    return None


def attached(model: PreTrainedModel, spec: TrainSpec) -> PeftModel:
    """Peft's model around the frozen base, with the weights of the adapter, which are trained.

    Args:
        model: The base with the head of the run; without weights (on ``meta``) the adapter has none either.
        spec: A run whose checkpoint is an adapter.

    Raises:
        NotSupported: The adapter does not fit this head, or these labels.

    References:
        peft, PeftModel.from_pretrained: ``is_trainable``
    """
    import peft
    from safetensors import safe_open

    path = str(spec.checkpoint.path)
    what = f"Could not train the adapter {spec.checkpoint.name} further."
    if model.device.type == "meta":
        config = peft.PeftConfig.from_pretrained(path, trust_remote_code=False)
        config.inference_mode = False
        return peft.get_peft_model(model, config)
    try:
        made = peft.PeftModel.from_pretrained(
            model, path, is_trainable=True, trust_remote_code=False, local_files_only=True
        )
    except RuntimeError as error:
        if "size mismatch" not in str(error):
            raise explain(error, what) from error
        raise NotSupported(
            what,
            why="Its weights have other shapes: it was made for other labels, or for another base.",
            remedy=_REMEDY,
        ) from error
    with safe_open(spec.checkpoint.path / "adapter_model.safetensors", framework="pt") as file:
        stored = set(file.keys())
    if stored != set(peft.get_peft_model_state_dict(made, save_embedding_layers=False)):
        raise NotSupported(what, why="Its weights belong to other layers than this head has.", remedy=_REMEDY)
    return made


def names_of(adapter: AdapterFolder) -> tuple[str, str | None]:
    """How an adapter names what lies beneath it: the repository (or folder) and the revision."""
    revision = adapter.config.get("revision")
    if adapter.base is not None and not _is_repository(adapter):
        return str(adapter.base.resolve()), None
    return adapter.base_name, revision if isinstance(revision, str) else None


def _is_repository(adapter: AdapterFolder) -> bool:
    return not Path(adapter.base_name).exists() and not (adapter.path / adapter.base_name).exists()
