"""Where batches are rendered and transcribed: in this process, or on a Ray cluster."""
