"""What plain transformers does with a line that went wrong: its Auto class and one pass, as documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.census.kinds import Entry, model_class

_TEXT = "The quick fox"


def reason(entry: Entry, folder: Path, files: dict[str, Path], seen: dict[str, str]) -> str:
    """Why a line that went wrong is the library's own: what fails with nothing of this project between.

    Args:
        entry: Which.
        folder: Its checkpoint.
        files: The picture and the sound that are given.
        seen: What was seen of it.

    Returns:
        The library's error: of the architecture's default config where nothing could be built, of loading where
        that failed, or of one pass where each step that failed says the same. Nothing where plain transformers does
        it, or fails otherwise: then what is wrong may be this project's.
    """
    if seen.get("build", "").startswith("not built"):
        return _error(lambda: _default(entry))
    if seen.get("load", "").startswith(("FAILS", "refused")):
        return _error(lambda: _loaded(entry, folder))
    failed = [said for said in seen.values() if said.startswith(("FAILS", "DIFFERS"))]
    error = _error(lambda: _passed(entry, folder, files)) if failed else ""
    return error if all(error in said for said in failed) else ""


def _error(do: Callable[[], Any]) -> str:
    """An error as the steps of a line are told, or nothing."""
    try:
        do()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    return ""


def _default(entry: Entry) -> Any:
    """The architecture's default model, of any size, without numbers."""
    import torch
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    with torch.device("meta"):
        return model_class(entry.name)(CONFIG_MAPPING[entry.kind]())


def _loaded(entry: Entry, folder: Path) -> Any:
    import transformers

    return getattr(transformers, entry.head).from_pretrained(str(folder))


def _passed(entry: Entry, folder: Path, files: dict[str, Path]) -> Any:
    import torch

    model = _loaded(entry, folder)
    takes = set(inspect.signature(model.forward).parameters)
    given = _whole(folder, files) if (folder / "processor_config.json").is_file() else _parts(folder, files, takes)
    if "decoder_input_ids" in takes:
        given["decoder_input_ids"] = given.get("input_ids", torch.zeros(1, 1, dtype=torch.long))
    with torch.inference_mode():
        return model(**{name: value for name, value in given.items() if name in takes})


def _whole(folder: Path, files: dict[str, Path]) -> dict[str, Any]:
    """A picture, or else a sound, and a text with the mark that stands for it."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(str(folder))
    takes = set(inspect.signature(processor.__call__).parameters)
    shown = {"images": _picture(files)} if hasattr(processor, "image_processor") else {}
    heard = {"audio": _sound(files)[0]} if not shown and "audio" in takes else {}
    mark = getattr(processor, "image_token" if shown else "audio_token", "")
    return dict(processor(text=[f"{mark}{_TEXT}"], **shown, **heard, return_tensors="pt"))


def _parts(folder: Path, files: dict[str, Path], takes: set[str]) -> dict[str, Any]:
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer

    given: dict[str, Any] = {}
    if "input_ids" in takes:
        given |= AutoTokenizer.from_pretrained(str(folder))(_TEXT, return_tensors="pt")
    if "pixel_values" in takes:
        given |= AutoImageProcessor.from_pretrained(str(folder))(_picture(files), return_tensors="pt")
    if {"input_values", "input_features"} & takes:
        samples, rate = _sound(files)
        reader = AutoFeatureExtractor.from_pretrained(str(folder))
        given |= reader(samples, sampling_rate=rate, return_tensors="pt")
    return given


def _picture(files: dict[str, Path]) -> Any:
    from PIL import Image

    return Image.open(files["image"]).convert("RGB")


def _sound(files: dict[str, Path]) -> tuple[Any, int]:
    import soundfile

    samples, rate = soundfile.read(files["audio"], dtype="float32", always_2d=True)
    return samples.mean(axis=1), rate
