"""The chat of the playground: its turns in all their versions, and which branch of the session each answer is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from workbench.engine.tokens import chat
from workbench.engine.values import Branch, Message
from workbench.panes.playground.chat_answers import Answers, answer, begun
from workbench.panes.playground.chat_turns import Conversation, Turn
from workbench.panes.playground.runs import Runs
from workbench.panes.playground.sequences import together
from workbench.panes.playground.template import TemplateView
from workbench.panes.playground.texts import Texts
from workbench.runtime.jobs import Job, Lane, Runner
from workbench.runtime.session import Session

#: Milliseconds between two redraws of the answer that is being written, at least.
_FRAME = 100
#: Milliseconds after the last key before the template is filled in anew.
_PAUSE = 200
_PLACEHOLDERS = {
    "user": "Write a message…  Enter sends",
    "system": "Write a system message…  Enter adds it, and nothing is answered yet",
    "tool": "Write what a tool gave back…  Enter sends",
    "assistant": "Write how the answer begins…  Enter lets the model go on with it",
}


class Chat(QObject):
    """Holds the conversation and shows it.

    Args:
        session: Whose branches the answers are.
        runs: What is being written.
        texts: Where it is shown and where messages are written.
        runner: Fills in templates on the text lane.
        ready: Whether a generation can be started now; says why not.

    Signals:
        answer_requested(): `asked` is to be answered.
        walk_requested(int): A branch of the session is to be looked at.
        changed(): The conversation is another one.
        said(str, str): What a notice should say: what, and why.
        deleted(str): Turns were deleted, in words; `restore` takes them back.
    """

    answer_requested = Signal()
    walk_requested = Signal(int)
    changed = Signal()
    said = Signal(str, str)
    deleted = Signal(str)

    def __init__(self, session: Session, runs: Runs, texts: Texts, runner: Runner, ready: Callable[[], bool]) -> None:
        super().__init__(texts)
        self._session, self._runs, self._texts, self._runner, self._ready = session, runs, texts, runner, ready
        self._conversation = Conversation()
        self._deleted: tuple[Turn, ...] = ()
        self._after: int | None = None
        self._begun = ""
        #: The message that was sent last: its turn, None for the beginning of an answer, its role and words.
        self._typed: tuple[int | None, str, str] | None = None
        self._writing: set[int] = set()
        self._current: int | None = None
        self._answers = Answers(session, runs)
        self._roles_of: object = None
        self._view = texts.area.view
        self._template = TemplateView(runner)
        texts.area.add_template(self._template)
        self._frame = QTimer(self, singleShot=True, interval=_FRAME)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE)
        self._frame.timeout.connect(self._show_writing)
        self._pause.timeout.connect(self._show_template)
        self._view.turn_chosen.connect(self.look_at)
        self._view.asked.connect(self._on_asked)
        self._view.walked.connect(self.walk)
        self._view.edited.connect(self.edit)
        texts.area.view_changed.connect(self._on_view_changed)
        texts.chat_input.textChanged.connect(self._on_typed)
        texts.system.textChanged.connect(self._on_typed)
        texts.role.role_chosen.connect(self._on_role)
        session.branches_changed.connect(self._on_branches_changed)
        runs.grew.connect(self._on_grew)
        runs.began_branch.connect(self._on_began)
        runs.changed.connect(self._on_runs_changed)
        runs.ended.connect(self._on_ended)

    # What can be asked of it.

    @property
    def conversation(self) -> Conversation:
        """All turns."""
        return self._conversation

    @property
    def turns(self) -> tuple[Message, ...]:
        """What is shown, without an answer that is still coming."""
        return tuple(turn.message for turn in self._conversation.path if turn.branch not in self._runs.keys)

    @property
    def asked(self) -> tuple[Message, ...]:
        """The messages that are to be answered now, with the system message and the beginning of the answer."""
        begun = (Message("assistant", self._begun),) if self._begun else ()
        return (*self._system(), *(turn.message for turn in self._conversation.up_to(self._after)), *begun)

    @property
    def next_messages(self) -> tuple[Message, ...]:
        """What would be asked if the message that is being written were sent; empty when nothing was said."""
        written = self._texts.chat_input.text().strip("\n")
        typed = (self._written(written),) if written.strip() else ()
        return (*self._system(), *self._conversation.messages, *typed) if typed or self._conversation.path else ()

    @property
    def scripted(self) -> tuple[Message, ...]:
        """`next_messages`, or a greeting where nothing was written that could be answered."""
        messages = self.next_messages
        if messages and (self._texts.chat_input.text().strip() or messages[-1].role != "assistant"):
            return messages
        return (*(messages or self._system()), Message("user", "Hello!"))

    def say(self) -> bool:
        """Take the message that was written into the conversation.

        Returns:
            Whether something is to be answered now. Nothing was written after an answer: no. A system message waits for
            what comes after it.
        """
        texts, conversation = self._texts, self._conversation
        written, role = texts.chat_input.text().strip("\n"), texts.role.role
        self._begun, self._typed, self._after = "", None, conversation.end
        if not written.strip():
            return bool(conversation.path) and conversation.path[-1].message.role != "assistant"
        message = self._written(written)
        texts.chat_input.clear()
        texts.role.choose("user")
        if role == "assistant":
            self._typed = (None, role, written)
            self._begun = written
            return True
        self._take(conversation.add(message, conversation.end))
        if role == "user":
            texts.attached.send()
        self._after = self._conversation.end
        self._typed = (self._after, role, written)
        return role != "system"

    def take_back(self) -> None:
        """Put a message that was not answered back to where it was written, or show the version before again."""
        typed, self._typed = self._typed, None
        if self._session.steps:
            return
        if typed is None:
            self.look_at_end()
            return
        key, role, written = typed
        if key is not None and key == self._conversation.end:
            self._take(self._conversation.delete(key))
            if role == "user":
                self._texts.attached.take_back()
        if not self._texts.chat_input.text():
            self._texts.chat_input.set_text(written)
            self._texts.role.choose(role)

    def clear(self) -> None:
        """Begin anew; the session's branches stay."""
        self._begun, self._typed, self._current, self._deleted = "", None, None, ()
        self._writing.clear()
        self._take(Conversation())

    def restore(self) -> None:
        """Take back the last deletion."""
        gone, self._deleted = self._deleted, ()
        if not gone or self._runs.active:
            return
        alive = {branch.key for branch in self._session.branches}
        self._take(
            self._conversation.put_back([turn if turn.branch in alive else replace(turn, branch=None) for turn in gone])
        )
        self.look_at_end()

    def edit(self, key: int, content: str) -> None:
        """Put other words beside a version; words of the person are answered at once."""
        turn = self._conversation.turns.get(key)
        if turn is None or not content.strip() or content == turn.message.content:
            return
        answers = turn.message.role in ("user", "tool")
        if self._runs.active or (answers and not self._ready()):
            return
        self._take(self._conversation.edit(key, content))
        if answers:
            self._answer(self._conversation.end)
        else:
            self.look_at_end()

    def regenerate(self, key: int, *, same_seed: bool = False) -> None:
        """Write another version of an answer, with the next seed that none of its versions had."""
        turn = self._conversation.turns.get(key)
        if turn is None or not self._ready():
            return
        sampling, branch = self._session.sampling, self._branch(turn.branch)
        self._answering(turn.before)
        self._begun = begun(branch) if branch is not None else ""
        if sampling.do_sample and not same_seed:
            seeds = [sampling.seed]
            for version in self._conversation.versions(key):
                other = self._branch(self._conversation.turns[version].branch)
                seeds += [other.steps[-1].sampling.seed] if other is not None and other.steps else []
            self._session.set_sampling(replace(sampling, seed=max(seeds) + 1))
        self.answer_requested.emit()
        if not sampling.do_sample:
            self.said.emit(
                "The same answer comes again.", "Without sampling there is nothing to draw: do_sample is off."
            )

    def delete(self, key: int) -> None:
        """Delete a version and what follows it; `restore` takes it back."""
        if self._runs.active or key not in self._conversation.turns:
            return
        before = self._conversation
        after = before.delete(key)
        self._deleted = tuple(turn for turn in before.turns.values() if turn.key not in after.turns)
        count = len(self._deleted)
        self._take(after)
        self.look_at_end()
        self.deleted.emit(f"Deleted {count} {'turn' if count == 1 else 'turns'}.")

    def walk(self, key: int, by: int) -> None:
        """Show another version of a turn."""
        if key not in self._conversation.turns:
            return
        other = self._conversation.walk(key, by)
        if other == key:
            return
        self._take(self._conversation.choose(other))
        self.look_at(other)
        if self._conversation.turns[other].branch is None:
            self.look_at_end()
            self._mark(other)
        self._view.bring(other)

    def look_at(self, key: int) -> None:
        """Mark a turn; of an answer that was written here, the session looks at its branch."""
        turn = self._conversation.turns.get(key)
        if turn is None:
            return
        branch = self._branch(turn.branch)
        if branch is not None:
            self._own_seed(branch)
            self.walk_requested.emit(branch.key)
        self._mark(key)

    def look_at_end(self) -> None:
        """Look at the last answer that was written here, or at nothing when a person's words came after it."""
        path = self._conversation.path
        if path and self._branch(path[-1].branch) is not None:
            self.look_at(path[-1].key)
            return
        self._session.clear_steps()
        self._mark(path[-1].key if path else None)
        self.changed.emit()

    # What the session says.

    def follow(self, branch: Branch) -> None:
        """Show the conversation whose answer a branch is."""
        turn = self._conversation.of_branch(branch.key)
        if turn is None and self._runs.active and not branch.reason and branch.key not in self._runs.keys:
            # It is being begun; `_on_began` comes with the next breath.
            return
        if turn is None:
            self._take_branch(branch)
            turn = self._conversation.of_branch(branch.key)
        elif turn not in self._conversation.path:
            self._take(self._conversation.choose(turn.key))
        self._show_system(branch)
        self._mark(turn.key if turn is not None else None)

    def _show_system(self, branch: Branch) -> None:
        """Show the system message that an answer was written with; one that nothing was made of yet is not lost."""
        first = [each.messages[0] for each in self._session.branches if each.messages]
        known = {"", *(message.content.strip() for message in first if message.role == "system")}
        field = self._texts.system
        mine = branch.messages[0]
        path = self._conversation.path
        said = mine.content if mine.role == "system" and (not path or path[0].message != mine) else ""
        if field.text().strip() != said.strip() and field.text().strip() in known:
            field.setText(said)

    def _take_branch(self, branch: Branch) -> None:
        """Take an answer in that the conversation does not have yet, at its place."""
        said = Message("assistant", answer(branch))
        if branch.key in self._runs.keys and self.asked == branch.messages:
            self._take(self._conversation.add(said, self._after, branch=branch.key))
            return
        parent = self._conversation.of_branch(branch.parent) if branch.parent is not None else None
        if parent is not None:
            self._take(self._conversation.add(said, parent.before, branch=branch.key))
            return
        found = self._conversation
        # What was written elsewhere, in a session file, say, comes with all that was said beside it.
        others = [each for each in self._session.branches if each.messages and found.of_branch(each.key) is None]
        for each in [*(other for other in others if _alike(other, branch)), branch]:
            if found.of_branch(each.key) is None:
                found = found.graft(_said(each), Message("assistant", answer(each)), each.key)
        turn = found.of_branch(branch.key)
        self._take(found.choose(turn.key) if turn is not None else found)

    def _on_branches_changed(self) -> None:
        keys = {branch.key for branch in self._session.branches}
        found = self._conversation
        for key in [key for key in self._writing if key not in self._runs.keys]:
            self._writing.discard(key)
            branch = self._branch(key)
            if branch is not None:
                found = found.write(key, answer(branch))
        gone = [turn.branch for turn in found.turns.values() if turn.branch is not None and turn.branch not in keys]
        found = found.forget(gone)
        if found is not self._conversation:
            self._take(found)
        else:
            self._show()

    def _on_began(self) -> None:
        branch = self._session.branch
        if branch is not None and branch.messages:
            self._writing |= set(self._runs.keys)
            self.follow(branch)
            self._show()
            self._view.to_end()

    def _on_grew(self) -> None:
        if self._writing and not self._frame.isActive():
            self._frame.start()

    def _on_runs_changed(self) -> None:
        self._view.set_busy(self._runs.active)
        if not self._runs.active:
            self._show()
            self._ask_template()

    def _on_ended(self) -> None:
        """Sequences that were written beside the one that is looked at are versions of its turn."""
        branch = self._session.branch
        turn = self._conversation.of_branch(branch.key) if branch is not None else None
        if branch is None or turn is None:
            return
        found = self._conversation
        for other in together(self._session.branches, branch):
            if found.of_branch(other.key) is None:
                found = found.add(Message("assistant", answer(other)), turn.before, branch=other.key)
        self._take(found.choose(turn.key))

    # What the person did.

    def _on_asked(self, key: int, action: str) -> None:
        if action in ("regenerate", "same_seed"):
            self.regenerate(key, same_seed=action == "same_seed")
        elif action == "delete":
            self.delete(key)
        elif action == "answer" and self._ready():
            self._answer(key)
        elif action == "tokens":
            self.look_at(key)
            self._texts.area.show_view("tokens")

    def _on_role(self, role: str) -> None:
        self._texts.chat_input.setPlaceholderText(_PLACEHOLDERS[role])
        self._on_typed()

    def _on_typed(self) -> None:
        if self._texts.area.shown == "template":
            self._pause.start()

    def _on_view_changed(self) -> None:
        self._show()
        self._ask_template()

    # The work.

    def _answering(self, after: int | None) -> None:
        self._begun, self._typed, self._after = "", None, after

    def _answer(self, after: int | None) -> None:
        self._answering(after)
        self.answer_requested.emit()

    def _take(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._show()
        self._ask_template()
        self.changed.emit()

    def _own_seed(self, branch: Branch) -> None:
        """Take the seed of a version again, where the seed is all that differs: Regenerate had moved it."""
        sampling = self._session.sampling
        theirs = branch.steps[-1].sampling if branch.steps else sampling
        if theirs != sampling and replace(theirs, seed=sampling.seed) == sampling and not self._runs.active:
            self._session.set_sampling(theirs)

    def _system(self) -> tuple[Message, ...]:
        system = self._texts.system.text().strip()
        return (Message("system", system),) if system else ()

    def _written(self, words: str) -> Message:
        """A message that is being written, with the files that go with it."""
        role = self._texts.role.role
        return Message(role, words, **(self._texts.attached.files if role == "user" else {}))

    def _branch(self, key: int | None) -> Branch | None:
        current = self._session.branch
        if current is not None and current.key == key:
            return current
        return next((branch for branch in self._session.branches if branch.key == key), None)

    # What is shown.

    def show_model(self) -> None:
        """Find out who may say what with another checkpoint's template."""
        model = self._session.model
        tokenizer = model.tokenizer if model is not None else None
        if tokenizer is self._roles_of:
            return
        self._roles_of = tokenizer
        self._texts.role.offer(("user",))
        if tokenizer is None or not chat.converses(tokenizer):
            return
        job = Job("Read the chat template", chat.roles, tokenizer, pane="playground", quiet=True)
        job.succeeded.connect(self._on_roles)
        self._runner.start(job, Lane.TEXT, slot="playground.roles")

    def _on_roles(self, roles: tuple[str, ...]) -> None:
        self._texts.role.offer(roles)

    def _mark(self, key: int | None) -> None:
        self._current = key
        self._view.set_current(key)

    def _show(self) -> None:
        """Show the conversation."""
        if self._texts.area.shown != "text":
            return
        path = self._conversation.path
        branches = {branch.key: branch for branch in self._session.branches}
        if (current := self._session.branch) is not None:
            branches[current.key] = current
        versions = self._conversation.all_versions
        self._view.set_turns(
            [
                self._answers.show(turn, branches.get(turn.branch or 0), versions[turn.before], last=turn is path[-1])
                for turn in path
            ]
        )
        self._view.set_current(self._current)
        self._answers.keep({turn.key for turn in path})

    def _show_writing(self) -> None:
        """Show what has come of the answers that are being written."""
        if self._texts.area.shown != "text":
            return
        began = time.perf_counter()
        path = self._conversation.path
        for turn in path:
            if turn.branch in self._runs.keys:
                versions = self._conversation.versions(turn.key)
                branch = self._branch(turn.branch)
                self._view.update_turn(self._answers.show(turn, branch, versions, last=turn is path[-1]))
        # A long answer takes longer to lay out; the window keeps nine tenths of its time for the rest.
        self._frame.setInterval(max(_FRAME, round(10_000 * (time.perf_counter() - began))))

    def _ask_template(self) -> None:
        if self._texts.area.shown == "template":
            self._show_template()

    def _show_template(self) -> None:
        if self._texts.area.shown != "template":
            return
        typed = bool(self._texts.chat_input.text().strip())
        messages, path = self.next_messages, self._conversation.path
        given = "What the model would be given now"
        if not typed and path and path[-1].message.role == "assistant":
            branch = self._branch(path[-1].branch)
            messages = branch.messages if branch is not None else messages[:-1]
            given = "What the model was given for the last answer"
        self._template.show_messages(self._session.model, messages, given)


def _said(branch: Branch) -> tuple[Message, ...]:
    """What an answer followed, without the system message and its own beginning."""
    said = branch.messages[1:] if branch.messages[0].role == "system" else branch.messages
    return said[:-1] if said and said[-1].role == "assistant" else said


def _alike(one: Branch, other: Branch) -> bool:
    """Whether two answers are of one conversation."""
    return one.checkpoint == other.checkpoint and _said(one)[:1] == _said(other)[:1]
