"""The training engine: a config in, a verified LoRA out."""
