"""The API's paths, below their prefix."""

from django.urls import path

from polling.api import failures, views

urlpatterns = [
    path("polling-stats", views.OverviewView.as_view(), name="polling-stats"),
    path("polling-stats/queues", views.QueuesView.as_view(), name="polling-stats-queues"),
    path("polling-stats/tasks", views.TasksView.as_view(), name="polling-stats-tasks"),
    path("polling-stats/init-progress", views.InitProgressView.as_view(), name="polling-stats-init-progress"),
    path("check-failures", failures.CheckFailuresView.as_view(), name="check-failures"),
]
