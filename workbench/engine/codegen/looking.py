"""The part of a script that gives a model a picture or a sound to look into it, alone or beside a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.codegen import beside
from workbench.engine.codegen.script import assign, call, class_of, literal, numbers
from workbench.engine.codegen.task import task
from workbench.engine.codegen.task.audio import drawn, extracted, filled, given_sound
from workbench.engine.codegen.task.audio import imports as sound_imports
from workbench.engine.generate import captions, pictures
from workbench.engine.inside.deciding import DECIDES, parted
from workbench.engine.inside.generated import OWN, SONGS, STEPS
from workbench.engine.inside.given import ANSWERS, draws
from workbench.engine.inside.senses import told
from workbench.engine.inside.submodels import follows
from workbench.engine.tasks import defaults, notes
from workbench.engine.tasks.raw_inputs import NAMES
from workbench.engine.tasks.sounds import CUT, SEEDED
from workbench.engine.values import TaskInput, TaskOptions

if TYPE_CHECKING:
    from workbench.engine.inside import Given
    from workbench.engine.models import LoadedModel

_PICTURE = ("import torch", "from PIL import Image, ImageOps")
_OPEN = 'picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")'
_NAMED_OWN = ['inputs["thinker_pixel_values"] = inputs.pop("pixel_values")']
_HOOK = call(
    "hook = part.register_forward_pre_hook(",
    ["lambda module, given, named: calls.append((given, named))", "with_kwargs=True"],
)
_STOP = [
    "",
    "",
    "class Called(Exception):",
    '    """What is looked into is called, so that nothing behind it need be done."""',
    "",
    "",
]
_WATCH = [
    *_STOP,
    "def keep(module, given, named):",
    "    calls.append((given, named))",
    "    raise Called",
    "",
    "",
    "hook = part.register_forward_pre_hook(keep, with_kwargs=True)",
]
_REPLACE = [
    *_STOP,
    "def keep(*given, **named):",
    "    calls.append((given, named))",
    "    raise Called",
    "",
    "",
    "forward, part.forward = part.forward, keep",
]
#: What is drawn is the same each time.
SEED = "torch.manual_seed(0)"
_MOVE = "inputs = inputs.to(model.device, dtype=model.dtype)"


@dataclass(frozen=True, slots=True)
class Lines:
    """What a script needs for it.

    Attributes:
        imports: Lines before those of transformers.
        loads: What is read from the checkpoint besides the model, by the names it has in a script.
        lines: They make ``inputs``.
    """

    imports: tuple[str, ...]
    loads: tuple[str, ...]
    lines: list[str]


def by_task(model: LoadedModel, given: Given, title: str, imports: Sequence[str], *, speaks: bool) -> str:
    """The beginning of a script whose inputs a task's own preprocessing makes, up to where the model is called.

    Args:
        model: Loaded by its folder.
        given: Made by a task.
        title: What the script does.
        imports: Lines that it needs besides.
        speaks: Whether it needs a tokenizer.
    """
    files = {name: getattr(given, name) for name in ("image", "audio", "video", "other", "beside")}
    asked = told(given.task, TaskInput(given.text or "", **files))
    options = defaults(given.task)
    known = (model.dtype, model.device, model.head, model.attn_implementation)
    whole = task(model.checkpoint, given.task, asked, options, *known)
    _, _, begun = whole.partition("# 2. Forward")[0].partition("\n")
    if given.task == "raw-outputs" or model.head == "AutoModel":
        # Its own head stands: that of the task may be one that this architecture has not.
        found = re.search(r"model = (\w+)\.from_pretrained", begun)
        own = class_of(model.checkpoint, model.head)
        begun = re.sub(rf"\b{found[1]}\b", own, begun) if found else begun
    if "import torch\n" not in begun:
        begun = begun.replace("\nfrom ", "\nimport torch\nfrom ", 1)
    if imports:
        begun = begun.replace("\nfrom transformers ", "\n" + "\n".join(imports) + "\nfrom transformers ", 1)
    if speaks and "tokenizer = " not in begun:
        begun = begun.rstrip() + "\ntokenizer = processor.tokenizer"
    return f'"""{title}"""\n{begun.rstrip()}\n'


def entered(model: LoadedModel, given: Given) -> list[str]:
    """Lines from what the processor made to what a pass is called with; none where that is the same.

    They leave what is looked into in ``model``.
    """
    made = [] if given.by_generate else _prepared(model, given)
    if not given.submodel:
        return made
    stops = given.by_generate
    watch = _WATCH if stops else _HOOK
    if model.facts.model_type == "bark" and not model.model.get_submodule(given.submodel).can_generate():
        # It calls the forward of one of its models itself, past all hooks.
        watch = _REPLACE
    whole = "model.get_image_features" if follows(model) else "model"
    runs = ["with torch.inference_mode():", *(_generates(given) if stops else [f"    {whole}(**inputs)"])]
    placed = [*assign("order", list(given.placed)), "named |= dict(zip(order, given))"] if given.placed else []
    return [
        *made,
        *(_NAMED_OWN if OWN["pixel_values"] in given.run else []),
        f"part = model.get_submodule({literal(given.submodel)})",
        "calls = []",
        *watch,
        *([SEED] if given.by_generate or draws(model) else []),
        *(["try:", *(f"    {line}" for line in runs), "except Called:", "    pass"] if stops else runs),
        "part.forward = forward" if watch is _REPLACE else "hook.remove()",
        "given, named = calls[0]  # what it is called with first",
        *placed,
        *assign("kept", list(given.call)),
        "inputs = {name: named[name] for name in kept}",
        "model = part",
        *([SEED] if given.by_generate else []),
    ]


def _prepared(model: LoadedModel, given: Given) -> list[str]:
    """What ``generate()`` prepares alone."""
    if model.facts.model_type in STEPS and given.run:
        names = list(STEPS[model.facts.model_type])
        kept = ["lambda module, given, named: steps.append(named)", "with_kwargs=True"]
        more = [name for name in given.made if name not in names]
        return [
            "steps = []  # of all tokens, one after the other, a pass is made",
            *call("hook = model.register_forward_pre_hook(", kept),
            "with torch.inference_mode():",
            *_generates(given),
            "hook.remove()",
            *assign("names", names),
            "inputs = {name: torch.cat([step[name] for step in steps], dim=1) for name in names}",
            *(f"inputs[{literal(name)}] = steps[0][{literal(name)}]" for name in more),
        ]
    if model.facts.model_type in SONGS and given.run:
        return [
            "steps = []  # the codes of all, one after the other, are what the decoder is given",
            *call(
                "hook = model.register_forward_pre_hook(",
                ["lambda module, given, named: steps.append(named)", "with_kwargs=True"],
            ),
            "with torch.inference_mode():",
            *_generates(given),
            "hook.remove()",
            'inputs["decoder_input_ids"] = torch.cat([step["decoder_input_ids"] for step in steps], dim=1)',
        ]
    if model.head == ANSWERS:
        return _decoder(given)
    if model.facts.model_type != notes.ARCHITECTURE:
        return []
    asked = ["features", '"composer1"', "model.generation_config"]
    return [
        'features = heard["input_features"].to(model.device, dtype=model.dtype)',
        "with torch.inference_mode():",
        *call("features, _ = model.get_mel_conditioner_outputs(", asked, indent=4),
        *numbers("ids", given.decoder_input_ids),
        "ids = torch.tensor(ids, device=model.device).reshape(len(features), -1)",
        'inputs = {"input_features": features, "decoder_input_ids": ids}',
    ]


def _generates(given: Given) -> list[str]:
    told = [f"{name}={literal(value)}" for name, value in given.run.items() if not hasattr(value, "shape")]
    return call("model.generate(", ["**inputs", *told], indent=4)


def lines(model: LoadedModel, given: Given) -> Lines | None:
    """The lines for what a model was given; None where that was text alone."""
    if model.head == DECIDES:
        return _decided(given)
    if given.audio is not None:
        return _sound(given, model.facts.model_type)
    if given.image is None:
        return None
    if not model.takes_images:
        return _picture(given)
    return _beside(model, given) if captions.beside(model) else _among(model, given)


def _decided(given: Given) -> Lines:
    """A text, a question and its options, as the library's own ``decide`` gives them to the model."""
    asked = parted(given.text or "")
    question: dict[str, object] = {"type": "choice" if asked.labels else "noul", "instructions": asked.second}
    if asked.labels:
        question["criteria"] = dict.fromkeys(asked.labels)
    made = [
        *assign("state", asked.text),
        *assign("questions", {"question": question}),
        'config = getattr(model, "decision_config", None) or DecisionConfig.from_pretrained(checkpoint)',
        'prompts = config.prepare_inputs({"state": state, "questions": questions}, tokenizer)',
        "inputs = dict(prompts[0][0])",
        'inputs["marks"] = inputs["marks"][None]',
        "parsed = parse_questions(questions, config)",
        'inputs["num_options"] = torch.tensor([[len(each.options) for each in parsed]])',
        "kinds = [Question.questions_types.index(each.type) for each in parsed]",
        'inputs["question_type_ids"] = torch.tensor([kinds])',
        "inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}",
    ]
    imports = (
        "import torch",
        "from transformers.decision import DecisionConfig, parse_questions",
        "from transformers.decision.template_utils import Question",
    )
    return Lines(imports, ("tokenizer",), made)


