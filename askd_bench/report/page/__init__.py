"""`report`: result directories as one HTML page that needs nothing else, and its figures as files for papers."""
