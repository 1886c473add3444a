#!/bin/sh
# Schedune on a kind cluster of its own: `make kind`. A second run brings the images up to date.
# Take it away: kind delete cluster --name schedune
set -eu
cd "$(dirname "$0")/../.."

for program in docker kind kubectl; do
    command -v "$program" > /dev/null || { echo "kind: $program is missing" >&2; exit 2; }
done

for part in operator agent; do
    docker build --target "$part" -t "schedune-$part:kind" .
done
kind get clusters | grep -qx schedune || kind create cluster --config hack/kind/cluster.yaml
kind load docker-image --name schedune schedune-operator:kind schedune-agent:kind

# The VMM is the node's: a VM must not hang on the image of a pod that ended.
for node in $(kubectl --context kind-schedune get nodes -l schedune.io/kind=vms -o name); do
    docker exec "${node#node/}" sh -c '
        command -v qemu-system-x86_64 qemu-system-aarch64 > /dev/null && exit 0
        case $(dpkg --print-architecture) in arm64) qemu=qemu-system-arm ;; *) qemu=qemu-system-x86 ;; esac
        apt-get update -q && apt-get install -q -y --no-install-recommends "$qemu"'
done

kubectl --context kind-schedune apply --server-side -k hack/kind
kubectl --context kind-schedune -n schedune-system rollout restart deployment/schedune-operator
kubectl --context kind-schedune -n schedune-agents rollout restart daemonset/schedune-agent
kubectl --context kind-schedune -n schedune-system rollout status deployment/schedune-operator
kubectl --context kind-schedune -n schedune-agents rollout status daemonset/schedune-agent
echo "kind: next is what docs/install.md says below \"Without a cluster to spare\"" >&2
