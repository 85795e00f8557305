"""Zero-shot object detection: where in a picture the things of your labels are.

OWL-ViT may be shown a picture of the thing instead; OmDet-Turbo is told all labels at once, by a processor of its own.

References:
    transformers, Pipelines: ZeroShotObjectDetectionPipeline; OmDetTurboProcessor; Minderer et al. 2022, OWL-ViT
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.generate import pictures
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels
from workbench.engine.tasks.processors import image_processor, processor
from workbench.engine.tasks.vision import Outputs, finisher, passed, passed_by, picture, pixels, prepared, size
from workbench.engine.values import Box, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="zero-shot-object-detection",
    heads=("AutoModelForZeroShotObjectDetection", "AutoModel"),
    does="Finds the things you name in a picture, without having been trained on them",
    inputs=(("image", "Picture"), ("labels", "Candidate labels, one a line")),
    options=("threshold", "top_k"),
    shows="boxes",
    example=TaskInput(labels=("a house", "a tree", "the sun")),
    defaults=(("threshold", 0.1), ("top_k", None)),
)


SAMPLES: dict[str, Any] = {"other": lambda: None}
"""The example has labels, which go before a picture of the thing."""

GUIDED = "the thing shown"
"""What is found by a picture is called."""

_GUIDED_TYPES = ("owlvit", "owlv2")
TOLD = ("omdet-turbo",)
"""Architectures that are told all labels at once."""

ONLY = {"AutoModel": TOLD}
"""Of each Auto class, the architectures that do it: without a head the library's table has these with it."""

OVERLAP = 0.3
"""From which on two boxes are one; as the documentation has it."""


def fitted(model: LoadedModel) -> Spec:
    """The task with a place for a picture of the thing, where the model may be shown one."""
    if model.facts.model_type not in _GUIDED_TYPES:
        return SPEC
    return replace(SPEC, inputs=(*SPEC.inputs, ("other", "Or, without labels, a picture of the thing")))


def guided(given: TaskInput) -> bool:
    """Whether things are looked for by a picture: there is one, and no label."""
    return given.other is not None and not any(label.strip() for label in given.labels)


def preprocess(request: Request) -> Inputs:
    """Prepare the picture, and tokenize each label; or prepare the picture of the thing as ``query_pixel_values``.

    Raises:
        InputError: There is no picture or no label.
        NotSupported: The checkpoint has no processor that works here.
    """
    import torch

    if guided(request.given):
        assert request.given.other is not None
        made = pixels(request)
        shown = prepared(image_processor(request.model), images=[pictures.read(request.given.other)])
        return Inputs({**made.tensors, "query_pixel_values": shown["pixel_values"]}, made.aside)
    check_labels(request.given.labels)
    if _told(request):
        seen = picture(request)
        asked = prepared(processor(request.model), images=seen, text=[list(request.given.labels)])
        return Inputs(asked, {"target_size": torch.tensor([[seen.height, seen.width]])})
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

    if guided(request.given):
        return passed_by(request, inputs, "image_guided_detection")
    if _told(request):
        return passed(request, inputs)
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

    if guided(request.given):
        return _shown(request, inputs, outputs)
    if _told(request):
        return _named(request, inputs, outputs)
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


def _told(request: Request) -> bool:
    return request.model.facts.model_type in TOLD


def _named(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's boxes for all labels, of those that lie over one another the surest."""
    (found,) = processor(request.model).post_process_grounded_object_detection(
        Outputs(outputs),
        text_labels=[list(request.given.labels)],
        threshold=request.options.threshold,
        nms_threshold=OVERLAP,
        target_sizes=[size(inputs)],
    )
    rows = zip(found["text_labels"], found["scores"].tolist(), found["boxes"], strict=True)
    items = [Box(label, score, *box.int().tolist()) for label, score, box in rows]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": found["scores"]}, tuple(items[: request.options.top_k]))


def _shown(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The processor's boxes of what looks like the picture of the thing; the best of them scores 1."""
    import torch

    finish = finisher(request, ("post_process_image_guided_detection",))
    found = finish(
        outputs=Outputs({name: tensor.clone() for name, tensor in outputs.items()}),
        threshold=request.options.threshold,
        nms_threshold=OVERLAP,
        target_sizes=inputs.aside["target_size"],
    )
    scores = found[0]["scores"] if found else torch.zeros(0)
    boxes = found[0]["boxes"] if found else ()
    items = [Box(GUIDED, score, *box.int().tolist()) for score, box in zip(scores.tolist(), boxes, strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items[: request.options.top_k]))
