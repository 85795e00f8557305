"""A conversation keeps every version of every turn."""

from __future__ import annotations

from workbench.engine.values import Message
from workbench.panes.playground.chat_turns import Conversation


def said(conversation: Conversation) -> list[str]:
    return [message.content for message in conversation.messages]


def talk(*contents: str) -> Conversation:
    made = Conversation()
    for number, content in enumerate(contents):
        made = made.add(Message("assistant" if number % 2 else "user", content), made.end, branch=number or None)
    return made


def test_an_edit_opens_another_way_and_keeps_the_old_one():
    first = talk("a", "b", "c", "d")
    edited = first.edit(1, "A")
    assert said(edited) == ["A"]
    assert edited.path[0].edited
    assert edited.versions(edited.end) == (1, 5)
    again = edited.add(Message("assistant", "B"), edited.end, branch=9)
    assert said(again.choose(1)) == ["a", "b", "c", "d"]
    assert said(again.choose(again.walk(1, +1))) == ["A", "B"]
    assert again.walk(1, -1) == 1
    assert said(first) == ["a", "b", "c", "d"]


def test_versions_inside_a_way_are_remembered_when_it_is_left_and_taken_again():
    made = talk("a", "b").add(Message("assistant", "b2"), 1)
    made = made.add(Message("user", "c"), made.end)
    away = made.edit(1, "A")
    assert said(away.choose(1)) == ["a", "b2", "c"]
    assert said(away.choose(2)) == ["a", "b"]


def test_delete_takes_what_follows_and_shows_the_version_beside_it():
    made = talk("a", "b", "c", "d")
    assert said(made.delete(3)) == ["a", "b"]
    assert set(made.delete(3).turns) == {1, 2}
    assert said(made.delete(1)) == []
    two = made.add(Message("assistant", "b2"), 1)
    assert said(two.delete(two.end)) == ["a", "b", "c", "d"]
    assert said(two.choose(2).delete(2)) == ["a", "b2"]


def test_no_key_is_given_twice():
    made = talk("a", "b").delete(2).add(Message("assistant", "B"), 1)
    assert made.end == 3


def test_a_branch_that_goes_on_changes_its_turn_unless_something_followed_it():
    made = talk("a", "b", "c", "d")
    assert said(made.write(3, "d e")) == ["a", "b", "c", "d e"]
    longer = made.write(1, "b and more")
    assert said(longer) == ["a", "b and more"]
    assert longer.of_branch(1).key == longer.end
    assert said(longer.choose(4)) == ["a", "b", "c", "d"]
    assert made.write(1, "b") is made


def test_an_answer_from_elsewhere_finds_its_place():
    made = talk("a", "b", "c", "d")
    other = made.graft(made.messages[:3], Message("assistant", "D"), 77)
    assert said(other) == ["a", "b", "c", "D"]
    assert other.versions(other.end) == (4, 5)
    new = made.graft([Message("user", "z")], Message("assistant", "y"), 78)
    assert said(new) == ["z", "y"]
    assert new.versions(new.path[0].key) == (1, 5)
    assert said(Conversation().graft([Message("user", "z")], Message("assistant", "y"), 1)) == ["z", "y"]


def test_the_answer_of_a_pruned_branch_goes_unless_something_follows_it():
    made = talk("a", "b", "c", "d")
    assert said(made.forget([3])) == ["a", "b", "c"]
    kept = made.forget([1])
    assert said(kept) == ["a", "b", "c", "d"]
    assert kept.of_branch(1) is None
