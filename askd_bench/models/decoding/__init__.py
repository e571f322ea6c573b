"""From a model's scores to text, words and confidences."""
