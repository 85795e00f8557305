"""The scripts of tasks that read writing and tables, tell the shape of a scene, or make a picture of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call
from workbench.engine.codegen.task import vision
from workbench.engine.codegen.task.parts import Script
from workbench.engine.tasks.zero_shot_object_detection import GUIDED, OVERLAP

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

_ON_DEVICE = "inputs = inputs.to(model.device, dtype=model.dtype)"
_PREPARE = ["# 1. Preprocess", 'inputs = image_processor(images=[image], return_tensors="pt")', _ON_DEVICE]
_FORWARD = ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs)"]


def _reading(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess: at each moment the most probable letter; what repeats or is blank is left out",
            "(found,) = image_processor.post_process_text_recognition(outputs)",
            'result = found["text"]',
            """print(f"{found['score']:10.6f} {result}")""",
        ],
    ]


def _layout(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess: the table as HTML, without the words in its cells",
            "found = image_processor.post_process_table_recognition(outputs)",
            'result = "".join(found["structure"])',
            """print(f"{found['structure_score']:10.6f} {result}")""",
        ],
    ]


def _field(name: str, method: str) -> list[list[str]]:
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess: as large as the picture; where it was filled up, what belongs to it is cut out first",
            'sizes = "source_sizes" if image_processor.do_pad else "target_sizes"',
            "size = {sizes: [(image.height, image.width)]}",
            f"(found,) = image_processor.{method}(outputs, **size)",
            f'result = found["{name}"].permute(1, 2, 0).float().cpu()',
            'for axis, values in zip("xyz", result.unbind(-1)):',
            '    print(f"{axis}: {values.min().item():.4g} to {values.max().item():.4g}")',
        ],
    ]


def _normals(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return _field("normals", "post_process_normal_estimation")


def _points(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return _field("pointmap", "post_process_pointmap_estimation")


SAVE = ['Image.fromarray(result.numpy()).save("made.png")', 'print(f"made.png {result.shape[1]} × {result.shape[0]}")']
"""Lines that write the picture ``result``, of shape ``(height, width, 3)``, to a file."""


def _made(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess: what the picture was filled up with is cut off again",
            "height, width = (side * model.config.upscale for side in (image.height, image.width))",
            "made = outputs.reconstruction[0, :, :height, :width].float().cpu().clamp(0, 1)",
            "result = (made * 255).round().to(torch.uint8).permute(1, 2, 0)",
            *SAVE,
        ],
    ]


def flattened(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    """The steps of a model that flattens a page (UVDoc)."""
    return [
        [*_PREPARE[:2], 'pixels = inputs["pixel_values"].to(model.device, dtype=model.dtype)'],
        ["# 2. Forward", "with torch.inference_mode():", "    mesh = model(pixels).last_hidden_state.float().cpu()"],
        [
            "# 3. Postprocess: the page as the mesh bends it back",
            "finish = image_processor.post_process_document_rectification",
            '(found,) = finish(mesh, inputs["original_images"])',
            'result = found["images"]',
            *SAVE,
        ],
    ]


def given_shown(given: TaskInput) -> list[str]:
    """``path``, ``image`` and ``thing``, a picture of what is looked for."""
    opened = 'thing = ImageOps.exif_transpose(Image.open(shown)).convert("RGB")'
    return [*vision.given_picture(given), *assign("shown", str(given.other)), opened]


def shown_objects(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a model that finds what looks like a picture of it (OWL-ViT)."""
    finish = [
        "outputs", f"threshold={options.threshold!r}", f"nms_threshold={OVERLAP}",
        "target_sizes=torch.tensor([[image.height, image.width]])",
    ]  # fmt: skip
    return [
        [
            *_PREPARE,
            'query = image_processor(images=[thing], return_tensors="pt")["pixel_values"]',
            'inputs["query_pixel_values"] = query.to(model.device, dtype=model.dtype)',
        ],
        [*_FORWARD[:2], "    outputs = model.image_guided_detection(**inputs)"],
        [
            "# 3. Postprocess: the best scores 1",
            *call("found = image_processor.post_process_image_guided_detection(", finish),
            'rows = zip(found[0]["scores"].tolist(), found[0]["boxes"]) if found else ()',
            f'result = [("{GUIDED}", score, *box.int().tolist()) for score, box in rows]',
            "result.sort(key=lambda row: row[1], reverse=True)",
            *([f"result = result[:{options.top_k}]"] if options.top_k else []),
            "for label, score, left, top, right, bottom in result:",
            '    print(f"{score:10.6f} {label} ({left}, {top}) to ({right}, {bottom})")',
        ],
    ]


def told_objects(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a model that is told all labels at once (OmDet-Turbo)."""
    finish = [
        "outputs", "text_labels=[labels]", f"threshold={options.threshold!r}", f"nms_threshold={OVERLAP}",
        "target_sizes=[(image.height, image.width)]",
    ]  # fmt: skip
    return [
        [
            "# 1. Preprocess: the picture, each label, and the task in words",
            'inputs = processor(images=image, text=[labels], return_tensors="pt")',
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        _FORWARD,
        [
            "# 3. Postprocess",
            *call("(found,) = processor.post_process_grounded_object_detection(", finish),
            'rows = zip(found["text_labels"], found["scores"].tolist(), found["boxes"])',
            "result = [(label, score, *box.int().tolist()) for label, score, box in rows]",
            "result.sort(key=lambda row: row[1], reverse=True)",
            *([f"result = result[:{options.top_k}]"] if options.top_k else []),
            "for label, score, left, top, right, bottom in result:",
            '    print(f"{score:10.6f} {label} ({left}, {top}) to ({right}, {bottom})")',
        ],
    ]


_PIXELS = ("image_processor",)
SCRIPTS: dict[str, Script] = {
    "text-recognition": Script(
        "Read a line of writing.", vision.given_picture, _reading, vision.imports, loads=_PIXELS
    ),
    "table-recognition": Script(
        "Tell the shape of a table.", vision.given_picture, _layout, vision.imports, loads=_PIXELS
    ),
    "normal-estimation": Script(
        "Say which way the surface looks at each pixel.", vision.given_picture, _normals, vision.imports, loads=_PIXELS
    ),
    "pointmap-estimation": Script(
        "Say where in space each pixel lies.", vision.given_picture, _points, vision.imports, loads=_PIXELS
    ),
    "image-to-image": Script(
        "Make a picture out of a picture.", vision.given_picture, _made, vision.imports, loads=_PIXELS
    ),
}
"""By the name of the task."""
