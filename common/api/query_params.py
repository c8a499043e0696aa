"""A base class that validates all query parameters of a view."""

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.views import APIView

from common.api.strict_serializers import Parameters


class ValidatedQueryView(APIView):
    """A view that validates its query parameters and refuses unknown ones.

    The validated values are in `query`. The error for an unknown parameter names the parameter.

    Example::

        class TasksView(ValidatedQueryView):
            parameters = WindowParameters

            def get(self, request: Request) -> Response:
                return Response(tasks(window_seconds=self.query["window"]))
    """

    parameters: ClassVar[type[Parameters]] = Parameters
    query: Mapping[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Check permissions first, so that a caller without them learns nothing about the parameters.
        super().initial(request, *args, **kwargs)
        if not hasattr(self, str(request.method).lower()):
            # Otherwise a wrong parameter would hide that the method does not exist.
            raise MethodNotAllowed(str(request.method))
        self.query = self.validated_parameters(request)

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Count the request against the caller's rate limit, then deny it. DRF would not count it."""
        if getattr(request.user, "is_authenticated", False):
            self.check_throttles(request)
        super().permission_denied(request, message, code)

    def validated_parameters(self, request: Request) -> Mapping[str, Any]:
        """Return `{name: value}` for all query parameters. Raise ValidationError if one is not valid."""
        foreign = self.foreign_parameters()
        own = {name: value for name, value in request.query_params.items() if name not in foreign}
        query = self.active_parameters()(data=own, context={"request": request})
        query.is_valid(raise_exception=True)
        validated: Mapping[str, Any] = query.validated_data
        return validated

    def active_parameters(self) -> type[Parameters]:
        """Return the serializer for this request's parameters. Requests that write accept no parameters."""
        return self.parameters if self.request.method in {"GET", "HEAD"} else Parameters

    def foreign_parameters(self) -> frozenset[str]:
        """Return the names of parameters that another class, such as a paginator, validates."""
        return frozenset({self.settings.URL_FORMAT_OVERRIDE})