def _picture(given: Given) -> Lines:
    """A picture, alone or with a text that is compared with it."""
    made = [
        *assign("file", str(given.image)),
        _OPEN,
        *call("inputs = image_processor(", ["images=[picture]", 'return_tensors="pt"']),
        _MOVE,
        *_text(given),
        *_decoder(given),
        _named(given),
    ]
    return Lines(_PICTURE, ("tokenizer", "image_processor") if given.tokens else ("image_processor",), made)


def _sound(given: Given, kind: str) -> Lines:
    arguments = [*extracted(kind), 'return_tensors="pt"']
    # As a part of a larger model it has names of its own for what the extractor makes.
    own = [pair for pair in NAMES if pair[0] in given.made and pair[1].startswith(("input_", "attention_"))]
    named = [
        f"inputs[{literal(name)}] = inputs.get({literal(name)}, inputs.get({literal(other)}))" for name, other in own
    ]
    made = [
        *given_sound(TaskInput(audio=given.audio)),
        *drawn(kind),
        *call("inputs = feature_extractor(", arguments),
        *filled(kind),
        _MOVE,
        *named,
        *_text(given),
        *_decoder(given),
        _named(given),
    ]
    loads = ("tokenizer", "feature_extractor") if given.tokens else ("feature_extractor",)
    numbers = ("import numpy",) if kind in (*CUT, *SEEDED) else ()
    return Lines((*sound_imports(TaskInput(), TaskOptions()), *numbers), loads, made)


