"""What Python source would do that can harm, line by line, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_MODULES = {
    "starts other programs": "subprocess pty multiprocessing",
    "reaches the system and its files": "os sys shutil tempfile pathlib glob fileinput io signal resource pwd",
    "talks to the network": "socket ssl http urllib urllib3 requests httpx aiohttp ftplib smtplib telnetlib xmlrpc "
    "websocket websockets asyncio webbrowser huggingface_hub",
    "runs machine code": "ctypes cffi cppyy",
    "opens pickles, which run code": "pickle _pickle dill cloudpickle marshal shelve joblib",
    "imports or runs code by name": "importlib runpy imp pkgutil builtins code codeop",
    "unpacks hidden text": "base64 zlib bz2 lzma binascii codecs",
}
_IMPORTS = {module: what for what, modules in _MODULES.items() for module in modules.split()}
_CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "runs text as code",
    "__import__": "imports or runs code by name",
    "import_module": "imports or runs code by name",
    "open": "reads or writes a file",
    "input": "waits for typing on the terminal",
    "breakpoint": "stops the program",
    "system": "starts other programs",
    "popen": "starts other programs",
    "Popen": "starts other programs",
    "urlopen": "talks to the network",
    "load_library": "runs machine code",
    "load_inline": "runs machine code",
    "hf_hub_download": "fetches more from the Hub",
    "snapshot_download": "fetches more from the Hub",
    "from_pretrained": "loads another checkpoint",
    "unlink": "deletes files",
    "remove": "may delete files",
    "rmtree": "deletes files",
    "write_text": "reads or writes a file",
    "write_bytes": "reads or writes a file",
}
_NAMES = {"__subclasses__", "__globals__", "__builtins__", "__code__", "__mro__", "__loader__", "__reduce__"}
_HIDDEN = {"globals", "vars", "locals"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A line that can do harm.

    Attributes:
        line: From 1.
        what: What it does, in words.
    """

    line: int
    what: str


def findings(source: str) -> tuple[Finding, ...]:
    """What Python source does that is dangerous, by line; what is not found can do harm all the same.

    Args:
        source: Parsed and never run.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (Finding(1, "can't be read as Python: nobody can say what it does"),)
    found = {(line, what) for line, what in _walk(tree)}
    return tuple(Finding(line, what) for line, what in sorted(found))


def _walk(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _imported(node.lineno, name.name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from _imported(node.lineno, node.module or "")
        elif isinstance(node, ast.Call):
            yield from _called(node)
        elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
            yield node.lineno, f"reaches into Python itself ({node.attr})"
        elif isinstance(node, ast.Name) and node.id in _NAMES:
            yield node.lineno, f"reaches into Python itself ({node.id})"
    for statement in tree.body:
        plain = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef
        if not isinstance(statement, plain | ast.Assign | ast.AnnAssign):
            for node in ast.walk(statement):
                if isinstance(node, ast.Call):
                    yield statement.lineno, "runs as soon as it is imported"
                    break


def _imported(line: int, module: str) -> Iterator[tuple[int, str]]:
    what = _IMPORTS.get(module.split(".")[0])
    if what is not None:
        yield line, f"{what} (imports {module})"


def _called(node: ast.Call) -> Iterator[tuple[int, str]]:
    function = node.func
    name = (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )
    # model.eval() and re.compile() are what every model does; only the bare names run text.
    if name in _CALLS and not (isinstance(function, ast.Attribute) and name in ("eval", "exec", "compile", "input")):
        yield node.lineno, f"{_CALLS[name]} ({name})"
    if isinstance(function, ast.Attribute) and name == "load":
        owner = function.value
        if isinstance(owner, ast.Name) and owner.id in ("torch", "numpy", "np", "pickle", "joblib", "dill", "hub"):
            yield node.lineno, f"opens pickles, which run code ({owner.id}.load)"
    if isinstance(function, ast.Name) and name in _HIDDEN:
        yield node.lineno, f"reaches into Python itself ({name})"
    if name == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
        yield node.lineno, "calls or reads something by a name that does not show (getattr)"
