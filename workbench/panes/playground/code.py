"""Which script Show code shows: the one that writes the branch again, or the one that Generate would run now."""

from __future__ import annotations

from pathlib import Path

from workbench.engine import codegen
from workbench.engine.errors import WorkbenchError
from workbench.engine.generate import captions, hearing, pictures
from workbench.engine.models import LoadedModel
from workbench.engine.values import Branch, Message
from workbench.runtime.session import Session


def code_of(
    session: Session,
    model: LoadedModel,
    messages: tuple[Message, ...],
    images: tuple[Path, ...],
    sounds: tuple[Path, ...],
    *,
    writing: bool,
) -> str:
    """A script for the branch that is looked at while prompt and knobs are those it was made with; else for the next.

    Args:
        session: Gives prompt, knobs and branch.
        model: The loaded model; it has a tokenizer.
        messages: What would be asked next, or was asked last; empty for the plain prompt.
        images: Pictures of the plain prompt.
        sounds: Its sounds.
        writing: Whether something runs, whose text is not complete.
    """
    second = session.second.checkpoint if session.second is not None else None
    branch = session.branch
    if branch is not None and not writing and _holds(session, model, branch, messages):
        first = _first_of_last_run(branch)
        return codegen.generate(
            model.checkpoint,
            branch.start.prompt,
            branch.messages or None,
            session.sampling,
            model.dtype,
            model.device,
            head=model.head,
            strategy=branch.strategy,
            second=second,
            steps=branch.steps[first:],
            prefix=[step.token_id for step in branch.steps[:first]],
            images=() if branch.messages else branch.start.images,
            sounds=() if branch.messages else branch.start.sounds,
            dropped=branch.start.dropped,
            attention=model.attn_implementation,
        )
    assert model.tokenizer is not None
    text, files = session.prompt, (() if messages else images, () if messages else sounds)
    if any(files):
        text = _placed(model, text, *files)
    elif not text and not model.tokenizer("")["input_ids"]:
        text = model.tokenizer.bos_token or ""
    return codegen.generate(
        model.checkpoint,
        text,
        messages or None,
        session.sampling,
        model.dtype,
        model.device,
        head=model.head,
        strategy=session.strategy,
        second=second,
        images=files[0],
        sounds=files[1],
        attention=model.attn_implementation,
    )


def _placed(model: LoadedModel, text: str, images: tuple[Path, ...], sounds: tuple[Path, ...]) -> str:
    """The prompt with the marks of its files, as far as it is known where they stand."""
    if captions.beside(model) or not (images or hearing.is_ready(model)):
        return text
    try:
        return pictures.placed(model, text, (), images, sounds)
    except WorkbenchError:
        # Generate says what is wrong with it.
        return text


def _holds(session: Session, model: LoadedModel, branch: Branch, messages: tuple[Message, ...]) -> bool:
    """Whether nothing was changed since the branch was written that would make another text."""
    if not branch.steps or branch.checkpoint != model.checkpoint.name or messages != branch.messages:
        return False
    same_prompt = bool(branch.messages or branch.start.files) or session.prompt in (branch.start.prompt, "")
    return same_prompt and session.sampling == branch.steps[-1].sampling and session.strategy == branch.strategy


def _first_of_last_run(branch: Branch) -> int:
    """Index of the first step that the run chose which wrote the branch's end; those before it were handed to it."""
    last = branch.steps[-1]
    if last.forced:
        return len(branch.steps)
    return max(0, last.prompt_length - len(branch.start.context_ids)) if last.prompt_length else branch.start.kept
