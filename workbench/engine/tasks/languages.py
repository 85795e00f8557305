"""What speech recognition is told of languages: which is spoken, which to write, and whether to translate.

References:
    transformers, Models: Whisper, ``generate`` with ``language`` and ``task``; SeamlessM4T, ``generate`` with
    ``tgt_lang``; Speech2Text, ``generate`` with ``forced_bos_token_id``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.tasks import speaking, transcribing, translation
from workbench.engine.tasks.inputs import Request

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

WHISPER = "whisper"
"""The architecture that says when each part was said, and in which language; and that can be told which it is."""

SETTINGS = {"source_language", "target_language", "speech_task"}
"""Settings that have to do with languages; `offered` says which of them a model reads."""

SPEECH_TASKS = ("auto", "transcribe", "translate")
"""What ``options.speech_task`` may be: as the checkpoint's ``generation_config`` says, or one of Whisper's own."""

#: What SeamlessM4T's generation config calls the languages that it can write.
_WRITTEN = "text_decoder_lang_to_code_id"


def offered(model: LoadedModel) -> dict[str, tuple[str, ...]]:
    """The `SETTINGS` that a model reads, each with what it may be, where the checkpoint says so; else empty.

    Whisper's languages are those of its ``generation_config.lang_to_id``, by name; one that is made for English alone
    is told nothing.
    """
    kind = model.facts.model_type
    if kind == WHISPER:
        offers = {"source_language": tuple(sorted(_spoken(model))), "speech_task": tuple(_told_of(model, "task_to_id"))}
        return {name: values for name, values in offers.items() if values}
    if kind in speaking.SEAMLESS:
        return {"target_language": tuple(sorted(_told_of(model, _WRITTEN)))}
    if kind in transcribing.LANGUAGES:
        return dict.fromkeys(transcribing.LANGUAGES[kind], ())
    written = tuple(sorted(translation.languages(model.tokenizer)))
    return {"target_language": written} if written else {}


def told(request: Request) -> dict[str, Any]:
    """What ``generate`` is told of languages by the options.

    Raises:
        InputError: The model has no such language, or can't do that with it.
    """
    options, kind = request.options, request.model.facts.model_type
    if kind == WHISPER:
        language = options.source_language.strip()
        wanted = {"language": _spelled(request, language)} if language else {}
        return wanted if options.speech_task == "auto" else wanted | {"task": _known_task(request)}
    if kind in speaking.SEAMLESS:
        tokenizer: Any = request.tokenizer
        # What is heard is written down in its own language, as far as the checkpoint says which that is.
        return {"tgt_lang": speaking.language(request, options.target_language or tokenizer.src_lang, _WRITTEN)}
    if kind in transcribing.LANGUAGES or not options.target_language:
        return {}
    # As a translator has it: what is written begins with the token of its language.
    return {"forced_bos_token_id": translation.token(request.tokenizer, options.target_language)}


def _told_of(model: LoadedModel, table: str) -> dict[str, int]:
    settings = getattr(model.model, "generation_config", None)
    if not getattr(settings, "is_multilingual", True):
        return {}
    return getattr(settings, table, None) or {}


def _spoken(model: LoadedModel) -> dict[str, str]:
    """The mark of each language that Whisper knows, by its name; by the mark where the library has no name for it."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    return {LANGUAGES.get(mark.strip("<|>"), mark): mark for mark in _told_of(model, "lang_to_id")}


def _spelled(request: Request, wanted: str) -> str:
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    known, lower = _spoken(request.model), wanted.lower()
    if not {lower, f"<|{TO_LANGUAGE_CODE.get(lower, lower)}|>"} & {*known.values()}:
        raise _refusal(request, f"no language “{wanted}”", "Leave it empty, so that it is heard", tuple(sorted(known)))
    return wanted


def _known_task(request: Request) -> str:
    known, wanted = tuple(_told_of(request.model, "task_to_id")), request.options.speech_task
    if wanted not in known:
        raise _refusal(request, f"no way to {wanted}", "Leave it on auto", known)
    return wanted


def _refusal(request: Request, lacks: str, remedy: str, known: tuple[str, ...]) -> InputError:
    some = f", or choose one of its {len(known)}: {', '.join(known[:8])}{' …' * (len(known) > 8)}" if known else ""
    return InputError(
        "The sound can't be written down in this way.",
        why=f"{request.model.checkpoint.name} has {lacks}{'' if known else ': it is made for one language alone'}.",
        remedy=f"{remedy}{some}.",
    )
