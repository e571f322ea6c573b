"""What doctests cannot import without an extra is left out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("ray") else ["askd_bench/evaluation/ray_executor.py"]
