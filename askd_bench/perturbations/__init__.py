"""What is done to speech before a model transcribes it: one file a domain, all pure functions of samples and a seeded generator."""
