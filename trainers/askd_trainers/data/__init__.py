"""What is trained on: utterances, how they sound, encoder states that are kept, batches."""
