"""From rows and summaries to tables and pictures."""
