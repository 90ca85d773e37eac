"""Errors that a user can act on: one sentence says what is wrong, one says what to do."""


class StatedError(Exception):
    """An expected failure, told in two sentences.

    problem: what is wrong.  remedy: what to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class CurationError(StatedError):
    """Raised by curation: the folder, a photo or a caption file cannot be used as it is."""
