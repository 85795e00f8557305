"""Policies: how surely a picture breaks each of them, as ShieldGemma 2 answers yes or no.

References:
    transformers, ShieldGemma 2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.vision import picture, prepared
from workbench.engine.values import Label

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURE = "shieldgemma2"
"""The architecture that answers so."""


def preprocess(request: Request) -> Inputs:
    """The picture with the text of each policy, as the checkpoint's processor writes them: a row a policy.

    Raises:
        InputError: There is no picture, it can't be read, or the processor can't prepare it.
        NotSupported: The checkpoint has no processor that works here.
    """
    return Inputs(prepared(processor(request.model), images=[picture(request)]))


def postprocess(request: Request, outputs: dict[str, Tensor]) -> Outcome:
    """The policies by falling probability of a yes.

    Args:
        request: Its options say how many, and how sure at least.
        outputs: ``probabilities`` of shape ``(policies, 2)``: of a yes and a no.
    """
    yes = outputs["probabilities"][:, 0]
    named = zip(processor(request.model).policy_definitions, yes.tolist(), strict=True)
    labels = sorted((Label(name, score) for name, score in named), key=lambda label: label.score, reverse=True)
    kept = (label for label in labels[: request.options.top_k] if label.score >= request.options.threshold)
    return Outcome({"scores": yes}, tuple(kept))
