"""What `verify` looks at, a question a file: single rows, their confidences, the signature, and what others say of the same speech."""
