"""Small tokenizers, made here: of single letters, as wav2vec 2.0's; of pieces, as SentencePiece makes them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Wav2Vec2CTCTokenizer

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
LINES = [
    "the conference will now begin", "that conference is full", "all circuits are busy now", "there are currently no messages",
    "press star to cancel, then press pound", "it's a well-known fool's errand!", "your message is too short.",
]  # fmt: skip


def letters(folder: Path) -> Wav2Vec2CTCTokenizer:
    """Return a tokenizer of `LETTERS`, its vocabulary saved in the folder; the blank is 0, words end at "|"."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(LETTERS)}))
    return Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))


def pieces(size: int, *, special: Sequence[str] = ("<pad>", "<s>", "</s>", "<unk>"), kind: Any = PreTrainedTokenizerFast) -> Any:
    """Return a tokenizer of at most `size` pieces trained on `LINES`, a leading "▁" for a space; `special` come first."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False))
    return kind(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
