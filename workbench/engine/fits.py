"""Whether a checkpoint fits: weights, KV cache and activations, reckoned before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.engine.values import Shape

#: Bytes a weight takes, by the names of safetensors and of torch.
WIDTH = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
         "U8": 1, "BOOL": 1, "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
         "float8_e4m3fn": 1, "float8_e5m2": 1, "int8": 1, "uint8": 1}  # fmt: skip

#: More than any model has: a config.json from a stranger may say anything.
_MOST = {"layers": 10_000, "hidden": 1_000_000, "intermediate": 10_000_000, "heads": 100_000, "head_dim": 1_000_000,
         "vocab": 100_000_000, "experts": 10_000}  # fmt: skip

#: Feed-forward parts without a gate, by model type; all others of today have one.
_PLAIN = frozenset({
    "albert", "bart", "bert", "bloom", "camembert", "codegen", "deberta", "deberta-v2", "distilbert", "electra",
    "ernie", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_neox_japanese", "gptj", "m2m_100", "marian",
    "mbart", "mobilebert", "mpnet", "mpt", "opt", "pegasus", "phi", "roberta", "starcoder2", "t5", "whisper",
    "xlm-roberta",
})  # fmt: skip
#: Positions come by an embedding or a bias here, so nothing is turned.
_UNTURNED = _PLAIN - {"codegen", "falcon", "gpt_neox", "gpt_neox_japanese", "gptj", "phi", "starcoder2"}
#: Without a kernel of its own for attention: the map of every head is written out, and worked on in copies.
_WRITTEN_OUT = {"bloom": 4, "falcon": 3, "mpt": 4, "t5": 3}
_ENCODERS = frozenset({
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "mobilebert",
    "modernbert", "mpnet", "roberta", "xlm-roberta",
})  # fmt: skip
_OTHER_LAYERS = ("conv", "linear_attention", "mamba", "recurrent")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model takes at its largest, in bytes, while it reads ``context`` tokens and keeps them.

    Attributes:
        weights: In the chosen dtype.
        cache: Keys and values of every layer.
        activations: What lives at once in the largest layer, or at the logits.
        context: Tokens.
        free: Bytes free now, other programs counted; None when that is not known.
        formula: The sum in words, a line a part.
        exact: Whether every part is known; otherwise it is a lower bound.
    """

    weights: int
    cache: int
    activations: int
    context: int
    free: int | None
    formula: tuple[str, ...]
    exact: bool

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.activations

    @property
    def fits(self) -> bool | None:
        """Whether there is room for it now; None when the free memory is not known."""
        return None if self.free is None else self.total <= self.free


def estimate(
    stored: Sequence[tuple[str, int]],
    shape: Shape | None,
    *,
    dtype: str = "auto",
    context: int = 1024,
    free: int | None = None,
    bits: int = 0,
    threads: int = 0,
) -> Estimate:
    """Reckon what a checkpoint takes at its largest.

    Args:
        stored: Number of weights by stored dtype, as the safetensors headers have it.
        shape: Sizes from config.json, or None: weights alone are reckoned then.
        dtype: ``auto`` (as stored) or one that torch has.
        context: Tokens that are read and kept, at least 1.
        free: Bytes free on the device.
        bits: 8 or 4 where linear layers are packed by bitsandbytes; 0 leaves them.
        threads: Of torch on the CPU, each of which has a buffer in attention; 0 on a GPU.

    References:
        Keys and values: 2 × layers × kv_heads × head_dim × tokens × bytes, a layer with a sliding window keeping at
        most its window. Activations: measured with torch's profiler on the decoder layers of transformers.
    """
    weights, said = _weights(stored, dtype, shape, bits)
    width = WIDTH.get(dtype) or WIDTH.get(_main(stored), 4)
    cache, kept = _cache(shape, context, width)
    activations, live = _activations(shape, context, width, threads)
    return Estimate(weights, cache, activations, context, free, (said, kept, live), shape is not None and shape.known)


