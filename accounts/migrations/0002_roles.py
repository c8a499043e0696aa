"""Create a group for each of the four roles."""

from typing import Any

from django.db import migrations

ROLES = ("administrator", "operator", "viewer", "agent")


def make_groups(apps: Any, schema_editor: Any) -> None:
    Group = apps.get_model("auth", "Group")
    for name in ROLES:
        Group.objects.get_or_create(name=name)


def remove_groups(apps: Any, schema_editor: Any) -> None:
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = (("accounts", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length"))
    operations = (migrations.RunPython(make_groups, remove_groups),)
