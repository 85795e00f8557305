"""The script that downloads a checkpoint from the Hub."""

from __future__ import annotations

from workbench.engine.codegen.script import assign, call, literal, script

PATTERNS = ("model*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.md", "LICENSE*")
"""The files that transformers reads (weights, config, tokenizer, chat template), the card and the licence."""

FOLDERS = ("*/*",)
"""Folders hold the same weights in other formats."""


def download(repo_id: str, revision: str = "main") -> str:
    """A script that downloads a checkpoint into the cache and prints its folder.

    Args:
        repo_id: ``author/name``.
        revision: Branch, tag or commit hash.
    """
    arguments = [literal(repo_id), f"revision={literal(revision)}", "allow_patterns=files", "ignore_patterns=folders"]
    return script(
        "Download a checkpoint from the Hub into the cache, without files that transformers does not read.",
        ["from huggingface_hub import snapshot_download"],
        [*assign("files", PATTERNS), *assign("folders", FOLDERS)],
        [*call("folder = snapshot_download(", arguments), "print(folder)"],
    )
