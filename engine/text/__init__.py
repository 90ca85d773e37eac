"""Words: trigger words and their new tokens, captions and prompts as the UNet is told them."""
