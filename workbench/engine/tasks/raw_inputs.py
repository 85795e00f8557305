"""What raw outputs are made of besides texts, pictures and sounds: films, series of numbers, and what is hidden.

References:
    transformers, TimeSeriesTransformerModel, DecisionTransformerModel, ViTForMaskedImageModeling and
    VideoMAEForPreTraining, whose documentation draws what is hidden
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.facts import fewest
from workbench.engine.processors import typed
from workbench.engine.tasks import image_segmentation, keypoint_matching, raw_beside, speaking, videos
from workbench.engine.tasks.inputs import Inputs, Request, check_text, encoded
from workbench.engine.tasks.processors import image_processor, processor, takes_films, video_processor
from workbench.engine.tasks.raw_beside import REGIONS
from workbench.engine.tasks.series import ARCHITECTURES, DECIDES, PATCHED, column, table
from workbench.engine.tasks.time_series_prediction import FREQUENCIES
from workbench.engine.tasks.vision import picture, pixels, prepared

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from workbench.engine.models import LoadedModel

NAMES = (
    ("grid_thw", "image_grid_thw"),
    ("merge_sizes", "image_merge_sizes"),
    ("hidden_states", "pixel_values"),
    ("hidden_states", "input_values"),
    ("input_features_mask", "attention_mask"),
    ("audio_mel", "input_features"),
    ("audio_mel_mask", "input_features_mask"),
    ("pixel_position_ids", "image_position_ids"),
)
"""Arguments of encoders that are parts of larger models, with the name that a processor has for each."""

RETRIEVES = ("colmodernvbert", "colpali", "colqwen2")
"""Architectures that make vectors of pages, or of questions to them; their processors have a method for each."""

MASKED = (
    "audioflamingo3_encoder", "fun_asr_nano_encoder", "nemotron3_5_transcribe_audio", "qwen3_asr_encoder"
)  # fmt: skip
"""Encoders of sounds that want to know where the sound ends, which not every feature extractor says unasked."""

FLAVA, CODEBOOK = ("AutoModelForPreTraining", "flava"), {"return_codebook_pixels": True, "return_image_mask": True}
"""The pretraining that asks the image processor for more, and what it asks for."""

HANDED = ("diffusion_gemma",)
"""Bodies that hand a picture on to their encoder, and have no name for it themselves."""

FRAMES = 8
"""Frames that a model is shown whose config does not say how many."""

_HIDES = "AutoModelForMaskedImageModeling"
_TEXT = "The quick brown fox jumps over the lazy dog."


def shown(request: Request) -> Inputs:
    """The picture as the checkpoint's processor prepares it for this model; aside ``target_size``, as `pixels` has it.

    Raises:
        InputError: It can't be read, or prepared.
        NotSupported: The checkpoint has no processor that works here, or wants what the library can't find in it.
    """
    kind = request.model.facts.model_type
    if kind in REGIONS:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't be shown a picture.",
            why="It looks at regions that a detector of its own cut out of it, and the library has no such detector.",
            remedy="Give it the numbers of the regions in a file; or load CLIP or ViLT, which see pictures themselves.",
        )
    if kind in raw_beside.FOLLOWS:
        return raw_beside.followed(request)
    if kind in raw_beside.PAIRS:
        return keypoint_matching.preprocess(request)
    if kind == image_segmentation.TOLD:
        return image_segmentation.preprocess(request)
    if kind in RETRIEVES:
        return Inputs(dict(processor(request.model).process_images([picture(request)])))
    if (request.model.head, kind) == FLAVA:
        with _seeded(request.options.seed):
            return Inputs(prepared(image_processor(request.model), images=[picture(request)], **CODEBOOK))
    return pixels(request)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # What FLAVA's processor hides is drawn by Python's own generator.
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def read(request: Request) -> Inputs:
    """The text as the checkpoint's tokenizer has it, or as a question to those that look for pages by one.

    Raises:
        InputError: It is empty, or can't be encoded; or a page was given too.
        NotSupported: The checkpoint has no tokenizer or processor that works here.
    """
    if request.model.facts.model_type in speaking.PHONEMES:
        return speaking.phonemes(request)
    if request.model.facts.model_type not in RETRIEVES:
        return encoded(request)
    check_text(request.text)
    if request.given.image is not None:
        raise InputError(
            "A page and a question can't be read at once.",
            why="The model makes vectors of either, to be compared with those of the other.",
            remedy="Take the picture or the text away.",
        )
    return Inputs(dict(processor(request.model).process_queries([request.text])))


def film(request: Request) -> Inputs:
    """The frames of the film as the checkpoint's processor prepares them, from all over it.

    Raises:
        InputError: There is none, it can't be read, or has too few frames.
        NotSupported: The checkpoint has no processor that works here, or PyAV is not installed.
    """
    return filmed(request, frames_of(request))


def frames_of(request: Request) -> np.ndarray:
    """As many frames as the model looks at, from all over the film: uint8 of shape ``(frames, height, width, 3)``.

    Raises:
        InputError: There is none, it can't be read, or has too few frames.
        NotSupported: PyAV is needed for it and is not installed.
    """
    if request.given.video is None:
        raise InputError(
            "There is no video yet.",
            why="No file was chosen.",
            remedy="Drop one on the pane, choose one or a folder of pictures, or take the example.",
        )
    config = request.model.model.config
    sees = getattr(config, "vision_config", config)
    count = int(getattr(sees, "num_frames", None) or getattr(sees, "frames_per_clip", None) or FRAMES)
    return videos.spread(request.given.video, count, task=request.task)


def filmed(request: Request, frames: np.ndarray) -> Inputs:
    """Frames as the checkpoint's processor prepares them.

    Raises:
        InputError: It can't prepare them.
        NotSupported: The checkpoint has no processor that works here.
    """
    if takes_films(request.model.checkpoint):
        return Inputs(prepared(partial(video_processor(request.model), [frames], do_sample_frames=False)))
    return Inputs(prepared(partial(image_processor(request.model), list(frames))))


def part(model_type: str) -> bool:
    """Whether an architecture is a part of a larger one."""
    return model_type.endswith(("_vision", "_audio", "_encoder"))


def called(model: LoadedModel, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by the names that a model takes them by; those it has no name for are left out."""
    if model.facts.model_type in HANDED:
        return dict(tensors)
    takes = raw_beside.takes(model)
    own = NAMES if part(model.facts.model_type) else ()
    named = {name: tensors[other] for name, other in own if other in tensors and other not in takes}
    return {name: tensor for name, tensor in (tensors | named).items() if name in takes}


