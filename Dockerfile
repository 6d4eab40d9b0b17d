# Backscroll in a container. docker build --tag backscroll . ; docs/deploying.md says how to run it.

# The digest pins the image; the tag before it is only for readers. Both stages need the same one.
FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS page

WORKDIR /build
COPY tools/build_page.sh ./tools/
COPY web ./web
# Node.js comes from the wheel that web/node.lock pins, npm packages from web/package-lock.json.
RUN mkdir --parents src/backscroll/web && PYTHON=python bash tools/build_page.sh

FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS build

WORKDIR /build
# What changes least comes first. All downloads are here, checked against the hashes of the lock file.
COPY requirements.lock ./
RUN python -m venv /opt/backscroll \
    && /opt/backscroll/bin/python -m pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
# docker build --build-arg MCP=yes adds the MCP server (docs/mcp.md).
ARG MCP=
COPY requirements-mcp.lock ./
RUN test -z "$MCP" || /opt/backscroll/bin/python -m pip install --no-cache-dir --no-deps --require-hashes \
        --requirement requirements-mcp.lock
# A change of these files, including the README, repeats only the step below, which downloads nothing.
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY examples ./examples
COPY src ./src
COPY --from=page /build/src/backscroll/web/static ./src/backscroll/web/static
RUN /opt/backscroll/bin/python -m pip install --no-cache-dir --no-index --no-deps --no-build-isolation . \
    && /opt/backscroll/bin/python -m pip check

FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8

RUN groupadd --system --gid 10001 backscroll \
    && useradd --system --uid 10001 --gid backscroll --no-create-home --home-dir /data --shell /usr/sbin/nologin backscroll \
    && install --directory --owner=backscroll --group=backscroll --mode=0700 /data
COPY --from=build /opt/backscroll /opt/backscroll

ENV PATH=/opt/backscroll/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BACKSCROLL_DATA=/data \
    BACKSCROLL_HOST=0.0.0.0 \
    BACKSCROLL_PORT=8080

USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['BACKSCROLL_PORT'] + '/health', timeout=4)"]
ENTRYPOINT ["backscroll"]
CMD ["serve"]
