"""A checkpoint run as the window runs it: loaded, its tasks, their scripts, Inside, and the Playground."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.census import comparing
from tests.census.kinds import Entry
from workbench.engine import codegen, generate, inside, tasks
from workbench.engine.codegen import inside as looked
from workbench.engine.errors import WorkbenchError
from workbench.engine.generate import captions, page
from workbench.engine.models import load
from workbench.engine.task import Silent
from workbench.engine.values import Checkpoint, Sampling, TaskInput

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

_PROMPT = "The quick brown fox jumps."
_GREEDY = Sampling(do_sample=False, max_new_tokens=6)
_OPTIONS = {"points_per_side": 3, "threshold": 0.0, "stability": 0.0, "max_new_tokens": 6}
_PROMPTED = ("blip", "blip-2", "instructblip", "instructblipvideo", "git")
#: What is given of each kind, instead of the larger ones that the window draws.
Files = dict[str, Path]


def check(entry: Entry, checkpoint: Checkpoint, files: Files) -> dict[str, str]:
    """Run one checkpoint.

    Args:
        entry: What it is.
        checkpoint: As it was built.
        files: The picture and the sound that are given.

    Returns:
        What was seen, by what was done: ``task NAME``, ``script NAME``, ``inside``, ``maps``, ``writes``.
    """
    seen: dict[str, str] = {}
    model: LoadedModel | None = None

    def loaded() -> str:
        nonlocal model
        model = load(checkpoint, device="cpu", head=entry.head)
        return "missing weights: " + ", ".join(model.missing[:3]) if model.missing else "ok"

    _say(seen, "load", loaded)
    if model is None:
        return seen
    for name in _tasks(model, entry.head):
        _task(model, name, files, seen)
    _inside(model, files, seen)
    if model.generates and model.tokenizer is not None:
        _writing(model, files, seen)
    return seen


def _say(seen: dict[str, str], what: str, do: Callable[[], str]) -> None:
    """Keep what a step says, or why it is refused, or how it fails."""
    try:
        seen[what] = do()
    except WorkbenchError as error:
        seen[what] = f"refused: {error.what} {error.why}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.filename.rpartition('site-packages/')[2].rpartition('/workbench/')[2]}:{where.lineno}"
        seen[what] = f"FAILS: {type(error).__name__}: {str(error)[:300]} ({place})"


def _tasks(model: LoadedModel, head: str) -> list[str]:
    """The task that is inferred and the one that the head is for."""
    inferred = tasks.infer(model.facts)
    usual = sorted(tasks.SPECS, key=lambda spec: spec.heads[0] != head)
    fitting = [spec.name for spec in usual if head in spec.heads and tasks.supports(model, spec.name)]
    own = [name for name in fitting if name != "feature-extraction" or inferred == name]
    found = [inferred] if tasks.supports(model, inferred) else []
    return list(dict.fromkeys([*found, *own[:1]])) or fitting[:1]


def _with_files(model: LoadedModel, given: TaskInput, files: Files) -> TaskInput:
    small = {name: path for name, path in files.items() if getattr(given, name) is not None}
    if model.head == "AutoModelForTextToSpectrogram" and (
        width := getattr(model.model.config, "speaker_embedding_dim", 0)
    ):
        small["beside"] = files["audio"].parent / "voice.npy"
        np.save(small["beside"], np.random.default_rng(0).random(width))
    elif given.other is not None and model.facts.model_type == "vitmatte":
        small["other"] = _trimap(given.other, files["image"])
    return dataclasses.replace(given, **small)


def _trimap(path: Path, picture: Path) -> Path:
    """The trimap of an example, as large as the picture that is given instead of the example's."""
    from PIL import Image

    made = picture.with_name("trimap.png")
    Image.open(path).resize(Image.open(picture).size, Image.Resampling.NEAREST).save(made)
    return made


def _given(model: LoadedModel, name: str, files: Files) -> TaskInput:
    given = _with_files(model, tasks.example(name, model), files)
    if name == "feature-extraction":
        # Each line is an input of its own there, and of the pipeline one alone.
        return dataclasses.replace(given, text=given.text.partition("\n")[0])
    if name == "image-text-to-text" and model.facts.model_type in _PROMPTED:
        # Without a text the pipeline gives these another beginning.
        return dataclasses.replace(given, text="a picture of")
    return given


