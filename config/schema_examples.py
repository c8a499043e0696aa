"""An example of each request body, for the OpenAPI schema. In the demo, each is accepted as it is."""

from datetime import datetime, timedelta
from typing import Any


def examples(now: datetime) -> dict[str, dict[str, Any]]:
    """Return `{component: body}`. `now` is the present time, because some bodies contain a time to come."""
    tomorrow = (now + timedelta(days=1)).isoformat(timespec="seconds")
    return {
        "AgentRequest": {"name": "Reseller", "parent_id": 1},
        "PatchedAgentRequest": {"name": "Reseller South"},
        "ApiTokenRequest": {"user_id": 1, "name": "dashboards", "scope": "read", "expires_at": tomorrow},
        "CarrierRequest": {"code": "sun", "name": "Sun", "time_zone": "Asia/Shanghai", "billing_day": 5},
        "PatchedCarrierRequest": {"figures_delay_minutes": 60},
        "MonitoredGatewayRequest": {
            "carrier_id": 1,
            "name": "Second account",
            "adapter": "json",
            "base_url": "https://gateway.example",
            "credentials": {"app_id": "simwatch", "secret": "..."},
        },
        "PatchedMonitoredGatewayRequest": {"max_concurrency": 20},
        "PauseRequest": {"carrier_id": 1, "reason": "maintenance", "until": tomorrow},
        "PatchedConcurrencyRequest": {"max_concurrency": 60},
        "TaskTypeRequest": {"task_type": "carddata"},
        "PollingConfigRequest": {
            "name": "Unverified cards",
            "priority": 5,
            "status": 0,
            "card_condition": "not_real_name",
            "realname_check_interval": 600,
        },
        "PatchedPollingConfigRequest": {"realname_check_interval": 300},
        "DraftRequest": {"config_id": 1, "carddata_check_interval": 300},
        "SingleRequest": {"card_id": 1, "task_type": "carddata"},
        "BatchRequest": {"card_ids": [2, 3], "task_type": "realname"},
        "ConditionRequest": {"task_type": "package", "status": 3, "agent_id": 1},
        "TriggerKeyRequest": {"trigger_id": 1},
        "UserRequest": {"username": "grafana", "role": "viewer", "email": "grafana@example.com"},
        "PatchedUserRequest": {"is_active": False},
    }
