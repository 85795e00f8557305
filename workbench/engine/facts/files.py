"""The files of a checkpoint's folder: its config, the headers of its weights, and whether it has a tokenizer."""

from __future__ import annotations

import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

from workbench.engine.adapters import adapter_in, settings_folder
from workbench.engine.errors import CheckpointError
from workbench.engine.fits import WIDTH

#: Larger JSON files are no config: the longest real ones have a few hundred kilobytes of labels.
CONFIG_LIMIT = 8 * 2**20
_HEADER_LIMIT = 100 * 2**20

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
          "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
          "BOOL": "bool"}  # fmt: skip
"""Names of torch by those of safetensors."""
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
    "tekken.json",
)
"""Files that a tokenizer can be built from, any of them."""
#: What the tokenizers begin with that read the words of a page with their boxes.
_BOXED = ("LayoutLMv2", "LayoutLMv3", "LayoutXLM", "Udop")
#: Tokenizers of bytes and characters, which have no vocabulary to be saved.
_WITHOUT_VOCABULARY = ("ByT5Tokenizer", "CanineTokenizer", "DiaTokenizer", "PerceiverTokenizer")


GGUF_REMEDY = "Choose the .gguf file itself by Import… in Hub, which converts it, or get the model as safetensors."
"""What to do with a folder of llama.cpp's."""


def read_config(path: Path, name: str) -> dict[str, Any]:
    """config.json of a folder as a dict.

    Raises:
        CheckpointError: There is no such folder or file, or it holds no JSON object.
    """
    what = f"Could not open {name}."
    if not path.exists():
        raise CheckpointError(
            what,
            why=f"There is no folder {path}.",
            remedy="Check the spelling, or pick a checkpoint from the list of what is on this machine.",
        )
    if not path.is_dir():
        raise CheckpointError(
            what,
            why=f"{path.name} is a file; a checkpoint is a folder with config.json and weights.",
            remedy="Choose the folder that holds it.",
        )
    file = settings_folder(path, what) / "config.json"
    if not file.is_file():
        raise CheckpointError(what, why=_why_no_config(path), remedy=_remedy_no_config(path))
    damaged = "Download or save the checkpoint again: config.json must be one JSON object with a model_type."
    if file.stat().st_size > CONFIG_LIMIT:
        raise CheckpointError(what, why="Its config.json is too large to be one.", remedy=damaged)
    return parse_config(file.read_bytes(), what, damaged)


def parse_config(text: bytes, what: str, remedy: str) -> dict[str, Any]:
    """A config.json as a dict.

    Args:
        text: At most `CONFIG_LIMIT` bytes.
        what: What is being done, as "Could not …".
        remedy: What the person can do when it is damaged.

    Raises:
        CheckpointError: It is no JSON object, or one nested deeper than any settings are.
    """
    try:
        config = json.loads(text)
    except RecursionError as error:
        raise CheckpointError(what, why="Its config.json is nested deeper than settings are.", remedy=remedy) from error
    except ValueError as error:
        raise CheckpointError(what, why=f"Its config.json is damaged: {error}.", remedy=remedy) from error
    if not isinstance(config, dict):
        raise CheckpointError(what, why="Its config.json holds something else than settings.", remedy=remedy)
    return config


def _why_no_config(path: Path) -> str:
    if (path / "adapter_config.json").exists():
        return "The folder holds only an adapter (LoRA or the like), which changes another checkpoint's weights."
    if any(path.glob("*.gguf")):
        return "The folder holds a GGUF file, the format of llama.cpp, and no config.json."
    return f"The folder {path} has no config.json, so it is no transformers checkpoint."


def _remedy_no_config(path: Path) -> str:
    if (path / "adapter_config.json").exists():
        return "Merge it into its base checkpoint with peft (merge_and_unload) and save that."
    if any(path.glob("*.gguf")):
        return GGUF_REMEDY
    return "Choose a folder written by save_pretrained, or a snapshot of a Hub repository."


