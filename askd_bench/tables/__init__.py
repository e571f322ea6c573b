"""One table, written for terminals, Markdown, LaTeX, HTML and CSV; each writer escapes what comes from outside."""
