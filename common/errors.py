"""A refusal that the caller can act on."""

from datetime import timedelta


class DomainError(Exception):
    """Carries a stable `code` for programs, an HTTP `status`, and words for people."""

    def __init__(
        self, message: str, *, code: str, status: int = 400, retry_after: timedelta | None = None
    ) -> None:
        """`code` is a slug that never changes; `message` may be shown to anybody. `retry_after`: then it may go well."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after
