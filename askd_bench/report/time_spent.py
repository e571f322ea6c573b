"""Where the time of a run went, in one line."""

from collections.abc import Mapping


def profile_line(seconds: Mapping[str, float], overhead: float | None) -> str:
    """Return the seconds of each activity, the longest first, and the harness's share.

    >>> profile_line({"loading": 2.0, "model": 95.0, "waiting": 4.0, "storing": 1.0}, 0.05)
    'Time: model 95.0 s, waiting 4.0 s, loading 2.0 s, storing 1.0 s. Harness overhead (all but model and loading): 5.0 %.'
    """
    spent = ", ".join(f"{activity} {s:.1f} s" for activity, s in sorted(seconds.items(), key=lambda item: -item[1]))
    share = "not measured, nothing was decoded in this process" if overhead is None else f"{100 * overhead:.1f} %"
    return f"Time: {spent}. Harness overhead (all but model and loading): {share}."
