import django.db.models.deletion
from django.db import migrations, models

# Of staff nobody is: their triggers are not an agent's.
AGENTS_OF_REQUESTERS = """
    UPDATE polling_manualtrigger AS trigger SET agent_id = requester.agent_id
    FROM accounts_user AS requester
    WHERE requester.id = trigger.requester_id AND requester.agent_id IS NOT NULL
        AND EXISTS (
            SELECT FROM accounts_user_groups AS member JOIN auth_group ON auth_group.id = member.group_id
            WHERE member.user_id = requester.id AND auth_group.name = 'agent'
        )
"""
# One of those that wait for a check of a card: backwards there is room for no more.
THE_OTHERS = """
    UPDATE polling_manualitem AS item SET status = 'cancelled'
    WHERE status = 'queued' AND EXISTS (
        SELECT FROM polling_manualitem AS first
        WHERE first.card_id = item.card_id AND first.task_type = item.task_type AND first.status = 'queued'
            AND first.id < item.id
    )
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_user_manager"),
        ("polling", "0009_census_by_subscription"),
    ]

    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, THE_OTHERS),
        migrations.RemoveConstraint(model_name="manualitem", name="manualitem_queued_once"),
        migrations.AddConstraint(
            model_name="manualitem",
            constraint=models.UniqueConstraint(
                fields=("card", "task_type", "trigger"),
                condition=models.Q(status="queued"),
                name="manualitem_queued_once_a_trigger",
            ),
        ),
        migrations.AddField(
            model_name="manualtrigger",
            name="agent",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to="accounts.agent",
                verbose_name="for the agent",
            ),
        ),
        migrations.RunSQL(AGENTS_OF_REQUESTERS, migrations.RunSQL.noop),
    ]
