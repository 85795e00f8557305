"""The scripts of tasks that look in films, pages and pictures for what a text names, or do as they are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal, model_type_of
from workbench.engine.codegen.task import points, vision
from workbench.engine.codegen.task.parts import LABELS, PRINT_LABELS, Script, named
from workbench.engine.tasks import (
    raw_beside,
    text_recognition,
    tracking_words,
    video_segmentation,
    zero_shot_video_classification,
)
from workbench.engine.tasks.processors import takes_films
from workbench.engine.tasks.raw_inputs import FRAMES
from workbench.engine.tasks.videos import ANIMATED, FILMS, STILLS

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

_COUNT = [
    'sees = getattr(model.config, "vision_config", model.config)',
    f'count = getattr(sees, "num_frames", None) or getattr(sees, "frames_per_clip", None) or {FRAMES}',
]
_MOVED = [
    "takes = inspect.signature(model.forward).parameters",
    "inputs = {name: tensor.to(model.device) for name, tensor in inputs.items() if name in takes}",
    "for name, tensor in inputs.items():",
    "    inputs[name] = tensor.to(model.dtype) if tensor.is_floating_point() else tensor",
]
_FORWARD = ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs)"]


def _frames(given: TaskInput, films: bool) -> list[str]:
    """``frames``, from all over the film, and ``seen``: what the processor makes of them."""
    prepare = "video_processor([numpy.stack(frames)], do_sample_frames=False" if films else "image_processor(frames"
    return [*points.spread(given, "path", _COUNT), f'seen = {prepare}, return_tensors="pt")']


def _given_labels(given: TaskInput) -> list[str]:
    return [*assign("path", str(given.video or "video.gif")), *assign("labels", list(given.labels))]


def _given_text(given: TaskInput) -> list[str]:
    return [*assign("path", str(given.video or "video.gif")), *assign("text", given.text)]


def _imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    return ("import inspect", *points.video_imports(given, options))


def _compared(given: TaskInput, options: TaskOptions, films: bool, shares: bool) -> list[list[str]]:
    cut = f", truncation=True, max_length={options.max_length}" if options.max_length else ""
    padding = f"padding=True{cut}"
    if shares:
        padding = f'padding="max_length", truncation=True, max_length={zero_shot_video_classification.WIDTH}'
    scores = "outputs.logits_per_text[:, 0]" if shares else "outputs.logits_per_video[0].softmax(dim=-1)"
    return [
        [
            "# 1. Preprocess: frames from all over the film, and a text a label",
            *_frames(given, films),
            f"template = {literal(options.template or zero_shot_video_classification.TEMPLATE)}",
            "texts = [template.format(label) for label in labels]",
            f'inputs = {{**tokenizer(texts, return_tensors="pt", {padding}), **seen}}',
            *_MOVED,
        ],
        _FORWARD,
        [
            "# 3. Postprocess",
            f"scores = {scores}.float().cpu()",
            "result = sorted(zip(labels, scores.tolist()), key=lambda pair: pair[1], reverse=True)",
            *PRINT_LABELS,
        ],
    ]


def _parts(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    kind = video_segmentation.SUBTASKS[0] if options.subtask == "auto" else options.subtask
    finish = ["outputs", "target_sizes=[frames[0].shape[:2]] * len(frames)"]
    told = [
        f"result = [({named('label')}, None) for label in torch.stack(found).unique().tolist()]",
        "for label, _ in result:",
        "    print(label)",
    ]
    if kind != "semantic":
        finish.append(f"threshold={options.threshold!r}")
        told = [
            "best = {}",
            "for part in (part for frame in found for part in frame['segments_info']):".replace("'", '"'),
            '    number = part["label_id"]',
            f"    label = {named('number')}",
            '    best[label] = max(best.get(label, 0.0), part["score"])',
            "result = list(best.items())",
            *PRINT_LABELS,
        ]
    return [
        [
            "# 1. Preprocess: frames from all over the film",
            *_frames(given, True),
            "inputs = dict(seen)",
            *_MOVED,
        ],
        _FORWARD,
        [
            "# 3. Postprocess: the parts of each frame",
            LABELS,
            *call(f"found = video_processor.post_process_{kind}_segmentation(", finish),
            *told,
        ],
    ]


_SECONDS = {
    "film": ["with av.open(path) as container:", "    seconds = (container.duration or 0) / av.time_base"],
    "animated": [
        "with Image.open(path) as opened:",
        '    times = [frame.info.get("duration", 0) for frame in ImageSequence.Iterator(opened)]',
        "seconds = sum(times) / 1000",
    ],
    "folder": ["seconds = float(len(names))"],
}


def _moment(given: TaskInput, options: TaskOptions, films: bool) -> list[list[str]]:
    cut = f", truncation=True, max_length={options.max_length}" if options.max_length else ""
    return [
        [
            "# 1. Preprocess: frames from all over the film, and the text",
            *_frames(given, films),
            *_SECONDS[points.kind(given)],
            f'inputs = {{**tokenizer(text, return_tensors="pt"{cut}), **seen}}',
            *_MOVED,
        ],
        _FORWARD,
        [
            "# 3. Postprocess: shares of the film are seconds of it",
            "result = [round(share * seconds, 1) for share in outputs.logits[0].float().tolist()]",
            'print("{} s to {} s".format(*result))',
        ],
    ]


_READ_PAGES = {
    "film": [
        "with av.open(path) as container:",
        "    pages = [frame.to_image() for frame in container.decode(video=0)]",
    ],
    "animated": [
        "with Image.open(path) as opened:",
        '    pages = [ImageOps.exif_transpose(page).convert("RGB") for page in ImageSequence.Iterator(opened)]',
    ],
    "folder": [
        *points.NAMES,
        "every = [Image.open(os.path.join(path, name)) for name in names]",
        'pages = [ImageOps.exif_transpose(page).convert("RGB") for page in every]',
    ],
}


def _tracked(given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    named = ["video=numpy.stack(frames)", "inference_device=model.device", "dtype=model.dtype"]
    pointed = ["session", "frame_idx=0", "obj_ids=1", "input_points=[[[point]]]", "input_labels=[[[1]]]"]
    return [
        [
            "# 1. Preprocess: frames from all over the film, and the point in the first",
            *points.spread(given, "path", _COUNT),
            *call("session = processor.init_video_session(", named),
            "height, width = frames[0].shape[:2]",
            'numbers = [float(each) for each in re.findall(r"-?\\d+(?:\\.\\d+)?", text)]',
            "point = numbers or [width / 2, height / 2]",
            *call("processor.add_inputs_to_inference_session(", pointed),
        ],
        [
            "# 2. Forward: a pass a frame, each with the memory of those before it",
            "with torch.inference_mode():",
            "    model(inference_session=session, frame_idx=0)",
            "    every = [output.pred_masks.float().cpu() for output in model.propagate_in_video_iterator(session)]",
        ],
        [
            "# 3. Postprocess: as large as the frames",
            "sizes = [[height, width]]",
            "finish = processor.post_process_masks",
            "masks = [finish([mask], original_sizes=sizes, binarize=True)[0][0] for mask in every]",
            "result = torch.cat(masks)",
            "for number, mask in enumerate(result):",
            '    print(f"frame {number}: {mask.float().mean().item():7.2%}")',
        ],
    ]


def _followed_words(given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    named = ["video=numpy.stack(frames)", "inference_device=model.device", "dtype=model.dtype"]
    return [
        [
            "# 1. Preprocess: frames from all over the film, and what to follow in them",
            *points.spread(given, "path", _COUNT),
            *call("session = processor.init_video_session(", named),
            "lines = [line.strip() for line in text.splitlines() if line.strip()]",
            "processor.add_text_prompt(session, list(dict.fromkeys(lines)))",
        ],
        [
            "# 2. Forward: a pass a frame, each with the memory of those before it",
            "found = []",
            "with torch.inference_mode():",
            "    for output in model.propagate_in_video_iterator(session):",
            "        found.append(processor.postprocess_outputs(session, output))",
        ],
        [
            "# 3. Postprocess: each thing in the frames where it is seen",
            "result, words = {}, {}",
            "for number, frame in enumerate(found):",
            '    for line, things in frame["prompt_to_obj_ids"].items():',
            "        words |= dict.fromkeys(things, line)",
            '    seen = zip(frame["object_ids"].tolist(), frame["scores"].tolist(), frame["masks"].cpu())',
            "    for thing, score, mask in seen:",
            "        result.setdefault(thing, []).append((number, score, mask))",
            "for thing, frames in result.items():",
            '    print(f"{frames[0][1]:10.6f} {words[thing]} in {len(frames)} frames")',
        ],
    ]


def _tracked_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("import re", *points.video_imports(given, options))))


def _paged(given: TaskInput) -> TaskInput:
    """The input with a folder for its pages, unless they are something else: of rows nobody knows yet."""
    ending = given.video.suffix.lower() if given.video is not None else ""
    return given if ending in (*FILMS, *ANIMATED, *STILLS) else replace(given, video=Path())


def _found_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    return tuple(line for line in points.video_imports(_paged(given), options) if line != "import numpy")


def _found(given: TaskInput, _options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess: the processor has a method for the questions, and one for the pages",
            *_READ_PAGES[points.kind(_paged(given))],
            "questions = [line for line in text.splitlines() if line.strip()]",
            'asked = processor.process_queries(text=questions, return_tensors="pt").to(model.device)',
            'seen = processor.process_images(images=pages, return_tensors="pt").to(model.device, dtype=model.dtype)',
        ],
        [
            "# 2. Forward: the questions, and each page",
            "with torch.inference_mode():",
            "    question_embeddings = model(**asked).embeddings.float().cpu()",
            "    page_embeddings = []",
            "    for number in range(len(pages)):",
            "        page = {name: tensor[number : number + 1] for name, tensor in seen.items()}",
            "        page_embeddings.append(model(**page).embeddings[0].float().cpu())",
        ],
        [
            "# 3. Postprocess",
            "result = processor.score_retrieval(list(question_embeddings), page_embeddings)",
            "for question, scores in zip(questions, result.tolist()):",
            '    print(question, [f"{score:.4g}" for score in scores])',
        ],
    ]


def _in_ways(whole: bool) -> list[list[str]]:
    prepare = 'inputs = image_processor(images=[image], return_tensors="pt").to(model.device, dtype=model.dtype)'
    letters = [
        "# 3. Postprocess: its letters alone; for its other two ways the vocabularies are not on this machine",
        "text = tokenizer.decode(outputs.logits[0].argmax(dim=-1)[0, 1:]).replace(' ', '')".replace("'", '"'),
        'result = text[: text.find("[s]")]',
    ]
    surest = [
        "# 3. Postprocess: the surest of three ways",
        "processor = MgpstrProcessor(image_processor, tokenizer)",
        'result = processor.batch_decode([each.float().cpu() for each in outputs.logits])["generated_text"][0]',
    ]
    return [["# 1. Preprocess", prepare], _FORWARD, [*(surest if whole else letters), "print(result)"]]


def _given_followed(given: TaskInput) -> list[str]:
    return [
        *vision.given_picture(given),
        *assign("shown", str(given.other or "picture.png")),
        *assign("mask", str(given.beside or "mask.png")),
        'shown = ImageOps.exif_transpose(Image.open(shown)).convert("RGB")',
        'mask = ImageOps.exif_transpose(Image.open(mask)).convert("RGB").convert("L")',
    ]


def _followed(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    prepare = ["images=[image]", "prompt_images=[shown]", "prompt_masks=[mask]", 'return_tensors="pt"']
    return [
        [
            "# 1. Preprocess: the picture, another one and its mask",
            *call("inputs = image_processor(", prepare),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
        ],
        _FORWARD,
        [
            "# 3. Postprocess: what was drawn, and what of it is light",
            "outputs.pred_masks = outputs.pred_masks.float().cpu()",
            "sizes = [(image.height, image.width)]",
            "(drawn,) = image_processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)",
            f"result = drawn / 255 > {options.mask_threshold!r}",
            'print(f"{result.float().mean().item():7.2%} of the picture")',
        ],
    ]


def _named(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    finish = [f"threshold={options.threshold!r}", f"mask_threshold={options.mask_threshold!r}"]
    return [
        [
            "# 1. Preprocess: the picture, and the words",
            'inputs = processor(images=[image], text=[text], return_tensors="pt")',
            *_MOVED,
        ],
        _FORWARD,
        [
            "# 3. Postprocess: what is sure enough, the surest first",
            "size = (image.height, image.width)",
            *call(
                "(found,) = processor.post_process_instance_segmentation(",
                ["outputs", *finish, "target_sizes=[size]"],
            ),
            'result = list(zip(found["masks"].bool().cpu(), found["scores"].tolist()))',
            "result.sort(key=lambda pair: pair[1], reverse=True)",
            "for mask, score in result:",
            '    print(f"{mask.float().mean().item():7.2%} of the picture: {score:.6f}")',
        ],
    ]


def marked(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of CLIPSeg, which makes one mask for each line of words."""
    arguments = ["text=words", "images=[image] * len(words)", "padding=True", 'return_tensors="pt"']
    return [
        [
            "# 1. Preprocess: the picture once for each line of words",
            "words = [line for line in text.splitlines() if line.strip()]",
            *call("inputs = processor(", arguments),
            "inputs = inputs.to(model.device)",
            'inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)',
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    logits = model(**inputs).logits.float().cpu()"],
        [
            "# 3. Postprocess: as large as the picture",
            "size = (image.height, image.width)",
            'logits = torch.nn.functional.interpolate(logits[:, None], size, mode="bilinear")[:, 0]',
            f"result = list(zip(words, logits.sigmoid() > {options.mask_threshold!r}))",
            "for line, mask in result:",
            '    print(f"{mask.float().mean().item():7.2%} of the picture: {line}")',
        ],
    ]


def _named_imports(given: TaskInput, options: TaskOptions) -> tuple[str, ...]:
    return ("import inspect", *vision.imports(given, options))


def fitted(name: str, made: Script, checkpoint: Checkpoint) -> Script | None:
    """The script of a task for checkpoints of these; None of others."""
    films, kind = takes_films(checkpoint), model_type_of(checkpoint)
    reads = "video_processor" if films else "image_processor"
    if name == "zero-shot-video-classification":
        shares = kind == zero_shot_video_classification.SHARES
        return replace(
            made, blocks=lambda given, options: _compared(given, options, films, shares), loads=("tokenizer", reads)
        )
    if name == "video-grounding":
        return replace(made, blocks=lambda given, options: _moment(given, options, films), loads=("tokenizer", reads))
    if name == "text-recognition" and kind in text_recognition.ONLY["AutoModel"]:
        whole = all(text_recognition.at_hand(repository) for _, _, repository in text_recognition.WAYS)
        return replace(
            made,
            blocks=lambda _given, _options: _in_ways(whole),
            loads=("tokenizer", "image_processor"),
            classes=lambda _: ("MgpstrProcessor",) * whole,
        )
    if name == "video-object-tracking" and kind in tracking_words.WHOLE:
        follows = tracking_words.WHOLE[kind]
        return replace(made, blocks=_followed_words, imports=points.video_imports, whole=follows)
    if name == "image-segmentation" and kind in raw_beside.FOLLOWS:
        return replace(made, given=_given_followed, blocks=_followed, imports=vision.imports)
    return None


SCRIPTS: dict[str, Script] = {
    "zero-shot-video-classification": Script(
        "Say which labels fit a film.", _given_labels, lambda given, options: _compared(given, options, False, False),
        _imports, loads=("tokenizer", "image_processor"),
    ),
    "video-segmentation": Script(
        "Find the parts of a film's frames.", points.given_video, _parts, _imports, loads=("video_processor",)
    ),
    "video-grounding": Script(
        "Say when something happens in a film.", _given_text, lambda given, options: _moment(given, options, False),
        _imports, loads=("tokenizer", "image_processor"),
    ),
    "zero-shot-image-segmentation": Script(
        "Mark what a few words name.", vision.given_text, _named, _named_imports, loads=("processor",)
    ),
    "video-object-tracking": Script(
        "Follow a thing through a film.", _given_text, _tracked, _tracked_imports, loads=("processor",)
    ),
    "visual-document-retrieval": Script(
        "Say which pages answer which questions.", _given_text, _found, _found_imports, loads=("processor",)
    ),
}  # fmt: skip
"""By the name of the task."""
