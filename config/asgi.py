"""The entry point of the web process: `gunicorn --worker-class asgi config.asgi`."""

from django.conf import settings

from config.request_lanes import RequestLanes
from config.wsgi import application as _wsgi_application

application = RequestLanes(
    _wsgi_application, threads=settings.WEB_THREADS, max_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE
)
