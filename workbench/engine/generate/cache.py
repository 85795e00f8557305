"""What attention has computed for the last text, kept so that a branch need not compute it again."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: Rotary embeddings whose angles depend on how long the text became: what was cached for a long one is wrong for a
#: short one.
_LENGTH_DEPENDENT = frozenset({"dynamic", "longrope"})


class KeptCache:
    """Holds the keys and values of the last run, for `workbench.engine.generate.branch` to crop and go on with.

    Only caches that can be cut at any point are kept: those of layers that attend to everything, and of sliding windows
    that nothing has left yet. What state-space, hybrid and other caches hold can't be cut, so a branch computes it
    again. So it does in half precision: keys computed one by one differ there from those of a whole text by enough to
    change what is chosen, within some ten tokens in half of the branches tried. In float32 the text is the same.
    The holder may be used from any thread; it keeps no model alive, and is emptied when its model goes.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._cleared = 0
        self._cache: Any = None
        self._ids: tuple[int, ...] = ()
        self._model: weakref.ref[PreTrainedModel] | None = None
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory it holds."""
        with self._lock:
            return self._nbytes

    def clear(self) -> None:
        """Let go of everything; a run that is going on does not fill it again."""
        with self._lock:
            self._cleared += 1
            self._empty()

    def take(self, model: PreTrainedModel, ids: Sequence[int]) -> tuple[Any | None, int]:
        """Hand over what can be reused, and hold nothing from now on.

        Args:
            model: The model that will go on.
            ids: What it will be given, of shape ``(seq,)``.

        Returns:
            The cache, cropped to the beginning that ``ids`` shares with what it was computed for, at least one id short
            of it; or None. And a mark for `put`.
        """
        with self._lock:
            cache, known, owner, mark = self._cache, self._ids, self._model, self._cleared
            self._empty()
        if cache is None or owner is None or owner() is not model:
            return None, mark
        shared = 0
        for mine, asked in zip(known, ids[:-1], strict=False):
            if mine != asked:
                break
            shared += 1
        if not shared:
            return None, mark
        if shared < len(known):
            cache.crop(shared - len(known))
        return cache, mark

    def put(self, model: PreTrainedModel, cache: Any, ids: Sequence[int], mark: int) -> None:
        """Keep what a run leaves behind, where it can be cut.

        Args:
            model: The model that ran.
            cache: Its ``past_key_values``, or None.
            ids: All ids of the run, of shape ``(seq,)``; the cache may lack the last ones.
            mark: What `take` gave; nothing is kept when the holder was cleared since.
        """
        if not _can_be_cut(model, cache):
            return
        known = tuple(ids[: cache.get_seq_length()])
        if len(known) < cache.get_seq_length() or not known:
            return
        size = sum(_size(layer.keys) + _size(layer.values) for layer in cache.layers)
        holder = weakref.ref(self)

        def gone(_: object) -> None:
            kept = holder()
            if kept is not None:
                kept.clear()

        with self._lock:
            if mark != self._cleared:
                return
            self._cache, self._ids, self._nbytes = cache, known, size
            self._model = weakref.ref(model, gone)

    def _empty(self) -> None:
        self._cache, self._ids, self._model, self._nbytes = None, (), None, 0


def _can_be_cut(model: PreTrainedModel, cache: Any) -> bool:
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    if type(cache) is not DynamicCache or cache.offloading or not cache.layers:
        return False
    config = model.config.get_text_config(decoder=True)
    if _LENGTH_DEPENDENT & set(_rope_types(getattr(config, "rope_parameters", None))):
        return False
    return all(
        type(layer) is DynamicLayer
        or (type(layer) is DynamicSlidingWindowLayer and layer.cumulative_length < layer.sliding_window)
        for layer in cache.layers
    ) and all(layer.is_initialized and layer.keys.dtype in (torch.float32, torch.float64) for layer in cache.layers)


def _rope_types(parameters: Any) -> list[str]:
    """The kinds of rotary embedding, whether they are given once or for each type of layer."""
    if not isinstance(parameters, dict):
        return []
    own = [str(parameters["rope_type"])] if "rope_type" in parameters else []
    return own + [kind for inner in parameters.values() for kind in _rope_types(inner)]


def _size(tensor: Any) -> int:
    return int(tensor.untyped_storage().nbytes())
