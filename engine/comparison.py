"""How two runs differ in what they were trained on: settings, base model, photos and captions; told without torch."""

import dataclasses

from engine.differences import Difference, differences
from engine.fingerprint import Fingerprint, recorded_fingerprint, settings_of
from engine.rundir import RunDir
from engine.training.manifest import checkpoint_folders


def run_differences(one: RunDir, other: RunDir) -> list[Difference]:
    """All differences, those that change what is learned first; `before` is the one's, `now` the other's.

    Photos and the base model are compared where both runs' newest checkpoints tell them.  Raises ConfigError for a run
    whose config cannot be read.
    """
    before, now = _fingerprint(one), _fingerprint(other)
    if not (before.photos and now.photos):
        before, now = _settings_alone(before), _settings_alone(now)
    return sorted(differences(before, now), key=lambda difference: difference.weight == "harmless")


def _fingerprint(run: RunDir) -> Fingerprint:
    settings = settings_of(run.config())
    recorded = next(filter(None, map(recorded_fingerprint, checkpoint_folders(run)[:1])), None)
    empty = Fingerprint(settings, None, {}, {})
    return dataclasses.replace(recorded, settings=settings) if recorded else empty


def _settings_alone(fingerprint: Fingerprint) -> Fingerprint:
    return dataclasses.replace(fingerprint, model=None, photos={}, class_images={})
