"""What the installed library's tables say of an architecture: its Auto classes, and what it sees and reads."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

BACKBONE = "AutoBackbone"
"""The Auto class that the library reads no folder with; the class that it would choose reads one (see `class_for`)."""

FINDS = {"sam3_video": "Sam3Model"}
"""What is loaded with AutoModel of what follows things through a film: the part that finds them in a picture."""

WHOLE = ("CLIPSegForImageSegmentation", "SegGptForImageSegmentation", "TvpForVideoGrounding")
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

#: Architectures whose pretraining leaves what tells replaced tokens from others, and no head that fills masks.
_DISCRIMINATES = ("electra", "funnel")

_PICTURES = "MODEL_FOR_IMAGE_MAPPING_NAMES"

#: Architectures that are shown films.
FILMS = ("pe_audio_video_encoder", "pe_video", "pe_video_encoder", "timesformer", "tvp", "videomae", "videomt",
         "videoprism", "videoprism_vision_model", "vivit", "vjepa2", "xclip")  # fmt: skip

#: Architectures that read texts alone, although the library's tables have them among those that see.
BLIND = ("mistral4",)

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


def sees(model_type: str) -> bool:
    """Whether the installed transformers lists an architecture among those that turn pictures into vectors."""
    named = "vision_model" in model_type or model_type in _TOWERS
    return (model_type in auto_tables()[_PICTURES] or named) and model_type not in (*FILMS, *_CUT)


def reads(model_type: str) -> bool:
    """Whether an architecture makes vectors of a text alone."""
    tables, named = auto_tables(), dict(HEADS)
    listed = any(model_type in tables[named[head]] for head in _READERS) and model_type not in _BESIDE
    return listed or _names_text(model_type) or model_type in _READS


def _names_text(model_type: str) -> bool:
    # Of what writes text from another thing, the name ends so too.
    return model_type.endswith("_text") and not model_type.endswith("_to_text")


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
    weights drawn at random; of a Moshi, which hears and speaks, it has the writer alone in its tables. Of ShieldGemma 2
    it finds the part that sees, and not the one that writes.
    """
    if model_type == "shieldgemma2" and head != "AutoModelForImageClassification":
        return {r"^(model\.)+language_model\.model\.": "model.language_model."}
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


def known_model_type(model_type: str) -> bool:
    """Whether the installed transformers has this architecture itself."""
    return model_type in auto_tables()["CONFIG_MAPPING_NAMES"]


def class_for(head: str, model_type: str, architectures: Sequence[str] = ()) -> str:
    """The class that reads a checkpoint's folder: the Auto class, or of backbones the one that it stands for.

    Args:
        head: The Auto class.
        model_type: Of the config.
        architectures: What it was saved as: of two architectures the library's tables have the body alone.
    """
    if head == "AutoModel":
        return FINDS.get(model_type) or next((name for name in architectures if name in WHOLE), head)
    named = auto_tables()[dict(HEADS)[BACKBONE]].get(model_type, ())
    return named[0] if head == BACKBONE and named else head


@functools.cache
def auto_tables() -> dict[str, dict[str, tuple[str, ...]]]:
    """The installed library's tables by their names: the classes that each architecture has there."""
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


#: The head that scores options, and files of which it has one with its settings.
_HEAD_BESIDE = ("AutoModelForDecision", ("decision_config.json", "judge_config.json"))


def heads_of(model_type: str, trained: str | None) -> tuple[str, ...]:
    """The Auto classes of an architecture, the one that a checkpoint was trained for first, and ``AutoModel`` last.

    Args:
        model_type: Of the config.
        trained: What `trained_head` says.
    """
    tables = auto_tables()
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


def trained_head(architectures: tuple[str, ...], model_type: str) -> str | None:
    """The Auto class that a checkpoint was trained for, by the classes that its config names; None where it names none.

    Args:
        architectures: What it was saved as.
        model_type: Of the config.
    """
    if not architectures:
        return None
    if architectures[0] in WHOLE:
        return "AutoModel"
    tables = auto_tables()
    # Some classes stand in two tables; with pictures, or with the boxes of words, they do all they can.
    for head, table in sorted(HEADS, key=lambda entry: entry[0] not in _FIRST):
        if architectures[0] in tables[table].get(model_type, ()):
            if head == "AutoModel" and model_type in tables["MODEL_FOR_MASK_GENERATION_MAPPING_NAMES"]:
                # SAM 2 and 3 are published with what follows things through a film; the task loads what finds them.
                return "AutoModelForMaskGeneration"
            # Of a masked language model's pretraining that head is what people want; its weights are all there.
            both = head == "AutoModelForPreTraining" and model_type in tables["MODEL_FOR_MASKED_LM_MAPPING_NAMES"]
            return "AutoModelForMaskedLM" if both and model_type not in _DISCRIMINATES else head
    for suffix, head in _SUFFIXES.items():
        if architectures[0].endswith(suffix):
            return head
    return None


def head_beside(model_type: str, present: Callable[[str], bool]) -> str | None:
    """The Auto class of a head that is published beside the weights of another model; None where there is none.

    Args:
        model_type: Of the config, which is the other model's.
        present: Whether the checkpoint has a file of that name.
    """
    head, files = _HEAD_BESIDE
    has = model_type in auto_tables()[dict(HEADS)[head]]
    return head if has and any(present(file) for file in files) else None
