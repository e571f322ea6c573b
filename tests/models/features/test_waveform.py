"""The front end of models that take the waveform, against transformers' feature extractor."""

import numpy as np
import transformers

from askd_bench.models.features.waveform import Waveform


def test_the_front_end_equals_transformers(speech: list[np.ndarray]) -> None:
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    for clip in speech:
        [expected] = extractor(clip, sampling_rate=16_000, return_tensors="np").input_values
        features = Waveform(standardise=True)(clip)
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, expected)
