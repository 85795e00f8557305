"""The scripts of tasks on a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.codegen.beside import interleaved
from workbench.engine.codegen.script import assign, call, literal
from workbench.engine.codegen.task.parts import (
    LABELS,
    PRINT_LABELS,
    Script,
    answers,
    named,
    ranked,
    scored,
    torch_when_sampling,
    without_prompt,
)
from workbench.engine.tasks.image_segmentation import SUBTASKS
from workbench.engine.tasks.pooling import POOLER
from workbench.engine.tasks.zero_shot_image_classification import TEMPLATE

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions

_OPEN = 'image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")'
_PREPARE = [
    "# 1. Preprocess",
    'inputs = image_processor(images=[image], return_tensors="pt").to(model.device, dtype=model.dtype)',
]
_PART = 'part["label_id"]'
_FORWARD = ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs)"]


def _path(given: TaskInput) -> list[str]:
    return assign("path", str(given.image or "picture.png"))


def given_picture(given: TaskInput) -> list[str]:
    """``path`` and ``image``."""
    return [*_path(given), _OPEN]


def given_labels(given: TaskInput) -> list[str]:
    """``path``, ``image`` and ``labels``."""
    return [*given_picture(given), *assign("labels", list(given.labels))]


def given_text(given: TaskInput) -> list[str]:
    """``path``, ``image`` and ``text``."""
    return [*given_picture(given), *assign("text", given.text)]


def imports(_given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
    """What a script on a picture needs besides transformers."""
    return ("import torch", "from PIL import Image, ImageOps")


def _classification(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [_PREPARE, _FORWARD, ["logits = outputs.logits", *scored(options)[1:]]]


def unnamed_classification(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a classifier whose logits bear the name of the last hidden state."""
    *before, finish = _classification(given, options)
    return [*before, ["logits = outputs.last_hidden_state  # which its head has been through", *finish[1:]]]


