"""The model that answers: the one the settings name, with its fallbacks, or the built-in reader."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from service.agent.fallback import FallbackModel
from service.agent.model import ChatModel
from service.agent.probe import Probe, probing
from service.agent.reader import BuiltInReader
from service.agent.traced import TracedModel
from service.agent.window import FittedModel
from service.settings import Settings
from service.telemetry import Metrics, tracing


@contextlib.asynccontextmanager
async def open_model(settings: Settings, metrics: Metrics) -> AsyncIterator[tuple[ChatModel, Probe]]:
    """Give the configured model and what is known of it; without one the built-in reader.

    Neither stands in for the other.
    """
    if settings.llm_base_url is None or settings.llm_model is None:
        reader = BuiltInReader()
        yield (TracedModel(reader, "kb-agent") if tracing.active() else reader), Probe(())
        return
    from service.agent import attempts, failures, llm, resilience  # noqa: PLC0415 - the SDK doubles the start-up time

    metrics.expect_calls(failures.FAILURES)
    key = settings.llm_api_key
    endpoint = llm.Endpoint(
        base_url=str(settings.llm_base_url),
        model=settings.llm_model,
        api_key=key.get_secret_value() if key else None,
        max_tokens=settings.llm_max_tokens,
        max_tokens_field=settings.llm_max_tokens_field,
        temperature=settings.llm_temperature,
    )
    timeouts = attempts.Timeouts(
        connect=settings.llm_connect_timeout,
        first_byte=settings.llm_first_byte_timeout,
        gap=settings.llm_gap_timeout,
        attempt=settings.llm_attempt_timeout,
    )
    retries = attempts.Retries(settings.llm_max_retries)
    budget = resilience.RetryBudget(settings.llm_retry_budget)
    async with contextlib.AsyncExitStack() as stack:
        models = []
        for name in (settings.llm_model, *settings.fallback_models):
            breaker = resilience.Breaker(resilience.BreakerLimits(settings.llm_breaker_failures))
            guard = resilience.Guard(name, budget, breaker, metrics)
            opened = llm.SdkChatModel(replace(endpoint, model=name), timeouts, retries, metrics, guard)
            await stack.enter_async_context(opened)
            server = settings.llm_base_url
            called = TracedModel(opened, "openai", server.host or "", server.port) if tracing.active() else opened
            models.append(FittedModel(called, settings.llm_context_tokens, settings.llm_max_tokens))
        probe = await stack.enter_async_context(probing(models, wanted=settings.llm_probe))
        yield (FallbackModel(models, metrics.fell_back) if len(models) > 1 else models[0]), probe
