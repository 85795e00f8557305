"""Whether a checkpoint can be loaded, asked before and right after its weights are read, with each refusal in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.engine.errors import CheckpointError, OutOfMemory, explain, first_line
from workbench.engine.facts import GGUF_REMEDY, header, known_model_type, shards, weight_files
from workbench.engine.fits import WIDTH
from workbench.engine.machine import free
from workbench.engine.processors import missing as wanting
from workbench.engine.values import Facts

#: The architecture that is only ever made anew, around a model of another library.
_NAMED = "timm_backbone"


def check_kind(facts: Facts, what: str) -> None:
    """Refuse an architecture that the installed library does not know, and weights that it can't read.

    Args:
        facts: What the folder says.
        what: The first sentence of a refusal.

    Raises:
        CheckpointError: It can't be loaded, whatever is asked for.
    """
    if not known_model_type(facts.model_type) and not facts.remote_code:
        why = (
            f"The installed transformers does not know the architecture “{facts.model_type}”."
            if facts.model_type
            else "Its config.json names no model_type."
        )
        raise CheckpointError(
            what, why=why, remedy="Check that the folder is a transformers checkpoint, or update transformers."
        )
    if facts.model_type == _NAMED:
        raise CheckpointError(
            what,
            why="transformers makes a timm_backbone by the name of a model that timm has, and reads no folder of one.",
            remedy="Load the checkpoint of timm itself, such as timm/resnet18.a1_in1k: it is read as timm_wrapper.",
        )
    if facts.weights not in ("safetensors", "pickle"):
        if facts.weights == "gguf":
            raise CheckpointError(what, why="The folder has only GGUF weights.", remedy=GGUF_REMEDY)
        again = "Download the checkpoint again: model.safetensors is needed."
        raise CheckpointError(what, why="The folder has no weights.", remedy=again)


def check_weights(path: Path, what: str) -> None:
    """Refuse weights of which a file is missing, cut off or called otherwise than the library looks for.

    Raises:
        CheckpointError: Which file, and why.
    """
    # Transformers reports a cut-off file as a bare "Error while deserializing header", after seconds of imports.
    index = path / "model.safetensors.index.json"
    _, files = weight_files(path)
    single = path / "model.safetensors"
    if not single.is_file() and not index.is_file():
        raise CheckpointError(
            what,
            why=f"Its weights are called {files[0].name}; transformers looks for model.safetensors.",
            remedy="Rename the file if it is the whole model.",
        )
    if not single.is_file() and not shards(index):
        raise CheckpointError(
            what, why="Its index of weight files is damaged.", remedy="Delete it and download it again."
        )
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        raise CheckpointError(
            what,
            why=f"{len(absent)} of {len(files)} weight files are missing: {', '.join(absent[:3])}"
            + ("…" if len(absent) > 3 else "."),
            remedy="Download it again; what is there already is kept.",
        )
    for file in files:
        try:
            header(file)
        except CheckpointError as error:
            raise CheckpointError(what, why=f"{file.name}: {error.why}", remedy=error.remedy) from error


def check_memory(facts: Facts, dtype: str, device: str, what: str) -> None:
    """Refuse weights that take more than is free on a device.

    Raises:
        OutOfMemory: How much there is, and how much is needed, in GB.
    """
    # The kernel kills a process that touches more than there is, so the question has to come before the load.
    stored = WIDTH.get(facts.dtype or "", 4)
    needed = facts.weight_bytes * (WIDTH[dtype] / stored if dtype in WIDTH else 1)
    room = free(device)
    if room is not None and needed > room:
        raise OutOfMemory(
            what,
            why=f"{device} has {room / 1e9:.1f} GB free and the weights need {needed / 1e9:.1f} GB.",
            remedy="Choose a smaller checkpoint or dtype, another device, or close other programs.",
        )


def check_shapes(info: dict[str, Any], own_labels: bool, what: str) -> None:
    """Refuse weights of other shapes than the config says.

    Args:
        info: What ``from_pretrained`` gives with ``output_loading_info``.
        own_labels: A head with other labels than the stored ones was asked for, so its weights may differ.
        what: The first sentence of a refusal.

    Raises:
        CheckpointError: The first of them, with both shapes.
    """
    wrong = [entry for entry in info["mismatched_keys"] if not (own_labels and _of_head(entry[0]))]
    if wrong:
        name, stored, expected = sorted(wrong)[0]
        raise CheckpointError(
            what,
            why=f"{len(wrong)} weights have another shape than config.json says, such as {name}: "
            f"{_shape(stored)} in the file, {_shape(expected)} by the config.",
            remedy="The files don't belong together; download or save the checkpoint again.",
        )
    if info["error_msgs"]:
        raise CheckpointError(
            what, why=str(info["error_msgs"][0])[:300], remedy="Download or save the checkpoint again."
        )


def _of_head(name: str) -> bool:
    return name.split(".")[0] in ("classifier", "score", "qa_outputs", "classification_head", "sequence_classifier")


def _shape(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape) or "a single number"


def worded(error: Exception, what: str) -> Exception:
    """An error of the library while it loads, as an error for people."""
    plain = explain(error, what)
    if isinstance(plain, OutOfMemory):
        return plain
    if isinstance(error, ImportError):
        return wanting(what, error)
    return CheckpointError(what, why=first_line(error), remedy="The details below say where it happened.")
