"""Importing torch and transformers in the background, before the first load needs them."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from workbench.engine.task import Silent, Task


def warm_up(task: Task | None = None) -> None:
    """Import what the first load would, in a background thread; the caller keeps garbage collection off meanwhile.

    Opening libtorch takes hundreds of milliseconds and ``import torch`` does it with the GIL held; called as a ctypes
    function, dlopen gives the GIL up, and the import then finds the library open.
    """
    task = task or Silent()
    spec = importlib.util.find_spec("torch")
    if sys.platform.startswith("linux") and spec is not None and spec.origin:
        folder = Path(spec.origin).parent / "lib"
        libc = ctypes.CDLL(None)
        libc.dlopen.restype = ctypes.c_void_p
        libc.dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
        names = ("libc10.so", "libtorch_cpu.so", "libtorch.so", "libtorch_python.so")
        for file in (*sorted(folder.glob("libgomp*")), *(folder / name for name in names)):
            task.check()
            libc.dlopen(os.fsencode(file), os.RTLD_NOW | os.RTLD_GLOBAL)
    for module in (
        "torch",
        "transformers",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.llama.modeling_llama",
        "transformers.models.bert.modeling_bert",
        # What the panes are made with: their own modules must be imported in the window's thread, this needn't.
        "workbench.engine.codegen",
        "workbench.engine.compare",
        "workbench.engine.generate",
        "workbench.engine.inside",
        "workbench.engine.record",
        "workbench.engine.score",
        "workbench.engine.score_difference",
        "workbench.engine.tokens",
        "workbench.engine.train",
    ):
        task.check()
        importlib.import_module(module)
