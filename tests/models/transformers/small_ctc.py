"""Small CTC models of random weights, made here: on the waveform, with letters; on a spectrogram, with pieces."""

from pathlib import Path
from typing import Any

import torch
import transformers
from small_tokenizers import LETTERS, letters, pieces

SMALL = {
    "vocab_size": len(LETTERS), "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "initializer_range": 0.3, "pad_token_id": 0,
}  # fmt: skip
CONVOLUTIONS = {
    "conv_dim": (32,) * 4, "conv_stride": (5, 4, 4, 4), "conv_kernel": (10, 8, 8, 4), "num_feat_extract_layers": 4,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
SPECTROGRAM_ENCODER = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "subsampling_conv_channels": 8,
    "initializer_range": 0.3,
}  # fmt: skip


def save_waveform_model(folder: Path, architecture: str = "Wav2Vec2", **config: Any) -> Path:
    """Save a model of an architecture in a folder of its own, and return that."""
    folder = folder / architecture.lower()
    own = getattr(transformers, f"{architecture}Config")(
        **{**SMALL, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True, **config}
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{architecture}ForCTC")(own)
    with torch.no_grad():
        model.lm_head.bias[:4] -= 2.0  # less of the blank and of special tokens
    model.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=own.feat_extract_norm == "layer")
    transformers.Wav2Vec2Processor(extractor, letters(folder)).save_pretrained(folder)
    return folder


def save_spectrogram_model(folder: Path, architecture: str) -> Path:
    """Save a model of an architecture in a folder of its own, and return that."""
    folder = folder / architecture.lower()
    kind = transformers.ParakeetTokenizer if architecture != "Wav2Vec2Bert" else transformers.PreTrainedTokenizerFast
    tokenizer = pieces(64, special=("<s>", "</s>", "<unk>", "<pad>"), kind=kind)
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if architecture == "Parakeet":
        encoder = transformers.ParakeetEncoderConfig(**SPECTROGRAM_ENCODER)
        config, extractor = transformers.ParakeetCTCConfig(encoder_config=encoder, **common), transformers.ParakeetFeatureExtractor()
    elif architecture == "Lasr":
        encoder = transformers.LasrEncoderConfig(**SPECTROGRAM_ENCODER, num_key_value_heads=2)
        config, extractor = transformers.LasrCTCConfig(encoder_config=encoder, **common), transformers.LasrFeatureExtractor()
    else:
        config, extractor = transformers.Wav2Vec2BertConfig(**{**SMALL, **common}), transformers.SeamlessM4TFeatureExtractor()
    torch.manual_seed(0)
    getattr(transformers, f"{architecture}ForCTC")(config).save_pretrained(folder)
    for part in (extractor, tokenizer):
        part.save_pretrained(folder)
    return folder
