"""What a checkpoint's folder says about itself, read in milliseconds and without torch."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.engine.adapters import adapter_in, settings_folder
from workbench.engine.errors import CheckpointError
from workbench.engine.fits import WIDTH, shape_of
from workbench.engine.values import Checkpoint, Facts

#: Larger JSON files are no config: the longest real ones have a few hundred kilobytes of labels.
CONFIG_LIMIT = 8 * 2**20
_HEADER_LIMIT = 100 * 2**20

BACKBONE = "AutoBackbone"
"""The Auto class that the library reads no folder with; the class that it would choose reads one (see `class_for`)."""

FINDS = {"sam3_video": "Sam3Model"}
"""What is loaded with AutoModel of what follows things through a film: the part that finds them in a picture."""

WHOLE = ("SegGptForImageSegmentation", "TvpForVideoGrounding")
"""Classes that no Auto class chooses; with AutoModel, checkpoints of theirs would lose what they were trained for."""

#: Auto classes in the order they are offered, with the table of transformers that says which model types have them.
HEADS: tuple[tuple[str, str], ...] = (
    ("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
    ("AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"),
    ("AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING_NAMES"),
    ("AutoModelForSequenceClassification", "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForTokenClassification", "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForQuestionAnswering", "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES"),
    ("AutoModelForMultipleChoice", "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES"),
    ("AutoModelForNextSentencePrediction", "MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES"),
    ("AutoModelForImageTextToText", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES"),
    ("AutoModelForImageClassification", "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForObjectDetection", "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES"),
    ("AutoModelForSemanticSegmentation", "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES"),
    ("AutoModelForUniversalSegmentation", "MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES"),
    ("AutoModelForInstanceSegmentation", "MODEL_FOR_INSTANCE_SEGMENTATION_MAPPING_NAMES"),
    ("AutoModelForImageSegmentation", "MODEL_FOR_IMAGE_SEGMENTATION_MAPPING_NAMES"),
    ("AutoModelForDepthEstimation", "MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES"),
    ("AutoModelForImageMatting", "MODEL_FOR_IMAGE_MATTING_MAPPING_NAMES"),
    ("AutoModelForZeroShotImageClassification", "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForAudioClassification", "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForSpeechSeq2Seq", "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES"),
    ("AutoModelForCTC", "MODEL_FOR_CTC_MAPPING_NAMES"),
    ("AutoModelForTableQuestionAnswering", "MODEL_FOR_TABLE_QUESTION_ANSWERING_MAPPING_NAMES"),
    ("AutoModelForDocumentQuestionAnswering", "MODEL_FOR_DOCUMENT_QUESTION_ANSWERING_MAPPING_NAMES"),
    ("AutoModelForVisualQuestionAnswering", "MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES"),
    ("AutoModelForZeroShotObjectDetection", "MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES"),
    ("AutoModelForTextToWaveform", "MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES"),
    ("AutoModelForTextToSpectrogram", "MODEL_FOR_TEXT_TO_SPECTROGRAM_MAPPING_NAMES"),
    ("AutoModelForTDT", "MODEL_FOR_TDT_MAPPING_NAMES"),
    ("AutoModelForRNNT", "MODEL_FOR_RNNT_MAPPING_NAMES"),
    ("AutoModelForMaskGeneration", "MODEL_FOR_MASK_GENERATION_MAPPING_NAMES"),
    ("AutoModelForKeypointDetection", "MODEL_FOR_KEYPOINT_DETECTION_MAPPING_NAMES"),
    ("AutoModelForKeypointMatching", "MODEL_FOR_KEYPOINT_MATCHING_MAPPING_NAMES"),
    ("AutoModelForPoseEstimation", "MODEL_FOR_POSE_ESTIMATION_MAPPING_NAMES"),
    ("AutoModelForVideoClassification", "MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForAudioXVector", "MODEL_FOR_AUDIO_XVECTOR_MAPPING_NAMES"),
    ("AutoModelForAudioFrameClassification", "MODEL_FOR_AUDIO_FRAME_CLASSIFICATION_MAPPING_NAMES"),
    ("AutoModelForAudioTokenization", "MODEL_FOR_AUDIO_TOKENIZATION_NAMES"),
    ("AutoModelForImageToImage", "MODEL_FOR_IMAGE_TO_IMAGE_MAPPING_NAMES"),
    ("AutoModelForMaskedImageModeling", "MODEL_FOR_MASKED_IMAGE_MODELING_MAPPING_NAMES"),
    ("AutoModelForNormalEstimation", "MODEL_FOR_NORMAL_ESTIMATION_MAPPING_NAMES"),
    ("AutoModelForPointmapEstimation", "MODEL_FOR_POINTMAP_ESTIMATION_MAPPING_NAMES"),
    ("AutoModelForTableRecognition", "MODEL_FOR_TABLE_RECOGNITION_MAPPING_NAMES"),
    ("AutoModelForTextRecognition", "MODEL_FOR_TEXT_RECOGNITION_MAPPING_NAMES"),
    ("AutoModelForDecision", "MODEL_FOR_DECISION_MAPPING_NAMES"),
    ("AutoModelForMultimodalLM", "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES"),
    ("AutoModelForTimeSeriesPrediction", "MODEL_FOR_TIME_SERIES_PREDICTION_MAPPING_NAMES"),
    (BACKBONE, "MODEL_FOR_BACKBONE_MAPPING_NAMES"),
    ("AutoModel", "MODEL_MAPPING_NAMES"),
    ("AutoModelForTextEncoding", "MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES"),
    ("AutoModelForPreTraining", "MODEL_FOR_PRETRAINING_MAPPING_NAMES"),
)

#: Auto classes that name a model better than the others whose tables have it.
_FIRST = ("AutoModelForImageTextToText", "AutoModelForDocumentQuestionAnswering")
#: Auto classes whose tables repeat those above for most architectures.
_OTHER_NAMES = ("AutoModelForTextEncoding", "AutoModelForPreTraining")

_PICTURES = "MODEL_FOR_IMAGE_MAPPING_NAMES"

#: Architectures that are shown films.
FILMS = ("pe_video", "timesformer", "tvp", "videomae", "videomt", "videoprism", "videoprism_vision_model", "vivit",
         "vjepa2", "xclip")  # fmt: skip

#: Auto classes whose models read a text alone, all but those architectures that want a picture beside it.
_READERS = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForMaskedLM", "AutoModelForTextEncoding",
            "AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering",
            "AutoModelForMultipleChoice", "AutoModelForNextSentencePrediction")  # fmt: skip
#: Parts of larger architectures that see a picture as it is, and those that are told besides how it was cut.
_TOWERS = ("gemma3n_vision", "granite_docling_vision", "idefics3_vision", "internvl_vision", "qianfan_ocr_vision",
           "smolvlm_vision")  # fmt: skip
_CUT = ("edgetam_vision_model", "minicpm_ocr_vision", "minicpmv4_7_vision")
_BESIDE = ("bridgetower", "lxmert", "vilt", "whisper")
_READS = ("dpr", "embedding_gemma2")

#: Architectures whose decoder alone stands in two tables, where the library fails to build it from the whole config.
_HALVED = ("musicgen", "musicgen_melody")
#: Architectures that generate without a cache alone, whatever their config says.
CACHELESS = ("blt",)
#: Architectures that the table of sequences to sequences has although a decoder alone reads what they hear or are told.
DECODERS = ("audioflamingo3", "glmasr", "granite_speech", "granite_speech_plus", "moss_transcribe_diarize",
            "musicflamingo", "nemo_speechlm", "qwen2_audio", "qwen3_asr", "vibevoice_asr", "voxtral",
            "voxtral_realtime")  # fmt: skip
#: Those of them that write nothing without a sound: each token comes with a moment of it.
HEAR_ALONE = ("voxtral_realtime",)

#: Only for model types transformers has no table entry for; the longest suffix that fits wins.
_SUFFIXES = {
    "ForCausalLM": "AutoModelForCausalLM",
    "LMHeadModel": "AutoModelForCausalLM",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForMultipleChoice": "AutoModelForMultipleChoice",
    "ForImageClassification": "AutoModelForImageClassification",
    "ForCausalImageModeling": "AutoModel",
    "Model": "AutoModel",
}

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
           "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
           "BOOL": "bool"}  # fmt: skip
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
    "tekken.json",
)
#: What the tokenizers begin with that read the words of a page with their boxes.
_BOXED = ("LayoutLMv2", "LayoutLMv3", "LayoutXLM", "Udop")
#: Tokenizers of bytes and characters, which have no vocabulary to be saved.
_WITHOUT_VOCABULARY = ("ByT5Tokenizer", "CanineTokenizer", "DiaTokenizer", "PerceiverTokenizer")
_PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")


GGUF_REMEDY = "Choose the .gguf file itself by Import… in Hub, which converts it, or get the model as safetensors."
"""What to do with a folder of llama.cpp's."""


