"""What is one user's own: preferences, keys, recent folders, the log of a session."""
