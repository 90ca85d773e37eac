"""The commands of loratui, one module for each group."""
