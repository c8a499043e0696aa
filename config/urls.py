"""The URL patterns of the site: admin, API, metrics and health."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from config import api, health
from config.metrics import MetricsView

handler400 = "common.api.problems.bad_request"
handler403 = "common.api.problems.forbidden"
handler404 = "common.api.problems.not_found"
handler500 = "common.api.problems.server_error"

admin.autodiscover()
admin.site.site_header = admin.site.site_title = "Simwatch"
admin.site.site_url = None

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    # The same views have two prefixes: programs use `api/v1/`, and the operators' run-book uses `api/admin/`.
    path("api/v1/", include((api.urlpatterns, "api"), namespace="v1")),
    path("api/admin/", include((api.urlpatterns, "api"), namespace="run-book")),
    path("api/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("healthz", health.healthz, name="healthz"),
]
