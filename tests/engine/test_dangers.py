"""What Python source would do that can harm is found without running it."""

from __future__ import annotations

import pytest

from workbench.engine.dangers import findings

_PLAIN = """import torch
from transformers import PreTrainedModel


class OwnModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.line = torch.nn.Linear(2, 2)
        self.post_init()

    def forward(self, x):
        self.eval()
        return self.line(x) * getattr(self.config, "scale", 1)
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import subprocess", "starts other programs"),
        ("from os import path", "reaches the system"),
        ("import urllib.request as u", "talks to the network"),
        ("def f():\n    import socket", "talks to the network"),
        ("x = eval('1')", "runs text as code"),
        ("__import__('o' + 's')", "imports or runs code by name"),
        ("f = lambda: torch.load('x')", "opens pickles"),
        ("y = ().__class__.__mro__", "reaches into Python itself"),
        ("g = getattr(a, b)", "does not show"),
        ("print('hello')", "as soon as it is imported"),
        ("if True:\n    run()", "as soon as it is imported"),
        ("m = AutoModel.from_pretrained('other')", "another checkpoint"),
        ("shutil.rmtree('x')", "deletes files"),
        ("def broken(:", "can't be read"),
        ("x = " + "(" * 5000 + ")" * 5000, "can't be read"),
        ("a\0b", "can't be read"),
    ],
)
def test_what_is_dangerous_is_marked(line: str, said: str) -> None:
    found = findings(f"import torch\n{line}\n")
    assert any(said in finding.what for finding in found), found
    assert all(1 <= finding.line <= 3 for finding in found)


def test_what_every_model_does_is_not_marked() -> None:
    assert findings(_PLAIN) == ()