def _task(model: LoadedModel, name: str, files: Files, seen: dict[str, str]) -> None:
    given = _given(model, name, files)
    options = dataclasses.replace(tasks.defaults(name), **_OPTIONS)
    if name == "text-to-audio":
        # A moment of a sound takes several tokens.
        options = dataclasses.replace(options, max_new_tokens=40)
    result: Any = None

    def runs() -> str:
        nonlocal result
        result = tasks.run(model, name, given, options)
        return "runs"

    def as_pipeline() -> str:
        try:
            expected = comparing.pipeline(name, model, given, options)
        except LookupError:
            return ""
        except Exception as error:
            return f"pipeline() fails: {type(error).__name__}: {str(error)[:160]}"
        return "= pipeline()" if comparing.covers(comparing.mine(result), expected) else "DIFFERS from pipeline()"

    def script() -> str:
        cut = tasks.cut_at(model, options) if model.tokenizer is not None else None
        whole = dataclasses.replace(options, max_length=cut)
        names = _run_script(codegen.task(model.checkpoint, name, given, whole, model.dtype, model.device, model.head))
        made = [view.values for stage in result.stages[1:] for view in stage.tensors]
        ours = (comparing.mine(result), result.items, made)
        theirs = names.get("result", names.get("samples"))
        if theirs is None:
            return "runs"
        return "= script" if comparing.covers(ours, theirs) else "DIFFERS from its script"

    _say(seen, f"task {name}", runs)
    if result is not None:
        _say(seen, f"pipeline {name}", as_pipeline)
        _say(seen, f"script {name}", script)


def _run_script(source: str) -> dict[str, Any]:
    import torch

    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng():
        exec(compile(source, "<script>", "exec"), names)
    return names


def _inside(model: LoadedModel, files: Files, seen: dict[str, str]) -> None:
    found: Any = None
    given: Any = None

    def states() -> str:
        nonlocal found, given
        if why := inside.refusal(model):
            return f"refused: {why}"
        given = inside.take(model, _with_files(model, inside.example(model), files))
        found = inside.look(model, given)
        return _compared(model, given, found)

    def script() -> str:
        asked = looked.Asked(model, given, inside.arguments(model, given))
        for part in found.parts:
            norms = _run_script(looked.norms(asked, part))["norms"].detach().numpy()
            if not np.allclose(norms, part.norms, rtol=1e-3, atol=1e-3):
                return f"DIFFERS in {part.name}"
        return "= script"

    def maps() -> str:
        kinds = inside.attend(model, given).kinds
        return ", ".join(f"{len(kind.layers)} of {kind.name}" for kind in kinds)

    _say(seen, "inside", states)
    if found is not None:
        _say(seen, "inside script", script)
        _say(seen, "maps", maps)


def _compared(model: LoadedModel, given: Any, found: Any) -> str:
    """Whether the states are those of the library's own ``output_hidden_states``."""
    import torch

    if all(part.watched for part in found.parts):
        return "states of its layers; the library returns none"
    if given.run or given.submodel:
        return "states of the part that its own code runs; see its script"
    with torch.inference_mode(), inside.given.drawn(model, Silent()):
        asked = {} if any(part.unasked for part in found.parts) else {"output_hidden_states": True}
        out = model.model(**inside.given.tensors(model, given), **asked)
    for part in found.parts:
        for pick, mine in zip(part.picks, part.states, strict=True):
            state = eval(f"out.{pick}", {"out": out})
            own = eval(part.layout, {"state": state, "torch": torch}) if part.layout else state
            if not np.allclose(
                own.detach().float().reshape(mine.shape).numpy(), mine, rtol=1e-3, atol=1e-4, equal_nan=True
            ):
                return f"DIFFERS in {part.name}"
    return "= output_hidden_states"