def describe(checkpoint: Checkpoint) -> Facts:
    """Read config.json and the names and headers of the weight files; a few milliseconds, no torch.

    Raises:
        CheckpointError: The folder is missing, is no checkpoint, or its config.json can't be read.
    """
    path = checkpoint.path
    config = read_config(path, checkpoint.name)
    kind, files = weight_files(path)
    adapter = adapter_in(path)
    if adapter is not None and adapter.base is not None and kind == "safetensors":
        # The weights that are loaded are the base checkpoint's, with the adapter merged into them.
        files = (*weight_files(adapter.base)[1], *files)
    words = tokenizer_folder(path)
    bare = adapter is not None and not (path / "config.json").is_file()
    if bare and adapter is not None and (labels := adapter.labels) is not None:
        config["id2label"] = {number: f"LABEL_{number}" for number in range(labels)}
    seen = of_config(
        config,
        lambda name: (path / name).is_file() or (words / name).is_file(),
        weights=kind,
        weight_bytes=sum(file.stat().st_size for file in files if file.exists()),
        stored=_stored(files) if kind == "safetensors" else (),
        has_chat_template=_has_chat_template(words),
    )
    if bare and adapter is not None and adapter.head in seen.heads:
        seen = replace(seen, trained_head=adapter.head)
    return replace(seen, has_tokenizer=has_tokenizer(words))


