"""Photos and captions: read a folder, judge it, mend it in a copy, and never lose a caption.

What is named here is imported when it is asked for. `curation.photo` and `curation.lint` bring Pillow, numpy, opencv.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curation.dataset import (
        PHOTO_SUFFIXES,
        Dataset,
        Photo,
        exclude,
        include,
        open_dataset,
        place_crops,
        save_captions,
    )
    from curation.errors import CurationError
    from curation.report import Finding, Kind, Report, Severity, Skipped, Verdict

__all__ = [
    "PHOTO_SUFFIXES",
    "CurationError",
    "Dataset",
    "Finding",
    "Kind",
    "Photo",
    "Report",
    "Severity",
    "Skipped",
    "Verdict",
    "exclude",
    "include",
    "open_dataset",
    "place_crops",
    "save_captions",
]


def __getattr__(name: str) -> Any:
    """Asked by Python for a name that is not here yet; `import curation.errors` alone costs nothing by this."""
    if name in __all__:
        for module in ("dataset", "report", "errors"):
            if hasattr(found := import_module(f"curation.{module}"), name):
                return getattr(found, name)
    raise AttributeError(f"module 'curation' has no attribute {name!r}")