def weight_files(path: Path) -> tuple[str, tuple[Path, ...]]:
    """The format of a folder's weights and its files, the format that is loaded first winning.

    Returns:
        ``safetensors``, ``pickle``, ``gguf`` or ``none``, and the files (shards an index names may be missing).
    """
    index = path / "model.safetensors.index.json"
    if (path / "model.safetensors").is_file():
        return "safetensors", (path / "model.safetensors",)
    if index.is_file():
        return "safetensors", tuple(path / shard for shard in shards(index))
    for kind, patterns in (
        ("safetensors", ("*.safetensors",)),
        ("pickle", ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")),
        ("gguf", ("*.gguf",)),
    ):
        found = tuple(sorted(file for pattern in patterns for file in path.glob(pattern) if file.is_file()))
        if found:
            return kind, found
    return "none", ()


def shards(index: Path) -> tuple[str, ...]:
    """The plain file names an index of shards lists, in order; empty when the index can't be read."""
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        return tuple(sorted(name for name in names if name == Path(name).name and name not in ("", ".", "..")))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return ()


def header(file: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor name to ``{dtype, shape, data_offsets}``.

    Raises:
        CheckpointError: The file is cut off or is no safetensors file; ``why`` tells which.
    """
    what = f"Could not read the weights in {file.name}."
    again = "Delete it and download or save the checkpoint again."
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= _HEADER_LIMIT:
            raise CheckpointError(what, why="The file is empty or is no safetensors file.", remedy=again)
        raw = stream.read(length)
    if len(raw) < length:
        raise CheckpointError(what, why=f"The file is cut off after {size:,} bytes.", remedy=again)
    try:
        tensors = json.loads(raw)
        tensors.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        expected = 8 + length + int(end)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CheckpointError(what, why="The file is damaged or is no safetensors file.", remedy=again) from error
    if size < expected:
        raise CheckpointError(what, why=f"The file is cut off: {size:,} of {expected:,} bytes are there.", remedy=again)
    return tensors


def has_tokenizer(path: Path) -> bool:
    """Whether any file a tokenizer can be built from is there."""
    return any((path / name).is_file() for name in TOKENIZER_FILES) or (
        _tokenizer_config(path).get("tokenizer_class") in _WITHOUT_VOCABULARY
    )


def tokenizer_folder(path: Path) -> Path:
    """The folder that a checkpoint's tokenizer is in: its own, or that of what lies beneath an adapter without one."""
    adapter = None if has_tokenizer(path) else adapter_in(path)
    return path if adapter is None or adapter.base is None else adapter.base


def boxed(path: Path) -> bool:
    """Whether a folder's tokenizer wants words with boxes, and no running text."""
    return str(_tokenizer_config(path).get("tokenizer_class", "")).startswith(_BOXED)


def stored_in(files: tuple[Path, ...]) -> tuple[tuple[str, int], ...]:
    """Numbers by dtype in files of safetensors, from the bytes they take: what a header says of shapes may be a lie."""
    counts: Counter[str] = Counter()
    try:
        for file in files:
            for entry in header(file).values():
                start, end = entry["data_offsets"]
                kind = str(entry["dtype"])
                counts[kind] += max(0, end - start) // WIDTH.get(kind, 1)
    except (CheckpointError, OSError, IndexError, KeyError, TypeError, ValueError):
        return ()
    return tuple(counts.most_common())


def has_chat_template(path: Path) -> bool:
    """Whether a folder's tokenizer or processor has a chat template."""
    if (path / "chat_template.jinja").is_file() or (path / "chat_template.json").is_file():
        return True
    return bool(_tokenizer_config(path).get("chat_template"))


def _tokenizer_config(path: Path) -> dict[str, Any]:
    file = path / "tokenizer_config.json"
    if not file.is_file() or file.stat().st_size > CONFIG_LIMIT:
        return {}
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
