"""What the screens and commands tell of a folder of photos."""
