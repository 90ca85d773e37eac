"""Captions as the screens edit them."""
