"""Checkpoint to model: loading by local path, in one place, with nothing trusted and every failure worded."""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine import generation_config, load_notes, loadable, neighbours, pyramid, trust
from workbench.engine.adapters import (
    adapter_in,
    base_of,
    decides_with,
    embedded_in,
    follow_sounds,
    merged,
    put_on,
    settings_folder,
)
from workbench.engine.errors import (
    CheckpointError,
    InputError,
    NotSupported,
    UnsafeRefused,
    WorkbenchError,
    first_line,
)
from workbench.engine.facts import (
    CACHELESS,
    class_for,
    describe,
    fewest,
    renamed,
)
from workbench.engine.machine import devices, memory
from workbench.engine.processors import BODIES, NO_TOKENIZER, PICTURED, lacking, processor_of, tokenizer_of
from workbench.engine.processors import missing as wanting
from workbench.engine.task import Progress, Silent, Task
from workbench.engine.trust import Trusted
from workbench.engine.values import Checkpoint, Facts
from workbench.engine.warmup import warm_up

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

__all__ = [
    "GENERATING_HEADS",
    "LOAD_LOCK",
    "LoadedModel",
    "describe",
    "load",
    "warm_up",
]

#: Loading changes torch's process-wide default dtype while it lasts, so every from_pretrained and every train step
#: holds this lock; without it a step that creates a tensor meanwhile gets it in the other model's dtype.
LOAD_LOCK = threading.RLock()

#: Auto classes whose models write text.
GENERATING_HEADS = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", *PICTURED)


@dataclass(frozen=True, eq=False, slots=True)
class LoadedModel:
    """A model in memory with its tokenizer, ready for use (``eval`` mode).

    Attributes:
        checkpoint: Where it came from.
        facts: What its folder says.
        tokenizer: Its tokenizer, or None when the folder has none that can be used.
        model: The PreTrainedModel.
        head: The Auto class it was loaded with, such as ``AutoModelForCausalLM``.
        dtype: Of most of its weights, as torch spells it, without ``torch.``.
        device: ``cpu``, ``cuda:0``, ``mps``.
        parameters: Number of weights.
        bytes: Bytes of weights and buffers.
        missing: Names of weights the checkpoint has none for: they were drawn at random (a fresh head).
        unexpected: Names of weights in the checkpoint that this head has no use for.
        seconds: Time the load took, imports included.
        notes: What a person should know about this load, each a sentence.
        processor: Makes inputs of pictures and text; None where the head takes no pictures or it can't be had.
        tied: Names of weights that are one with another, as output and input embeddings often are.
        memory: Resident bytes of this process before and after the load.
        attention: The attention implementation, empty where the architecture has only its own.
        attn_implementation: What was asked of it when it was loaded; None left the choice to transformers.
    """

    checkpoint: Checkpoint
    facts: Facts
    tokenizer: PreTrainedTokenizerBase | None
    model: PreTrainedModel
    head: str
    dtype: str
    device: str
    parameters: int
    bytes: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    processor: ProcessorMixin | None = None
    tied: tuple[str, ...] = ()
    memory: tuple[int, int] = (0, 0)
    attention: str = ""
    attn_implementation: str | None = None

    @property
    def generates(self) -> bool:
        """Whether its head writes text."""
        return self.head in GENERATING_HEADS

    @property
    def encoder_decoder(self) -> bool:
        """Whether an encoder reads the input and a decoder writes a sequence of its own."""
        config = self.model.config
        # InstructBLIP does not tell it of what writes inside.
        inside = getattr(config, "text_config", None)
        return any(bool(getattr(each, "is_encoder_decoder", False)) for each in (config, inside))

    @property
    def known_ids(self) -> int | None:
        """Ids it has vectors for, those that Idefics 1 keeps apart included; None where it does not tell."""
        try:
            vectors = self.model.get_input_embeddings()
        except NotImplementedError:
            return None
        own = getattr(vectors, "num_embeddings", None)
        return None if own is None else int(own) + int(getattr(vectors, "num_additional_embeddings", 0))

    @property
    def keeps_keys(self) -> bool:
        """Whether generating keeps the keys and values of the tokens before, and feeds it one token at a time."""
        named = inspect.signature(self.model.forward).parameters
        return "past_key_values" in named and self.model.config.model_type not in CACHELESS

    @property
    def takes_images(self) -> bool:
        """Whether pictures can be given to it."""
        return self.processor is not None


