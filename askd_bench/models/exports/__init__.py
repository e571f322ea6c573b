"""Whisper checkpoints exported to other runtimes."""
