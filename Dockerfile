# The service as one image: built with the tools of the first base, run on the second, which has no shell, no package
# manager and no pip. docs/deployment.md tells how to run it.

# Tags that name the Python series and the Debian release, so that a rebuild takes in their security fixes. A build
# that must be repeatable to the byte gives digests: --build-arg PYTHON=python:3.12-slim-trixie@sha256:...
ARG PYTHON=python:3.12-slim-trixie
ARG RUNTIME=gcr.io/distroless/cc-debian13:nonroot

FROM ${RUNTIME} AS runtime

FROM ${PYTHON} AS build
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV_VERSION}
# Standard library and libraries: the official image comes without bytecode, and on a read-only root every start
# would compile what it imports.
RUN --mount=type=bind,source=deploy/image/collect.py,target=/collect.py \
    --mount=type=bind,from=runtime,source=/,target=/mnt \
    python /collect.py /runtime /mnt && install -d -m 0700 /data
ENV UV_CACHE_DIR=/cache/uv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_DEV=1 \
    UV_PROJECT_ENVIRONMENT=/app \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# The packages change seldom and the code often: a layer for each.
RUN --mount=type=cache,target=/cache/uv \
    --mount=type=bind,source=pyproject.toml,target=/src/pyproject.toml \
    --mount=type=bind,source=uv.lock,target=/src/uv.lock \
    uv sync --locked --extra otel --no-install-project
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY service service
RUN --mount=type=cache,target=/cache/uv uv sync --locked --extra otel --no-editable

FROM runtime
COPY --from=build /runtime /
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /data /data
COPY knowledge /knowledge
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin \
    LD_LIBRARY_PATH=/usr/local/lib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    KNOWLEDGE_DIR=/knowledge
USER 10001:10001
# What was copied fits together: a library that is missing ends the build, not the first start.
RUN ["python", "-c", "import bz2, ctypes, lzma, ssl, uuid, zoneinfo, service.app"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kb-agent" \
      org.opencontainers.image.description="Answers questions about a folder of text files, with verified citations" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://example.com/kb-agent" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# By http.client: urllib would ask a proxy of the environment for 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s \
    CMD ["python", "-ISc", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', 8000)), timeout=2); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["kb-agent"]
CMD ["serve"]
