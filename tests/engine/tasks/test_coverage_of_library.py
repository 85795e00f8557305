"""Every task and every Auto class that the installed library has is done here."""

from __future__ import annotations

import pytest

from workbench.engine import facts, tasks
from workbench.engine.tasks import raw_outputs


def auto_classes() -> list[str]:
    """Every class of the library that chooses a model by its config."""
    from transformers.models.auto import modeling_auto

    kinds = [kind for kind in vars(modeling_auto).values() if isinstance(kind, type)]
    return [kind.__name__ for kind in kinds if getattr(kind, "_model_mapping", None) is not None]


def test_every_task_that_the_library_lists_is_there() -> None:
    from transformers.pipelines import PIPELINE_REGISTRY

    ours = {spec.name: set(spec.heads) for spec in tasks.SPECS}
    listed = PIPELINE_REGISTRY.supported_tasks
    assert len(listed) > 20
    assert set(listed) <= set(ours)
    for name, entry in listed.items():
        assert {kind.__name__ for kind in entry["pt"]} <= ours[name], name


def test_the_heads_whose_pipelines_are_gone_are_there_all_the_same() -> None:
    from transformers.pipelines import PIPELINE_REGISTRY

    gone = {"question-answering", "summarization", "translation", "text2text-generation", "visual-question-answering"}
    assert gone.isdisjoint(PIPELINE_REGISTRY.supported_tasks)
    assert gone <= {spec.name for spec in tasks.SPECS}


def test_every_auto_class_has_a_task() -> None:
    done = {head for spec in tasks.SPECS for head in spec.heads}
    classes = set(auto_classes())
    assert len(classes) > 45 and {"AutoModel", "AutoBackbone"} < classes
    assert classes <= done


@pytest.mark.parametrize("head", sorted({head for spec in tasks.SPECS for head in spec.heads}))
def test_a_checkpoint_of_each_auto_class_is_told_from_its_config(head) -> None:
    assert head in dict(facts.HEADS)
    table = facts.auto_tables()[dict(facts.HEADS)[head]]
    assert table


def test_heads_without_a_reading_of_their_own_show_what_comes_out() -> None:
    own = {head for spec in tasks.SPECS if spec.name != "raw-outputs" for head in spec.heads}
    assert own & set(raw_outputs.SPEC.heads) == {"AutoModel", "AutoModelForPreTraining"}
