"""Django's settings, read from environment variables.

If `SIMWATCH_ENV_FILE` names a file, variables that are not set in the environment are read from this file.
"""

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured

from accounts.conf import AccountsSettings
from common.conf import CommonSettings
from common.crypto import InvalidKeyError, Keyring
from common.logs import logging_config
from config.broker import next_database
from config.env import env, folder, networks, origins, postgresql, read, switch, whole_numbers, words
from config.production_guard import Exposure, first_problem
from config.schema import TAGS
from polling.conf import PollingSettings

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]

if env_file := env.str("SIMWATCH_ENV_FILE", default=""):
    environ.Env.read_env(env_file)

MODE = env.str("SIMWATCH_MODE", default="production")
if MODE not in {"local", "production"}:
    raise ImproperlyConfigured(f"SIMWATCH_MODE must be local or production, not '{MODE}'")
IS_LOCAL = MODE == "local"

DEBUG = switch("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = words("ALLOWED_HOSTS", ["127.0.0.1", "localhost"] if IS_LOCAL else [])
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
FLOWER_PASSWORD = env.str("FLOWER_PASSWORD", default="")
try:
    ENCRYPTION = Keyring.parse(env.str("ENCRYPTION_KEYS", default=""))
except InvalidKeyError as error:
    raise ImproperlyConfigured(f"ENCRYPTION_KEYS: {error}") from None

problem = first_problem(
    Exposure(
        debug=DEBUG,
        secret_key=SECRET_KEY,
        encryption_key_count=len(ENCRYPTION.keys),
        allowed_hosts=ALLOWED_HOSTS,
        database_url=DATABASE_URL,
        redis_url=REDIS_URL,
        flower_password=FLOWER_PASSWORD,
    )
)
if problem and not IS_LOCAL:
    raise ImproperlyConfigured(problem)
for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS"):
    if not env.str(name, default=""):
        raise ImproperlyConfigured(f"{name} is missing; set it in the environment, or let `bin/up` create it")


_next_database = read("REDIS_URL", next_database, "", must="a URL such as redis://host:6379/0")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="") or _next_database

INSTALLED_APPS = [
    # Without autodiscovery, which config/urls.py does, so that workers import no admin.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "common",
    "audit",
    "accounts",
    "carriers",
    "cards",
    "polling",
]
if IS_LOCAL:
    # The app `lab` (simulator, demo fleet, benchmark, drills) is not needed in production.
    INSTALLED_APPS.append("lab")
MIDDLEWARE = [
    "common.middleware.RequestIdMiddleware",
    "config.health.ProbeMiddleware",
    "common.request_counts.RequestCountsMiddleware",
    "common.middleware.ForwardedPortMiddleware",
    "common.charsets.CharsetMiddleware",
    "common.postgresql.query_deadline.QueryDeadlineMiddleware",
    "audit.middleware.OriginMiddleware",
    "common.api.etags.CachingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.time_zones.AdminUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
# How many requests a web process works on at the same time.
WEB_THREADS = env.int("WEB_THREADS", 8)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# No JIT, because it spends 100 ms compiling queries that run in 1 ms. The idle timeout equals the lease of a slot,
# so a process that freezes in a transaction loses row locks and slots together. psycopg reads only ISO dates.
POSTGRESQL_OPTIONS = (
    "-c jit=off -c random_page_cost=1.1 -c idle_in_transaction_session_timeout=30s -c datestyle=ISO"
)
_database: dict[str, Any] = read(
    "DATABASE_URL", postgresql, {}, must="a URL such as postgresql://user:password@host:5432/name"
)
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "common.postgresql",
        # Connections stay open, so check each one before use. Without the check, a restart of PostgreSQL
        # would make every later task of a process fail.
        # Their age is limited, because a session keeps the settings of its role and the address of its server.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "options": POSTGRESQL_OPTIONS,
            # The name of Simwatch's sessions in pg_stat_activity, unless PGAPPNAME has another.
            "fallback_application_name": "simwatch",
            **_database.get("OPTIONS", {}),
            "connect_timeout": 3,
            # Notice within 25 s if the network drops all packets. By default the kernel waits for hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25_000,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
# In production `collectstatic` copies static files here. Local mode serves them from the source folders.
STATIC_ROOT = None if IS_LOCAL else env.str("STATIC_ROOT", default=str(BASE_DIR / ".run" / "static"))
WHITENOISE_USE_FINDERS = IS_LOCAL
WHITENOISE_AUTOREFRESH = False

# Behind a proxy that does not pass the Host on, see docs/settings.md.
CSRF_FAILURE_VIEW = "common.api.problems.csrf_failure"
CSRF_TRUSTED_ORIGINS = origins("CSRF_TRUSTED_ORIGINS")
USE_X_FORWARDED_HOST = switch("USE_X_FORWARDED_HOST", default=False)
USE_X_FORWARDED_PORT = switch("USE_X_FORWARDED_PORT", default=False)

X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
if not IS_LOCAL:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.TokenAuthentication",
        "accounts.api.authentication.NamedSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.DenyAll"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttling.RequestRate"],
    "DEFAULT_PARSER_CLASSES": ["common.api.parsing.ObjectParser"],
    "DEFAULT_SCHEMA_CLASS": "common.api.schema.Schema",
    # Refuse OPTIONS requests, because the OpenAPI schema already describes the fields.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "common.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
SPECTACULAR_SETTINGS = {
    "TITLE": "Simwatch",
    "DESCRIPTION": "Keeps a fleet of IoT SIM cards under continuous watch. See docs/api.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVERS": [{"url": "/", "description": "this site"}],
    "CONTACT": {"name": "the administrators of this site"},
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "TAGS": [{"name": name, "description": text} for name, text in TAGS.items()],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["accounts.api.permissions.MayRead"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["config.schema.documented_only"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Don't use Spectacular's own hook, because it drops the empty choice ("any") from enumerations.
    "POSTPROCESSING_HOOKS": [
        "config.schema.without_enum_ids",
        "config.schema.with_shared_enumerations",
        "config.schema.without_unused_components",
        "config.schema.with_examples",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
}

LOG_DIR = folder("LOG_DIR")
COMMON = CommonSettings(
    gateway_networks=networks("GATEWAY_ALLOWED_NETWORKS"),
    trusted_proxies=networks("TRUSTED_PROXIES"),
    log_folder=LOG_DIR,
    watched_folders=(BASE_DIR, BASE_DIR / ".run" / "servers", *([LOG_DIR] if LOG_DIR else [])),
)
_rates = {name: value for name, value in asdict(AccountsSettings()).items() if name != "count_without_redis"}
ACCOUNTS = AccountsSettings(
    **whole_numbers("ACCOUNTS", _rates),
    count_without_redis=switch("ACCOUNTS_COUNT_WITHOUT_REDIS", default=True),
)
POLLING = PollingSettings(**whole_numbers("POLLING", asdict(PollingSettings())))

LOGGING_CONFIG = None
LOGGING = logging_config(as_json=not IS_LOCAL, level=env.str("LOG_LEVEL", default="INFO"))
