"""The URL patterns of the API. `config.urls` adds the prefix."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from accounts.api import agents, api_tokens, operations, schema, users
from carriers.api import carriers
from polling.api import concurrency, configs, failures, gateways, history, manual, pauses, test_call, views

__all__ = ["schema", "urlpatterns"]

router = SimpleRouter(trailing_slash=False)
router.register("polling-configs", configs.PollingConfigViewSet, "polling-configs")
router.register("pauses", pauses.PauseViewSet, "pauses")
router.register("carriers", carriers.CarrierViewSet, "carriers")
router.register("gateways", gateways.MonitoredGatewayViewSet, "gateways")
router.register("agents", agents.AgentViewSet, "agents")
router.register("users", users.UserViewSet, "users")
router.register("api-tokens", api_tokens.ApiTokenViewSet, "api-tokens")
router.register("operations", operations.OperationViewSet, "operations")

urlpatterns = [
    *router.urls,
    re_path(
        r"^gateways/(?P<pk>[0-9]{1,18})/test-call$",
        test_call.GatewayCallView.as_view(),
        name="gateways-test-call",
    ),
    path("polling-concurrency", concurrency.ConcurrencyListView.as_view(), name="polling-concurrency"),
    path(
        "polling-concurrency/reset",
        concurrency.ConcurrencyResetView.as_view(),
        name="polling-concurrency-reset",
    ),
    path(
        "polling-concurrency/<str:task_type>",
        concurrency.ConcurrencyView.as_view(),
        name="polling-concurrency-type",
    ),
    path("polling-stats", views.OverviewView.as_view(), name="polling-stats"),
    path("polling-stats/queues", views.QueuesView.as_view(), name="polling-stats-queues"),
    path("polling-stats/tasks", views.TasksView.as_view(), name="polling-stats-tasks"),
    path("polling-stats/history", history.HistoryView.as_view(), name="polling-stats-history"),
    path("polling-stats/init-progress", views.InitProgressView.as_view(), name="polling-stats-init-progress"),
    path("polling-manual-trigger/single", manual.SingleView.as_view(), name="trigger-single"),
    path("polling-manual-trigger/batch", manual.BatchView.as_view(), name="trigger-batch"),
    path(
        "polling-manual-trigger/by-condition", manual.ByConditionView.as_view(), name="trigger-by-condition"
    ),
    path("polling-manual-trigger/status", manual.StatusView.as_view(), name="trigger-status"),
    path("polling-manual-trigger/history", manual.HistoryView.as_view(), name="trigger-history"),
    path("polling-manual-trigger/cancel", manual.CancelView.as_view(), name="trigger-cancel"),
    path("check-failures", failures.CheckFailuresView.as_view(), name="check-failures"),
]
