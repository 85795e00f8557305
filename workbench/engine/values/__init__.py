"""The values that cross threads: frozen, plain, and named as the field names them."""

from __future__ import annotations

from workbench.engine.values.checkpoint import Checkpoint, Facts, Listing, Shape
from workbench.engine.values.evaluation import Bin, ClassScore, Evaluation, Example
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
    TableAnswer,
    TaskInput,
    TaskOptions,
    TaskResult,
    TensorView,
)
from workbench.engine.values.text import Encoding, Message, Positions, Token, TokenizerOptions
from workbench.engine.values.training import DataSource, Method, ProbeResult, Table, TrainPoint, TrainResult, TrainSpec

__all__ = [
    "Answer",
    "Beam",
    "BeamStep",
    "Bin",
    "Box",
    "Branch",
    "Candidate",
    "Checkpoint",
    "Chunk",
    "ClassScore",
    "DataSource",
    "Encoding",
    "Entity",
    "Evaluation",
    "Example",
    "Facts",
    "Filled",
    "Label",
    "Listing",
    "Logits",
    "Message",
    "Method",
    "Positions",
    "ProbeResult",
    "Sampling",
    "Segment",
    "Sequenced",
    "Shape",
    "Situation",
    "Sound",
    "Stage",
    "Start",
    "Step",
    "Strategy",
    "Table",
    "TableAnswer",
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