def hides(head: str, model_type: str) -> bool:
    """Whether a model is to say what stands where a picture, or a film, is hidden."""
    return head == _HIDES or (head, model_type) == ("AutoModelForPreTraining", "videomae")


def hidden(request: Request) -> dict[str, Tensor]:
    """``bool_masked_pos`` of shape ``(1, patches)``: half of the patches, on average, drawn by the options' seed."""
    import torch

    config = request.model.model.config
    across = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
    patch = config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]
    count = (across // patch) ** 2 * (getattr(config, "num_frames", 1) // getattr(config, "tubelet_size", 1))
    drawn = torch.randint(0, 2, (1, count), generator=torch.Generator().manual_seed(request.options.seed))
    return {"bool_masked_pos": drawn.bool()}


def reads_series(model: LoadedModel) -> bool:
    """Whether a model is given numbers alone."""
    return model.facts.model_type in ARCHITECTURES or is_patched(model)


def is_patched(model: LoadedModel) -> bool:
    """Whether a model makes vectors of the patches of one series; with a head it says how the series goes on."""
    return model.facts.model_type in PATCHED and model.head == "AutoModel"


def masked(model: LoadedModel) -> dict[str, bool]:
    """What the feature extractor is asked for besides: of some, where the sound ends."""
    return {"return_attention_mask": True} if model.facts.model_type in MASKED else {}


def spells(model: LoadedModel) -> bool:
    """Whether phonemes are typed, because what would turn a text into them is missing."""
    return model.facts.model_type in speaking.PHONEMES and model.tokenizer is None


def columns(model: LoadedModel) -> str:
    """What stands on each line of the numbers, as the field's label."""
    if model.facts.model_type in DECIDES:
        config = model.model.config
        return f"A step a line: {config.state_dim} numbers of state, {config.act_dim} of action, the return to go"
    if is_patched(model):
        return "Numbers, the oldest first, between commas or a line each"
    return "Numbers, a moment a line, channels between commas"


def _wanted(model: LoadedModel) -> tuple[int, int, int]:
    """Moments that a model looks back on, channels, and features of time."""
    config = model.model.config
    if model.facts.model_type in DECIDES:
        return 1, config.state_dim + config.act_dim + 1, 0
    takes = inspect.signature(model.model.forward).parameters
    moments = config.context_length + max(getattr(config, "lags_sequence", None) or [0])
    channels = getattr(config, "num_input_channels", getattr(config, "input_size", 1))
    return moments, channels, getattr(config, "num_time_features", 0) if "past_time_features" in takes else 0


def series(request: Request) -> Inputs:
    """The last moments of the series, as many as the model looks back on, with all of them marked as observed.

    A decision transformer is given every step: its state, the action taken, and the return that is still to come.

    Raises:
        InputError: It is no series, or another one than the model looks back on.
    """
    import torch

    model = request.model
    if is_patched(model):
        return _patches(request)
    config = model.model.config
    rows = torch.tensor(table(request.text))
    moments, channels, features = _wanted(model)
    if rows.shape[0] < moments or rows.shape[1] != channels + features:
        raise InputError(
            "The series does not fit the model.",
            why=f"It has {rows.shape[0]} moments with {rows.shape[1]} numbers each, and the model looks back on "
            f"{moments} with {channels + features}" + (f", {features} of them features of time." if features else "."),
            remedy="Write as many lines at least, with as many numbers on each.",
        )
    if model.facts.model_type in DECIDES:
        states, actions, returns = rows[None].split([config.state_dim, config.act_dim, 1], dim=-1)
        steps = torch.arange(len(rows))[None]
        return Inputs({"states": states, "actions": actions, "returns_to_go": returns, "timesteps": steps})
    rows = rows[-moments:][None]
    values = rows[..., :channels]
    values = values[..., 0] if hasattr(config, "input_size") and channels == 1 else values
    made = {"past_values": values, "past_observed_mask": torch.ones_like(values)}
    takes = inspect.signature(model.model.forward).parameters
    return Inputs(made | ({"past_time_features": rows[..., channels:]} if "past_time_features" in takes else {}))


def _patches(request: Request) -> Inputs:
    """The numbers, filled up in front to whole patches and marked there; the first TimesFM is told of the steps."""
    import torch

    config = request.model.model.config
    numbers = torch.tensor([column(request.text)])[:, -config.context_length :]
    filled = -numbers.shape[1] % config.patch_length
    values = torch.nn.functional.pad(numbers, (filled, 0))
    made = {"past_values": values, "past_values_padding": torch.zeros_like(values)}
    made["past_values_padding"][:, :filled] = 1
    told = request.model.facts.model_type == "timesfm"
    return Inputs(made | ({"freq": torch.tensor([[FREQUENCIES.index(request.options.frequency)]])} if told else {}))


def ids(model: LoadedModel) -> str:
    """Ids to try, where they are typed as numbers because the folder has no tokenizer; empty anywhere else."""
    count = typed(model.checkpoint.path, model.head) if model.tokenizer is not None else 0
    return " ".join(str(number % count) for number in range(3, 3 + max(8, fewest(model.model.config)))) if count else ""


def marks(model: LoadedModel) -> bool:
    """Whether ids of a text mark the place of a picture in it, which nobody types."""
    named = any(hasattr(model.model.config, name) for name in ("image_token_id", "image_token_index"))
    return named or model.facts.takes_images


def asked(model: LoadedModel, text: str) -> str:
    """A text with the mark of what is asked for behind it, where the tokenizer has one, as Splinter's."""
    mark = getattr(model.tokenizer, "question_token", None)
    return f"{text} {mark}" if mark else text


def example(model: LoadedModel) -> str:
    """Something to read: waves, a column each, for a model of series, and a sentence for one with a tokenizer."""
    if not reads_series(model):
        # Some that state pictures alone read a text besides.
        first = next(iter(inspect.signature(model.model.forward).parameters), "")
        reads = "text" in getattr(model.model, "input_modalities", "text") or first == "input_ids"
        reads = reads and model.facts.model_type not in RETRIEVES
        text = ids(model) or asked(model, _TEXT)
        if spells(model):
            return speaking.SPELLED
        return text if model.tokenizer is not None and reads else ""
    moments, channels, features = (2 * model.model.config.patch_length, 1, 0) if is_patched(model) else _wanted(model)
    waves = range(1, channels + features + 1)
    lines = [[f"{math.sin(moment / (3 + wave)):.4f}" for wave in waves] for moment in range(max(moments, 3))]
    return "\n".join(", ".join(line) for line in lines)
