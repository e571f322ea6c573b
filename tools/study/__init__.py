"""A study: arms with one student a seed, compared over domains by a rule that a file fixes beforehand."""
