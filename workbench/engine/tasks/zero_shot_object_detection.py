"""Zero-shot object detection: where in a picture the things of your labels are.

References:
    transformers, Pipelines: ZeroShotObjectDetectionPipeline; Minderer et al. 2022, OWL-ViT
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels
from workbench.engine.tasks.vision import Outputs, finisher, pixels
from workbench.engine.values import Box, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="zero-shot-object-detection",
    heads=("AutoModelForZeroShotObjectDetection",),
    does="Finds the things you name in a picture, without having been trained on them",
    inputs=(("image", "Picture"), ("labels", "Candidate labels, one a line")),
    options=("threshold", "top_k"),
    shows="boxes",
    example=TaskInput(labels=("a house", "a tree", "the sun")),
    defaults=(("threshold", 0.1), ("top_k", None)),
)


def preprocess(request: Request) -> Inputs:
    """Prepare the picture, and tokenize each label.

    Raises:
        InputError: There is no picture or no label.
    """
    check_labels(request.given.labels)
    made = pixels(request)
    text = request.tokenizer(
        list(request.given.labels), padding=True, truncation=True, return_tensors="pt", verbose=False
    )  # fmt: skip
    return Inputs({**made.tensors, **text}, made.aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass a label: ``logits`` of shape ``(labels, patches, 1)``, ``pred_boxes`` of ``(labels, patches, 4)``.

    The boxes are centre, width and height, in shares of the picture.
    """
    import torch

    logits, boxes = [], []
    picture = {name: tensor for name, tensor in inputs.tensors.items() if name.startswith("pixel")}
    for index in range(len(request.given.labels)):
        request.task.check()
        request.task.report(Progress(index, len(request.given.labels), "labels", "forward"))
        kept = inputs.tensors["attention_mask"][index].bool()
        text = {name: inputs.tensors[name][index : index + 1][:, kept] for name in ("input_ids", "attention_mask")}
        output = request.model.model(**request.on_device({**text, **picture}))
        logits.append(output.logits.float().cpu())
        boxes.append(output.pred_boxes.float().cpu())
    return {"logits": torch.cat(logits), "pred_boxes": torch.cat(boxes)}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's boxes for each label, above the threshold, the surest first; ``scores`` are of all of them."""
    import torch

    finish = finisher(request, ("post_process_object_detection",))
    items, scores = [], []
    for index, label in enumerate(request.given.labels):
        mine = Outputs({name: tensor[index : index + 1] for name, tensor in outputs.items()})
        threshold = request.options.threshold
        (found,) = finish(outputs=mine, threshold=threshold, target_sizes=inputs.aside["target_size"])
        scores.append(found["scores"])
        for score, box in zip(found["scores"].tolist(), found["boxes"], strict=True):
            if score:
                items.append(Box(label, score, *box.int().tolist()))
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": torch.cat(scores)}, tuple(items[: request.options.top_k]))
