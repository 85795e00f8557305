"""Scores over the vocabulary with what is often asked of them, in the library's own arithmetic."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engine.values import Logits

if TYPE_CHECKING:
    import torch


# How near to the limit a running sum may come before its last digit, which depends on the order of summing, could
# decide; float32 sums of probabilities are good to 1e-7.
_NEAR = 1e-6
#: Numbers that are added up in float32 before the sums are in float64.
_STRETCH = 64


class Scores:
    """Scores of one step, not to be changed; what is worked out from them is kept.

    Args:
        values: float32 of shape ``(vocab,)``.
        rising: The same, sorted, where that is known already.
    """

    def __init__(self, values: np.ndarray, rising: np.ndarray | None = None) -> None:
        self.values = values
        if rising is not None:
            self.rising = rising

    @cached_property
    def rising(self) -> np.ndarray:
        """The values by rising size, NaN last; shape ``(vocab,)``."""
        return np.sort(self.values)

    @cached_property
    def first(self) -> int:
        """How many are ``-inf``, which is where the finite ones begin in `rising`."""
        return int(np.searchsorted(self.rising, -np.inf, side="right"))

    @cached_property
    def top(self) -> float:
        """The largest; NaN when there is one."""
        return float(self.values.max())

    @cached_property
    def chances(self) -> np.ndarray:
        """Softmax of shape ``(vocab,)``."""
        return softmax(self.values)

    @cached_property
    def shares(self) -> np.ndarray:
        """Running sum of the softmax of `rising`: what each score and everything below it hold together."""
        return cumsum(softmax(self.rising))

    @cached_property
    def surprise(self) -> Surprise:
        """How far each token's surprise is from the expected one."""
        return Surprise(self)

    def share(self, chosen: np.ndarray) -> float:
        """What some tokens, bool of shape ``(vocab,)``, hold of the softmax; NaN when there is none."""
        import torch

        held = total(torch.from_numpy(self.chances * chosen))
        return float(np.minimum(held, 1.0))

    def reach(self, token_id: int) -> float:
        """What a token and all that score at least as much hold together; NaN where there are no probabilities."""
        if "shares" not in vars(self):
            with one_thread():
                _ = self.shares
        below = int(np.searchsorted(self.rising, self.values[token_id], side="left"))
        return 1.0 - float(self.shares[below - 1]) if below else 1.0

    def rank(self, token_id: int) -> int:
        """1 + how many are strictly larger."""
        return self.values.size - int(np.searchsorted(self.rising, self.values[token_id], side="right")) + 1


class Surprise:
    """How far each token's surprise is from the expected one, in the arithmetic of TypicalLogitsWarper.

    Args:
        scores: At least one of them finite.

    Attributes:
        expected: The entropy, in nats.
        distance: Of each token, in nats, ``inf`` where the score is ``-inf``; shape ``(vocab,)``.
        rising: The finite distances, sorted.
        shares: Running sum of the probabilities in that order.
    """

    def __init__(self, scores: Scores) -> None:
        import torch

        values = torch.from_numpy(scores.values)[None]
        normalized = torch.nn.functional.log_softmax(values, dim=-1)
        alive = np.flatnonzero(scores.values > -np.inf)
        left = torch.from_numpy(alive)
        parts = torch.zeros_like(values)
        # What is cut adds nothing, and the exponential of minus infinity takes its time.
        parts[0, left] = normalized[0, left] * torch.exp(normalized[0, left])
        expected = -parts.nansum(-1, keepdim=True)
        self.expected = float(expected)
        self.distance: np.ndarray = torch.abs((-normalized) - expected)[0].numpy()
        order = alive[np.argsort(self.distance[alive])]
        self.rising = self.distance[order]
        # As long as the library's, whose softmax adds up in lanes: the finite ones in front, the others behind.
        chosen = np.full(scores.values.size, -np.inf, dtype=np.float32)
        chosen[: order.size] = scores.values[order]
        near, far = chosen[: order.size - 1], chosen[1 : order.size]
        self._unlike = bool(np.any((self.rising[1:] == self.rising[:-1]) & (near != far)))
        self.shares = cumsum(softmax(chosen))[: order.size]

    def settled(self, mass: float) -> bool:
        """Whether the limit is the library's whichever way it orders tokens of equal distance and unlike scores."""
        return not self._unlike or float(np.abs(self.shares - np.float32(mass)).min()) > _NEAR

    def limit(self, mass: float) -> float:
        """The largest distance that stays; ``inf`` when all do."""
        last = int(np.searchsorted(self.shares, np.float32(mass), side="left"))
        return float(self.rising[last]) if last < self.rising.size else np.inf


# Softmax and running sum are torch's own: numpy's differ in the last bits, and in a flat distribution over 150,000
# tokens that moves the top-p limit by a token.


def softmax(values: np.ndarray) -> np.ndarray:
    """As torch's softmax of ``(n,)``."""
    import torch

    result: np.ndarray = torch.softmax(torch.from_numpy(values)[None], dim=-1)[0].numpy()
    return result


def cumsum(values: np.ndarray) -> np.ndarray:
    """As torch's running sum of ``(n,)``."""
    import torch

    result: np.ndarray = torch.from_numpy(values)[None].cumsum(dim=-1)[0].numpy()
    return result


def entropy(chances: np.ndarray) -> float:
    """Of probabilities ``(n,)``, in bits."""
    import torch

    nats = total(torch.special.entr(torch.from_numpy(chances[chances != 0])))
    return max(0.0, nats / float(np.log(2)))


def total(values: torch.Tensor) -> float:
    """The sum of ``(n,)``, short stretches in float32 and these in float64, which is as exact and much quicker."""
    import torch

    whole = values.numel() // _STRETCH * _STRETCH
    sums = values[:whole].view(-1, _STRETCH).sum(dim=1)
    return float(sums.sum(dtype=torch.float64) + values[whole:].sum(dtype=torch.float64))


def one_thread() -> AbstractContextManager[Any]:
    """Let torch work in the calling thread alone, and no other thread of the process notice.

    Sharing an operation of 0.1 ms out pays for nothing, and while a model runs on all cores the window would wait a
    hundred times as long for the helper that is to do its half.
    """
    return threads(1)


def threads(count: int) -> AbstractContextManager[Any]:
    """Let torch share what the calling thread does among so many threads, and no other thread of the process notice.

    Args:
        count: 1 or more.
    """
    import torch

    # The first call in a thread sets up how many there are; it would undo the limit.
    torch.get_num_threads()
    limits: AbstractContextManager[Any] = _pools().limit(limits=count, user_api="openmp")
    return limits


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def keep(row: torch.Tensor, dtype: str) -> Logits:
    """Take logits off the device as compactly as they were computed, with every bit of them.

    Args:
        row: Shape ``(vocab,)``; float32 where the library has widened what the model computed.
        dtype: What the model computes in; the logits are kept in it when that loses nothing, else as float32.
    """
    import torch

    if dtype in ("bfloat16", "float16"):
        narrow = row.to(getattr(torch, dtype))
        if torch.equal(narrow.to(row.dtype), row):
            return Logits(narrow.view(torch.int16).cpu().numpy().view(np.uint16).copy(), dtype)
    return Logits(row.to(torch.float32).cpu().numpy().copy(), "float32")
