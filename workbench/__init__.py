"""Transformers Workbench: explore, steer and fine-tune transformers checkpoints from a desktop window."""

from __future__ import annotations

__version__ = "0.1.0"
