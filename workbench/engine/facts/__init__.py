"""What a checkpoint's folder says about itself, read in milliseconds and without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbench.engine.adapters import adapter_in
from workbench.engine.facts.architectures import (
    BACKBONE,
    BLIND,
    CACHELESS,
    DECODERS,
    FILMS,
    FINDS,
    HEADS,
    HEAR_ALONE,
    WHOLE,
    auto_tables,
    class_for,
    fewest,
    head_beside,
    heads_of,
    known_model_type,
    reads,
    renamed,
    sees,
    trained_head,
)
from workbench.engine.facts.files import (
    CONFIG_LIMIT,
    DTYPES,
    GGUF_REMEDY,
    TOKENIZER_FILES,
    boxed,
    has_chat_template,
    has_tokenizer,
    header,
    parse_config,
    read_config,
    shards,
    stored_in,
    tokenizer_folder,
    weight_files,
)
from workbench.engine.fits import WIDTH, shape_of
from workbench.engine.values import Checkpoint, Facts

__all__ = [
    "BACKBONE",
    "BLIND",
    "CACHELESS",
    "CONFIG_LIMIT",
    "DECODERS",
    "FILMS",
    "FINDS",
    "GGUF_REMEDY",
    "HEADS",
    "HEAR_ALONE",
    "WHOLE",
    "auto_tables",
    "boxed",
    "class_for",
    "describe",
    "fewest",
    "has_tokenizer",
    "header",
    "known_model_type",
    "of_config",
    "parse_config",
    "read_config",
    "reads",
    "renamed",
    "sees",
    "shards",
    "tokenizer_folder",
    "weight_files",
]
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


def describe(checkpoint: Checkpoint) -> Facts:
    """Read config.json and the names and headers of the weight files; a few milliseconds, no torch.

    Raises:
        CheckpointError: The folder is missing, is no checkpoint, or its config.json can't be read.
    """
    path = checkpoint.path
    config = read_config(path, checkpoint.name)
    kind, files = weight_files(path)
    adapter = adapter_in(path)
    if adapter is not None and adapter.base is not None and kind == "safetensors":
        # The weights that are loaded are the base checkpoint's, with the adapter merged into them.
        files = (*weight_files(adapter.base)[1], *files)
    words = tokenizer_folder(path)
    bare = adapter is not None and not (path / "config.json").is_file()
    if bare and adapter is not None and (labels := adapter.labels) is not None:
        config["id2label"] = {number: f"LABEL_{number}" for number in range(labels)}
    seen = of_config(
        config,
        lambda name: (path / name).is_file() or (words / name).is_file(),
        weights=kind,
        weight_bytes=sum(file.stat().st_size for file in files if file.exists()),
        stored=stored_in(files) if kind == "safetensors" else (),
        has_chat_template=has_chat_template(words),
    )
    if bare and adapter is not None and adapter.head in seen.heads:
        seen = replace(seen, trained_head=adapter.head)
    return replace(seen, has_tokenizer=has_tokenizer(words))


def of_config(
    config: Mapping[str, Any],
    present: Callable[[str], bool],
    *,
    weights: str,
    weight_bytes: int,
    stored: Sequence[tuple[str, int]],
    has_chat_template: bool,
) -> Facts:
    """What a config.json says, wherever its checkpoint lies.

    Args:
        config: Of `read_config` or `parse_config`; anything may stand in it.
        present: Whether the checkpoint has a file of that name.
        weights: As `Facts` has it.
        weight_bytes: As `Facts` has it.
        stored: As `Facts` has it.
        has_chat_template: As `Facts` has it.
    """
    model_type = config.get("model_type")
    model_type = model_type if isinstance(model_type, str) else ""
    named = config.get("architectures")
    if not model_type and "pretrained_cfg" in config:
        # timm's own checkpoints name the model as timm does; the library wraps them.
        model_type, named = "timm_wrapper", ["TimmWrapperForImageClassification"]
    architectures = tuple(str(name)[:200] for name in named[:8]) if isinstance(named, list) else ()
    trained = head_beside(model_type, present) or trained_head(architectures, model_type)
    heads = heads_of(model_type, trained)
    auto_map = config.get("auto_map")
    if isinstance(auto_map, dict) and not known_model_type(model_type):
        # Its own code says which heads there are.
        heads = tuple(head for head, _ in HEADS if head in auto_map) or heads
        trained = trained if trained in heads else heads[0]
    text = config.get("text_config")
    sizes = {**config, **text} if isinstance(text, dict) else config
    heads_count = _whole(sizes, "num_attention_heads", "n_head", "n_heads")
    main = max(stored, key=lambda entry: entry[1] * WIDTH.get(entry[0], 1), default=("", 0))[0]
    declared = config.get("dtype", config.get("torch_dtype"))
    return Facts(
        architectures=architectures,
        model_type=model_type,
        heads=heads,
        trained_head=trained,
        dtype=DTYPES.get(main) or (declared if isinstance(declared, str) else None),
        layers=_whole(sizes, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        hidden_size=_whole(sizes, "hidden_size", "n_embd", "d_model", "dim"),
        attention_heads=heads_count,
        kv_heads=_whole(sizes, "num_key_value_heads") or heads_count,
        vocab_size=_whole(sizes, "vocab_size"),
        context=_whole(sizes, "max_position_embeddings", "n_positions", "max_sequence_length"),
        labels=_labels(config),
        weights=weights,
        weight_bytes=weight_bytes,
        remote_code="auto_map" in config,
        has_tokenizer=any(present(name) for name in TOKENIZER_FILES),
        has_chat_template=has_chat_template,
        encoder_decoder=_encoder_decoder(config, heads, trained),
        takes_images=_takes_images(config, heads, present),
        stored=tuple(stored),
        shape=shape_of(config),
    )


def _encoder_decoder(config: Mapping[str, Any], heads: tuple[str, ...], trained: str | None) -> bool:
    # Written only where it differs from what the architecture has by itself.
    stated = config.get("is_encoder_decoder")
    if isinstance(stated, bool):
        return stated
    return "AutoModelForSeq2SeqLM" in (trained, heads[0]) and config.get("model_type") not in DECODERS


def _takes_images(config: Mapping[str, Any], heads: tuple[str, ...], present: Callable[[str], bool]) -> bool:
    # The table of transformers lists text models as well, under the type of a family that has both.
    if "AutoModelForImageTextToText" not in heads or config.get("model_type") in BLIND:
        return False
    return "vision_config" in config or any(present(name) for name in _PROCESSOR_FILES)


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if not isinstance(names, dict):
        return ()
    try:
        return tuple(str(names[key]) for key in sorted(names, key=int))
    except ValueError:
        return ()


def _whole(config: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
