"""Django's system checks with production settings, and a check for missing migrations, for `bin/check`."""

import base64
import os
import secrets
from importlib import import_module

ENVIRONMENT = {
    "SIMWATCH_MODE": "production",
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ENCRYPTION_KEYS": f"check1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    "ALLOWED_HOSTS": "simwatch.example",
    "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "FLOWER_PASSWORD": secrets.token_urlsafe(16),
    "DJANGO_SETTINGS_MODULE": "config.settings",
}


def main() -> None:
    """Run the system checks and the migration check. Neither queries the database, so no server is needed."""
    os.environ.update(ENVIRONMENT)
    import warnings

    import django
    from django.core.management import call_command

    django.setup()
    # The admin's checks see only what is registered.
    import_module("config.urls")
    call_command("check", deploy=True, fail_level="WARNING")
    # Without a database, Django warns that it cannot read which migrations were applied. The command only
    # compares the models with the migration files, so the warning does not matter.
    warnings.filterwarnings("ignore", message="Got an error checking a consistent migration history")
    call_command("makemigrations", check=True, dry_run=True)


if __name__ == "__main__":
    main()
