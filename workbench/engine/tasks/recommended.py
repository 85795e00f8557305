"""Checkpoints to begin a task with: well known, small to middling, and free to use where there is one that is.

Sizes are rounded, and may differ a little from those on the Hub, where a checkpoint shows its own before it is fetched.

References:
    Hugging Face Hub, Model cards
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recommended:
    """A checkpoint on the Hub.

    Attributes:
        name: ``owner/name``.
        parameters: About how many, in millions.
        licence: ``Apache-2.0`` or ``MIT``; or what its card is to be read for, where no free one does the task.
    """

    name: str
    parameters: float
    licence: str = "Apache-2.0"


_MIT = "MIT"
_OWN = "a licence of its own"

_TABLE: dict[str, tuple[Recommended, ...]] = {
    "text-classification": (Recommended("distilbert/distilbert-base-uncased-finetuned-sst-2-english", 67.0),),
    "sentence-pair-classification": (Recommended("cross-encoder/ms-marco-MiniLM-L6-v2", 22.7),),
    "zero-shot-classification": (
        Recommended("MoritzLaurer/deberta-v3-base-zeroshot-v1", 184, _MIT),
        Recommended("facebook/bart-large-mnli", 407, _MIT),
    ),
    "token-classification": (Recommended("dslim/bert-base-NER", 108, _MIT),),
    "question-answering": (Recommended("distilbert/distilbert-base-cased-distilled-squad", 65.2),),
    "document-question-answering": (Recommended("impira/layoutlm-document-qa", 128, _MIT),),
    "multiple-choice": (Recommended("LIAMF-USP/aristo-roberta", 355, _MIT),),
    "decision": (Recommended("Qwen/Qwen2.5-0.5B-Instruct", 494),),
    "table-question-answering": (Recommended("google/tapas-base-finetuned-wtq", 111),),
    "next-sentence-prediction": (Recommended("google-bert/bert-base-uncased", 110),),
    "fill-mask": (
        Recommended("distilbert/distilroberta-base", 82.8),
        Recommended("google-bert/bert-base-uncased", 110),
        Recommended("answerdotai/ModernBERT-base", 149),
    ),
    "text-generation": (
        Recommended("openai-community/gpt2", 124, _MIT),
        Recommended("HuggingFaceTB/SmolLM2-135M-Instruct", 135),
        Recommended("Qwen/Qwen2.5-0.5B-Instruct", 494),
    ),
    "text2text-generation": (
        Recommended("google/flan-t5-small", 77.0),
        Recommended("google/flan-t5-base", 248),
    ),
    "summarization": (
        Recommended("sshleifer/distilbart-cnn-12-6", 306),
        Recommended("facebook/bart-large-cnn", 406, _MIT),
    ),
    "translation": (
        Recommended("google-t5/t5-small", 60.5),
        Recommended("facebook/m2m100_418M", 418, _MIT),
    ),
    "feature-extraction": (
        Recommended("sentence-transformers/all-MiniLM-L6-v2", 22.7),
        Recommended("BAAI/bge-small-en-v1.5", 33.4, _MIT),
        Recommended("intfloat/multilingual-e5-small", 118, _MIT),
    ),
    "image-classification": (
        Recommended("microsoft/resnet-50", 25.6),
        Recommended("google/vit-base-patch16-224", 86.6),
    ),
    "zero-shot-image-classification": (Recommended("google/siglip-base-patch16-224", 203),),
    "object-detection": (
        Recommended("hustvl/yolos-tiny", 6.5),
        Recommended("facebook/detr-resnet-50", 41.6),
    ),
    "zero-shot-object-detection": (
        Recommended("google/owlvit-base-patch32", 153),
        Recommended("IDEA-Research/grounding-dino-tiny", 172),
    ),
    "image-segmentation": (Recommended("facebook/detr-resnet-50-panoptic", 43.0),),
    "zero-shot-image-segmentation": (Recommended("facebook/sam3", 860, _OWN),),
    "mask-generation": (Recommended("facebook/sam-vit-base", 93.7),),
    "image-matting": (Recommended("hustvl/vitmatte-small-composition-1k", 25.8),),
    "depth-estimation": (
        Recommended("depth-anything/Depth-Anything-V2-Small-hf", 24.8),
        Recommended("Intel/dpt-large", 342),
    ),
    "image-feature-extraction": (
        Recommended("facebook/dinov2-small", 22.1),
        Recommended("google/vit-base-patch16-224-in21k", 86.4),
    ),
    "normal-estimation": (Recommended("facebook/sapiens2-normal-0.4b", 400, _OWN),),
    "pointmap-estimation": (Recommended("facebook/sapiens2-pointmap-0.4b", 400, _OWN),),
    "keypoint-detection": (Recommended("usyd-community/vitpose-base-simple", 85.9),),
    "keypoint-matching": (Recommended("zju-community/efficientloftr", 16.0),),
    "text-recognition": (Recommended("PaddlePaddle/PP-OCRv5_mobile_rec_safetensors", 5.9),),
    "table-recognition": (Recommended("PaddlePaddle/SLANet_plus_safetensors", 1.8),),
    "visual-document-retrieval": (
        Recommended("ModernVBERT/colmodernvbert-merged", 251, _MIT),
        Recommended("vidore/colqwen2-v1.0-hf", 2210),
    ),
    "visual-question-answering": (Recommended("dandelin/vilt-b32-finetuned-vqa", 118),),
    "image-to-image": (Recommended("caidas/swin2SR-classical-sr-x2-64", 12.1),),
    "image-text-to-text": (
        Recommended("florence-community/Florence-2-base", 232, _MIT),
        Recommended("HuggingFaceTB/SmolVLM-256M-Instruct", 256),
        Recommended("microsoft/trocr-base-printed", 334, _MIT),
        Recommended("HuggingFaceTB/SmolVLM-500M-Instruct", 508),
    ),
    "any-to-any": (Recommended("deepseek-community/Janus-Pro-1B", 2090, _MIT),),
    "video-classification": (Recommended("google/vivit-b-16x2-kinetics400", 89.0, _MIT),),
    "zero-shot-video-classification": (Recommended("microsoft/xclip-base-patch32", 197, _MIT),),
    "video-segmentation": (Recommended("tue-mps/videomt-dinov2-small-ytvis2019", 24, _OWN),),
    "video-object-tracking": (Recommended("facebook/sam2-hiera-tiny", 39.0),),
    "video-grounding": (Recommended("Intel/tvp-base", 168, _OWN),),
    "audio-classification": (Recommended("superb/hubert-base-superb-ks", 94.6),),
    "zero-shot-audio-classification": (Recommended("laion/clap-htsat-unfused", 153),),
    "text-to-audio": (Recommended("nari-labs/Dia-1.6B-0626", 1600),),
    "time-series-prediction": (Recommended("google/timesfm-2.0-500m-pytorch", 500),),
    "automatic-speech-recognition": (
        Recommended("openai/whisper-tiny", 37.8),
        Recommended("facebook/wav2vec2-base-960h", 94.4),
        Recommended("openai/whisper-small", 242),
    ),
}


def recommended(task: str) -> tuple[Recommended, ...]:
    """Checkpoints to begin a task with, the smallest first; none for what can be done with any.

    Args:
        task: As the library names it.
    """
    return _TABLE.get(task, ())
