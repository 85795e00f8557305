"""A model from the inside: the states after each layer, what its own head makes of them, attention, and embeddings.

Everything comes from one pass of the model over one sequence, and nothing of it is made up: what the library does not
return is absent, and the reason is said.
"""

from __future__ import annotations

from workbench.engine.inside.attention import Attentions, Kind, attend
from workbench.engine.inside.embeddings import EMBEDDING, Neighbour, alike, neighbours, similarities, vectors
from workbench.engine.inside.given import MOST, POSITIONS, Estimate, Given, Sight, arguments, estimate, read
from workbench.engine.inside.lens import TOP, Lens, labelled
from workbench.engine.inside.modalities import example, reads, refusal, wanted
from workbench.engine.inside.one_pass import Inside, look
from workbench.engine.inside.places import Grid
from workbench.engine.inside.senses import follow, take
from workbench.engine.inside.states import Part
from workbench.engine.inside.submodels import composed, submodels, within

__all__ = [
    "EMBEDDING",
    "MOST",
    "POSITIONS",
    "TOP",
    "Attentions",
    "Estimate",
    "Given",
    "Grid",
    "Inside",
    "Kind",
    "Lens",
    "Neighbour",
    "Part",
    "Sight",
    "alike",
    "arguments",
    "attend",
    "composed",
    "estimate",
    "example",
    "follow",
    "labelled",
    "look",
    "neighbours",
    "read",
    "reads",
    "refusal",
    "similarities",
    "submodels",
    "take",
    "vectors",
    "wanted",
    "within",
]
