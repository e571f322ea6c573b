"""For every test: no property fails for being slow, and what doctests cannot import without an extra is left out."""

from importlib.util import find_spec

from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.load_profile("untimed")

collect_ignore = [] if find_spec("ray") else ["askd_bench/evaluation/executors/ray.py"]
