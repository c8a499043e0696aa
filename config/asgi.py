"""The entry point of the web process: `gunicorn --worker-class config.web_worker.WebWorker config.asgi`."""

from django.conf import settings

from config.threaded_asgi import ThreadedASGI
from config.wsgi import application as _wsgi_application

application = ThreadedASGI(
    _wsgi_application, threads=settings.WEB_THREADS, max_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE
)
