# syntax=docker/dockerfile:1
# docker build --target operator -t schedune-operator:0.1.0 .
# docker build --target agent    -t schedune-agent:0.1.0 .
#
# Both for amd64 and arm64 (docker buildx build --platform linux/amd64,linux/arm64 ...): every locked
# package is a wheel on both, nothing is compiled. BASE is any Debian 12 or newer with Python 3.11
# or newer and its venv module.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
ENV UV_PROJECT_ENVIRONMENT=/opt/schedune-python UV_PYTHON=python3 UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN /opt/uv/bin/uv sync --locked --no-default-groups --no-install-project --no-build
COPY . .
# The programs are asked at once: an image without our code (.dockerignore) must not come about.
RUN /opt/uv/bin/uv sync --locked --no-default-groups --no-editable \
    && /opt/schedune-python/bin/schedune-operator --help >/dev/null \
    && /opt/schedune-python/bin/schedune-agent --help >/dev/null

# One layer for both: a node with both holds it once.
FROM ${BASE} AS runtime
COPY --from=build /opt/schedune-python /opt/schedune-python
# Told as schedune_build_info{revision}: docker build --build-arg REVISION=$(git rev-parse --short HEAD) ...
ARG REVISION=""
ENV SCHEDUNE_REVISION=${REVISION}

# Decides; touches no host. Runs with a read-only root and no capabilities.
FROM runtime AS operator
USER 64000:64000
ENTRYPOINT ["/opt/schedune-python/bin/schedune-operator"]

# Acts on its node. VMs outlive the container only in control groups of their own and in the host's
# namespaces, hence root here; the pod spec, not the image, says with how few rights. VMMs are the
# node's (/opt/schedune, mounted), never the image's: a VM must not hang on the image of a pod that
# ended. nsenter and setpriv, of util-linux, are in every Debian.
FROM runtime AS agent
ENTRYPOINT ["/opt/schedune-python/bin/schedune-agent"]
