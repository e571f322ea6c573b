"""`leaderboard`: models side by side where they heard the very same audio, built from rows alone and the same to the byte every time."""