def policies(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a classifier that says of each policy whether a picture breaks it (ShieldGemma 2)."""
    prepare = 'inputs = processor(images=[image], return_tensors="pt").to(model.device, dtype=model.dtype)'
    return [
        ["# 1. Preprocess: the picture with the text of each policy", prepare],
        _FORWARD,
        [
            "# 3. Postprocess: how probable a yes is",
            "scores = outputs.probabilities[:, 0].float().cpu()",
            "names = list(processor.policy_definitions)",
            *ranked(options, "names[index]"),
        ],
    ]


def _detection(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    finish = ["outputs", f"threshold={options.threshold!r}", "target_sizes=size"]
    row = f"({named('label')}, score, *box.int().tolist())"
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess",
            LABELS,
            "size = torch.tensor([[image.height, image.width]])",
            *call("(found,) = image_processor.post_process_object_detection(", finish),
            'rows = zip(found["scores"].tolist(), found["labels"].tolist(), found["boxes"])',
            f"result = [{row} for score, label, box in rows]",
            "result.sort(key=lambda row: row[1], reverse=True)",
            "for label, score, left, top, right, bottom in result:",
            '    print(f"{score:10.6f} {label} ({left}, {top}) to ({right}, {bottom})")',
        ],
    ]


def segmentation_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """What a script that finds parts needs besides transformers."""
    return ("import inspect", *imports(given, options))


def _segmentation(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    wanted = SUBTASKS if options.subtask == "auto" else (options.subtask,)
    has = 'hasattr(image_processor, f"post_process_{kind}_segmentation")'
    settings = [
        f"threshold={options.threshold!r}",
        f"mask_threshold={options.mask_threshold!r}",
        f"overlap_mask_area_threshold={options.overlap!r}",
    ]
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess: parts one by one where the checkpoint has them, else a label for each pixel",
            LABELS,
            f"kinds = {literal(list(wanted))}",
            f"kind = next(kind for kind in kinds if {has})",
            'finish = getattr(image_processor, f"post_process_{kind}_segmentation")',
            *call("settings = dict(", settings),
            "reads = inspect.signature(finish).parameters",
            "settings = {name: value for name, value in settings.items() if name in reads}",
            "(found,) = finish(outputs, target_sizes=[(image.height, image.width)], **settings)",
            'if kind == "semantic":',
            f"    result = [({named('label')}, None, found == label) for label in found.unique().tolist()]",
            "else:",
            "    result = [",
            "        (",
            f"            {named(_PART)},",
            '            part["score"],',
            '            found["segmentation"] == part["id"],',
            "        )",
            '        for part in found["segments_info"]',
            "    ]",
            "for label, score, mask in result:",
            '    sure = f"{score:.6f}" if score is not None else "each pixel its best"',
            '    print(f"{mask.float().mean().item():7.2%} of the picture: {label} {sure}")',
        ],
    ]


def told_in_words(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a segmentation model that is told in words what parts are wanted (OneFormer)."""
    wanted = SUBTASKS[0] if options.subtask == "auto" else options.subtask
    prepare, forward, finish = _segmentation(_given, replace(options, subtask=wanted))
    if wanted != "semantic":
        resize = 'functools.partial(torch.nn.functional.interpolate, mode="bilinear", antialias=True)'
        masks = "outputs.masks_queries_logits"
        sized = f"resize({masks}, (image.height, image.width))"
        if wanted == "panoptic":
            sized = f"resize({masks}.sigmoid(), (image.height, image.width)).logit()"
        # The processor's own resizing of parts wants torchvision.
        finish = [line.replace("target_sizes=[(image.height, image.width)]", "target_sizes=None") for line in finish]
        finish = [finish[0], f"resize = {resize}", f"{masks} = {sized}", *finish[1:]]
    return [[*prepare, *told(options)], forward, finish]


def told(options: TaskOptions) -> list[str]:
    """The lines that tell in words what parts are wanted, among the ``inputs``."""
    wanted = SUBTASKS[0] if options.subtask == "auto" else options.subtask
    said = ['["the task is " + kind]', 'padding="max_length"', "max_length=length", 'return_tensors="pt"']
    return [
        f"kind = {literal(wanted)}",
        "length = model.config.task_seq_len",
        *call("said = tokenizer(", said),
        'inputs["task_inputs"] = said["input_ids"].to(model.device)',
    ]


def told_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    """What such a script needs besides transformers."""
    resizes = ("import functools",) if options.subtask != "semantic" else ()
    return (*resizes, *segmentation_imports(given, options))


def _depth(_given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    finish = ["outputs", "[(image.height, image.width)]"]
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess: as large as the picture",
            *call("(found,) = image_processor.post_process_depth_estimation(", finish),
            'result = found["predicted_depth"].cpu()',
            'print(f"{tuple(result.shape)}: {result.min().item():.4g} to {result.max().item():.4g}")',
        ],
    ]


