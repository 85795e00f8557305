"""A model from the inside: the states after each layer, what its own head makes of them, attention, and embeddings.

Everything comes from one pass of the model over one sequence, and nothing of it is made up: what the library does not
return is absent, and the reason is said.
"""

from __future__ import annotations

from workbench.engine.inside.attention import Attentions, Kind, attend
from workbench.engine.inside.embeddings import EMBEDDING, Neighbour, neighbours, vectors
from workbench.engine.inside.given import MOST, POSITIONS, Estimate, Given, arguments, estimate, follow, read, refusal
from workbench.engine.inside.lens import TOP, Lens
from workbench.engine.inside.one_pass import Inside, look
from workbench.engine.inside.states import Part

__all__ = [
    "EMBEDDING",
    "MOST",
    "POSITIONS",
    "TOP",
    "Attentions",
    "Estimate",
    "Given",
    "Inside",
    "Kind",
    "Lens",
    "Neighbour",
    "Part",
    "arguments",
    "attend",
    "estimate",
    "follow",
    "look",
    "neighbours",
    "read",
    "refusal",
    "vectors",
]
