"""Metrics: pure functions of rows, one module a question."""
