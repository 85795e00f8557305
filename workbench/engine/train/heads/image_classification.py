"""A label for each picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.data import as_text
from workbench.engine.task import Task
from workbench.engine.train import metrics
from workbench.engine.train.heads.gathered import values
from workbench.engine.train.heads.head import Head, Role
from workbench.engine.train.heads.sequence_classification import different_labels

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from workbench.engine.values import TrainSpec


def as_picture(value: Any) -> str:
    """A picture as text: its path, or ``base64:`` and its bytes where the data hold them."""
    if isinstance(value, dict):
        held = value.get("bytes")
        return str(value.get("path") or "") if held is None else "base64:" + base64.b64encode(held).decode()
    return "" if value is None else str(value)


def opened(picture: str, folder: str) -> Image:
    """The picture, not decoded yet; a path that is none from the root is meant from ``folder``."""
    from PIL import Image

    if picture.startswith("base64:"):
        return Image.open(io.BytesIO(base64.b64decode(picture[7:])))
    return Image.open(Path(folder, picture))


def unreadable(picture: str, folder: str) -> str:
    """Why a picture can't be used, or an empty string."""
    if not picture.strip():
        return "the image is empty"
    try:
        opened(picture, folder).close()
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        return f"there is no picture {picture[:120]}" if missing else f"{picture[:120]} is no picture that can be read"
    return ""


def picture_collator(processor: Any, folder: str) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Opens the pictures of a batch and makes tensors of them, as the checkpoint's own processor does."""
    import torch

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        pictures = [opened(row["image"], folder).convert("RGB") for row in rows]
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels, "labels": torch.tensor([row["labels"] for row in rows])}

    return collate


def folder_of(spec: TrainSpec) -> str:
    """Where the paths of pictures begin that are none from the root."""
    path = spec.data.path or Path()
    return str(path if path.is_dir() else path.parent)


class ImageClassification(Head):
    """A picture in, one of several labels out.

    References:
        transformers, Image classification
    """

    task = "image-classification"
    title = "Image classification"
    learns = "a label for each picture"
    auto_class = "AutoModelForImageClassification"
    roles = (
        Role(
            "image",
            "Image column",
            "Paths of pictures, from the root or from the folder of the data; or the pictures themselves",
            names=("image", "img", "picture", "file_name", "path"),
        ),
        Role("label", "Label column", "The column with what is to be learned", names=("label", "labels", "class")),
    )
    reads = "image_processor"
    metric = "accuracy"
    told: Mapping[str, bool] = {"accuracy": True, "f1": True}
    by_length = False

    def problem(self, row: Mapping[str, Any], spec: TrainSpec) -> str:
        """The picture has to be there, and be one."""
        if not as_text(row["label"]).strip():
            return "the label is empty"
        return unreadable(as_picture(row["image"]), folder_of(spec))

    def value(self, role: str, value: Any) -> Any:
        """Pictures as their paths."""
        return as_picture(value) if role == "image" else as_text(value)

    def labels(self, rows: Dataset, spec: TrainSpec) -> tuple[str, ...]:
        """The different labels, sorted; in the checkpoint's own order where it knows exactly these."""
        return different_labels(rows, self, spec)

    def settle(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec) -> None:
        """Nothing is padded."""

    def encode(
        self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, spec: TrainSpec, labels: Sequence[str], task: Task
    ) -> Dataset:
        """Paths and ``labels``: the pictures are opened batch by batch, since their tensors fill any memory."""
        from datasets import Dataset

        ids = {label: number for number, label in enumerate(labels)}
        learned = [ids[label] for label in values(rows, "label")]
        return Dataset.from_dict({"image": list(values(rows, "image")), "labels": learned})

    def collator(
        self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, spec: TrainSpec
    ) -> Callable[..., Any]:
        """Opens the pictures of a batch."""
        return picture_collator(tokenizer, folder_of(spec))

    def metrics(
        self,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str],
        spec: TrainSpec,
        encoded: Dataset | None = None,
    ) -> Callable[..., dict[str, float]] | None:
        """Accuracy and macro F1."""
        return metrics.classification_metrics
