"""Adapters from checkpoints to the `Transcriber` protocol; the only place of the harness that imports torch."""
