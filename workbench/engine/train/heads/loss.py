"""Which models divide their loss by the items of all accumulated batches."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

from workbench.engine.facts import HEADS


@functools.cache
def divides_by_items(model_type: str, auto_class: str) -> bool:
    """Whether a model passes ``num_items_in_batch`` on to its loss, read from the source of its class.

    Trainer believes it of every model that takes ``**kwargs``; of those that don't, loss and gradients come out too
    large by the accumulated batches. It takes no torch: the source is read as text.

    Args:
        model_type: As config.json names it.
        auto_class: Such as ``AutoModelForCausalLM``.

    References:
        transformers, Trainer: model_accepts_loss_kwargs; loss_utils: ForCausalLMLoss
    """
    spec = importlib.util.find_spec("transformers")
    table = dict(HEADS).get(auto_class, "")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        tables = Path(folder, "models", "auto", "modeling_auto.py").read_text("utf-8")
        found = re.search(rf"^{table} = OrderedDict\((.*?)^\)", tables, re.MULTILINE | re.DOTALL)
        name = re.search(rf'"{re.escape(model_type)}",\s*\(?\s*"(\w+)"', found[1]) if found else None
        if name is None:
            continue
        for file in Path(folder, "models").glob("*/modeling_*.py"):
            source = file.read_text("utf-8")
            if f"class {name[1]}(" not in source:
                continue
            body = source.split(f"class {name[1]}(", 1)[1].split("\nclass ", 1)[0]
            return bool(re.search(r"loss_function\((?:[^()]|\([^()]*\))*\*\*\w+", body))
    return False
