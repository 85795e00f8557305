"""Tiny real checkpoints that read writing and tables, flatten pages, or tell a scene's shape; all want torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_films import _prepared, _side
from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint

LETTERS = ["blank", *"abcdefghijklmnopqrstuvwxyz", " "]
"""What the reading checkpoint knows; the first stands for nothing."""

TASKS = {
    "line": "text-recognition", "table": "table-recognition", "page": "image-to-image",
    "normals": "normal-estimation", "padded-normals": "normal-estimation", "pointmap": "pointmap-estimation",
}  # fmt: skip
"""What `build` makes, and the task of each."""


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of a kind, with the settings its processor is read from.

    Args:
        folder: Made when missing.
        kind: One of `TASKS`: PP-OCR's reader of lines, SLANet, UVDoc, and Sapiens2 for normals, as it is and with the
            picture filled up, and for points in space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _BUILDERS[kind](folder)
    return Checkpoint(f"tiny-{kind}", folder)


def _blocks() -> list[Any]:
    return [
        [[3, 8, 8, 1, False]], [[3, 8, 8, 2, False]], [[3, 8, 8, 2, False]], [[3, 8, 8, 2, False]],
        [[3, 8, 8, 2, True]],
    ]  # fmt: skip


def _line(folder: Path) -> None:
    import transformers as t

    sees = {
        "model_type": "pp_lcnet_v3", "scale": 1, "stem_channels": 8, "divisor": 8, "conv_symmetric_num": 1,
        "out_features": ["stage2", "stage3", "stage4", "stage5"], "out_indices": [2, 3, 4, 5],
        "block_configs": [
            [[3, 8, 8, 1, False]], [[3, 8, 8, 1, False]], [[3, 8, 8, [2, 1], False]], [[3, 8, 8, [2, 1], False]],
            [[3, 8, 16, [2, 1], True]],
        ],
    }  # fmt: skip
    config = t.PPOCRV5MobileRecConfig(
        backbone_config=sees, hidden_size=16, depth=1, num_attention_heads=2, head_out_channels=len(LETTERS)
    )
    _save(t.PPOCRV5MobileRecForTextRecognition, config, folder, 14.0)
    _prepared(folder, "PPOCRV5ServerRecImageProcessor", character_list=LETTERS)


def _table(folder: Path) -> None:
    import transformers as t

    sees = {
        "model_type": "pp_lcnet", "scale": 1, "stem_channels": 8, "divisor": 8, "block_configs": _blocks(),
        "out_features": ["stage2", "stage3", "stage4", "stage5"], "out_indices": [2, 3, 4, 5],
    }  # fmt: skip
    config = t.SLANetConfig(
        backbone_config=sees, post_conv_out_channels=8, hidden_size=16, max_text_length=24, csp_kernel_size=3
    )
    _save(t.SLANetForTableRecognition, config, folder, 22.0)
    _prepared(folder, "SLANeXtImageProcessor", size=_side(64), pad_size=_side(64))


def _page(folder: Path) -> None:
    import transformers as t

    sees = {
        "model_type": "uvdoc_backbone", "resnet_head": [[3, 8], [8, 8]],
        "resnet_configs": [[[8, 8, 1, False]], [[8, 8, 1, True]], [[8, 16, 1, True]]],
        "stage_configs": [[[16, 1]], [[16, 2]]], "out_features": ["stage1", "stage2"],
    }  # fmt: skip
    config = t.UVDocConfig(backbone_config=sees, bridge_connector=[16, 16], out_point_positions2D=[[16, 8], [8, 2]])
    _save(t.UVDocModel, config, folder, 1.0)
    _prepared(folder, "UVDocImageProcessor", size={"height": 64, "width": 48})


def _sapiens2(folder: Path, kind: str, pad: bool = False, side: int = 32, **head: Any) -> None:
    import transformers as t

    parts = {
        "upsample_out_channels": [8] * 4, "upsample_kernel_sizes": [3] * 4, "conv_out_channels": [8],
        "use_pixel_shuffle": True, **head,
    }  # fmt: skip
    config = t.Sapiens2Config(
        num_labels=3, patch_size=16, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_attention_heads=2, num_first_full_attention_layers=1, num_last_full_attention_layers=1,
        image_size=side, num_register_tokens=1, head_config=parts,
    )  # fmt: skip
    _save(getattr(t, kind), config, folder, 2.0)
    _prepared(folder, "Sapiens2ImageProcessor", size=_side(side), do_pad=pad)


_SCALE = {"scale_conv_out_channels": [4], "scale_final_hidden_sizes": [8, 8]}
_BUILDERS = {
    "line": _line,
    "table": _table,
    "page": _page,
    "normals": lambda folder: _sapiens2(folder, "Sapiens2ForNormalEstimation"),
    "padded-normals": lambda folder: _sapiens2(folder, "Sapiens2ForNormalEstimation", pad=True),
    "pointmap": lambda folder: _sapiens2(folder, "Sapiens2ForPointmapEstimation", pad=True, side=64, **_SCALE),
}