def load(
    checkpoint: Checkpoint,
    *,
    head: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    attn_implementation: str | None = None,
    num_labels: int | None = None,
    labels: Sequence[str] | None = None,
    bits: int = 0,
    unpacked: Sequence[str] = (),
    seed: int | None = 0,
    tight: bool = False,
    task: Task | None = None,
) -> LoadedModel:
    """Load model and tokenizer by local path; no request is sent, no code runs and no pickle is opened without consent.

    An adapter is merged into its base checkpoint, in memory.

    Args:
        checkpoint: A complete folder; see `describe`.
        head: Auto class; None takes the one the weights were saved with.
        dtype: ``auto`` (as stored), ``float32``, ``bfloat16`` or ``float16``.
        device: One of `machine.devices`, or ``auto`` for the first of them; ``spread`` lets accelerate place the
            layers on every GPU and the rest in memory (``device_map="auto"``).
        attn_implementation: ``sdpa``, ``eager`` (needed for attention maps), …; None takes sdpa where the model has it.
        num_labels: Labels of a classification head; another number than the stored one makes the head a fresh one.
        labels: Their names, in order of id; implies ``num_labels``.
        bits: Pack the weights of linear layers into 8 or 4 bits with bitsandbytes; 0 leaves them.
        unpacked: Names of modules that are not packed.
        seed: Of the weights that the checkpoint lacks; None draws them from torch's generator as it stands.
        tight: Try although the weights take more than is free.
        task: Where to report; a stop takes effect before or after the weights are read.

    Raises:
        CheckpointError: The folder is missing, damaged, incomplete or of an unknown architecture.
        ConsentNeeded: The weights are pickled, or the architecture is code that comes with the checkpoint, and nobody
            agreed to exactly that; see `trust`.
        UnsafeRefused: It names code of another repository, or a compiled kernel.
        NotSupported: This architecture has no such head, or needs a package that is not installed.
        OutOfMemory: The weights don't fit.

    References:
        transformers, Auto Classes: ``from_pretrained``, ``output_loading_info``, ``attn_implementation``.
    """
    task = task or Silent()
    began = time.perf_counter()
    what = f"Could not load {checkpoint.name}."
    if attn_implementation and "/" in attn_implementation:
        raise UnsafeRefused(
            what,
            why=f"“{attn_implementation}” names compiled code of a Hub repository.",
            remedy="Use sdpa or eager.",
        )
    facts = describe(checkpoint)
    adapter = adapter_in(checkpoint.path)
    base = base_of(adapter, what) if adapter is not None else checkpoint.path
    loadable.check_kind(facts, what)
    hearing = embedded_in(base, what)
    head = head or facts.trained_head or facts.heads[0]
    with trust.check(checkpoint, facts, what, task=task) as trusted:
        if not trusted.pickle:
            loadable.check_weights(base, what)
        if adapter is None:
            base = trusted.path
        elif trusted.path != checkpoint.path:
            raise NotSupported(
                what,
                why="It is an adapter that brings pickles or code of its own.",
                remedy="Merge it into its checkpoint with peft (merge_and_unload) and save that as safetensors.",
            )
        task.report(Progress(0, None, "steps", "importing transformers"))
        import torch

        device = devices()[0] if device == "auto" else device
        task.check()
        if not tight:
            loadable.check_memory(facts, dtype, device, what)
        before = memory().process
        task.report(Progress(0, None, "steps", "reading the weights"))
        with _locked(task), _seeded(seed):
            if adapter is not None and num_labels is None and not (trusted.path / "config.json").is_file():
                num_labels = adapter.labels
            settings = settings_folder(trusted.path, what)
            config = _config(settings, list(labels) if labels else None, num_labels, trusted, what)
            packed = _packed(bits, unpacked, device) or ({"device_map": "auto"} if device == "spread" else {})
            model, info = _from_pretrained(base, config, head, dtype, attn_implementation, packed, trusted, what)
        try:
            own_labels = adapter is not None or labels is not None or num_labels is not None
            loadable.check_shapes(info, own_labels, what)
            task.check()
            stored: set[str] = set()
            if adapter is not None:
                task.report(Progress(0, None, "steps", "merging the adapter"))
                model, stored = merged(model, adapter)
            if deciding := decides_with(model):
                put_on(model, trusted.path, what)
            model = model.eval() if packed else model.eval().to(torch.device(device))
        except WorkbenchError:
            raise
        except Exception as error:
            raise loadable.worded(error, what) from error
        # The tokenizer after the weights: parsing tokenizer.json holds the GIL at a stretch, and a window that was
        # just asked to load has something to paint first.
        task.report(Progress(0, None, "steps", "reading the tokenizer"))
        private = replace(checkpoint, path=trusted.path)
        tokenizer, notes = tokenizer_of(private, own_code=trusted.code)
        notes = notes if load_notes.reads_ids(model) else tuple(note for note in notes if note != NO_TOKENIZER)
        if head in BODIES:
            typed, about = lacking(model, private.path, head)
            tokenizer, notes = (typed, about) if typed is not None else (tokenizer, (*notes, *about))
        processor, about_processor = processor_of(private, facts, head)
    if trusted.path != checkpoint.path:
        # Nobody is to look for it in the private copy, which ends with the program.
        model.config._name_or_path = model.name_or_path = str(checkpoint.path)
        if tokenizer is not None:
            tokenizer.name_or_path = str(checkpoint.path)
    missing = {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])} - stored
    if adapter is not None:
        notes = (*notes, f"Its adapter ({adapter.kind}) is merged into {adapter.base_title} in memory.")
    if hearing is not None:
        follow_sounds(model)
        notes = (*notes, f"Its own adapter ({hearing.kind}) is on for sounds, and off for text alone.")
    if deciding:
        notes = (*notes, f"The adapter in its folder {deciding} is on, as its decision settings ask.")
    notes = (*notes, *generation_config.mended(model, base))
    notes = (*notes, *about_processor, *load_notes.about(model, missing))
    weights: dict[str, int] = {}
    for weight in model.parameters():
        weights[str(weight.dtype)] = weights.get(str(weight.dtype), 0) + weight.numel()
    loaded = LoadedModel(
        checkpoint=checkpoint,
        facts=facts,
        tokenizer=tokenizer,
        model=model,
        head=head,
        dtype=max(weights, key=lambda name: weights[name], default="torch.float32").removeprefix("torch."),
        device=str(model.device),
        parameters=sum(weights.values()),
        bytes=int(model.get_memory_footprint()),
        missing=tuple(sorted(missing)),
        unexpected=tuple(sorted(info["unexpected_keys"])),
        seconds=time.perf_counter() - began,
        notes=notes,
        processor=processor,
        tied=_tied(model),
        memory=(before, memory().process),
        attention=getattr(model.config, "_attn_implementation", None) or "",
        attn_implementation=attn_implementation,
    )
    size = f"{loaded.parameters:,} weights, {loaded.bytes:,} bytes"
    task.log(f"{type(model).__name__}: {size}, {loaded.dtype} on {loaded.device}.")
    for line in (*notes, *(f"missing: {name}" for name in loaded.missing[:50])):
        task.log(line)
    return loaded


