"""Every setting: type, default, meaning. Read from the environment and `.env`, once, here only."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import unquote

from dotenv import dotenv_values
from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import SettingsError

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """The service's settings; a field `llm_model` is the variable `LLM_MODEL`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True
    )

    llm_base_url: HttpUrl | None = Field(
        None,
        description="OpenAI-compatible endpoint, including /v1. Empty: the built-in reader answers by quoting.",
    )
    llm_api_key: SecretStr | None = Field(None, description="Key for the endpoint; local servers need none.")
    llm_model: str | None = Field(
        None, min_length=1, description="Model name as the endpoint knows it. Required with LLM_BASE_URL."
    )
    llm_fallback_models: str = Field(
        "",
        description="Model names on the same endpoint, comma-separated; asked in this order when LLM_MODEL fails.",
    )
    llm_max_tokens: int = Field(1024, ge=16, le=65_536, description="Longest answer of one model call, in tokens.")
    llm_max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens",
        description="Request field for it; OpenAI's reasoning models want max_completion_tokens.",
    )
    llm_context_tokens: int = Field(
        8192,
        ge=1024,
        le=4_000_000,
        description="The model's context window, in tokens; history is fitted to it.",
    )
    llm_temperature: float | None = Field(
        0.2, ge=0, le=2, description="Sampling temperature; `none` leaves it out of the request."
    )
    llm_connect_timeout: Seconds = Field(5, description="Seconds to connect to the endpoint.")
    llm_first_byte_timeout: Seconds = Field(30, description="Seconds until the endpoint's first content.")
    llm_gap_timeout: Seconds = Field(
        30, description="Seconds between two pieces of content; comments do not count."
    )
    llm_attempt_timeout: Seconds = Field(120, description="Seconds one model call may take in all.")
    llm_probe: bool = Field(
        True, description="At the start ask each model for one tool call; /readyz tells what came of it."
    )
    llm_max_calls: int = Field(8, ge=1, le=64, description="Model calls a turn; the last one gets no tools.")
    llm_max_tool_calls: int = Field(16, ge=0, le=256, description="Tool calls a turn.")
    llm_max_retries: int = Field(
        2, ge=0, le=10, description="Retries of a model call before its first visible text."
    )
    llm_retry_budget: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Retries of all turns, as a share of their model calls; 10 more at once.",
    )
    llm_breaker_failures: int = Field(
        5,
        ge=0,
        le=1000,
        description="Failed attempts in a row within 30 s that stop all requests but one each 15 s; 0: never.",
    )
    turn_timeout: Seconds = Field(180, description="Seconds a turn may take in all.")
    max_running_turns: int = Field(
        32, ge=1, le=1000, description="Turns that run at once; more wait in the queue."
    )
    max_queued_turns: int = Field(100, ge=0, le=10_000, description="Turns that wait; past it 429.")
    max_turns_per_caller: int = Field(
        132, ge=1, le=11_000, description="Turns of one caller that run or wait; past it 429."
    )

    resume_turns: bool = Field(
        True, description="After a crash take up each unfinished turn once; else it ends as interrupted."
    )

    knowledge_dir: Path = Field(Path("knowledge"), description="Folder of text files to answer from.")
    data_dir: Path = Field(Path("data"), description="Folder for the database; one process owns it.")
    kb_extensions: str = Field(
        ".md,.txt,.rst,.adoc,",
        description="File name endings that are indexed; an empty item means no ending at all.",
    )
    kb_max_file_bytes: int = Field(5_000_000, ge=1, le=100_000_000, description="Larger files are skipped.")
    kb_watch: Literal["auto", "events", "poll", "off"] = Field(
        "auto", description="How changes are noticed: file events, polling, or only the timed scan (off)."
    )
    kb_scan_interval: Seconds = Field(15, description="Seconds between two scans of the folder, events or not.")
    kb_poll_interval: Seconds = Field(2, description="Seconds between two scans when polling.")
    kb_hash_interval: Seconds = Field(
        600, description="Seconds between two passes that compare content, not only stat."
    )
    kb_settle_ms: int = Field(
        200, ge=0, le=10_000, description="A file is read when unchanged for so many milliseconds."
    )
    search_timeout: Seconds = Field(0.25, description="Seconds one search may take in the database.")
    tool_result_chars: int = Field(8000, ge=500, le=200_000, description="Longest tool result, in characters.")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    allow_anonymous: bool = Field(False, description="Serve without API keys on an address other than loopback.")
    admin_key: SecretStr | None = Field(
        None,
        min_length=24,
        description="A key with every scope while it is set; a start where kb-agent keys cannot be run.",
    )
    api_key: SecretStr | None = Field(
        None, description="Key that the command line shows to a server; on the server's machine it needs none."
    )
    metrics_token: SecretStr | None = Field(None, description="Bearer token that /metrics asks for.")
    rate_limit: int = Field(
        600, ge=0, le=1_000_000, description="Requests of one caller in a minute; past it 429. 0: any number."
    )
    rate_limit_questions: int = Field(
        60, ge=0, le=1_000_000, description="Questions of one caller in a minute; past it 429. 0: any number."
    )
    tokens_a_day: int = Field(
        0,
        ge=0,
        le=1_000_000_000_000,
        description="The model's tokens for one caller in a day (UTC), unless its key has a number. 0: any.",
    )
    allowed_hosts: str = Field(
        "localhost,127.0.0.1,[::1]",
        description="Host names the service answers to, comma-separated; * allows any.",
    )
    compat_models: str = Field(
        "kb-agent",
        pattern=r"[^,\s]",
        description="Model names that /v1 answers to, comma-separated; for clients with a fixed name add it.",
    )
    mcp_enabled: bool = Field(
        True, description="Serve MCP clients at /mcp; what that takes is loaded at the first request."
    )
    max_body_bytes: int = Field(262_144, ge=1024, le=10_000_000, description="Longest request body.")
    max_message_chars: int = Field(32_000, ge=1, le=1_000_000, description="Longest message.")
    sse_heartbeat: Seconds = Field(15, description="Seconds between two comments on an idle stream.")
    max_streams: int = Field(1000, ge=1, le=100_000, description="Open event streams in all; past it 429.")
    max_streams_per_caller: int = Field(
        100, ge=1, le=100_000, description="Open event streams of one caller; past it 429."
    )
    event_retention_days: float = Field(
        7, gt=0, le=3650, description="Days events are kept for clients to resume."
    )
    event_retention_count: int = Field(
        200_000, ge=1, le=1_000_000_000, description="Newest events kept, whatever their age."
    )
    shutdown_grace: Seconds = Field(20, description="Seconds running turns get at SIGTERM.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level logged."
    )
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text for people.")

    @field_validator("llm_temperature", mode="before")
    @classmethod
    def _no_temperature(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.strip().lower() == "none" else value

    @field_validator("kb_watch", "log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @property
    def extensions(self) -> frozenset[str]:
        """`kb_extensions` as a set, lower case; '' stands for names without an ending."""
        return frozenset(item.strip().lower() for item in self.kb_extensions.split(","))

    @property
    def secrets(self) -> frozenset[str]:
        """Every value that must never be shown: all secret settings, and the password in an address."""
        values = [getattr(self, name) for name in type(self).model_fields]
        hidden = {value.get_secret_value() for value in values if isinstance(value, SecretStr)}
        passwords = {value.password for value in values if isinstance(value, HttpUrl) and value.password}
        return frozenset(hidden | passwords | {unquote(password) for password in passwords})

    @property
    def fallback_models(self) -> tuple[str, ...]:
        """`llm_fallback_models` in order, each once and without `llm_model`."""
        names = dict.fromkeys(item.strip() for item in self.llm_fallback_models.split(",") if item.strip())
        return tuple(name for name in names if name != self.llm_model)

    @property
    def compat_model_names(self) -> tuple[str, ...]:
        """`compat_models` in order, each once."""
        return tuple(dict.fromkeys(item.strip() for item in self.compat_models.split(",") if item.strip()))

    @property
    def hosts(self) -> frozenset[str]:
        """`allowed_hosts` as a set, lower case."""
        return frozenset(item.strip().lower() for item in self.allowed_hosts.split(",") if item.strip())


@dataclass(frozen=True, slots=True)
class Otel:
    """What the standard OTEL_* variables say: whether spans are exported, and what is secret in them."""

    traces: bool
    secrets: frozenset[str]


def otel() -> Otel:
    """Read the OTEL_* variables. Those of `.env` are put into the environment, the only place where the SDK looks.

    Raises SettingsError for a protocol that is not spoken here.
    """
    for name, value in dotenv_values(".env").items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
    given = {name: value for name, value in os.environ.items() if name.startswith("OTEL_") and value}
    if "service.name=" not in given.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        os.environ.setdefault("OTEL_SERVICE_NAME", "kb-agent")
    collector = given.keys() & {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
    refused = given.get("OTEL_TRACES_EXPORTER") == "none" or given.get("OTEL_SDK_DISABLED", "").lower() == "true"
    protocol = given.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or given.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if collector and not refused and protocol not in (None, "http/protobuf"):
        raise SettingsError(
            [f"OTEL_EXPORTER_OTLP_PROTOCOL: got {protocol!r}; takes http/protobuf, usually spoken on port 4318"]
        )
    headers = ",".join(value for name, value in given.items() if name.endswith("_HEADERS"))
    values = {item.partition("=")[2].strip() for item in headers.split(",")} - {""}
    return Otel(bool(collector) and not refused, frozenset(values | {unquote(value) for value in values}))


def strangers() -> list[tuple[str, str]]:
    """Names that are given like settings and are none, each with the setting that may be meant, '' without."""
    known = {name.upper() for name in Settings.model_fields}
    given = {*filter(_is_ours, os.environ), *dotenv_values(".env")}
    found = []
    for name in sorted(name for name in given if name.upper() not in known):
        meant = next(iter(get_close_matches(name.upper(), known, 1, 0.8)), "")
        if meant or _is_ours(name):
            found.append((name, meant))
    return found


def _is_ours(name: str) -> bool:
    return name.upper().startswith(("LLM_", "KB_"))


def state_dir() -> Path:
    """Where this user's own files belong that may get lost, such as a history."""
    place = os.environ.get("XDG_STATE_HOME", "")
    return (Path(place) if Path(place).is_absolute() else Path.home() / ".local/state") / "kb-agent"


def load(**overrides: Any) -> Settings:
    """Read the settings; `overrides` win over the environment. Raises SettingsError with every mistake at once."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SettingsError([_problem(e) for e in error.errors()]) from None
    problems = _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if settings.llm_base_url is not None and settings.llm_model is None:
        problems.append(
            "LLM_MODEL: is missing; with LLM_BASE_URL it takes the model's name as the endpoint knows it"
        )
    if settings.llm_base_url is None and settings.llm_model is not None:
        problems.append(
            "LLM_BASE_URL: is missing; with LLM_MODEL it takes the endpoint's address, for Ollama http://localhost:11434/v1"
        )
    if settings.llm_base_url is None and settings.fallback_models:
        problems.append("LLM_FALLBACK_MODELS: takes names only with LLM_BASE_URL and LLM_MODEL")
    return problems


def _problem(error: Any) -> str:
    name = str(error["loc"][0])
    field, given = Settings.model_fields[name], error["input"]
    hidden = SecretStr in get_args(field.annotation) or "@" in str(given)  # an address may have a password
    got = "a value that is not shown" if hidden else repr(given)
    takes = error["msg"][0].lower() + error["msg"][1:]
    return f"{name.upper()}: got {got}; {takes} ({field.description})"
