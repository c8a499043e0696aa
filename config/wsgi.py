"""The entry point of the web process."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from common import log_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    application = get_wsgi_application()
    log_files.begin(log_files.for_web)
except ImproperlyConfigured as error:
    sys.exit(f"simwatch: {error}")
