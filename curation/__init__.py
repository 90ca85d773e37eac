"""Photos and captions: read a folder, judge it, mend it in a copy, and never lose a caption.

Only what is cheap to import is named here; `curation.photo` and `curation.lint` bring Pillow, numpy and opencv.
"""

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
