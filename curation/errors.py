"""Errors that a user can act on: one sentence says what is wrong, one says what to do."""

from curation.redaction import redacted


class StatedError(Exception):
    """An expected failure, told in two sentences.

    problem: what is wrong.  remedy: what to do about it.  Secrets in what a library said are hidden.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = redacted(problem)
        self.remedy = redacted(remedy)
        super().__init__(f"{self.problem} {self.remedy}")


class CurationError(StatedError):
    """Raised by curation: the folder, a photo or a caption file cannot be used as it is."""
