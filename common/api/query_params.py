"""Views that know every query parameter they are asked with."""

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from rest_framework.request import Request
from rest_framework.views import APIView

from common.api.parsing import require_length
from common.api.strict_serializers import Parameters


class AskedView(APIView):
    """`asked` holds the validated query parameters; an unknown one is refused by name."""

    parameters: ClassVar[type[Parameters]] = Parameters
    asked: Mapping[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """First who asks, then what for."""
        super().initial(request, *args, **kwargs)
        require_length(request)
        self.asked = self.validated_parameters(request)

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Whoever is denied again and again is counted, too."""
        if getattr(request.user, "is_authenticated", False):
            self.check_throttles(request)
        super().permission_denied(request, message, code)

    def validated_parameters(self, request: Request) -> Mapping[str, Any]:
        """Of this request. Raises ValidationError."""
        named = {
            name: value for name, value in request.query_params.items() if name not in self.known_elsewhere()
        }
        query = self.parameters_in_use()(data=named, context={"request": request})
        query.is_valid(raise_exception=True)
        found: Mapping[str, Any] = query.validated_data
        return found

    def parameters_in_use(self) -> type[Parameters]:
        """Those of the method that is called."""
        return self.parameters if self.request.method in {"GET", "HEAD"} else Parameters

    def known_elsewhere(self) -> frozenset[str]:
        """Parameters that others validate."""
        return frozenset({self.settings.URL_FORMAT_OVERRIDE})
