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
from workbench.engine.values.results import (
    Answer,
    Box,
    Chunk,
    Entity,
    Filled,
    Label,
    Segment,
    Sound,
    Stage,
    TaskInput,
    TaskOptions,
    TaskResult,
    TensorView,
)
from workbench.engine.values.text import Encoding, Message, Token, TokenizerOptions
from workbench.engine.values.training import DataSource, Table, TrainPoint, TrainResult, TrainSpec

__all__ = [
    "Answer",
    "Beam",
    "BeamStep",
    "Box",
    "Branch",
    "Candidate",
    "Checkpoint",
    "Chunk",
    "DataSource",
    "Encoding",
    "Entity",
    "Facts",
    "Filled",
    "Label",
    "Listing",
    "Logits",
    "Message",
    "Sampling",
    "Segment",
    "Sequenced",
    "Situation",
    "Sound",
    "Stage",
    "Start",
    "Step",
    "Strategy",
    "Table",
    "TaskInput",
    "TaskOptions",
    "TaskResult",
    "TensorView",
    "Token",
    "TokenizerOptions",
    "TrainPoint",
    "TrainResult",
    "TrainSpec",
]