def check_count(model: LoadedModel, count: int) -> None:
    """Refuse fewer ids than an architecture can read.

    Raises:
        InputError: There are fewer.
    """
    least = fewest(model.model.config)
    if count < least:
        raise InputError(
            f"This text is too short for {model.checkpoint.name}.",
            why=f"It makes {count} {'token' if count == 1 else 'tokens'}, special ones included; the model joins "
            f"neighbouring tokens to fewer on its way, and needs at least {least}.",
            remedy="Write a longer text.",
        )


def _tied(model: PreTrainedModel) -> tuple[str, ...]:
    first: dict[int, str] = {}
    names = []
    for name, weight in model.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(weight), name)
        if other != name:
            names.append(f"{name} = {other}")
    return tuple(names)


def _packed(bits: int, unpacked: Sequence[str], device: str) -> dict[str, Any]:
    if not bits:
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_8bit=bits == 8,
        load_in_4bit=bits == 4,
        # Left alone, it finds the output embeddings itself.
        llm_int8_skip_modules=list(unpacked) or None,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}}


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    # A head that the checkpoint lacks is drawn; with a seed of its own it is the same each time, and the same in the
    # script that Show code gives. Nobody else's random numbers change for it.
    import torch

    if seed is None:
        yield
        return
    state = torch.random.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(state)


