# Backscroll in a container. docker build --tag backscroll . ; docs/deploying.md says how to run it.

FROM python:3.13-slim-bookworm AS build

WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./
# What the lock pins, checked by its hashes; then nothing else is fetched.
RUN python -m pip download --no-cache-dir --no-deps --require-hashes --requirement requirements.lock --dest /wheels
COPY src ./src
RUN python -m venv /opt/backscroll \
    && /opt/backscroll/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels . \
    && /opt/backscroll/bin/python -m pip check

FROM python:3.13-slim-bookworm

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
