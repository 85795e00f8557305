"""Vectors as points in a plane: PCA and t-SNE, as scikit-learn has them.

References:
    scikit-learn, decomposition.PCA; manifold.TSNE; van der Maaten and Hinton 2008, Visualizing Data using t-SNE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import InputError

if TYPE_CHECKING:
    from numpy import ndarray

PROJECTIONS = ("pca", "t-sne", "none")
"""How vectors become points, the usual one first."""

#: Points of the smallest map; two are always as far apart as they are.
LEAST = 3
#: Neighbours that t-SNE looks at, at most; there must be about three times as many points.
PERPLEXITY = 30


def project(vectors: ndarray, how: str) -> ndarray | None:
    """Find a place for each vector.

    Args:
        vectors: Of shape ``(vectors, hidden)``.
        how: One of `PROJECTIONS`.

    Returns:
        Places of shape ``(vectors, 2)``, all 0 where no vector differs from another; None where there are fewer than
        `LEAST`, or no map is wanted.

    Raises:
        InputError: ``how`` is none that is known.
    """
    import numpy

    if how not in PROJECTIONS:
        raise InputError(
            "The vectors can't be drawn as a map.",
            why=f"There is no projection called “{how}”.",
            remedy=f"Use {', '.join(PROJECTIONS)}.",
        )
    if how == "none" or len(vectors) < LEAST or vectors.shape[1] < 2:
        return None
    if not numpy.ptp(vectors, axis=0).any():
        return numpy.zeros((len(vectors), 2), numpy.float32)
    if how == "pca":
        places = _principal(vectors)
    else:
        from sklearn.manifold import TSNE

        places = TSNE(perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3), random_state=0).fit_transform(vectors)
    return numpy.asarray(places, numpy.float32)


def _principal(vectors: ndarray) -> ndarray:
    """The first two principal components as scikit-learn gives them, whose import alone takes seconds."""
    import numpy

    left, sizes, right = numpy.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    # Each direction points to where its largest entry is positive.
    signs = numpy.sign(right[numpy.arange(len(right)), numpy.abs(right).argmax(axis=1)])
    return numpy.asarray(left[:, :2] * (sizes * signs)[:2])
