"""The scripts of tasks that find points, masks and edges in a picture, and of those on a video."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call
from workbench.engine.codegen.task import vision
from workbench.engine.codegen.task.parts import LABELS, Script, named, scored
from workbench.engine.tasks.mask_generation import AT_ONCE
from workbench.engine.tasks.videos import ANIMATED, STILLS

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

_FOUND = 'found["labels"]'
_ON_DEVICE = "inputs = inputs.to(model.device, dtype=model.dtype)"
_FORWARD = ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs)"]


def _keypoints(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    least = options.threshold
    pose = ["outputs", "boxes=boxes", f"threshold={least or None!r}"]
    size = "[(image.height, image.width)]"
    return [
        [
            "# 1. Preprocess: a pose model is shown all of the picture as one person",
            'poses = hasattr(image_processor, "post_process_pose_estimation")',
            "boxes = [[[0.0, 0.0, float(image.width), float(image.height)]]]",
            'more = {"boxes": boxes} if poses else {}',
            *call("inputs = image_processor(", ["images=[image]", 'return_tensors="pt"', "**more"]),
            _ON_DEVICE,
        ],
        _FORWARD,
        [
            "# 3. Postprocess",
            LABELS,
            "if poses:",
            *call("((found,),) = image_processor.post_process_pose_estimation(", pose, indent=4),
            f"    labels = [{named('index')} for index in {_FOUND}.tolist()]",
            "else:",
            f"    (found,) = image_processor.post_process_keypoint_detection(outputs, {size})",
            '    labels = [""] * len(found["scores"])',
            'rows = zip(labels, found["scores"].tolist(), found["keypoints"].tolist())',
            f"result = [(label, score, *place) for label, score, place in rows if score >= {least!r}]",
            "result.sort(key=lambda row: row[1], reverse=True)",
            "for label, score, x, y in result:",
            '    print(f"{score:10.6f} ({x:.1f}, {y:.1f}) {label}")',
        ],
    ]


def _given_pair(given: TaskInput) -> list[str]:
    opened = 'ImageOps.exif_transpose(Image.open(path)).convert("RGB")'
    first, second = (str(each or "picture.png") for each in (given.image, given.other))
    return [
        *assign("first", first),
        *assign("second", second),
        f"images = [{opened} for path in (first, second)]",
    ]


def _matching(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    finish = ["outputs", "sizes", f"threshold={options.threshold!r}"]
    return [
        ["# 1. Preprocess", 'inputs = image_processor(images=[images], return_tensors="pt")', _ON_DEVICE],
        _FORWARD,
        [
            "# 3. Postprocess",
            "sizes = [[(image.height, image.width) for image in images]]",
            *call("(found,) = image_processor.post_process_keypoint_matching(", finish),
            'names = ("matching_scores", "keypoints0", "keypoints1")',
            "result = [tuple(row) for row in zip(*(found[name].tolist() for name in names))]",
            "result.sort(key=lambda row: row[0], reverse=True)",
            "for score, first, second in result:",
            '    print(f"{score:10.6f} {first} is {second}")',
        ],
    ]


def _masks(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    sizes = ["original_sizes=sizes[crop]", "reshaped_input_sizes=reshaped[crop]", "binarize=False"]
    level = [repr(options.mask_logit), repr(options.stability_shift)]
    told = [repr(options.threshold), repr(options.stability), *(level if level != ["0.0", "1.0"] else [])]
    keep = ["masks", 'outputs["iou_scores"][0]', "size", "boxes[crop]", *told]
    grid = [f"points_per_crop={options.points_per_side}"]
    if options.crop_layers:
        grid.append(f"crop_n_layers={options.crop_layers}")
        grid += [f"overlap_ratio={options.crop_overlap!r}"] if options.crop_overlap is not None else []
    return [
        [
            "# 1. Preprocess: the picture and parts of it, and a grid of points over each",
            'side = image_processor.size.get("longest_edge") or image_processor.size.get("height")',
            *call("boxes, points, crops, labels = image_processor.generate_crop_boxes(", ["image", "side", *grid]),
            'prepared = image_processor(images=crops, return_tensors="pt")',
            'pixels = prepared["pixel_values"].to(model.device, dtype=model.dtype).split(1)',
            "points = points.to(model.device, dtype=model.dtype)",
            "labels = labels.to(model.device)",
        ],
        [
            "# 2. Forward: each of them once, the points some at a time; what is unsure or unsteady is dropped",
            "size = (image.height, image.width)",
            'sizes = prepared["original_sizes"].split(1)',
            'reshaped = prepared.get("reshaped_input_sizes", prepared["original_sizes"]).split(1)',
            'names = ("image_embeddings", "intermediate_embeddings")',
            "filtered = image_processor.filter_masks",
            "found = []",
            "for crop in range(len(crops)):",
            "    with torch.inference_mode():",
            "        seen = model.get_image_embeddings(pixels[crop])",
            "        seen = dict(zip(names, seen if isinstance(seen, tuple) else (seen,)))",
            "        high, wide = sizes[crop][0].tolist()",
            f"        at_once = max(1, min({AT_ONCE}, 2**30 // (12 * max(high * wide, 1024 * 1024))))",
            "        for some in torch.arange(points.shape[1]).split(at_once):",
            "            asked = {",
            '                "input_points": points[:, some, crop : crop + 1],',
            '                "input_labels": labels[:, some, crop : crop + 1],',
            "            }",
            "            outputs = model(**asked, **seen)",
            *call(
                "(masks,) = image_processor.post_process_masks(", ['outputs["pred_masks"].float()', *sizes], indent=12
            ),
            *call("found.append(filtered(", keep, "))", indent=12),
        ],
        [
            "# 3. Postprocess: of masks whose boxes overlap much the surest stays",
            "runs = [run for masks, _, _ in found for run in masks]",
            "scores = torch.cat([scores for _, scores, _ in found]).float().cpu()",
            "boxes = torch.cat([boxes for _, _, boxes in found]).float().cpu()",
            "area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])",
            "order = scores.argsort(descending=True, stable=True)",
            "result = []",
            "while len(order):",
            "    best, rest = order[0], order[1:]",
            '    counts = runs[best]["counts"]',
            "    inside = numpy.repeat(numpy.arange(len(counts)) % 2 == 1, counts)",
            "    result.append((inside.reshape(image.width, image.height).T, scores[best].item()))",
            "    corner = torch.maximum(boxes[best, :2], boxes[rest, :2])",
            "    shared = (torch.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner).clamp(min=0).prod(dim=1)",
            f"    order = rest[~((shared / (area[best] + area[rest] - shared)).double() > {options.box_overlap!r})]",
            "for number, (mask, score) in enumerate(result, 1):",
            '    print(f"{mask.mean():7.2%} of the picture: mask {number} {score:.6f}")',
        ],
    ]


def _mask_imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    return ("import numpy", "import torch", "from PIL import Image, ImageOps")


def kind(given: TaskInput) -> str:
    """What a film's file is: ``animated``, a ``folder`` or a ``film``."""
    path = given.video
    if path is None or path.suffix.lower() in (*ANIMATED, *STILLS):
        return "animated"
    return "folder" if path.is_dir() else "film"


