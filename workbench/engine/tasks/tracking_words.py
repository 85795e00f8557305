"""What a few words name, followed through a film: the whole of what finds it in a picture and remembers it.

References:
    transformers, Sam3VideoModel: ``add_text_prompt`` and ``propagate_in_video_iterator``
    Carion et al. 2025, SAM 3: Segment Anything with Concepts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from workbench.engine.models import LOAD_LOCK
from workbench.engine.task import Progress
from workbench.engine.tasks import videos
from workbench.engine.tasks.feature_extraction import lines
from workbench.engine.tasks.inputs import Inputs, Outcome, Request
from workbench.engine.tasks.processors import film_processor
from workbench.engine.values import Segment

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

WHOLE = {"sam3_video": "Sam3VideoModel"}
"""The class that follows what words name, by architecture; what is loaded of it alone finds that in a picture."""

#: Of each that finds, the whole without it, so that neither is kept by the other.
_WHOLES: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """A pass a frame, each with the memory of those before it.

    Returns:
        ``masks`` of shape ``(things, frames, height, width)``, ``scores`` of shape ``(things,)``, and the line of
        words that each was found by, from 0.
    """
    import torch

    reads, model, words = film_processor(request.model), request.model.model, _words(request)
    frames = inputs.aside["frames"]
    session = reads.init_video_session(video=frames.numpy(), inference_device=model.device, dtype=model.dtype)
    reads.add_text_prompt(session, list(words))
    found = _followed(request, _whole(request.model), reads, session, len(frames))
    ids = sorted({number for each in found for number in each["object_ids"].tolist()})
    masks = torch.zeros((len(ids), len(frames), *frames.shape[1:3]), dtype=torch.bool)
    scores, named = torch.zeros(len(ids)), torch.zeros(len(ids), dtype=torch.int64)
    for number, each in enumerate(found):
        for index, thing in enumerate(each["object_ids"].tolist()):
            masks[ids.index(thing), number] = each["masks"][index].cpu()
            scores[ids.index(thing)] = each["scores"][index]
        for line, things in each["prompt_to_obj_ids"].items():
            for thing in things:
                named[ids.index(thing)] = words.index(line)
    return {"masks": masks, "scores": scores, "lines": named}


def postprocess(request: Request, outputs: dict[str, Tensor]) -> Outcome:
    """Each thing in all frames, the surest first.

    Returns:
        ``masks`` and ``scores`` as of `forward`, in that order.
    """
    order = outputs["scores"].argsort(descending=True, stable=True)
    masks, scores, named = (outputs[name][order] for name in ("masks", "scores", "lines"))
    words = _words(request)
    items = tuple(
        Segment(words[line], score, videos.sheet(mask.numpy()))
        for mask, score, line in zip(masks, scores.tolist(), named.tolist(), strict=True)
    )
    return Outcome({"masks": masks, "scores": scores}, items)


def _words(request: Request) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in lines(request.text)))


def _followed(request: Request, whole: Any, reads: Any, session: Any, count: int) -> list[dict[str, Any]]:
    # As propagate_in_video_iterator does it, whose progress bar leaves a thread behind: what is found in the first
    # frames is told when so many were seen that what came up by chance is taken out again.
    outputs: list[Any] = []
    found: list[dict[str, Any]] = []
    delay = max(whole.hotstart_delay, 1)
    whole.detector_model = request.model.model
    try:
        for number in range(count):
            request.task.check()
            request.task.report(Progress(number, count, "frames", "forward"))
            outputs.append(whole(inference_session=session, frame_idx=number))
            if whole.hotstart_delay > 0:
                session.hotstart_removed_obj_ids.update(outputs[-1].removed_obj_ids)
            ready = count if number == count - 1 else number + 2 - delay
            found += [reads.postprocess_outputs(session, each) for each in outputs[len(found) : max(ready, 0)]]
    finally:
        whole.detector_model = None
    return found


def _whole(model: LoadedModel) -> Any:
    """What the part that finds belongs to, read when it is first wanted."""
    if model.model not in _WHOLES:
        import transformers

        kind = getattr(transformers, WHOLE[model.facts.model_type])
        with LOAD_LOCK:
            whole = kind.from_pretrained(
                model.checkpoint.path, dtype=model.model.dtype, use_safetensors=True, trust_remote_code=False,
                local_files_only=True, attn_implementation=model.attn_implementation,
            )  # fmt: skip
        whole.detector_model = None
        _WHOLES[model.model] = whole.to(model.model.device)
    return _WHOLES[model.model]
