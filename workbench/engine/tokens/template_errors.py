"""What is wrong with a chat template or with what it was given, in words and by line."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator

from workbench.engine.errors import InputError, NotSupported

#: The file name under which Jinja compiles a template.
TEMPLATE = "<template>"


class TemplateError(InputError):
    """A template, or what it was given, is wrong.

    Attributes:
        line: Line of the template's source, counted from 1, or None where none can be told.
        where: ``template``, ``tools``, ``variables`` or ``message 3``.
    """

    def __init__(self, what: str, *, why: str = "", remedy: str = "", line: int | None = None, where: str) -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.line = line
        self.where = where


@contextlib.contextmanager
def told(template: str) -> Iterator[None]:
    """Word what a template raises, with its line.

    Args:
        template: Its source.

    Raises:
        TemplateError: In the place of whatever was raised.
    """
    import jinja2

    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"Line {error.lineno} of the template can't be read.",
            why=f"Jinja says: {_ended(str(error.message))}",
            remedy=f"Correct the line: {_line(template, error.lineno)}",
            line=error.lineno,
            where="template",
        ) from error
    except (InputError, NotSupported):
        raise
    except Exception as error:  # a template can raise anything that an expression of Python can
        frames = traceback.extract_tb(error.__traceback__)
        line = next((each.lineno for each in reversed(frames) if each.filename == TEMPLATE), None)
        what = "The chat template refused this conversation."
        if line is not None:
            what = f"Line {line} of the template refused this conversation."
        refused = isinstance(error, jinja2.TemplateError) and not isinstance(error, jinja2.TemplateRuntimeError)
        said = str(error).split("\nRendered chat:")[0] if isinstance(error, ValueError) else str(error)
        raise TemplateError(
            what,
            why=_why(error, said, refused),
            remedy="Many templates want user and assistant to alternate, and allow one system message at the start."
            if refused
            else f"Correct the line: {_line(template, line)}"
            if line
            else "Change the messages, or the template.",
            line=line,
            where="template",
        ) from error


def _why(error: Exception, said: str, refused: bool) -> str:
    if "no loader for this environment" in said:
        return "It wants another file (include, import or extends), and a chat template stands alone."
    return f"It says: {_ended(said)}" if refused else _ended(f"{type(error).__name__}: {said}")


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _line(template: str, number: int) -> str:
    lines = template.splitlines()
    return lines[number - 1].strip()[:160] if 0 < number <= len(lines) else ""
