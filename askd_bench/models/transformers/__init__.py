"""The other recognisers of transformers: sequence-to-sequence and CTC."""