def _text(given: Given) -> list[str]:
    """The text beside it."""
    if not given.tokens:
        return []
    arguments = ["text", f"truncation=True, max_length={given.most}", 'return_tensors="pt"']
    words = call("inputs |= tokenizer(", arguments, ").to(model.device)")
    return [*assign("text", given.text or ""), "inputs = dict(inputs)", *words]


def _named(given: Given) -> str:
    return f"inputs = {{name: inputs[name] for name in {literal(list(given.made))}}}"


def _decoder(given: Given) -> list[str]:
    if not given.decoder_start:
        return []
    return [
        *numbers("decoder_ids", given.decoder_input_ids),
        'inputs["decoder_input_ids"] = torch.tensor([decoder_ids], device=model.device)',
    ]


def _among(model: LoadedModel, given: Given) -> Lines:
    """A picture that marks in the text place."""
    prompt = given.text or ""
    arguments = ["text=[prompt]", "images=[[picture]]", "add_special_tokens=special", 'return_tensors="pt"']
    encode = [
        "bos = processor.tokenizer.bos_token",
        "special = bos is None or not prompt.startswith(bos)",
        *call("inputs = processor(", arguments),
    ]
    if pictures.interleaved(model.processor):
        encode = [
            *beside.interleaved("prompt", "[picture]"),
            'inputs = processor(text=[pieces], return_tensors="pt")',
        ]
    made = [
        *assign("file", str(given.image)),
        _OPEN,
        *assign("prompt", prompt),
        *encode,
        _MOVE,
        *_decoder(given),
    ]
    if given.written and not given.decoder_start:
        made += [
            *numbers("written", given.written),
            "tail = torch.tensor([written], device=model.device)",
            'along = inputs["input_ids"].shape',
            "for name, tensor in inputs.items():",
            "    if tensor.shape == along:",
            '        more = tail if name == "input_ids" else torch.full_like(tail, name == "attention_mask")',
            "        inputs[name] = torch.cat([tensor, more], dim=1)",
        ]
    return Lines(_PICTURE, ("processor",), made)


def _beside(model: LoadedModel, given: Given) -> Lines:
    """A picture that no mark in the text places."""
    assert given.image is not None
    text = given.text or ""
    writer = beside.Beside(model.checkpoint, text, [given.image], ())
    made = [*(assign("prompt", text) if text.strip() else []), *writer.lines()]
    made += _decoder(given)
    if not given.decoder_start or "input_ids" in given.made:
        made += [
            *numbers("ids", given.input_ids),
            'inputs["input_ids"] = torch.tensor([ids], device=model.device)',
            'inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
        ]
    found = ("tokenizer", "image_processor") if "AutoImageProcessor" in writer.readers else ("processor",)
    return Lines((*writer.imports, *_PICTURE), found, [*made, 'inputs.pop("decoder_attention_mask", None)'])
