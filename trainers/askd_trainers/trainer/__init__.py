"""transformers' trainer, with checkpoints that are whole or absent and logs that say what each term of the loss did."""
