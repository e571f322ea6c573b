"""Which figures each table shows, and in which order: lists of names of `askd_bench.metrics.catalogue`."""

from askd_bench.metrics.inheritance import BLIND_SPOTS as _BLIND_SPOTS

HEADLINE = (
    *("wer", "wer_capped", "degradation", "cer", "ece", "ece_scaled", "confident_errors_0.7"),
    *("insertion_rate", "hallucination_rate"),
)
ERRORS = (
    *("wer", "substitution_rate", "deletion_rate", "insertion_rate", "sentence_error_rate", "relative_degradation", "hallucination_rate"),
    *("invented_words_per_minute", "loops_per_1000_words", "bracketed_per_1000_words", "compressible_rate", "length_ratio", "rtfx"),
)
CONFIDENCE = (
    *("ece", "ece_equal_mass", "maximum_calibration_error", "overconfidence_gap", "brier", "nll", "nce"),
    *("confident_errors_0.5", "confident_errors_0.7", "confident_errors_0.9", "confident_substitution_share_0.7"),
    *("auroc", "aupr_errors", "aurc", "excess_aurc"),
)
INHERITANCE = (
    *("inherited", "changed_share", "mended_share", "new_errors"),
    *("inherited_expected", "inheritance_excess", "confident_inherited", "confident_inheritance_excess", "kappa"),
    *("inherited_vs_control", "confident_inherited_vs_control"),
)
BLIND_SPOTS = tuple(one.name for one in _BLIND_SPOTS)
SPEED = ("batch_size", "batches", "p50_s", "p95_s", "clips_per_s", "rtfx_measured", "frontend_s", "peak_memory_bytes")
LATENCY = ("measurements", "p50_s", "p95_s", "p99_s")