def _config(
    path: Path, labels: list[str] | None, num_labels: int | None, trusted: Trusted, what: str
) -> PreTrainedConfig:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(path, trust_remote_code=trusted.code, local_files_only=True)
        if labels is not None:
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: index for index, label in enumerate(labels)}
        elif num_labels is not None and num_labels != config.num_labels:
            config.num_labels = num_labels
    except ImportError as error:
        raise wanting(what, error) from error
    except Exception as error:
        raise CheckpointError(
            what,
            why=f"transformers can't build a model from its config.json: {first_line(error)}",
            remedy="Download or save the checkpoint again.",
        ) from error
    return config


def _from_pretrained(
    path: Path,
    config: PreTrainedConfig,
    head: str,
    dtype: str,
    attention: str | None,
    packed: dict[str, Any],
    trusted: Trusted,
    what: str,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    import transformers

    auto = getattr(transformers, head, None)
    own_code = trusted.code and head in (getattr(config, "auto_map", None) or {})
    if auto is None or not (own_code or type(config) in auto._model_mapping):
        raise NotSupported(
            what,
            why=f"The architecture {config.model_type} has no head of the kind {head}.",
            remedy="Choose another head for it.",
        )
    for part in (neighbours, pyramid):
        if part.wanted(config.to_dict()):
            part.stand_in()
    # A config.json can name an attention kernel to be fetched from the Hub; only setting it here beats that. None lets
    # the library choose for each part, as it does in a script that does not say.
    config._attn_implementation = attention
    # The library's decision models and Qwen2.5 Omni fail where they are asked what was missing.
    told = head != "AutoModelForDecision" and config.model_type != "qwen2_5_omni"
    try:
        kind = class_for(head, config.model_type, config.architectures or ())
        found = getattr(transformers, kind).from_pretrained(
            path,
            config=config,
            dtype=dtype,
            trust_remote_code=trusted.code,
            use_safetensors=not trusted.pickle,
            weights_only=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=told,
            key_mapping=renamed(config.model_type, head) or None,
            **packed,
        )
    except Exception as error:
        if wrong := generation_config.contradiction(path):
            raise CheckpointError(
                what,
                why=f"Its {generation_config.FILE} contradicts itself: {wrong}",
                remedy="Mend that file, or take it out of the folder: the model can do without it.",
            ) from error
        raise loadable.worded(error, what) from error
    kinds = ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")
    return found if told else (found, dict.fromkeys(kinds, ()))


@contextlib.contextmanager
def _locked(task: Task) -> Iterator[None]:
    while not LOAD_LOCK.acquire(timeout=0.1):
        task.check()
    try:
        yield
    finally:
        LOAD_LOCK.release()
