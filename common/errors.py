"""A refusal that the caller can act on."""


class DomainError(Exception):
    """Carries a stable `code` for programs, an HTTP `status`, and words for people."""

    def __init__(self, message: str, *, code: str, status: int = 400) -> None:
        """`code` is a slug that never changes; `message` may be shown to anybody."""
        super().__init__(message)
        self.code = code
        self.status = status
