"""From samples to what a model takes."""
