import django.core.validators
from django.db import migrations, models

import carriers.models


class Migration(migrations.Migration):
    dependencies = [("carriers", "0004_running_cycle_of_a_change")]

    operations = [
        migrations.AlterField(
            model_name="gateway",
            name="base_url",
            field=models.CharField(
                help_text="without the path of a call, e.g. https://gateway.example",
                max_length=200,
                validators=[
                    django.core.validators.RegexValidator(
                        "^https?://[^\\s/?#@]+(/[^\\s?#]*)?$", "https://host or http://host, without a query"
                    ),
                    carriers.models.validate_callable,
                ],
                verbose_name="base URL",
            ),
        ),
    ]
