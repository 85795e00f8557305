"""What turns pictures and sounds into tensors: the checkpoint's own image processor and feature extractor.

Image processors are those that work with Pillow and numpy alone. The few that the library has only for torchvision,
which this workbench goes without, are refused by name.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: By the model they belong to, so that they go when it goes.
_KEPT: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def image_processor(model: LoadedModel) -> Any:
    """The checkpoint's image processor; read once a model.

    Raises:
        NotSupported: The folder has none, or it needs torchvision.
    """
    from transformers import AutoImageProcessor

    # OneFormer's asks the Hub for a table that only training on annotations reads.
    more = {"class_info_file": ""} if model.facts.model_type == "oneformer" else {}
    return _once(model, "pictures", "preprocessor_config.json", partial(AutoImageProcessor.from_pretrained, **more))


def feature_extractor(model: LoadedModel) -> Any:
    """The checkpoint's feature extractor for sounds; read once a model.

    Raises:
        NotSupported: The folder has none.
    """
    from transformers import AutoFeatureExtractor

    return _once(model, "sounds", "preprocessor_config.json", AutoFeatureExtractor.from_pretrained)


def processor(model: LoadedModel) -> Any:
    """What prepares text, pictures and sounds together; read once a model.

    Raises:
        NotSupported: The folder has none, or it needs torchvision.
    """
    from transformers import AutoProcessor

    if model.processor is not None:
        return model.processor
    return _once(model, "more than text", "preprocessor_config.json", AutoProcessor.from_pretrained)


def _once(model: LoadedModel, what: str, file: str, read: Callable[..., Any]) -> Any:
    kept = _KEPT.setdefault(model.model, {})
    if what not in kept:
        try:
            kept[what] = read(model.checkpoint.path, trust_remote_code=False, local_files_only=True)
        except Exception as error:
            raise _refusal(model, what, file, error) from error
    return kept[what]


def _refusal(model: LoadedModel, what: str, file: str, error: Exception) -> NotSupported:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if isinstance(error, ImportError) or "orchvision" in str(error):
        why = f"The library has its processor only for a package that is not installed: {said}"
        remedy = "Load another checkpoint for this task; most architectures have a processor that Pillow is enough for."
    elif (
        not (model.checkpoint.path / file).is_file() and not (model.checkpoint.path / "processor_config.json").is_file()
    ):
        why = f"Its folder has no {file}, which says how {what} are prepared for it."
        remedy = "Download the checkpoint again, or load one that was made for this."
    else:
        why = f"Its {file} can't be read: {said}"
        remedy = "Download the checkpoint again."
    return NotSupported(f"{model.checkpoint.name} can't read {what}.", why=why, remedy=remedy)
