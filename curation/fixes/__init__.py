"""Mend a dataset: safe fixes write a copy, unsafe ones leave something out. No original is ever changed."""

from curation.fixes.apply import Mended, apply_fixes, default_output, free_output
from curation.fixes.diff import preview
from curation.fixes.plan import Fix, plan_fixes

__all__ = ["Fix", "Mended", "apply_fixes", "default_output", "free_output", "plan_fixes", "preview"]
