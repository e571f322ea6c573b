"""The engine: plan, render in worker processes, transcribe, store; the only composer."""
