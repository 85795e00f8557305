"""Checkpoints: where they lie and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder of weights, config and tokenizer on this machine; loading is always by ``path``.

    Attributes:
        name: Hub id, starter name, run name or folder name, as shown to people.
        path: The folder (a Hub snapshot, a starter, a run's result or any local folder).
        source: ``hub``, ``starter``, ``run``, ``folder``, ``imported`` (from a GGUF file or a model pack) or
            ``dataset`` (a cached data set, which is kept and packed but not loaded).
        revision: Commit hash when it came from the Hub.
        size: Bytes on disk, 0 when not measured.
        last_used: Seconds since the epoch, 0.0 when unknown.
        complete: Whether config and weights are all there.
    """

    name: str
    path: Path
    source: str = "folder"
    revision: str | None = None
    size: int = 0
    last_used: float = 0.0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model that its memory depends on, as config.json has them.

    Attributes:
        layers: Layers that keep keys and values of their own.
        hidden: Width of the residual stream.
        intermediate: Width of the feed-forward part; of one expert where there are several.
        heads, kv_heads, head_dim: Of the attention.
        vocab: Rows of the embedding.
        windows: For each layer, the tokens it looks back on; 0 for all of them.
        mlp: Tensors of the width ``intermediate`` that live at once: 3 gated, 2 plain, 5 with the slow GELU.
        experts: Experts that one token goes through, at least 1.
        rotary: Whether positions are turned into queries and keys.
        causal: Whether it keeps keys and values for the next token.
        scores: Attention maps ``(heads, tokens, tokens)`` that live at once, 0 with a kernel that makes none.
        head: ``none``, ``last`` (logits of the last token) or ``every`` (logits of all tokens).
        cross: Whether keys and values of an encoder's output are kept too.
        known: Whether these sizes say all; False for state-space layers and other kinds.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    windows: tuple[int, ...] = ()
    mlp: int = 3
    experts: int = 1
    rotary: bool = True
    causal: bool = True
    scores: int = 0
    head: str = "last"
    cross: bool = False
    known: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What config.json and the folder say about a checkpoint, read without torch.

    Attributes:
        architectures: ``config.architectures``.
        model_type: ``config.model_type``.
        heads: Auto classes that fit, best first, such as ``AutoModelForCausalLM``; always ends in ``AutoModel``.
        trained_head: The Auto class the weights were saved with, or None.
        dtype: The dtype the weights are stored in, as torch spells it, or None.
        layers, hidden_size, attention_heads, kv_heads, vocab_size, context: Sizes, or None where the config is silent.
        labels: ``id2label`` in order of id, empty without one.
        weights: ``safetensors``, ``pickle``, ``gguf`` or ``none``.
        weight_bytes: Bytes of the weight files.
        remote_code: Whether the config asks for code of its own (``auto_map``).
        has_tokenizer: Whether tokenizer files are there.
        has_chat_template: Whether a chat template is there.
        encoder_decoder: Whether an encoder reads the input and a decoder writes a sequence of its own.
        takes_images: Whether it reads pictures along with text.
        stored: Number of weights by the dtype they are stored in, as safetensors spells it; empty when unknown.
        shape: What its memory is reckoned from, None where the config is silent.
    """

    architectures: tuple[str, ...]
    model_type: str
    heads: tuple[str, ...]
    trained_head: str | None
    dtype: str | None
    layers: int | None
    hidden_size: int | None
    attention_heads: int | None
    kv_heads: int | None
    vocab_size: int | None
    context: int | None
    labels: tuple[str, ...]
    weights: str
    weight_bytes: int
    remote_code: bool
    has_tokenizer: bool
    has_chat_template: bool
    encoder_decoder: bool = False
    takes_images: bool = False
    stored: tuple[tuple[str, int], ...] = ()
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One row of a Hub search.

    Attributes:
        repo_id: ``author/name``.
        task: ``pipeline_tag``, empty when the repository names none.
        parameters: Number of weights from the safetensors header, or None.
        size: Bytes of the files, or None when the listing has none.
        downloads, likes: Counts of the last 30 days and of all time.
        updated: ISO date of the last change, empty when unknown.
        gated: Whether access has to be asked for.
        library: ``library_name``.
        licence: From the ``license:`` tag, empty when there is none.
        kind: ``model`` or ``dataset``.
        model_type: Its architecture as its config names it, empty when the listing has none.
        stored: Number of weights by stored dtype, as safetensors spells it; empty when the listing has none.
    """

    repo_id: str
    task: str
    parameters: int | None
    size: int | None
    downloads: int
    likes: int
    updated: str
    gated: bool
    library: str
    licence: str
    kind: str = "model"
    model_type: str = ""
    stored: tuple[tuple[str, int], ...] = ()
