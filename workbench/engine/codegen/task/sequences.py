"""The scripts of tasks that read a text with an encoder and write another one with a decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.codegen.script import literal
from workbench.engine.codegen.task.parts import PAD, Script, encode, given_text, torch_when_sampling, writes

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


def _blocks(options: TaskOptions, before: list[str], *forced: str) -> list[list[str]]:
    return [
        [*before, *encode(options)],
        [
            "# 2. Forward: the encoder once, the decoder once for each new token",
            PAD,
            *writes(options, ["**inputs"], "pad_token_id=pad_token_id", *forced),
        ],
        [
            "# 3. Postprocess",
            "result = tokenizer.decode(sequences[0], skip_special_tokens=True)",
            "print(result)",
        ],
    ]


def _prefix(task: str) -> list[str]:
    return [
        'settings = getattr(model.config, "task_specific_params", None) or {}',
        f'prefixes = [given.get("prefix", "") for name, given in settings.items() if name.startswith({literal(task)})]',
        "if prefixes and not text.startswith(tuple(filter(None, prefixes))):",
        "    text = prefixes[0] + text",
    ]


def _text2text(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return _blocks(options, [])


def _summarization(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return _blocks(options, _prefix("summarization"))


CODES = [
    'if not hasattr(tokenizer, "lang_code_to_id"):',
    "    codes = tokenizer.extra_special_tokens",
    '    tokenizer.lang_code_to_id = {code.strip("_"): tokenizer.convert_tokens_to_ids(code) for code in codes}',
]
"""``tokenizer.lang_code_to_id``, as `workbench.engine.tasks.translation.languages` finds it."""


def _translation(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    source = [f"tokenizer.src_lang = {literal(options.source_language)}"] if options.source_language else []
    target = literal(options.target_language)
    if not options.target_language:
        return _blocks(options, source or _prefix("translation"))
    forced = f"forced_bos_token_id=tokenizer.lang_code_to_id[{target}]"
    return _blocks(options, [*(source or _prefix("translation")), *CODES], forced)


def told(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps of SeamlessM4T, which is told by name the language to write."""
    source, target = (name.strip("_") for name in (options.source_language, options.target_language))
    wanted = literal(target) if target else 'tokenizer.tgt_lang.strip("_")'
    before = [f"tokenizer.src_lang = {literal(source)}"] if source else []
    return _blocks(options, before, f"tgt_lang={wanted}")


SCRIPTS: dict[str, Script] = {
    "text2text-generation": Script("Turn a text into another one.", given_text, _text2text, torch_when_sampling),
    "summarization": Script("Summarize a text.", given_text, _summarization, torch_when_sampling),
    "translation": Script("Translate a text.", given_text, _translation, torch_when_sampling),
}
"""By the name of the task."""
