# syntax=docker/dockerfile:1
# docker build --target operator -t schedune-operator .
# docker build --target agent    -t schedune-agent .

FROM python:3.13-slim-trixie AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
ENV UV_PROJECT_ENVIRONMENT=/opt/schedune UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN uv sync --locked --no-default-groups --no-install-project --python /usr/local/bin/python3
COPY . .
RUN uv sync --locked --no-default-groups --no-editable --python /usr/local/bin/python3

# Decides; touches no host. Runs with a read-only root and no capabilities.
FROM python:3.13-slim-trixie AS operator
COPY --from=build /opt/schedune /opt/schedune
USER 64000:64000
ENTRYPOINT ["/opt/schedune/bin/schedune-operator"]

# Acts on its node. The VMs outlive the container only in cgroups of their own and in the
# host's namespaces, hence root here; the pod spec, not the image, says with how few rights.
# In the pod's mode `launch` the host's QEMU is used; the image's is for facts and emulation.
FROM python:3.13-slim-trixie AS agent
RUN apt-get update \
    && case "$(dpkg --print-architecture)" in \
         amd64) qemu=qemu-system-x86 ;; \
         arm64) qemu=qemu-system-arm ;; \
         *) echo "no agent for this architecture" >&2; exit 1 ;; \
       esac \
    && apt-get install -y --no-install-recommends "$qemu" qemu-utils util-linux \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/schedune /opt/schedune
ENTRYPOINT ["/opt/schedune/bin/schedune-agent"]
