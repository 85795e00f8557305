"""Pop2Piano: a piano's notes for a song, by the architecture's own feature extractor and tokenizer.

References:
    transformers, Models: Pop2Piano
    Choi and Lee 2022, Pop2Piano: Pop Audio-based Piano Cover Generation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, first_line
from workbench.engine.tasks import sounds
from workbench.engine.tasks.inputs import Inputs, Outcome, Request
from workbench.engine.tasks.processors import feature_extractor
from workbench.engine.tasks.writing import watched
from workbench.engine.values import Chunk

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURE = "pop2piano"

RATE = 44_100
"""Samples a second that its beats are looked for at, whatever rate its spectrogram has."""


def preprocess(request: Request) -> Inputs:
    """The song cut at its beats, as spectrograms of shape ``(parts, frames, mel_bins)``.

    Returns:
        ``input_features``; aside the seconds of the beats (``beatsteps``, ``extrapolated_beatstep``, each of shape
        ``(1, beats)``), the ``samples`` and how many make a second.

    Raises:
        InputError: There is no sound, it can't be read, or no beats are heard in it.
        NotSupported: The packages that find beats are not installed.
    """
    import torch

    extractor = feature_extractor(request.model)
    samples = sounds.resampled(sounds.read(sounds.chosen(request), task=request.task), RATE)
    try:
        made = extractor(audio=samples, sampling_rate=RATE, return_tensors="pt")
    except (ValueError, RuntimeError, IndexError) as error:
        raise InputError(
            "No beats are heard in this sound.",
            why=f"The notes are written from beat to beat, and the feature extractor says: {first_line(error)}",
            remedy="Take a song, of ten seconds or more.",
        ) from error
    aside = {name: tensor for name, tensor in made.items() if name != "input_features"}
    heard = {"samples": torch.from_numpy(samples)[None], "sampling_rate": torch.tensor([RATE])}
    return Inputs({"input_features": made["input_features"]}, aside | heard)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """Many passes, one a new token of each part: ``sequences`` of shape ``(parts, tokens)``."""
    with watched(request, 1) as (settings, _first):
        sequences = request.model.model.generate(**request.on_device(inputs.tensors), **settings)
    return {"sequences": sequences.cpu()}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """The ids to notes, each with the seconds it sounds at.

    Returns:
        Their pitches and seconds; and as items their names in a row, followed by a `Chunk` for each.
    """
    import pretty_midi
    import torch

    tokenizer: Any = request.tokenizer
    # A part that was stopped before its end has none; its notes are those it has.
    sequences = torch.nn.functional.pad(outputs["sequences"], (0, 1), value=int(tokenizer.eos_token))
    heard = {name: inputs.aside[name] for name in ("beatsteps", "extrapolated_beatstep")}
    notes = tokenizer.batch_decode(sequences, heard, return_midi=False)["notes"]
    named = [(pretty_midi.note_number_to_name(note.pitch), float(note.start), float(note.end)) for note in notes]
    rows = torch.tensor([[float(note.pitch), float(note.start), float(note.end)] for note in notes])
    return Outcome({"pitch_start_end": rows}, (" ".join(name for name, *_ in named), *(Chunk(*each) for each in named)))
