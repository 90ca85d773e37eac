"""The method: adapters, loss, optimizers, and the loop that trains them."""
