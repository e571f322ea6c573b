"""Whisper checkpoints, run by our own greedy decoder."""