def given_video(given: TaskInput) -> list[str]:
    """``path`` of a film."""
    return assign("path", str(given.video or "video.gif"))


NAMES = [
    'names = [name for name in os.listdir(path) if not name.startswith(".")]',
    f"names = [name for name in names if name.lower().endswith({STILLS!r})]".replace("'", '"'),
    'names.sort(key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\\d+)", name)])',
]
"""``names`` of the pictures in a folder, in their order."""
_READ = {
    "animated": [
        "with Image.open(path) as opened:",
        "    every = enumerate(ImageSequence.Iterator(opened))",
        "    opened = [ImageOps.exif_transpose(frame) for index, frame in every if index in moments]",
        '    frames = [numpy.array(frame.convert("RGB")) for frame in opened]',
    ],
    "film": [
        "with av.open(path) as container:",
        "    every = enumerate(container.decode(video=0))",
        '    frames = [frame.to_ndarray(format="rgb24") for index, frame in every if index in moments]',
    ],
    "folder": [
        *NAMES,
        "every = [ImageOps.exif_transpose(Image.open(os.path.join(path, names[index]))) for index in moments]",
        'frames = [numpy.array(frame.convert("RGB")) for frame in every]',
    ],
}


def _video(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    step = options.frame_step
    return [
        [
            "# 1. Preprocess: as many frames as the model looks at, from the beginning on",
            f"count = {options.num_frames or 'model.config.num_frames'}",
            f"moments = numpy.linspace(0, count * {step} - 1, num=count, dtype=numpy.int64)",
            *_READ[kind(given)],
            'inputs = image_processor(frames, return_tensors="pt")',
            _ON_DEVICE,
        ],
        _FORWARD,
        ["logits = outputs.logits", *scored(options)[1:]],
    ]


_PLACES = ["moments = numpy.arange(0, total, total / count).astype(int)[:count]"]
_COUNT = {
    "animated": ["with Image.open(path) as opened:", "    total = opened.n_frames"],
    "film": ["with av.open(path) as container:", "    total = sum(1 for _ in container.decode(video=0))"],
    "folder": [*NAMES, "total = len(names)"],
}


def spread(given: TaskInput, path: str, count: list[str]) -> list[str]:
    """``frames``, from all over a video.

    Args:
        given: Whose video it is.
        path: The name that it has.
        count: The lines that say how many frames.
    """
    how = kind(given)
    lines = [*_COUNT[how], *_PLACES, *(line for line in _READ[how] if line not in NAMES)]
    return [*count, *(re.sub(r"\bpath\b(?!\.)", path, line) for line in lines)]


def whole_video(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps where the checkpoint has a video processor, which is shown the whole video."""
    _, forward, finish = _video(given, options)
    own = 'getattr(model.config, "num_frames", None) or model.config.frames_per_clip'
    count = [f"count = {options.num_frames or own}"]
    prepare = ["[numpy.stack(frames)]", "do_sample_frames=False", 'return_tensors="pt"']
    return [
        [
            "# 1. Preprocess: as many frames as the model looks at, over the whole video",
            *spread(given, "path", count),
            *call("inputs = video_processor(", prepare),
            _ON_DEVICE,
        ],
        forward,
        finish,
    ]


def nested_video(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a model whose logits have an axis of one more (VideoPrism)."""
    prepare, forward, finish = whole_video(given, options)
    return [prepare, forward, ["logits = outputs.logits[:, 0]", *finish[1:]]]


def video_imports(given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    """What a script on a video needs besides transformers."""
    how = kind(given)
    if how == "film":
        return ("import av", "import numpy", "import torch")
    if how == "folder":
        return ("import os", "import re", "import numpy", "import torch", "from PIL import Image, ImageOps")
    return ("import numpy", "import torch", "from PIL import Image, ImageOps, ImageSequence")


def _given_trimap(given: TaskInput) -> list[str]:
    return [
        *vision.given_picture(given),
        *assign("marked", str(given.other or "trimap.png")),
        'trimap = ImageOps.exif_transpose(Image.open(marked)).convert("L")',
    ]


def _matting(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess: the trimap becomes a fourth channel of the picture",
            'inputs = image_processor(images=[image], trimaps=[trimap], return_tensors="pt")',
            _ON_DEVICE,
        ],
        _FORWARD,
        [
            "# 3. Postprocess: what was filled up is cut off again",
            "result = outputs.alphas[0, 0, : image.height, : image.width].float().cpu()",
            *_PRINT_ALPHA,
        ],
    ]


_PRINT_ALPHA = ['print(f"{tuple(result.shape)}: {result.mean().item():.2%} of the picture")']


def untold_matting(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    """The steps where the model takes no trimap."""
    finish = ["outputs", "target_sizes=[(image.height, image.width)]"]
    return [
        ["# 1. Preprocess", 'inputs = image_processor(images=[image], return_tensors="pt")', _ON_DEVICE],
        _FORWARD,
        [
            "# 3. Postprocess: as large as the picture",
            *call("(found,) = image_processor.post_process_image_matting(", finish),
            'result = found["alpha"][0].float().cpu()',
            *_PRINT_ALPHA,
        ],
    ]


_PIXELS = ("image_processor",)
SCRIPTS: dict[str, Script] = {
    "keypoint-detection": Script(
        "Find the points of a picture.", vision.given_picture, _keypoints, vision.imports, loads=_PIXELS
    ),
    "keypoint-matching": Script(
        "Find the same points in two pictures.", _given_pair, _matching, vision.imports, loads=_PIXELS
    ),
    "mask-generation": Script(
        "Cut a picture into its things.", vision.given_picture, _masks, _mask_imports, loads=_PIXELS
    ),
    "image-matting": Script("Cut a thing out of a picture.", _given_trimap, _matting, vision.imports, loads=_PIXELS),
    "video-classification": Script("Classify a video.", given_video, _video, video_imports, loads=_PIXELS),
}
"""By the name of the task."""
