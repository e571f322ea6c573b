"""What running out of memory looks like."""

import torch

_CPU_ALLOCATOR = ("not enough memory", "can't allocate memory", "Cannot allocate memory", "failed to allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a batch was too large for memory, in any of the ways in which runtimes say it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in (*_CPU_ALLOCATOR, "out of memory"))
