"""What is minimised: a sum of terms, one class each, weighted by a schedule."""
