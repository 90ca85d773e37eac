"""What a run gives: exported files, the proof that they load, and pictures."""
