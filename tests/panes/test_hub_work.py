"""The Hub pane's calls on worker threads."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from workbench.engine.task import Silent
from workbench.panes.hub import work


class _Held:
    """Something in a cycle, as a model may be."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def test_a_model_in_a_cycle_is_given_back() -> None:
    model = weakref.ref(_Held())
    assert model() is not None
    work.free_memory(0, model, task=Silent())
    assert model() is None


def test_for_a_model_that_has_gone_nothing_is_looked_through() -> None:
    other = weakref.ref(_Held())
    gone = weakref.ref(set())
    assert gone() is None
    work.free_memory(0, gone, task=Silent())
    assert other() is not None
