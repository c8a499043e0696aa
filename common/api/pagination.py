"""Pages of long lists: by a cursor, which is good for the list that it was made for and no other."""

from types import SimpleNamespace
from typing import cast
from urllib.parse import parse_qs, urlsplit

from django.core.signing import BadSignature, Signer
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

PAGE_SIZE = 20
MOST = 500
# What may differ from page to page.
_OF_THE_PAGE = {"cursor", "page_size"}


class CursorPages(CursorPagination):
    """`?cursor=&page_size=` with `next, previous, results`. Cursors are signed: one of other filters is refused."""

    page_size = PAGE_SIZE
    request: Request

    def get_page_size(self, request: Request) -> int:
        """1 to 500. Raises ValidationError."""
        wanted = request.query_params.get("page_size", PAGE_SIZE)
        try:
            return int(serializers.IntegerField(min_value=1, max_value=MOST).run_validation(wanted))
        except ValidationError as error:
            raise ValidationError({"page_size": error.detail}) from None

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The place in the list. Raises ValidationError."""
        signed = request.query_params.get("cursor")
        if signed is None:
            return None
        try:
            plain = _signer(request).unsign(signed)
        except BadSignature:
            raise ValidationError({"cursor": ["This cursor is not of this list and its filters."]}) from None
        # DRF's own reads it from a request.
        bare = SimpleNamespace(query_params={"cursor": plain})
        return super().decode_cursor(cast(Request, bare))

    def encode_cursor(self, cursor: Cursor) -> str:
        """The URL of a page."""
        url = str(super().encode_cursor(cursor))
        (plain,) = parse_qs(urlsplit(url).query)["cursor"]
        return str(replace_query_param(url, "cursor", _signer(self.request).sign(plain)))


def _signer(request: Request) -> Signer:
    named = sorted(item for item in request.query_params.items() if item[0] not in _OF_THE_PAGE)
    return Signer(salt=f"cursor {request.path} {named}")
