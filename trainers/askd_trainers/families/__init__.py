"""Kinds of models: what a training asks of each, once (`base.py`), and the two there are."""
