"""What tests of exports share: generation settings of small checkpoints, noise to transcribe, and when two transcriptions are alike."""

import numpy as np

from askd_bench.types import Transcription

END = 50_256
GENERATION = {
    "is_multilingual": True,
    "lang_to_id": {"<|en|>": 50_258, "<|de|>": 50_260},
    "task_to_id": {"transcribe": 50_358, "translate": 50_357},
    "no_timestamps_token_id": 50_362,
    "decoder_start_token_id": 50_257,
    "eos_token_id": END,
    "pad_token_id": END,
    "begin_suppress_tokens": [220, END],
    "suppress_tokens": [1, 2, 7, 8, 9],
    "max_initial_timestamp_index": 50,
}


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1 * (1 + seed), round(seconds * 16_000)).astype(np.float32)


def assert_alike(ours: Transcription, theirs: Transcription, tolerance: float) -> None:
    assert ours.text == theirs.text
    assert [word.text for word in ours.words] == [word.text for word in theirs.words]
    assert ours.word_tokens == theirs.word_tokens
    np.testing.assert_allclose(ours.token_logprobs, theirs.token_logprobs, atol=tolerance)
    np.testing.assert_allclose(ours.token_entropies, theirs.token_entropies, atol=tolerance)
    assert ours.tempered_logprobs.keys() == theirs.tempered_logprobs.keys()
    for temperature, values in ours.tempered_logprobs.items():
        np.testing.assert_allclose(values, theirs.tempered_logprobs[temperature], atol=tolerance)
