"""The values that cross threads: frozen, plain, and named as the field names them."""

from __future__ import annotations

from workbench.engine.values.checkpoint import Checkpoint, Facts, Listing
from workbench.engine.values.generation import (
    Beam,
    BeamStep,
    Branch,
    Candidate,
    Logits,
    Sequenced,
    Situation,
    Start,
    Step,
)
from workbench.engine.values.knobs import Sampling, Strategy
from workbench.engine.values.results import Entity, Filled, Label, Stage, TaskOptions, TaskResult, TensorView
from workbench.engine.values.text import Encoding, Message, Token, TokenizerOptions
from workbench.engine.values.training import Table, TrainPoint, TrainResult, TrainSpec

__all__ = [
    "Beam",
    "BeamStep",
    "Branch",
    "Candidate",
    "Checkpoint",
    "Encoding",
    "Entity",
    "Facts",
    "Filled",
    "Label",
    "Listing",
    "Logits",
    "Message",
    "Sampling",
    "Sequenced",
    "Situation",
    "Stage",
    "Start",
    "Step",
    "Strategy",
    "Table",
    "TaskOptions",
    "TaskResult",
    "TensorView",
    "Token",
    "TokenizerOptions",
    "TrainPoint",
    "TrainResult",
    "TrainSpec",
]
