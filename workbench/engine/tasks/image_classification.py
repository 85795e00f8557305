"""Image classification: one score per label for a whole picture.

References:
    transformers, Pipelines: ImageClassificationPipeline; Auto Classes: AutoModelForImageClassification
"""

from __future__ import annotations

from workbench.engine.tasks.inputs import Spec
from workbench.engine.tasks.text_classification import postprocess
from workbench.engine.tasks.vision import PICTURE, passed, pixels
from workbench.engine.values import TaskInput

__all__ = ["SPEC", "forward", "postprocess", "preprocess"]

SPEC = Spec(
    name="image-classification",
    heads=("AutoModelForImageClassification",),
    does="Gives a picture a label",
    inputs=PICTURE,
    options=("top_k", "threshold"),
    shows="labels",
    example=TaskInput(),
    batches="rows",
)

preprocess = pixels
forward = passed
