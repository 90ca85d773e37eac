"""The base model: where it lies, how it is fetched and read, in which types, and what it costs."""
