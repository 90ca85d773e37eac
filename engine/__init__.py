"""The training engine: a config in, a verified LoRA out."""

import os

# On a box shared with anything else, OpenMP threads that spin while they wait starve one another: a training step on
# two loaded cores took 6 times longer. OpenMP reads this when torch is imported, which always comes later.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
