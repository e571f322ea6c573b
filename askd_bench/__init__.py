"""askd-bench: robustness and calibration of distilled speech recognisers. The commands as functions are in `askd_bench.api`."""
