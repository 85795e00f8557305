"""Fine-tuning with transformers' own Trainer: rows of data in, a new checkpoint out."""

from __future__ import annotations

from workbench.engine.train.evaluation import evaluate
from workbench.engine.train.heads import HEADS, Head, Option, Role, fitting_task, remarks
from workbench.engine.train.look import Batches, Piece, SeenRow, look
from workbench.engine.train.profiling import Lengths, Profile, profile
from workbench.engine.train.recommended import recommended
from workbench.engine.train.run import TooLarge, fine_tune, resume
from workbench.engine.train.settings import training_arguments, training_threads
from workbench.engine.train.trial import DryRun, dry_run
from workbench.engine.train.wishes import Saved, Wishes

__all__ = [
    "HEADS",
    "Batches",
    "DryRun",
    "Head",
    "Lengths",
    "Option",
    "Piece",
    "Profile",
    "Role",
    "Saved",
    "SeenRow",
    "TooLarge",
    "Wishes",
    "dry_run",
    "evaluate",
    "fine_tune",
    "fitting_task",
    "look",
    "profile",
    "recommended",
    "remarks",
    "resume",
    "training_arguments",
    "training_threads",
]
