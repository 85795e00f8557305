"""Tiny checkpoints of models that read series of numbers."""

from __future__ import annotations

from pathlib import Path

from tests.tiny_tasks import _save
from workbench.engine.values import Checkpoint


def build(folder: Path, kind: str) -> Checkpoint:
    """Save a model of series into a folder of its kind.

    Args:
        folder: Where to.
        kind: Its ``model_type``.
    """
    import transformers as t

    heads = {"num_hidden_layers": 1, "num_attention_heads": 2}
    small = {**heads, "patch_length": 8, "context_length": 32, "horizon_length": 6, "hidden_size": 16}
    small |= {"intermediate_size": 16, "head_dim": 8}
    patches = {"num_input_channels": 2, "context_length": 16, "patch_length": 4, "patch_stride": 4, "d_model": 8}
    parts = {f"{side}_{what}": size for side in ("encoder", "decoder")
             for what, size in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 16))}  # fmt: skip
    told = {"prediction_length": 4, "context_length": 8, "lags_sequence": [1, 2], "num_time_features": 1, "d_model": 16}
    longer = {"num_key_value_heads": 2, "output_quantile_len": 12, "max_position_embeddings": 64}
    model, config = {
        "timesfm": (t.TimesFmModelForPrediction, lambda: t.TimesFmConfig(**small)),
        "timesfm2_5": (t.TimesFm2_5ModelForPrediction, lambda: t.TimesFm2_5Config(**small, **longer)),
        "patchtst": (t.PatchTSTModel, lambda: t.PatchTSTConfig(**patches, **heads, ffn_dim=16)),
        "patchtsmixer": (t.PatchTSMixerModel, lambda: t.PatchTSMixerConfig(**patches, num_layers=1)),
        "time_series_transformer": (
            t.TimeSeriesTransformerModel, lambda: t.TimeSeriesTransformerConfig(**told, **parts)
        ),
        "informer": (t.InformerModel, lambda: t.InformerConfig(**told, **parts)),
        "autoformer": (t.AutoformerModel, lambda: t.AutoformerConfig(**told, **parts)),
    }[kind]  # fmt: skip
    _save(model, config(), folder / kind)
    return Checkpoint(f"tiny-{kind}", folder / kind)