def shape_of(config: Mapping[str, Any]) -> Shape | None:
    """The sizes that memory depends on, or None where config.json does not say them or says what can't be."""
    text = config.get("text_config")
    model_type = str(config.get("model_type") or "")
    sizes: Mapping[str, Any] = {**config, **text} if isinstance(text, dict) else config
    layers = _whole(sizes, "num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")
    hidden = _whole(sizes, "hidden_size", "n_embd", "d_model", "dim")
    heads = _whole(sizes, "num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads")
    if layers is None or hidden is None:
        return None
    head_dim = _whole(sizes, "head_dim", "d_kv") or (hidden // heads if heads else 0)
    shape = Shape(
        layers=layers,
        hidden=hidden,
        intermediate=_intermediate(sizes, hidden),
        heads=heads or 0,
        kv_heads=_kv_heads(sizes, model_type) or heads or 0,
        head_dim=head_dim,
        vocab=_whole(sizes, "vocab_size") or 0,
        windows=_windows(sizes, layers) if layers <= _MOST["layers"] else (),
        mlp=_mlp(sizes, model_type),
        experts=_whole(sizes, "num_experts_per_tok", "num_experts_per_token") or 1,
        rotary=model_type not in _UNTURNED and not sizes.get("alibi"),
        causal=model_type not in _ENCODERS,
        scores=_WRITTEN_OUT.get(model_type, 0),
        head=_head(config),
        cross=config.get("is_encoder_decoder") is True,
        known=heads is not None and not _others(sizes),
    )
    return shape if all(getattr(shape, name) <= most for name, most in _MOST.items()) else None


def _weights(stored: Sequence[tuple[str, int]], dtype: str, shape: Shape | None, bits: int) -> tuple[int, str]:
    count = sum(number for _, number in stored)
    if bits:
        # The embeddings stay as they are; each packed block of 64 weights has a scale in float32.
        loose = min(count, shape.vocab * shape.hidden if shape is not None else 0)
        packed = int((count - loose) * (bits + 0.5) / 8)
        return packed + 2 * loose, f"weights: {count - loose:,} × {bits + 0.5:g} bits + {loose:,} × 2 bytes"
    total, parts = 0, []
    for kind, number in stored:
        # Only numbers with a fraction are converted; packed and whole ones stay as they are.
        width = WIDTH[dtype] if dtype in WIDTH and kind[0] in "FB" and kind != "BOOL" else WIDTH.get(kind, 1)
        total += number * width
        parts.append(f"{number:,} × {width} byte{'s' * (width > 1)}")
    return total, "weights: " + " + ".join(parts)


def _cache(shape: Shape | None, context: int, width: int) -> tuple[int, str]:
    if shape is None:
        return 0, "KV cache: not known without the sizes of its config.json"
    if not shape.causal:
        return 0, "KV cache: none, it reads everything at once"
    if not shape.heads:
        return 0, "KV cache: none, it has a state of its own instead"
    kept = [min(window, context) if window else context for window in shape.windows or (0,) * shape.layers]
    size = 2 * shape.kv_heads * shape.head_dim * width * sum(kept) * (2 if shape.cross else 1)
    tokens = f"{shape.layers} layers × {context:,} tokens"
    if any(kept_here < context for kept_here in kept):
        tokens = f"{sum(kept):,} tokens over {shape.layers} layers, some with a window"
    twice = " × 2 (encoder and decoder)" if shape.cross else ""
    byte = "byte" if width == 1 else "bytes"
    return size, f"KV cache: 2 × {shape.kv_heads} heads × {shape.head_dim} × {tokens} × {width} {byte}{twice}"


def _activations(shape: Shape | None, context: int, width: int, threads: int) -> tuple[int, str]:
    if shape is None:
        return 0, "activations: not known"
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    turned = 2 * shape.head_dim if shape.rotary else 0
    feed = shape.experts * (shape.mlp * shape.intermediate + 4 * shape.hidden)
    turn = 2 * shape.hidden + (5 if shape.rotary else 3) * queries + 2 * keys
    attend = 2 * (shape.hidden + queries + keys)
    buffers = 0
    if shape.heads and not shape.scores:
        # As torch cuts queries and keys for its flash attention on the CPU, in float32.
        block = 256 if context >= 768 else 64 if context >= 192 else 32
        buffers = 4 * threads * block * (min(512, context) + shape.head_dim + 2)
    attends = context * attend * width + buffers > context * max(feed, turn) * width
    inside = (attend if attends else max(feed, turn)) + turned
    size = context * inside * width + 8 * context + buffers * attends
    words = f"activations: {context:,} tokens × {inside:,} numbers × {width} bytes"
    words += f" + buffers of {threads} threads" * (attends and buffers > 0)
    if shape.scores:
        size += shape.scores * shape.heads * context**2 * width
        words += f" + {shape.scores} maps of {shape.heads} × {context:,} × {context:,}"
    elif any(window and window < context for window in shape.windows):
        size += 6 * context**2
        words += f" + masks of {context:,} × {context:,}"
    logits = {"every": context, "last": 1}.get(shape.head, 0) * shape.vocab * width + context * shape.hidden * width
    return (size, words) if size >= logits else (logits, f"activations: logits of {shape.vocab:,} entries")


def _main(stored: Sequence[tuple[str, int]]) -> str:
    return max(stored, key=lambda entry: entry[1], default=("", 0))[0]


def _whole(config: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _intermediate(sizes: Mapping[str, Any], hidden: int) -> int:
    given = _whole(sizes, "moe_intermediate_size") if _whole(sizes, "num_experts_per_tok") else None
    names = ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "decoder_ffn_dim", "hidden_dim", "ffn_hidden_size")
    return given or _whole(sizes, *names) or 4 * hidden


def _kv_heads(sizes: Mapping[str, Any], model_type: str) -> int | None:
    if model_type == "falcon" and sizes.get("new_decoder_architecture") is not True:
        return 1 if sizes.get("multi_query", True) else None
    if model_type in _PLAIN - {"falcon", "gpt_bigcode", "starcoder2"}:
        return None
    return 1 if sizes.get("multi_query") is True else _whole(sizes, "num_key_value_heads", "num_kv_heads", "n_head_kv")


def _mlp(sizes: Mapping[str, Any], model_type: str) -> int:
    if model_type not in _PLAIN:
        return 3
    act = sizes.get("hidden_act", sizes.get("activation_function"))
    # Written out in Python, with every step kept until the last.
    slow = act == "gelu_new" or (act is None and model_type in ("gpt2", "gpt_neo", "gptj", "phi"))
    return 5 if slow else 2


def _windows(sizes: Mapping[str, Any], layers: int) -> tuple[int, ...]:
    window = _whole(sizes, "sliding_window")
    kinds = sizes.get("layer_types")
    if window is None or sizes.get("use_sliding_window") is False:
        return ()
    if isinstance(kinds, list) and len(kinds) == layers:
        return tuple(window if kind == "sliding_attention" else 0 for kind in kinds)
    return (window,) * layers


def _others(sizes: Mapping[str, Any]) -> bool:
    kinds = sizes.get("layer_types")
    return isinstance(kinds, list) and any(isinstance(kind, str) and kind.startswith(_OTHER_LAYERS) for kind in kinds)


def _head(config: Mapping[str, Any]) -> str:
    named = config.get("architectures")
    first = str(named[0]) if isinstance(named, list) and named else ""
    if first.endswith(("ForMaskedLM", "ForPreTraining")):
        return "every"
    return "last" if first.endswith(("LM", "LMHeadModel", "ForConditionalGeneration")) else "none"
