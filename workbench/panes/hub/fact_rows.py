"""What is known of a checkpoint as pairs of words: a few lines for a search result, all of them for a config."""

from __future__ import annotations

from workbench.engine.hub import Local, Remote
from workbench.engine.hub.licences import in_words
from workbench.engine.values import Facts, Listing
from workbench.widgets.quantities import format_bytes, format_count
from workbench.widgets.visible_text import drawable


def of_listing(listing: Listing, remote: Remote | None) -> list[tuple[str, str]]:
    """What stands above the card of a repository on the Hub.

    Args:
        listing: Its row in the search.
        remote: What the Hub says of it, once that is known.
    """
    licence = (remote.licence if remote is not None else "") or listing.licence
    gated = remote.gated if remote is not None else "manual" * listing.gated
    rows = [
        ("Task", listing.task),
        ("Parameters", format_count(listing.parameters) if listing.parameters else ""),
        ("Weights", format_bytes(listing.size) if listing.size else ""),
        ("Downloads", format_count(listing.downloads)),
        ("Likes", format_count(listing.likes)),
        ("Updated", listing.updated),
        ("Library", listing.library),
        ("Access", {"": "open", "auto": "gated: granted to who agrees"}.get(gated, "gated: ask its authors first")),
        ("Languages", _some(remote.languages) if remote is not None else ""),
        ("Licence", f"{licence or 'none'}: {in_words(licence)}"),
        ("Use it", "in the Trainer: give its name as the Hub data set" if listing.kind == "dataset" else ""),
    ]
    return [(name, drawable(value)) for name, value in rows if value]


def of_local(local: Local) -> list[tuple[str, str]]:
    """What stands above the card of a checkpoint of this machine."""
    rows = of_facts(local.facts) if local.facts is not None else []
    about = [
        ("Languages", _some(local.languages)),
        ("Licence", f"{local.licence or 'none'}: {in_words(local.licence)}"),
    ]
    return rows + [(name, drawable(value)) for name, value in about if value]


def of_facts(facts: Facts) -> list[tuple[str, str]]:
    """What config.json and the weights say."""
    layers = f"{facts.layers} layers × {facts.hidden_size:,}" if facts.layers and facts.hidden_size else ""
    heads = f"{facts.attention_heads}" if facts.attention_heads else ""
    if facts.kv_heads and facts.kv_heads != facts.attention_heads:
        heads += f" ({facts.kv_heads} KV)"
    rows = [
        ("Architecture", ", ".join(facts.architectures) or facts.model_type),
        ("Stored as", " ".join(part for part in (facts.weights, facts.dtype) if part)),
        ("Body", layers),
        ("Attention heads", heads),
        ("Vocabulary", f"{facts.vocab_size:,} tokens" if facts.vocab_size else ""),
        ("Context", f"{facts.context:,} tokens" if facts.context else ""),
        ("Weights", format_bytes(facts.weight_bytes)),
        ("Chat template", "yes" if facts.has_chat_template else "no"),
        ("Labels", _some(facts.labels)),
        ("Tokenizer", "" if facts.has_tokenizer else "none"),
        ("Own code", "its config names Python code of its own" if facts.remote_code else ""),
    ]
    return [(name, drawable(value)) for name, value in rows if value]


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(name[:40] for name in names[:6]) + (" …" if len(names) > 6 else "")
