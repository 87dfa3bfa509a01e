"""Turns as supervised background work: start, cancel, resume after a crash, drain at shutdown.

A turn belongs to the runner, not to the request that asked for it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing
from functools import partial
from typing import Final

from service.agent.admission import Admission
from service.agent.context import system_prompt, transcript
from service.agent.draft import Draft
from service.agent.endings import INTERNAL, INTERRUPTED, NOT_STORED, TIMED_OUT, outcome_of, report, until_stored
from service.agent.evidence import situation
from service.agent.gaps import finding
from service.agent.keeping import texts_cited
from service.agent.loop import (
    Limits,
    ModelReplied,
    TextAdded,
    TextWithdrawn,
    ToolFinished,
    ToolStarted,
    TurnEvent,
    answer,
)
from service.agent.model import ChatModel, Message
from service.agent.sources import sources_json
from service.agent.tools import LISTING, Toolbox
from service.agent.underway import Run
from service.chats.records import Failure, Outcome, Status
from service.chats.steps import Asked
from service.chats.turns import Ending, ReadTexts, Turn, TurnStore
from service.errors import Conflict, ModelError, StorageError
from service.telemetry import TURN_ID, Metrics, tracing

_LOG: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 2  # at one turn, before it ends as interrupted
_SAVE_INTERVAL: Final = 2.0
_STOP_SECONDS: Final = 10.0


class TurnRunner:
    """Runs turns in the background. Use it inside `open_runner`."""

    def __init__(
        self,
        turns: TurnStore,
        model: ChatModel,
        toolbox: Callable[[], Toolbox],
        limits: Limits,
        metrics: Metrics,
        admission: Admission,
    ) -> None:
        self._turns = turns
        self._model = model
        self._toolbox = toolbox
        self._limits = limits
        self._metrics = metrics
        self._admission = admission
        self._system = system_prompt()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._stopped: set[str] = set()
        self._ending: set[str] = set()
        self._released = False

    @property
    def model_name(self) -> str:
        """The model that answers."""
        return self._model.name

    @property
    def waiting(self) -> int:
        """How many turns wait for others to end."""
        return self._admission.waiting

    def place(self, caller: str, request: str | None = None) -> AbstractContextManager[bool]:
        """Hold a place in which to start one more turn, one for all repeats of a `request`.

        Gives whether the turn will run at once, so that it may be begun with its question. Raises Overloaded, on
        entering it, when there is none.
        """
        return self._admission.place(caller, request)

    def start(self, turn_id: str, caller: str, begun: Turn | None = None) -> None:
        """Run a stored turn of `caller` in the background: the attempt that has `begun`, or a new one."""
        self._admission.begin(turn_id, caller)
        self._ended[turn_id] = asyncio.Event()
        task = asyncio.create_task(self._run(turn_id, begun), name=f"turn-{turn_id}")
        self._tasks[turn_id] = task
        task.add_done_callback(lambda _: self._forget(turn_id))
        self._metrics.turns_open.inc()

    async def wait(self, turn_id: str, seconds: float) -> None:
        """Wait until the turn has ended or waiters are released, at most `seconds`."""
        ended = self._ended.get(turn_id)
        if ended is not None and not self._released:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await ended.wait()

    async def cancel(self, turn_id: str) -> None:
        """Stop a turn, keep its text so far, return when that is stored. A turn that has ended stays as it is.

        Raises StorageError when the database does not take it in time; the turn is stopped nevertheless.
        """
        task = self._tasks.get(turn_id)
        if task is None:
            return
        if turn_id not in self._stopped | self._ending:  # what is being stored is not broken off
            self._stopped.add(turn_id)
            task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=_STOP_SECONDS)
        if not ended:
            raise StorageError("the end of the turn is not stored yet")

    def release(self) -> None:
        """Let everyone go who waits for a turn: the process is going down, the turns run on."""
        self._released = True
        for ended in self._ended.values():
            ended.set()

    async def recover(self, *, resume: bool) -> None:
        """See to what an earlier process left unfinished: resume each turn once, then end it as `interrupted`."""
        for unfinished in await self._turns.unfinished():
            if unfinished.attempt < _ATTEMPTS and (resume or unfinished.attempt == 0):
                self.start(unfinished.id, unfinished.owner)
                continue
            turn = await self._turns.begin(unfinished.id, self._model.name, only_to_end=True)
            if turn is not None:
                run = Run(turn.id, Draft(self._model.name), self._toolbox())
                for done in await self._turns.done(turn):
                    run.toolbox.restore(done.sources)
                run.draft.text, run.draft.citations = await self._turns.saved_text(turn)
                await self._finish(turn, run, Status.FAILED, INTERRUPTED)

    async def drain(self, grace: float) -> None:
        """Let running turns end for `grace` seconds, then leave the rest for the next start to find."""
        tasks = list(self._tasks.values())
        if tasks:
            _LOG.info("waiting for running turns", extra={"turns": len(tasks), "grace_seconds": grace})
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, turn_id: str) -> None:
        self._admission.end(turn_id)
        self._tasks.pop(turn_id, None)
        self._stopped.discard(turn_id)
        self._ended.pop(turn_id).set()
        self._metrics.turns_open.dec()

    async def _run(self, turn_id: str, begun: Turn | None) -> None:
        TURN_ID.set(turn_id)
        run = Run(turn_id, Draft(self._model.name), self._toolbox(), begun)
        with tracing.turn(turn_id):
            try:
                await self._attempt_or_stop(run)
            except Conflict:
                _LOG.info("turn was ended from outside")
            except Exception:  # noqa: BLE001 - logged, told to the client, and the turn still ends
                _LOG.exception("turn failed")
                await self._end_plainly(run)
            finally:
                run.take_started()

    async def _attempt_or_stop(self, run: Run) -> None:
        try:
            async with self._admission.running:
                run.turn = run.turn or await self._begun(run.turn_id)
                if run.turn is not None:
                    with self._turns.writing(run.turn):
                        await self._attempt(run, run.turn)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run.turn_id not in self._stopped or task is None:
                raise
            task.uncancel()
            turn = run.turn or await self._begun(run.turn_id, only_to_end=True)
            if turn is not None:
                await self._finish(turn, run, Status.CANCELLED)

    async def _begun(self, turn_id: str, *, only_to_end: bool = False) -> Turn | None:
        return await until_stored(lambda: self._turns.begin(turn_id, self._model.name, only_to_end=only_to_end))

    async def _attempt(self, run: Run, turn: Turn) -> None:
        failure: Failure | None = None
        tracing.current().set_attribute("gen_ai.conversation.id", turn.chat_id)
        try:
            async with asyncio.timeout(self._limits.seconds):
                messages = await self._transcript(turn, run)
                model = self._admission.metered(self._model, turn.owner, self._limits.window)
                async with aclosing(answer(model, run.toolbox, messages, self._limits, run.draft)) as events:
                    async for event in events:
                        await self._fold(turn, event, run)
        except TimeoutError:
            failure = TIMED_OUT
        except ModelError as error:
            failure = Failure(error.code, error.detail, error.retryable, error.retry_after)
        except StorageError:
            _LOG.exception("turn could not be stored")
            failure = NOT_STORED
        await self._finish(turn, run, Status.FAILED if failure else Status.COMPLETED, failure)

    async def _transcript(self, turn: Turn, run: Run) -> list[Message]:
        """Begin the transcript, and go on from what an earlier attempt finished."""
        messages = transcript(self._system, turn.earlier, turn.question, self._limits.window)
        run.asked = situation(messages)
        for done in await self._turns.done(turn) if turn.attempt > 1 else ():
            message = Message.from_wire(done.wire)
            messages.append(message)
            run.toolbox.restore(done.sources)
            run.draft.steps_done += 1
            run.draft.llm_calls += message.role == "assistant"
            run.draft.tool_calls += message.role == "tool"
            run.draft.searched = run.draft.searched or (done.error is None and done.name not in {None, LISTING})
        return messages

    async def _fold(self, turn: Turn, event: TurnEvent, run: Run) -> None:
        await run.stored()
        match event:
            case TextAdded(text):
                await self._show(turn, run, text)
            case TextWithdrawn(reason):
                await self._turns.reset(turn, reason)
            case ModelReplied(number, message, duration_ms):
                run.calling = Asked(number, message.wire(), duration_ms)
            case ToolStarted(step):
                run.begin_call(step, partial(self._turns.tool_started, turn))
            case ToolFinished(step, result):
                wire, sources = result.message.wire(), sources_json(result.sources, run.toolbox.kb_revision)
                run.storing = self._turns.tool_step(turn, step, wire, sources, run.take_started())
                self._metrics.tool_called(step.name, failed=step.error is not None, hits=step.hits)

    async def _show(self, turn: Turn, run: Run, text: str) -> None:
        """Show more text; keep what there is now and then, so that a crash does not take all of it."""
        self._turns.extend(turn, text)
        if run.draft.text == text:
            await asyncio.sleep(0)  # the beginning goes out before more is read, however much of that is here
        if (now := time.monotonic()) - run.saved >= _SAVE_INTERVAL:
            run.saved = now
            await self._turns.save_text(turn, run.draft.text, run.draft.citations)

    async def _finish(self, turn: Turn, run: Run, status: Status, failure: Failure | None = None) -> None:
        run.take_started()
        with contextlib.suppress(StorageError):  # then that step is missing, and the end goes on until it is in
            await run.stored()
        draft, outcome = run.draft, outcome_of(run.draft, status, failure)
        asked = run.asked if status is Status.COMPLETED else None
        ending = Ending(
            status=status,
            outcome=outcome,
            content=draft.text,
            citations=draft.citations,
            citations_dropped=draft.citations_dropped,
            usage=draft.usage,
            model=draft.model,
            error=failure,
            kb_revision=run.toolbox.kb_revision,
            finding=finding(asked, draft, run.toolbox, outcome) if asked else None,
        )
        await self._end(turn, ending, partial(texts_cited, run.toolbox.kb, tuple(run.toolbox.sources.values())))
        report(self._metrics, turn.id, draft, status, failure)

    async def _end_plainly(self, run: Run) -> None:
        """End a turn after a mistake of our own, with nothing that could be mistaken again."""
        run.take_started()
        with contextlib.suppress(StorageError, Conflict):
            await run.stored()
        turn, draft = run.turn or await self._begun(run.turn_id), run.draft
        if turn is not None:
            shown = (draft.text, draft.citations, draft.citations_dropped, draft.usage, draft.model)
            with contextlib.suppress(Conflict):
                await self._end(turn, Ending(Status.FAILED, Outcome.ERROR, *shown, INTERNAL))
                report(self._metrics, turn.id, draft, Status.FAILED, INTERNAL)

    async def _end(self, turn: Turn, ending: Ending, read: ReadTexts | None = None) -> None:
        self._ending.add(turn.id)
        try:
            await until_stored(lambda: self._turns.finish(turn, ending, read))
        finally:
            self._ending.discard(turn.id)


@contextlib.asynccontextmanager
async def open_runner(runner: TurnRunner, grace: float, *, resume: bool) -> AsyncIterator[None]:
    """See to what a crash left open, run turns until the block is left, then drain for `grace` seconds."""
    await runner.recover(resume=resume)
    try:
        yield
    finally:
        await runner.drain(grace)
