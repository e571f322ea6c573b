"""Students as folders: made from a teacher, saved, described."""
