"""Photos become batches: examples, buckets, order, captions, masks and latents, put together in `samples`.

Nothing is imported here: `examples`, `buckets` and `masks` do without torch, for preflight.
"""
