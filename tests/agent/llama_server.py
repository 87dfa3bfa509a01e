"""A real language model for tests: the endpoint of LLM_BASE_URL, else llama.cpp's own server in a child process.

As a program: `python llama_server.py model.gguf` prints the server's base URL and serves until its input ends. In
a process of its own because a GGUF that llama.cpp cannot read aborts the process that loads it.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.agent.llm import Endpoint

MODEL = Path(__file__).parents[2].parent / "shared" / "models" / "tinylm.gguf"
NAME = "tinylm"
CONTEXT_TOKENS = 2048


@contextmanager
def real_endpoint() -> Iterator[Endpoint]:
    """Where a real model listens while the context lasts; skips the test where there is none."""
    base_url = os.environ.get("LLM_BASE_URL")
    if base_url:
        yield Endpoint(base_url, os.environ.get("LLM_MODEL", ""), os.environ.get("LLM_API_KEY") or None, 256)
        return
    if not MODEL.is_file():
        pytest.skip(f"no LLM_BASE_URL, and no model at {MODEL}")
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("no LLM_BASE_URL, and xllamacpp has no wheel for this machine")
    with llama_server(MODEL) as base_url:
        yield Endpoint(base_url, NAME, max_tokens=256, temperature=0.0)


@contextmanager
def llama_server(model: Path) -> Iterator[str]:
    """llama.cpp's server with this model: its base URL, while the context lasts."""
    command = [sys.executable, __file__, str(model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            base_url = process.stdout.readline().strip()
            if not base_url:
                pytest.fail(f"llama.cpp's server did not start with {model}: exit status {process.wait(10)}")
            yield base_url
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def serve(model: str) -> None:
    """Load the model, tell where it listens, serve until standard input ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = model, {NAME}
    params.n_ctx, params.n_parallel, params.port = CONTEXT_TOKENS, 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.use_jinja, params.warmup, params.ui, params.verbosity = True, False, False, -1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}/v1\n")
    sys.stdout.flush()
    sys.stdin.read()
    del server


if __name__ == "__main__":
    serve(sys.argv[1])