def of_config(
    config: Mapping[str, Any],
    present: Callable[[str], bool],
    *,
    weights: str,
    weight_bytes: int,
    stored: Sequence[tuple[str, int]],
    has_chat_template: bool,
) -> Facts:
    """What a config.json says, wherever its checkpoint lies.

    Args:
        config: Of `read_config` or `parse_config`; anything may stand in it.
        present: Whether the checkpoint has a file of that name.
        weights: As `Facts` has it.
        weight_bytes: As `Facts` has it.
        stored: As `Facts` has it.
        has_chat_template: As `Facts` has it.
    """
    model_type = config.get("model_type")
    model_type = model_type if isinstance(model_type, str) else ""
    named = config.get("architectures")
    if not model_type and "pretrained_cfg" in config:
        # timm's own checkpoints name the model as timm does; the library wraps them.
        model_type, named = "timm_wrapper", ["TimmWrapperForImageClassification"]
    architectures = tuple(str(name)[:200] for name in named[:8]) if isinstance(named, list) else ()
    trained = _trained_head(architectures, model_type)
    heads = _heads(model_type, trained)
    auto_map = config.get("auto_map")
    if isinstance(auto_map, dict) and not known_model_type(model_type):
        # Its own code says which heads there are.
        heads = tuple(head for head, _ in HEADS if head in auto_map) or heads
        trained = trained if trained in heads else heads[0]
    text = config.get("text_config")
    sizes = {**config, **text} if isinstance(text, dict) else config
    heads_count = _whole(sizes, "num_attention_heads", "n_head", "n_heads")
    main = max(stored, key=lambda entry: entry[1] * WIDTH.get(entry[0], 1), default=("", 0))[0]
    declared = config.get("dtype", config.get("torch_dtype"))
    return Facts(
        architectures=architectures,
        model_type=model_type,
        heads=heads,
        trained_head=trained,
        dtype=_DTYPES.get(main) or (declared if isinstance(declared, str) else None),
        layers=_whole(sizes, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        hidden_size=_whole(sizes, "hidden_size", "n_embd", "d_model", "dim"),
        attention_heads=heads_count,
        kv_heads=_whole(sizes, "num_key_value_heads") or heads_count,
        vocab_size=_whole(sizes, "vocab_size"),
        context=_whole(sizes, "max_position_embeddings", "n_positions", "max_sequence_length"),
        labels=_labels(config),
        weights=weights,
        weight_bytes=weight_bytes,
        remote_code="auto_map" in config,
        has_tokenizer=any(present(name) for name in _TOKENIZER_FILES),
        has_chat_template=has_chat_template,
        encoder_decoder=_encoder_decoder(config, heads, trained),
        takes_images=_takes_images(config, heads, present),
        stored=tuple(stored),
        shape=shape_of(config),
    )


def read_config(path: Path, name: str) -> dict[str, Any]:
    """config.json of a folder as a dict.

    Raises:
        CheckpointError: There is no such folder or file, or it holds no JSON object.
    """
    what = f"Could not open {name}."
    if not path.exists():
        raise CheckpointError(
            what,
            why=f"There is no folder {path}.",
            remedy="Check the spelling, or pick a checkpoint from the list of what is on this machine.",
        )
    if not path.is_dir():
        raise CheckpointError(
            what,
            why=f"{path.name} is a file; a checkpoint is a folder with config.json and weights.",
            remedy="Choose the folder that holds it.",
        )
    file = settings_folder(path, what) / "config.json"
    if not file.is_file():
        raise CheckpointError(what, why=_why_no_config(path), remedy=_remedy_no_config(path))
    damaged = "Download or save the checkpoint again: config.json must be one JSON object with a model_type."
    if file.stat().st_size > CONFIG_LIMIT:
        raise CheckpointError(what, why="Its config.json is too large to be one.", remedy=damaged)
    return parse_config(file.read_bytes(), what, damaged)


def parse_config(text: bytes, what: str, remedy: str) -> dict[str, Any]:
    """A config.json as a dict.

    Args:
        text: At most `CONFIG_LIMIT` bytes.
        what: What is being done, as "Could not …".
        remedy: What the person can do when it is damaged.

    Raises:
        CheckpointError: It is no JSON object, or one nested deeper than any settings are.
    """
    try:
        config = json.loads(text)
    except RecursionError as error:
        raise CheckpointError(what, why="Its config.json is nested deeper than settings are.", remedy=remedy) from error
    except ValueError as error:
        raise CheckpointError(what, why=f"Its config.json is damaged: {error}.", remedy=remedy) from error
    if not isinstance(config, dict):
        raise CheckpointError(what, why="Its config.json holds something else than settings.", remedy=remedy)
    return config


def _why_no_config(path: Path) -> str:
    if (path / "adapter_config.json").exists():
        return "The folder holds only an adapter (LoRA or the like), which changes another checkpoint's weights."
    if any(path.glob("*.gguf")):
        return "The folder holds a GGUF file, the format of llama.cpp, and no config.json."
    return f"The folder {path} has no config.json, so it is no transformers checkpoint."


def _remedy_no_config(path: Path) -> str:
    if (path / "adapter_config.json").exists():
        return "Merge it into its base checkpoint with peft (merge_and_unload) and save that."
    if any(path.glob("*.gguf")):
        return GGUF_REMEDY
    return "Choose a folder written by save_pretrained, or a snapshot of a Hub repository."


def weight_files(path: Path) -> tuple[str, tuple[Path, ...]]:
    """The format of a folder's weights and its files, the format that is loaded first winning.

    Returns:
        ``safetensors``, ``pickle``, ``gguf`` or ``none``, and the files (shards an index names may be missing).
    """
    index = path / "model.safetensors.index.json"
    if (path / "model.safetensors").is_file():
        return "safetensors", (path / "model.safetensors",)
    if index.is_file():
        return "safetensors", tuple(path / shard for shard in shards(index))
    for kind, patterns in (
        ("safetensors", ("*.safetensors",)),
        ("pickle", ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")),
        ("gguf", ("*.gguf",)),
    ):
        found = tuple(sorted(file for pattern in patterns for file in path.glob(pattern) if file.is_file()))
        if found:
            return kind, found
    return "none", ()


def shards(index: Path) -> tuple[str, ...]:
    """The plain file names an index of shards lists, in order; empty when the index can't be read."""
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        return tuple(sorted(name for name in names if name == Path(name).name and name not in ("", ".", "..")))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return ()


def header(file: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor name to ``{dtype, shape, data_offsets}``.

    Raises:
        CheckpointError: The file is cut off or is no safetensors file; ``why`` tells which.
    """
    what = f"Could not read the weights in {file.name}."
    again = "Delete it and download or save the checkpoint again."
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= _HEADER_LIMIT:
            raise CheckpointError(what, why="The file is empty or is no safetensors file.", remedy=again)
        raw = stream.read(length)
    if len(raw) < length:
        raise CheckpointError(what, why=f"The file is cut off after {size:,} bytes.", remedy=again)
    try:
        tensors = json.loads(raw)
        tensors.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
        expected = 8 + length + int(end)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise CheckpointError(what, why="The file is damaged or is no safetensors file.", remedy=again) from error
    if size < expected:
        raise CheckpointError(what, why=f"The file is cut off: {size:,} of {expected:,} bytes are there.", remedy=again)
    return tensors


def sees(model_type: str) -> bool:
    """Whether the installed transformers lists an architecture among those that turn pictures into vectors."""
    named = "vision_model" in model_type or model_type in _TOWERS
    return (model_type in _tables()[_PICTURES] or named) and model_type not in (*FILMS, *_CUT)


def reads(model_type: str) -> bool:
    """Whether an architecture makes vectors of a text alone."""
    tables, named = _tables(), dict(HEADS)
    listed = any(model_type in tables[named[head]] for head in _READERS) and model_type not in _BESIDE
    return listed or model_type.endswith("_text") or model_type in _READS


def fewest(config: Any) -> int:
    """The fewest ids that an architecture reads: the library's code fails on fewer.

    Args:
        config: The ``model.config``.

    References:
        transformers, CanineModel (convolution over ``downsampling_rate`` characters), FunnelEncoder (halves the
        sequence in each block after the first)
    """
    if config.model_type == "canine":
        return int(config.downsampling_rate)
    if config.model_type == "funnel" and config.attention_type == "relative_shift" and len(config.block_sizes) > 1:
        return int(2 ** (len(config.block_sizes) - (1 if config.separate_cls else 2))) + 1
    return 1


def renamed(model_type: str, head: str) -> dict[str, str]:
    """Names of weights that a head has to be told when it is loaded, as ``key_mapping`` takes them.

    The library means to find the tracker of a published SAM 3 and the writer of an Emu3 itself, and leaves their
    weights drawn at random; of a Moshi, which hears and speaks, it has the writer alone in its tables.
    """
    parts = {
        ("sam3_video", "AutoModelForMaskGeneration"): "tracker_model",
        ("sam3_video", "AutoModel"): "detector_model",
        ("emu3", "AutoModelForCausalLM"): "text_model",
        ("emu3", "AutoModelForTextEncoding"): "text_model.model",
        ("llama4", "AutoModelForTextEncoding"): "language_model.model",
        ("moshi", "AutoModelForCausalLM"): "decoder",
        ("moshi", "AutoModel"): "decoder.model",
    }
    return {rf"^{parts[model_type, head]}\.": ""} if (model_type, head) in parts else {}


def has_tokenizer(path: Path) -> bool:
    """Whether any file a tokenizer can be built from is there."""
    return any((path / name).is_file() for name in _TOKENIZER_FILES) or (
        _tokenizer_config(path).get("tokenizer_class") in _WITHOUT_VOCABULARY
    )


def tokenizer_folder(path: Path) -> Path:
    """The folder that a checkpoint's tokenizer is in: its own, or that of what lies beneath an adapter without one."""
    adapter = None if has_tokenizer(path) else adapter_in(path)
    return path if adapter is None or adapter.base is None else adapter.base


def boxed(path: Path) -> bool:
    """Whether a folder's tokenizer wants words with boxes, and no running text."""
    return str(_tokenizer_config(path).get("tokenizer_class", "")).startswith(_BOXED)


def known_model_type(model_type: str) -> bool:
    """Whether the installed transformers has this architecture itself."""
    return model_type in _tables()["CONFIG_MAPPING_NAMES"]


def class_for(head: str, model_type: str, architectures: Sequence[str] = ()) -> str:
    """The class that reads a checkpoint's folder: the Auto class, or of backbones the one that it stands for.

    Args:
        head: The Auto class.
        model_type: Of the config.
        architectures: What it was saved as: of two architectures the library's tables have the body alone.
    """
    if head == "AutoModel":
        return FINDS.get(model_type) or next((name for name in architectures if name in WHOLE), head)
    named = _tables()[dict(HEADS)[BACKBONE]].get(model_type, ())
    return named[0] if head == BACKBONE and named else head


@functools.cache
def _tables() -> dict[str, dict[str, tuple[str, ...]]]:
    # Importing transformers.models.auto costs seconds and torch; its tables are literals, so they are read as text.
    wanted = {table for _, table in HEADS} | {"CONFIG_MAPPING_NAMES", _PICTURES}
    found: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in wanted}
    spec = importlib.util.find_spec("transformers")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for module in ("auto_mappings.py", "configuration_auto.py", "modeling_auto.py"):
            file = Path(folder, "models", "auto", module)
            if not file.is_file():
                continue
            source = file.read_text("utf-8")
            for block in re.finditer(r"^(\w+)(?: = OrderedDict|\.update)\((.*?)^\)", source, re.MULTILINE | re.DOTALL):
                if block[1] in wanted:
                    for other in re.findall(r"\*list\((\w+)\.items\(\)\)", block[2]):
                        found[block[1]].update(found.get(other, {}))
                    for entry in re.finditer(r'"([\w.-]+)"\s*[,:]\s*("\w+"|\([^()]*\))', block[2]):
                        # Some architectures have several classes, told apart by what the config names.
                        found[block[1]][entry[1]] = tuple(re.findall(r'"(\w+)"', entry[2]))
    return found


def _heads(model_type: str, trained: str | None) -> tuple[str, ...]:
    tables = _tables()
    fit = [head for head, table in HEADS if model_type in tables[table] and head != "AutoModel"]
    if model_type in _HALVED:
        return tuple(head for head in fit if head != "AutoModelForCausalLM")
    for head in _OTHER_NAMES:
        # Two names for one class help nobody to choose.
        others = {tables[table].get(model_type) for each, table in HEADS if each not in _OTHER_NAMES}
        if head in fit and tables[dict(HEADS)[head]][model_type] in others:
            fit.remove(head)
    if "AutoModelForMaskedLM" in fit and "AutoModelForCausalLM" in fit and trained != "AutoModelForCausalLM":
        # Encoders list a causal head too, which needs is_decoder=True to mean anything.
        fit.remove("AutoModelForCausalLM")
    if trained and trained != "AutoModel":
        fit = [trained, *(head for head in fit if head != trained)]
    return (*fit, "AutoModel")


def _trained_head(architectures: tuple[str, ...], model_type: str) -> str | None:
    if not architectures:
        return None
    tables = _tables()
    # Some classes stand in two tables; with pictures, or with the boxes of words, they do all they can.
    for head, table in sorted(HEADS, key=lambda entry: entry[0] not in _FIRST):
        if architectures[0] in tables[table].get(model_type, ()):
            if head == "AutoModel" and model_type in tables["MODEL_FOR_MASK_GENERATION_MAPPING_NAMES"]:
                # SAM 2 and 3 are published with what follows things through a film; the task loads what finds them.
                return "AutoModelForMaskGeneration"
            # Of a masked language model's pretraining that head is what people want; its weights are all there.
            both = head == "AutoModelForPreTraining" and model_type in tables["MODEL_FOR_MASKED_LM_MAPPING_NAMES"]
            return None if both else head
    for suffix, head in _SUFFIXES.items():
        if architectures[0].endswith(suffix):
            return head
    return None


def _encoder_decoder(config: Mapping[str, Any], heads: tuple[str, ...], trained: str | None) -> bool:
    # Written only where it differs from what the architecture has by itself.
    stated = config.get("is_encoder_decoder")
    if isinstance(stated, bool):
        return stated
    return "AutoModelForSeq2SeqLM" in (trained, heads[0]) and config.get("model_type") not in DECODERS


def _takes_images(config: Mapping[str, Any], heads: tuple[str, ...], present: Callable[[str], bool]) -> bool:
    # The table of transformers lists text models as well, under the type of a family that has both.
    if "AutoModelForImageTextToText" not in heads:
        return False
    return "vision_config" in config or any(present(name) for name in _PROCESSOR_FILES)


def _stored(files: tuple[Path, ...]) -> tuple[tuple[str, int], ...]:
    """Numbers by dtype, from the bytes they take: what a header says of shapes may be a lie."""
    counts: Counter[str] = Counter()
    try:
        for file in files:
            for entry in header(file).values():
                start, end = entry["data_offsets"]
                kind = str(entry["dtype"])
                counts[kind] += max(0, end - start) // WIDTH.get(kind, 1)
    except (CheckpointError, OSError, IndexError, KeyError, TypeError, ValueError):
        return ()
    return tuple(counts.most_common())


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    if not isinstance(names, dict):
        return ()
    try:
        return tuple(str(names[key]) for key in sorted(names, key=int))
    except ValueError:
        return ()


def _whole(config: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _has_chat_template(path: Path) -> bool:
    if (path / "chat_template.jinja").is_file() or (path / "chat_template.json").is_file():
        return True
    return bool(_tokenizer_config(path).get("chat_template"))


def _tokenizer_config(path: Path) -> dict[str, Any]:
    file = path / "tokenizer_config.json"
    if not file.is_file() or file.stat().st_size > CONFIG_LIMIT:
        return {}
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}
