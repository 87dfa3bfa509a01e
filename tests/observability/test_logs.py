"""One record, one line: with the ids that tell whose work it was, without secrets, without a flood."""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from service.errors import KbAgentError, StorageError
from service.settings import Settings
from service.telemetry import CALLER, REQUEST_ID, TURN_ID
from service.telemetry.identity import exemplar
from service.telemetry.logs import Flood, JsonFormatter, TextFormatter

SECRET = 'sk-"canary"/5ö\\9'


def record(message: str = "something happened", *values: object, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "service.x", "levelname": "ERROR", "levelno": logging.ERROR, **extra})
    made.msg, made.args = message, values
    return made


def failed(act: Callable[[], object]) -> Any:
    """The exception that `act` raises, as the logger sees it."""
    try:
        act()
    except (KbAgentError, LookupError, ValueError):
        return sys.exc_info()
    raise AssertionError("nothing was raised")


def test_a_record_is_one_line_of_json_whatever_is_in_it() -> None:
    line = JsonFormatter().format(record("two\nlines", document="a\nb\u2028.md", count=3))
    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["message"], fields["document"], fields["count"]) == ("two\\nlines", "a\nb\u2028.md", 3)
    assert (fields["level"], fields["logger"]) == ("error", "service.x")


def test_a_record_tells_whose_work_it_was() -> None:
    tokens = [(name, name.set(value)) for name, value in ((REQUEST_ID, "r1"), (TURN_ID, "msg_1"), (CALLER, "ci"))]
    fields = json.loads(JsonFormatter().format(record()))
    found = exemplar()
    for name, token in tokens:
        name.reset(token)
    assert (fields["request_id"], fields["turn_id"], fields["caller"]) == ("r1", "msg_1", "ci")
    assert found == {"turn_id": "msg_1", "request_id": "r1"}
    assert "request_id" not in json.loads(JsonFormatter().format(record()))


def test_an_exemplar_holds_no_more_than_it_may() -> None:
    token, other = REQUEST_ID.set("r" * 64), TURN_ID.set("m" * 60)
    found = exemplar()
    REQUEST_ID.reset(token)
    TURN_ID.reset(other)
    assert found == {"turn_id": "m" * 60}


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_a_secret_is_masked_wherever_it_appears(formatter: type[JsonFormatter] | type[TextFormatter]) -> None:
    line = formatter([SECRET]).format(
        record(
            "the key is %s",
            SECRET,
            header={"Authorization": f"Bearer {SECRET}"},
            url="http://x/?key=sk-%22canary%22%2F5%C3%B6%5C9",
            exc_info=failed(lambda: (_ for _ in ()).throw(StorageError(f"refused {SECRET}"))),
        )
    )
    assert "canary" not in line
    assert line.count("[secret]") == 4
    assert "StorageError: refused [secret]" in line


def test_a_placeholder_for_a_key_masks_nothing() -> None:
    assert "none of it" in JsonFormatter(["none", ""]).format(record("none of it"))


def test_what_a_library_says_is_left_out_unless_everything_is_logged() -> None:
    broken = failed(lambda: json.loads("{") or 1)
    known: dict[str, str] = {}
    quoted = failed(lambda: known["What is the question?"])
    for formatter in (JsonFormatter(), TextFormatter()):
        line = formatter.format(record(exc_info=quoted))
        assert "KeyError" in line
        assert "test_logs.py" in line
        assert "KeyError: " not in line
        assert "JSONDecodeError" in formatter.format(record(exc_info=broken))
    assert "KeyError: 'What is the question?'" in JsonFormatter(quoting=True).format(record(exc_info=quoted))


def test_the_cause_of_an_error_and_what_the_system_said_are_told() -> None:
    def fail() -> None:
        try:
            open("/nowhere/document-name").close()  # noqa: PTH123
        except OSError as error:
            raise StorageError("the folder is gone") from error

    exception = json.loads(JsonFormatter().format(record(exc_info=failed(fail))))["exception"]
    assert "FileNotFoundError: No such file or directory\n\nwhich led to:\n" in exception
    assert exception.endswith("StorageError: the folder is gone\n")


def test_the_same_complaint_passes_ten_times_a_minute() -> None:
    flood = Flood()
    passed = [flood.filter(record("no socket for %s", number)) for number in range(1_000)]
    assert sum(passed) == 10
    assert flood.filter(record("another complaint"))
    assert all(flood.filter(record(level=1, levelno=logging.INFO)) for _ in range(100))


def test_every_secret_setting_is_known_by_its_value() -> None:
    address = "https://" + "user" + ":p%40ss-word" + "@models.example/v1"
    settings = Settings(llm_api_key="sk-canary", llm_base_url=address, llm_model="m", _env_file=None)
    assert {"sk-canary", "p@ss-word", "p%40ss-word"} <= settings.secrets
