"""Transformers Workbench: explore, steer and fine-tune transformers checkpoints from a desktop window."""

__version__ = "0.1.0"
