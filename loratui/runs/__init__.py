"""Runs as their viewers see them."""
