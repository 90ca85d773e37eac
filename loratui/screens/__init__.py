"""One module for each screen, named for what the user does there."""
