"""GGUF to safetensors, once: run as a process of its own, so that it can be stopped and its memory comes back.

``python -m workbench.engine.convert FOLDER FILE.gguf TARGET``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def convert(folder: Path, gguf_file: str, target: Path) -> None:
    """Widen a quantized llama to bfloat16 and save it with its tokenizer and chat template.

    The blocks hold at most 4 to 8 bits a weight, which bfloat16 represents with its 8 bits of mantissa to within its
    own rounding; the file grows to two bytes a weight.

    Args:
        folder: Holds the GGUF file.
        gguf_file: Its name.
        target: Folder for config, weights and tokenizer; made when missing.

    References:
        transformers, GGUF and interaction with Transformers: ``GgufConfig(dequantize=True)``.
    """
    from gguf import GGUFReader

    # First, since a damaged file is told in a second and the libraries below take several.
    splitter = GGUFReader(folder / gguf_file).fields.get("tokenizer.ggml.pre")
    digits_apart = splitter is not None and splitter.contents() == "smollm"

    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf_file, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=gguf_file,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        trust_remote_code=False,
    )
    if digits_apart:
        # The reader knows one byte-level splitter; this family cuts every digit off first, which matters after spaces.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
            ]
        )
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    shorten(target / "tokenizer.json")


def shorten(file: Path) -> None:
    """Write a tokenizer's file without blanks, each merge as one string: less than half as long.

    Whoever reads it holds Python's lock, and with it every window, for half the time. A file whose tokens hold
    blanks is left as it is, since a merge of two of them can be written as two strings only.

    Args:
        file: A ``tokenizer.json``.

    References:
        tokenizers, models.BPE: merges are pairs, or strings of two tokens with a blank in between.
    """
    content = json.loads(file.read_text(encoding="utf-8"))
    merges = content["model"].get("merges", [])
    if any(" " in token for merge in merges for token in merge):
        return
    content["model"]["merges"] = [" ".join(merge) for merge in merges]
    file.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
