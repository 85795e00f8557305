"""The machine is measured as it is, and torch is not asked while another thread imports it."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types

import pytest

from workbench.engine import machine


def test_memory_and_devices_are_measured() -> None:
    seen = machine.memory()
    assert 0 < seen.process < seen.total and 0 < seen.available <= seen.total
    assert machine.devices()[-1] == "cpu"


def test_a_torch_that_another_thread_is_importing_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    half = types.ModuleType("torch")
    half.__spec__ = importlib.machinery.ModuleSpec("torch", None)
    half.__spec__._initializing = True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", half)
    assert machine.threads() == os.cpu_count() and machine.free("cuda:0") is None
