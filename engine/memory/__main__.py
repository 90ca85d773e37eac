"""The counting process: settings as JSON on stdin, the estimate as JSON on stdout."""

import json
import sys

from engine.config import TrainConfig
from engine.memory import to_json
from engine.memory.count import count

sys.stdout.write(to_json(count(TrainConfig.model_validate(json.load(sys.stdin)))))