def _writing(model: LoadedModel, files: Files, seen: dict[str, str]) -> None:
    shown = [files["image"]] if model.takes_images else []
    made: Any = None

    def plays() -> str:
        nonlocal made
        made = generate.run(model, _prompt(model), (), _GREEDY, images=shown)
        expected = _expected(model, made.start, shown)
        same = expected[len(expected) - len(made.ids) :] == list(made.ids)
        if model.facts.model_type in _ENDED:
            same = expected[len(expected) - len(made.ids) : -1] == list(made.ids)[:-1]
        return "= generate()" if same else f"DIFFERS from generate(): {made.ids} {expected}"

    def script() -> str:
        names = _run_script(
            codegen.generate(
                model.checkpoint, made.start.encoding.text, None, _GREEDY, model.dtype, model.device, head=model.head,
                images=shown, steps=made.steps,
            )
        )  # fmt: skip
        return "= script" if list(names["new_ids"]) == list(made.ids) else "DIFFERS from its script"

    def branch() -> str:
        rest = dataclasses.replace(_GREEDY, max_new_tokens=max(1, len(made.ids) - 2))
        again = generate.branch(model, made.start, made.steps[:2], None, rest)
        if shown or model.encoder_decoder:
            return "= the same" if again.ids == made.ids[2:] else "DIFFERS"
        # With what was kept of the first tokens some architectures go on otherwise than without.
        longer = _expected(model, made.start, [], made.ids[:2])
        read = len(made.start.context_ids) + 2
        return "= generate()" if longer[read : read + len(again.ids)] == list(again.ids) else "DIFFERS"

    _say(seen, "writes", plays)
    if made is not None:
        _say(seen, "writes script", script)
        if len(made.ids) > 2:
            _say(seen, "branch", branch)


def _filmed(model: LoadedModel, pictures: list[Any], nested: bool) -> Any:
    """Pictures as a processor is given them: some take one as a film that stands still."""
    frames = captions.FRAMES.get(model.facts.model_type)
    if frames:
        return np.stack([np.asarray(pictures[0])] * frames)
    return [pictures] if nested else pictures


#: Architectures that are saved with an end that is forced on what they write.
_ENDED = ("florence2", "pp_formulanet")
#: Architectures that write of a picture and read no text.
_WORDLESS = ("got_ocr2", "pp_formulanet", "vision-encoder-decoder", "pix2struct")


def _prompt(model: LoadedModel) -> str:
    """What each is to go on with; UDOP reads the words of a page below it."""
    if model.facts.model_type == captions.PAGED:
        return f"{_PROMPT}\n{page.EXAMPLE}"
    return "" if model.facts.model_type in _WORDLESS else _PROMPT


def _expected(model: LoadedModel, start: Any, shown: list[Path], more: Sequence[int] = ()) -> list[int]:
    """The ids of the library's ``generate()`` for the same prompt, which most architectures return with it."""
    import torch

    text: dict[str, Any] = {}
    if shown:
        from PIL import Image

        pictures = [Image.open(path).convert("RGB") for path in shown]
        words: dict[str, Any] = {"text": [start.encoding.text]} if start.encoding.text else {}
        if model.facts.model_type == captions.PAGED:
            asked, written = page.told(start.encoding.text)
            placed = page.words(written)
            words = {"text": [asked], "text_pair": [[word for word, _ in placed]]}
            words["boxes"] = [[list(box) for _, box in placed]]
        if model.facts.model_type == "idefics":
            given = model.processor(text=[[*pictures, _PROMPT]], return_tensors="pt")
        else:
            given = model.processor(images=_filmed(model, pictures, bool(words)), **words, return_tensors="pt")
        given = given.to(dtype=model.model.dtype)
    elif model.encoder_decoder:
        given = {"input_ids": torch.tensor([start.encoding.input_ids])}
        text = {"decoder_input_ids": torch.tensor([start.decoder_start])}
    else:
        given = {"input_ids": torch.tensor([[*start.context_ids, *more]])}
        given["attention_mask"] = torch.ones_like(given["input_ids"])
    with torch.inference_mode():
        # Blenderbot's config forbids what the prompt says, and a branch's prompt says more.
        plain = {"max_new_tokens": _GREEDY.max_new_tokens, "do_sample": False, "encoder_no_repeat_ngram_size": 0}
        ids = model.model.generate(**given, **text, **plain)
    if not isinstance(ids, torch.Tensor):
        ids = ids.sequences
    return [int(each) for each in ids[0]]
