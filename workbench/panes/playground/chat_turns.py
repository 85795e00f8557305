"""A conversation as a tree of turns: every turn has versions, and what followed each of them stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from workbench.engine.values import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said, at one place of the conversation, in one version.

    Attributes:
        key: Its number in the conversation, never used twice.
        before: Key of the turn it follows, or None for the first.
        message: Role and content.
        branch: Key of the session's branch that wrote it, or None when a person did.
        edited: Whether a person put it in place of another version.
    """

    key: int
    before: int | None
    message: Message
    branch: int | None = None
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """All turns that were ever said, and the way through them that is shown. Every change gives a new one.

    Attributes:
        turns: By key, in the order in which they were said.
        chosen: By the key of a turn (None for the beginning), the key of the version that follows it on the way shown.
        last: The highest key given so far.
    """

    turns: Mapping[int, Turn] = field(default_factory=dict)
    chosen: Mapping[int | None, int] = field(default_factory=dict)
    last: int = 0

    # What there is.

    @property
    def path(self) -> tuple[Turn, ...]:
        """The turns that are shown, first to last."""
        found, key = [], self.chosen.get(None)
        while key is not None:
            found.append(self.turns[key])
            key = self.chosen.get(key)
        return tuple(found)

    @property
    def end(self) -> int | None:
        """Key of the last turn that is shown."""
        path = self.path
        return path[-1].key if path else None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is shown, as messages."""
        return tuple(turn.message for turn in self.path)

    def up_to(self, key: int | None) -> tuple[Turn, ...]:
        """The turns from the first one to this one."""
        found: list[Turn] = []
        while key is not None:
            found.append(self.turns[key])
            key = self.turns[key].before
        return tuple(reversed(found))

    def versions(self, key: int) -> tuple[int, ...]:
        """Keys of all versions of a turn, itself included, oldest first."""
        return self._behind(self.turns[key].before)

    @property
    def all_versions(self) -> dict[int | None, tuple[int, ...]]:
        """The versions that follow each turn (None for the beginning), oldest first."""
        found: dict[int | None, list[int]] = {}
        for turn in self.turns.values():
            found.setdefault(turn.before, []).append(turn.key)
        return {before: tuple(keys) for before, keys in found.items()}

    def of_branch(self, branch: int) -> Turn | None:
        """The turn that a branch of the session wrote."""
        return next((turn for turn in self.turns.values() if turn.branch == branch), None)

    def leads_on(self, key: int) -> bool:
        """Whether something was said after this version."""
        return bool(self._behind(key))

    # What can be done to it.

    def add(
        self, message: Message, before: int | None, *, branch: int | None = None, edited: bool = False
    ) -> Conversation:
        """Say something after a turn: another version where something was said there already; it is shown."""
        key = self.last + 1
        turn = Turn(key, before, message, branch, edited)
        return replace(self, turns={**self.turns, key: turn}, last=key).choose(key)

    def edit(self, key: int, content: str) -> Conversation:
        """Put a person's words beside a version, as a new one from which the conversation goes on."""
        turn = self.turns[key]
        return self.add(replace(turn.message, content=content), turn.before, edited=True)

    def choose(self, key: int) -> Conversation:
        """Show the way that leads through a version; behind it, what was shown there last."""
        way = {turn.before: turn.key for turn in self.up_to(key)}
        return replace(self, chosen={**self.chosen, **way})

    def walk(self, key: int, by: int) -> int:
        """Key of another version of a turn, as many places further; the first and the last one hold."""
        versions = self.versions(key)
        return versions[max(0, min(len(versions) - 1, versions.index(key) + by))]

    def delete(self, key: int) -> Conversation:
        """Take a version out with all that follows it; another version is shown in its place, if there is one."""
        gone = {key}
        for turn in self.turns.values():
            if turn.before in gone:
                gone.add(turn.key)
        versions = self.versions(key)
        place = versions.index(key)
        left = versions[:place] + versions[place + 1 :]
        before = self.turns[key].before
        chosen = {where: chosen for where, chosen in self.chosen.items() if where not in gone and chosen not in gone}
        if left and before not in chosen:
            chosen[before] = left[max(0, place - 1)]
        return replace(self, turns={each: turn for each, turn in self.turns.items() if each not in gone}, chosen=chosen)

    def put_back(self, turns: Sequence[Turn]) -> Conversation:
        """Take deleted turns in again where what they followed is still there, and show them."""
        found = dict(self.turns)
        for turn in sorted(turns, key=lambda turn: turn.key):
            if turn.before is None or turn.before in found:
                found[turn.key] = turn
        made = replace(self, turns=dict(sorted(found.items())))
        back = [turn.key for turn in turns if turn.key in found]
        for key in sorted(back, reverse=True):
            made = made.choose(key)
        return made

    def write(self, branch: int, content: str) -> Conversation:
        """Take what a branch has written by now; where something followed what it said before, that stays."""
        turn = self.of_branch(branch)
        if turn is None or turn.message.content == content:
            return self
        message = replace(turn.message, content=content)
        if not self.leads_on(turn.key):
            return replace(self, turns={**self.turns, turn.key: replace(turn, message=message)})
        freed = replace(self, turns={**self.turns, turn.key: replace(turn, branch=None)})
        return freed.add(message, turn.before, branch=branch)

    def graft(self, messages: Sequence[Message], answer: Message, branch: int) -> Conversation:
        """Take an answer in that was written elsewhere, at the end of the conversation it answers."""
        found, before = self, None
        for message in messages:
            same = [key for key in found._behind(before) if found.turns[key].message == message]
            shown = found.chosen.get(before)
            if not same:
                found = found.add(message, before)
                before = found.last
            else:
                before = shown if shown in same else same[0]
        return found.add(answer, before, branch=branch)

    def forget(self, branches: Sequence[int]) -> Conversation:
        """Let go of branches that are no more: an answer of theirs goes too, unless something follows it."""
        found = self
        for turn in self.turns.values():
            if turn.branch not in branches:
                continue
            if found.leads_on(turn.key):
                found = replace(found, turns={**found.turns, turn.key: replace(turn, branch=None)})
            else:
                found = found.delete(turn.key)
        return found

    def _behind(self, key: int | None) -> tuple[int, ...]:
        return tuple(turn.key for turn in self.turns.values() if turn.before == key)
