"""Trainers of distilled speech-recognition students: the KD baseline, ASKD and their controls."""