def _features(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    pools = {"mean": "hidden.mean(dim=1)", "cls": "hidden[:, 0]", "max": "hidden.amax(dim=1)", "last": "hidden[:, -1]"}
    pooled = ["embeddings = outputs.pooler_output.float().cpu().flatten(1)"]
    if options.pooling != POOLER:
        pooled = [
            "hidden = outputs[0].float().cpu()",
            "hidden = hidden if hidden.dim() == 3 else hidden.reshape(*hidden.shape[:2], -1).transpose(1, 2)",
            f"embeddings = {pools[options.pooling]}",
        ]
    return [
        _PREPARE,
        _FORWARD,
        [
            "# 3. Postprocess",
            *pooled,
            *(["embeddings = torch.nn.functional.normalize(embeddings, dim=-1)"] if options.normalize else []),
            "result = embeddings.tolist()",
            "print(embeddings)",
        ],
    ]


def drawn_features(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of a model that hides a part of the picture, drawn by the seed."""
    prepare, forward, finish = _features(given, options)
    return [prepare, [f"torch.manual_seed({options.seed})  # what is hidden is drawn", *forward], finish]


def _zero_shot(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    cut = f", truncation=True, max_length={options.max_length}" if options.max_length else ""
    return [
        [
            "# 1. Preprocess: the picture, and a sentence a label",
            f"template = {literal(options.template or TEMPLATE)}",
            "sentences = [template.format(label) for label in labels]",
            'siglip = "siglip" in model.config.model_type',
            f"padding = dict(padding=True{cut})",
            "if siglip:",
            '    padding = dict(padding="max_length", truncation=True, max_length=64)',
            'inputs = tokenizer(sentences, return_tensors="pt", **padding).to(model.device)',
            'pixels = image_processor(images=[image], return_tensors="pt").to(model.device, dtype=model.dtype)',
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs, **pixels).logits_per_image"],
        [
            "# 3. Postprocess",
            "logits = logits[0].float().cpu()",
            "scores = logits.sigmoid() if siglip else logits.softmax(dim=-1)",
            "result = sorted(zip(labels, scores.tolist()), key=lambda pair: pair[1], reverse=True)",
            *PRINT_LABELS,
        ],
    ]


def shown_prompt(framed: bool = False) -> list[str]:
    """``prompt``: the text with the mark of the picture, in front of it unless it says where.

    Args:
        framed: Whether the mark has to stand between those of where a picture begins and ends.
    """
    put = "processor.image_start_token + mark + processor.image_end_token" if framed else "mark"
    given = ["turns", "chat_template=template", "add_generation_prompt=True"]
    return [
        'mark = getattr(processor, "image_placeholder_token", None) or getattr(processor, "image_token", "<image>")',
        'template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template',
        "content = [] if mark in text else [{'type': 'image'}]".replace("'", '"'),
        'turns = [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]',
        "if template:",
        *call("prompt = processor.apply_chat_template(", given, indent=4),
        "else:",
        f"    prompt = text if mark in text else {put} + text",
    ]


def between(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of Idefics 1, whose processor wants the picture between the pieces of the text."""
    return [
        [
            "# 1. Preprocess: as the checkpoint's chat template shows them, or one after the other without one",
            *shown_prompt(),
            *interleaved("prompt", "[image]"),
            'inputs = processor(text=[pieces], return_tensors="pt")',
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        *_answered(options),
    ]


def _answered(options: TaskOptions) -> list[list[str]]:
    forward, _ = answers(options)
    return [forward, ["# 3. Postprocess", *without_prompt('inputs["input_ids"]'), "print(result)"]]


def image_text(_given: TaskInput, options: TaskOptions, framed: bool = False) -> list[list[str]]:
    """The steps of an answer about a picture; ``framed`` as for `shown_prompt`."""
    return [
        [
            "# 1. Preprocess: as the checkpoint's chat template shows them, or one after the other without one",
            *shown_prompt(framed),
            "bos = processor.tokenizer.bos_token",
            "special = bos is None or not prompt.startswith(bos)",
            *call(
                "inputs = processor(",
                ["text=[prompt]", "images=[[image]]", "add_special_tokens=special", 'return_tensors="pt"'],
            ),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        *_answered(options),
    ]


def _writing_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    return (*torch_when_sampling(given, options), "from PIL import Image, ImageOps")


_PIXELS = ("image_processor",)
SCRIPTS: dict[str, Script] = {
    "image-classification": Script("Classify a picture.", given_picture, _classification, imports, loads=_PIXELS),
    "object-detection": Script("Find the objects in a picture.", given_picture, _detection, imports, loads=_PIXELS),
    "image-segmentation": Script(
        "Find the parts of a picture.", given_picture, _segmentation, segmentation_imports, loads=_PIXELS
    ),
    "depth-estimation": Script("Say how far away each pixel is.", given_picture, _depth, imports, loads=_PIXELS),
    "image-feature-extraction": Script(
        "Turn a picture into a vector.", given_picture, _features, imports, loads=_PIXELS
    ),
    "zero-shot-image-classification": Script(
        "Say which labels fit a picture.", given_labels, _zero_shot, imports, loads=("tokenizer", "image_processor")
    ),
    "image-text-to-text": Script(
        "Answer a question about a picture.", given_text, image_text, _writing_imports, loads=("processor",)
    ),
}
"""By the name of the task."""
