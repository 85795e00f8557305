"""Whether something can be written here now, and the notices that say why not."""

from __future__ import annotations

from collections.abc import Callable

from workbench.engine.models import LoadedModel
from workbench.engine.tokens import chat
from workbench.engine.values import Branch
from workbench.panes.playground.runs import Runs, missing
from workbench.runtime.session import Session
from workbench.widgets.pane_frame import PaneFrame


class Readiness:
    """Looks at the loaded model and at what runs.

    Args:
        session: Gives the model.
        runs: What runs.
        pane: Shows the notices.
        open_hub: Leads to where a checkpoint is loaded.
        write_prompt: Leads from the chat to the plain prompt.
    """

    def __init__(
        self,
        session: Session,
        runs: Runs,
        pane: PaneFrame,
        open_hub: Callable[[], None],
        write_prompt: Callable[[], None],
    ) -> None:
        self._session, self._runs, self._pane = session, runs, pane
        self._open_hub, self._write_prompt = open_hub, write_prompt

    def ready(self, *, chats: bool) -> bool:
        """Whether something can be started; says why not.

        Args:
            chats: Whether a chat is to be answered.
        """
        model = self._session.model
        if self._pane.is_empty or self._runs.active:
            return False
        if model is None or not writes(model):
            what, _, remedy = missing(model).partition("\n")
            words = (what, "What is shown here was recorded.", remedy)
            self._pane.show_notice(*words, kind="info", action=("Open Hub", self._open_hub))
            return False
        if chats and not has_template(model):
            self.say_no_template()
            return False
        return True

    def can_go_on(self, branch: Branch | None, *, chats: bool) -> bool:
        """Whether the loaded model can go on with a branch; says why not.

        Args:
            branch: The one that is looked at.
            chats: As for `ready`.
        """
        model = self._session.model
        if model is None or not writes(model) or self._pane.is_empty:
            return self.ready(chats=chats)
        if branch is not None and branch.checkpoint != model.checkpoint.name:
            self._pane.clear_notices()
            self._pane.show_notice(
                f"“{branch.name}” was written by another checkpoint.",
                f"That was {branch.checkpoint or 'none that is known'}, and {model.checkpoint.name} is loaded.",
                "Load that one again to go on here.",
                kind="info",
            )
            return False
        return True

    def say_no_template(self) -> None:
        """Say that the loaded checkpoint can't chat."""
        self._pane.show_notice(
            "This checkpoint has no chat template.",
            "It was not trained on conversations, or its template was not saved with it.",
            "Write a plain prompt instead, or load a checkpoint whose name says Instruct or Chat.",
            kind="info",
            action=("Write a prompt", self._write_prompt),
        )


def writes(model: LoadedModel) -> bool:
    """Whether a model writes text, and has a tokenizer to read a prompt with."""
    return model.generates and model.tokenizer is not None


def has_template(model: LoadedModel) -> bool:
    """Whether its tokenizer brings a chat template, or writes conversations without one."""
    return model.tokenizer is not None and chat.converses(model.tokenizer)
