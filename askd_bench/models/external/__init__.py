"""Recognisers that run outside: servers, Python functions, files of transcripts."""
