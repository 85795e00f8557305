"""A tiny checkpoint of any line of the library's tables."""

from __future__ import annotations

import importlib
import inspect
import shutil
from pathlib import Path
from typing import Any

from tests import tiny_deciders
from tests.census import odd, readers, shrinking
from tests.census.kinds import Entry, model_class
from workbench.engine.values import Checkpoint

#: The class of a head that is published beside the weights of other models.
_DECIDES = "JevForDecision"
_LABELS = ("sky", "house", "fox", "book")


class NotBuilt(Exception):
    """No config of this architecture could be made so small that it is tiny and runs."""


def build(entry: Entry, folder: Path) -> tuple[Checkpoint, list[str]]:
    """Save a checkpoint with random weights.

    Args:
        entry: Which.
        folder: Made anew.

    Returns:
        It, and what could not be saved with it.

    Raises:
        NotBuilt: The library's own reason.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    from transformers import GenerationConfig

    from workbench.engine import neighbours

    neighbours.stand_in()
    cls = _saved_as(entry)
    like = odd.LIKE.get(entry.name, odd.LIKE.get(entry.kind)) if entry.name not in odd.WHOLE else None
    notes = _like(entry, cls, folder, *like) if like else _by_rule(entry, cls, folder)
    if entry.kind in odd.GENERATION:
        GenerationConfig(**odd.GENERATION[entry.kind]).save_pretrained(folder)
    if entry.name == _DECIDES and entry.kind != "jev":
        tiny_deciders.beside(folder)
    return Checkpoint(entry.kind, folder), notes


def _saved_as(entry: Entry) -> Any:
    """The class whose checkpoints a line reads: of some it takes the part that writes, and they are saved whole."""
    from transformers.models.auto import modeling_auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cls = model_class(entry.name)
    if getattr(cls, "config_class", None) is not CONFIG_MAPPING[entry.kind]:
        for table in (modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, odd.SAVED):
            if isinstance(whole := table.get(entry.kind), str) and whole != entry.name:
                return model_class(whole)
    return cls


def _like(entry: Entry, cls: Any, folder: Path, where: str, kind: str = "") -> list[str]:
    """The checkpoint that a builder of the suite makes, with the weights of another of its architecture's classes."""
    from transformers import AutoConfig

    module, _, name = where.partition(".")
    make = getattr(importlib.import_module(f"tests.{module}"), name or "build")
    try:
        made = make(folder, *([kind] if kind else []))
        if made.path != folder:
            # Some builders make a folder of its kind within the one they are given.
            shutil.copytree(made.path, folder, dirs_exist_ok=True)
            shutil.rmtree(made.path)
    except Exception as error:
        raise NotBuilt(f"{type(error).__name__}: {str(error)[:300]}") from error
    config = AutoConfig.from_pretrained(folder)
    if entry.name not in (config.architectures or ()):
        for file in folder.glob("*.safetensors"):
            file.unlink()
        odd.finish(entry.kind, config, {})
        _name_labels(entry, config)
        says = folder / "generation_config.json"
        kept = says.read_bytes() if says.is_file() else None
        _save(cls, config, folder)
        if kept is not None:
            # What a builder says of generating, such as the languages that it has, no config tells.
            says.write_bytes(kept)
    return []


def _by_rule(entry: Entry, cls: Any, folder: Path) -> list[str]:
    takes = set(inspect.signature(cls.forward).parameters)
    reader = readers.of(entry.kind, takes)
    # What writes of what it hears is published with the tokenizer of its decoder.
    reads = bool({"input_ids", "text_ids", "decoder_input_ids"} & takes)
    first, why = None, "no config"
    reader.save(folder, reads=reads)
    if entry.head in odd.SPELLS:
        readers.letters(folder)
    try:
        configs = list(shrinking.configs(entry.kind, entry.name, reader.ids))
    except Exception as error:
        raise NotBuilt(f"{type(error).__name__}: {str(error)[:300]}") from error
    for make in configs:
        try:
            config = make()
            shrinking.tie(config, reader.marks)
            odd.finish(entry.kind, config, reader.ids)
            _name_labels(entry, config)
            if _parameters(cls, config) > shrinking.MOST:
                raise NotBuilt(f"{_parameters(cls, config):,} parameters are not tiny")
            model = _made(cls, config)
        except Exception as error:
            why = f"{type(error).__name__}: {str(error)[:300]}"
            continue
        first = first or config
        try:
            _try_out(model, reader, entry)
        except Exception as error:
            if any(name in str(error) for name in takes - {"input_ids", "self"}):
                # It asks for more than one thing; the window gives it all of them.
                break
            why = f"{type(error).__name__}: {str(error)[:300]}"
            continue
        model.save_pretrained(folder)
        return reader.notes
    else:
        reader.notes.append(f"The library's own pass fails: {why}")
    if first is None:
        raise NotBuilt(why)
    _save(cls, first, folder)
    return reader.notes


def _name_labels(entry: Entry, config: Any) -> None:
    if entry.head.endswith(("Classification", "Segmentation", "Detection")):
        config.id2label = dict(enumerate(_LABELS))
        config.label2id = {name: number for number, name in config.id2label.items()}
    config.architectures = [entry.name]


def _parameters(cls: Any, config: Any) -> int:
    import torch

    if not hasattr(cls, "_from_config"):
        return 0
    try:
        with torch.device("meta"):
            return sum(each.numel() for each in cls._from_config(config).parameters())
    except (NotImplementedError, RuntimeError):
        # Some compute while they are made, which a device without numbers can't.
        return 0


def _made(cls: Any, config: Any) -> Any:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cls(config).eval().float()
        with torch.no_grad():
            for weight in model.parameters():
                # Fresh weights say nearly the same of every input; stronger ones tell them apart.
                if weight.dim() > 1 and weight.numel() < 5_000_000:
                    weight.mul_(2) if weight.any() else weight.normal_(0, 0.02)
    written: Any = getattr(model, "generation_config", None)
    if written is not None:
        for name in ("forced_bos_token_id", "forced_eos_token_id", "no_repeat_ngram_size", "max_length", "num_beams"):
            setattr(written, name, None)
    return model


def _save(cls: Any, config: Any, folder: Path) -> None:
    try:
        _made(cls, config).save_pretrained(folder)
    except Exception as error:
        raise NotBuilt(f"{type(error).__name__}: {str(error)[:300]}") from error


def _try_out(model: Any, reader: readers.Reader, entry: Entry) -> None:
    """Let the library itself run what was built on a text, a picture or a sound, whichever it reads alone."""
    import torch

    takes = set(inspect.signature(model.forward).parameters)
    given: dict[str, Any] = {}
    if "input_ids" in takes:
        given = dict(reader.tokenizer("The quick fox", return_tensors="pt", return_token_type_ids=False))
        if entry.head == "AutoModelForMultipleChoice":
            given = {name: value[None] for name, value in given.items()}
        if "decoder_input_ids" in takes:
            given["decoder_input_ids"] = given["input_ids"]
    elif "pixel_values" in takes and reader.parts and hasattr(reader.parts[0], "preprocess"):
        import numpy

        picture = numpy.arange(61 * 97 * 3, dtype="uint8").reshape(61, 97, 3)
        given = dict(reader.parts[0](images=picture, return_tensors="pt"))
    if given and "use_cache" in takes:
        given["use_cache"] = False
    if given and entry.head not in odd.NOT_ALONE and entry.kind not in odd.BOTH:
        with torch.inference_mode():
            model(**{name: value for name, value in given.items() if name in takes})
