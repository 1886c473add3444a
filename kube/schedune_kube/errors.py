"""What the API server's refusals are to us.

ApiError
+-- ApiUnavailableError      no answer, or 5xx: try again later
|   +-- NoAnswerError        no answer at all
|   +-- TooManyRequestsError 429: try again after `retry_after_s`
+-- FencedError              nothing was sent: we may not write now
+-- ApiStatusError           an answer that trying again does not change
+-- InvalidError         400, 422: the body is wrong
+-- UnauthorizedError    401: the credentials are not (or no longer) good
+-- ForbiddenError       403: the subject may not, or a policy says no
+-- NotFoundError        404
+-- ConflictError        409: somebody else was first
|   +-- AlreadyExistsError
+-- GoneError            410: the resource version is too old: list again
"""

import json
from collections.abc import Mapping
from typing import Final, TypeGuard

_MOST_PATIENCE_S: Final = 600.0
"""No answer silences us for longer than this."""


class ApiError(Exception):
    """Something between us and the API server's consent."""


class ApiUnavailableError(ApiError):
    """The server did not answer, or could not: try again later."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Patience that the server asks for, in seconds."""


class NoAnswerError(ApiUnavailableError):
    """The server was not reached, or fell silent."""


class TooManyRequestsError(ApiUnavailableError):
    """The server asks for patience."""


class FencedError(ApiError):
    """Nothing was sent: whoever guards this client says that we may not write now."""


class ApiStatusError(ApiError):
    """An answer that trying again does not change."""


class InvalidError(ApiStatusError):
    """The body is wrong."""


class UnauthorizedError(ApiStatusError):
    """The credentials are not good, or no longer."""


class ForbiddenError(ApiStatusError):
    """The subject may not, or a policy says no."""


class NotFoundError(ApiStatusError):
    """There is no such object."""


class ConflictError(ApiStatusError):
    """The object is not at the version we thought."""


class AlreadyExistsError(ConflictError):
    """There is an object of that name already."""


class GoneError(ApiStatusError):
    """The resource version is too old."""


_BY_STATUS: Final[Mapping[int, type[ApiStatusError]]] = {
    400: InvalidError, 401: UnauthorizedError, 403: ForbiddenError, 404: NotFoundError,
    409: ConflictError, 410: GoneError, 422: InvalidError,
}  # fmt: skip


def error_of(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """Turn an HTTP answer into the error it means."""
    message, reason = _read_status(body)
    text = f"{status}: {message}"
    wait = min(float(retry_after), _MOST_PATIENCE_S) if _is_number(retry_after) else 0.0
    if status == 429:
        return TooManyRequestsError(text, wait or 1.0)
    if status >= 500:
        return ApiUnavailableError(text, wait)
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExistsError(text)
    return _BY_STATUS.get(status, ApiStatusError)(text)


def _is_number(text: str | None) -> TypeGuard[str]:
    return text is not None and text.isascii() and text.isdigit()


def _read_status(body: bytes) -> tuple[str, str]:
    try:
        status = json.loads(body)
    except ValueError:
        return body[:300].decode(errors="replace"), ""
    if not isinstance(status, dict):
        return str(status)[:300], ""
    return str(status.get("message", status))[:2000], str(status.get("reason", ""))
