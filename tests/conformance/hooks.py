"""What schemathesis has to be told about the service: waits are short, and what no schema can say.

Loaded by schemathesis itself, not by pytest.
"""

import json
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

# Codes of requests that are well formed and yet cannot be met: how values fit together, or what was sent before.
BEYOND_THE_SCHEMA = frozenset(
    {"idempotency_key_reused", "invalid_cursor", "lines_not_found", "message_too_long", "no_question"}
)


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Let nothing wait for what does not come: a stream begins with a snapshot, a wait is over soon."""
    query = case.query if isinstance(case.query, dict) else {}
    if case.operation.path.endswith("/events"):
        query.setdefault("last_event_id", "never-seen")
    elif case.operation.path == "/api/kb/status" and "wait_for" in query and _is_wait(query.get("timeout", 30)):
        query["timeout"] = 0.05


def _is_wait(value: Any) -> bool:
    try:
        return 0 < float(value) <= 300
    except (TypeError, ValueError):
        return False


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Leave out refusals of what the schema allows where the code says that no schema could know."""
    return not (isinstance(failure, RejectedPositiveData) and _code(response) in BEYOND_THE_SCHEMA)


def _code(response: Response) -> str:
    try:
        body = json.loads(response.content)
        return str(body.get("error", body)["code"])
    except (ValueError, KeyError, AttributeError):
        return ""
