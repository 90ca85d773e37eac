"""From a folder of photos to an SDXL DreamBooth LoRA, in a terminal."""
