"""What single architectures need besides the rule: configs, settings of what prepares their inputs, builders."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    return None if value == "none" else value


_TABLES: dict[str, dict[str, Any]] = _read(tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")))

WHOLE, CHANGED, SAVED = _TABLES["whole"], _TABLES["changed"], _TABLES["saved"]
PROCESSORS, PICTURES, SOUNDS = _TABLES["processors"], _TABLES["pictures"], _TABLES["sounds"]
SEEN, FILMED, HEARD, COUNTED = _TABLES["seen"], _TABLES["filmed"], _TABLES["heard"], _TABLES["counted"]
MOVING, GENERATION = _TABLES["moving"], _TABLES["generation"]
#: Parts that are saved with nothing that prepares their inputs.
ALONE = frozenset(_TABLES["alone"]["kinds"])
TOKENS, MARKS, NAMED = _TABLES["tokens"], _TABLES["marks"], _TABLES["named"]
TEMPLATES = _TABLES["templates"]
#: Builders of the suite: module and function, and the kind that it is asked for.
LIKE: dict[str, tuple[str, str]] = {kind: tuple(each.split(":")) for kind, each in _TABLES["like"].items()}

#: Ids of the tiny tokenizer.
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
#: Heads whose models give a letter to each moment of a sound.
SPELLS = ("AutoModelForCTC", "AutoModelForRNNT", "AutoModelForTDT")
#: Heads whose models want more than one picture, or points in it.
NOT_ALONE = ("AutoModelForMaskGeneration", "AutoModelForKeypointMatching", "AutoModelForImageMatting")
#: Architectures that are given a text and a sound at once.
BOTH = ("clvp",)
#: Architectures that tell a text by the token that ends it, and those whose pairs have as many of it as RoBERTa's.
ENDED = ("bart", "bigbird_pegasus", "led", "longformer", "longt5", "mbart", "mt5", "mvp", "plbart", "t5", "umt5")
PAIRED = ("longformer",)
#: What is shown films with nothing in its inputs' names to tell it by.
FILMS = ("videoprism", "videomt")


def finish(kind: str, config: Any, ids: dict[str, int]) -> None:
    """Set what no rule finds in a config that was made."""
    for name, token in NAMED.get(kind, {}).items():
        if token in ids:
            setattr(config, name, ids[token])
    size = len(ids)
    if kind == "whisper":
        # Its decoder alone takes the layers of the encoder for its own.
        config.encoder_layers = config.decoder_layers
    elif kind == "ovis2":
        config.visual_indicator_token_ids = [ids[f"<IMG_{name}>"] for name in ("START", "GRID", "COL", "ROW", "END")]
    elif kind == "chameleon":
        letters = ["".join(chr(65 + int(digit)) for digit in str(code)) for code in range(16)]
        known = {name: ids[name] for name in ("<image>", "<racm3:break>", "<eoss>")}
        config.vocabulary_map = known | {f"IMGIMG{each}Z": size + code for code, each in enumerate(letters)}
        config.vocab_size = size + 16
    elif kind == "emu3":
        codes = {f"<|visual token {code:06d}|>": size + code for code in range(16)}
        config.image_token_id = ids["<image>"]
        config.vocabulary_map = {**codes, "<|extra_200|>": size + 16, "<image>": ids["<image>"]}
        config.text_config.vocab_size = size + 17
