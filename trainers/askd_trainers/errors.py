"""Failures of a training that others handle: a sweep goes on after one."""

from askd_bench.errors import UserError


class Diverged(UserError):
    """A loss, a validation loss or a weight is not finite: the learning rate is too high."""
