"""The engine: one module per arrow of the picture, useful without any window.

Hub checkpoint → tokenizer → input_ids + attention_mask → model → logits and hidden states (forward) or new token
ids (generate) → text; rows of data → Trainer → a new checkpoint. Nothing here imports Qt, and torch, transformers,
tokenizers, datasets and huggingface_hub are imported inside functions, so that importing a module costs nothing.
"""

from __future__ import annotations

import os as _os

# The libraries read these once, when they are imported, and any module here may be the first to do so. Xet transfers
# can be neither cancelled alone, resumed nor watched; the conversion service and kernels from the Hub are requests
# (and code) nobody asked for; progress and warnings reach people through tasks and notices instead of a terminal.
for _name, _value in {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "DATASETS_VERBOSITY": "error",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "USE_HUB_KERNELS": "0",
}.items():
    _os.environ.setdefault(_name, _value)
