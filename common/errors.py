"""The error for a refusal that the caller can do something about."""

from datetime import timedelta


class DomainError(Exception):
    """Raised when a request is refused. It has a message for people, a code for programs and an HTTP status.

    `message` may be shown to any user. `code` is a slug that never changes. `retry_after` is how long to wait
    before the same request may succeed.

    Example::

        raise DomainError("The gateway takes no more calls now.", code="polling_concurrency_limit", status=409)
    """

    def __init__(
        self, message: str, *, code: str, status: int = 400, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after
