# syntax=docker/dockerfile:1.7
# FanFabler's images, one a target: bot, worker-cpu, worker-gpu, trainer. compose.yaml builds and joins them.
#
#     docker build --target bot -t fanfabler-bot .
#
# PYTHON: the Python of all of them. TORCH_INDEX: another package index for PyTorch; for worker-cpu, that of its CPU
# builds (pytorch.org, «Get started») makes an image of a fraction of the size.

ARG PYTHON=3.12

# --- What all are made in -----------------------------------------------------------------------------------------
FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/fanfabler
ENV PATH=/opt/fanfabler/bin:$PATH
WORKDIR /source
# The packages first, from pyproject.toml alone: a change of the code does not install them anew.
COPY pyproject.toml ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
[open(f'/tmp/{name}.txt', 'w').write('\n'.join(p['dependencies'] * (name == 'base') + p['optional-dependencies'].get(name, []))) \
for name in ('base', 'postgres', 'worker', 'embedded', 'gpu', 'train')]"
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/base.txt -r /tmp/postgres.txt

FROM build AS build-bot
COPY . .
# What only trains and serves stays out, and so does what installs.
RUN pip install --no-deps . \
    && rm -rf /opt/fanfabler/lib/python3*/site-packages/training /opt/fanfabler/lib/python3*/site-packages/model/adapters \
    && pip uninstall -q -y setuptools pip \
    && python -m compileall -q /opt/fanfabler/lib

# PyTorch first, so that nothing else chooses its build.
FROM build AS build-worker-cpu
ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$TORCH"
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/worker.txt -r /tmp/embedded.txt
COPY . .
RUN pip install --no-deps .

# PyTorch for CUDA brings CUDA's libraries along; the host brings the driver, by the NVIDIA Container Toolkit.
FROM build AS build-worker-gpu
ARG TORCH=torch==2.13.0
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install "$TORCH" -r /tmp/worker.txt -r /tmp/embedded.txt -r /tmp/gpu.txt
COPY . .
RUN pip install --no-deps .

FROM build-worker-gpu AS build-trainer
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -r /tmp/train.txt

# --- What all run in ----------------------------------------------------------------------------------------------
FROM python:${PYTHON}-slim AS run
ENV PATH=/opt/fanfabler/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    FANFABLER_CACHE=/data/cache \
    HF_HOME=/data/huggingface \
    LOG_FORMAT=json
RUN groupadd --gid 10001 fanfabler \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin fanfabler \
    && install -d -o fanfabler -g fanfabler /data /data/adapters /data/trainer
WORKDIR /data
VOLUME /data
USER 10001:10001

FROM run AS bot
COPY --from=build-bot /opt/fanfabler /opt/fanfabler
ENV PULSE_FILE=/tmp/fanfabler-pulse \
    DATABASE_URL=sqlite+aiosqlite:////data/fanfabler.db
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 CMD ["python", "-m", "bot", "health"]

FROM run AS serving
ENV ADAPTERS_DIR=/data/adapters
EXPOSE 8000
ENTRYPOINT ["python", "-m", "model"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
# The first start downloads the model.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30m --retries=3 CMD ["python", "-m", "model", "health"]

FROM serving AS worker-cpu
COPY --from=build-worker-cpu /opt/fanfabler /opt/fanfabler

FROM serving AS worker-gpu
COPY --from=build-worker-gpu /opt/fanfabler /opt/fanfabler
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM run AS trainer
COPY --from=build-trainer /opt/fanfabler /opt/fanfabler
ENV ADAPTERS_DIR=/data/adapters \
    TRAINER_DIR=/data/trainer \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    MPLCONFIGDIR=/tmp/matplotlib
EXPOSE 8010
ENTRYPOINT ["python", "-m", "training"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8010"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 \
    CMD ["python", "-m", "model", "health", "--url", "http://127.0.0.1:8010"]
