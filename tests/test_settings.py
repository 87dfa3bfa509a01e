"""Settings: read from the environment and .env, refused with one line for each mistake."""

from pathlib import Path

import pytest

from service import settings
from service.errors import SettingsError
from service.server import check_exposure


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin with nothing set, in a folder without .env."""
    monkeypatch.chdir(tmp_path)
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_defaults_need_no_environment() -> None:
    found = settings.load()
    assert (found.host, found.port, found.llm_base_url) == ("127.0.0.1", 8000, None)
    assert found.extensions == {".md", ".txt", ".rst", ".adoc", ""}
    assert found.hosts == {"localhost", "127.0.0.1", "[::1]"}


def test_the_environment_wins_over_the_file_and_overrides_win_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=8001\nLOG_LEVEL=debug\nHOST=127.0.0.2\n")
    monkeypatch.setenv("PORT", "8002")
    found = settings.load(host="127.0.0.3")
    assert (found.port, found.log_level, found.host) == (8002, "debug", "127.0.0.3")


def test_empty_variables_count_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "")
    monkeypatch.setenv("PORT", "")
    assert settings.load().port == 8000


def test_every_mistake_gets_a_line_with_the_variable_what_it_got_and_what_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (
        ("PORT", "many"),
        ("KB_WATCH", "sometimes"),
        ("LLM_MAX_CALLS", "0"),
        ("LLM_BASE_URL", "here"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        settings.load()
    lines = {line.split(":")[0]: line for line in refused.value.problems}
    assert set(lines) == {"PORT", "KB_WATCH", "LLM_MAX_CALLS", "LLM_BASE_URL"}
    assert "got 'many'" in lines["PORT"]
    assert "'auto', 'events', 'poll' or 'off'" in lines["KB_WATCH"]
    assert "greater than or equal to 1" in lines["LLM_MAX_CALLS"]


def test_a_mistake_in_what_is_secret_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "htp:/ann:canary-5521@host/v1")
    monkeypatch.setenv("ADMIN_KEY", "canary-5521")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert len(refused.value.problems) == 2
    assert "canary-5521" not in str(refused.value)


def test_half_a_model_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "http://localhost:11434/v1")
    with pytest.raises(SettingsError, match="LLM_MODEL"):
        settings.load()
    monkeypatch.delenv("LLM_BASE_URL")
    monkeypatch.setenv("LLM_MODEL", "qwen3")
    with pytest.raises(SettingsError, match="LLM_BASE_URL"):
        settings.load()


def test_fallback_models_are_names_in_order_that_need_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_FALLBACK_MODELS", " small, ,first,large,small")
    with pytest.raises(SettingsError, match="LLM_FALLBACK_MODELS"):
        settings.load()
    monkeypatch.setenv("LLM_BASE_URL", "http://localhost:11434/v1")
    monkeypatch.setenv("LLM_MODEL", "first")
    assert settings.load().fallback_models == ("small", "large")


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", "sk-canary")
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert "canary" not in str(refused.value)
    monkeypatch.delenv("PORT")
    assert "canary" not in repr(settings.load())


def test_the_temperature_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_TEMPERATURE", "none")
    assert settings.load().llm_temperature is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_is_served_without_keys(host: str) -> None:
    check_exposure(host, allowed=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "kb.example.org"])
def test_others_are_served_without_keys_only_when_it_is_said(host: str) -> None:
    with pytest.raises(SettingsError, match="ALLOW_ANONYMOUS"):
        check_exposure(host, allowed=False)
    check_exposure(host, allowed=True)
