#!/bin/sh
# Put VMM binaries where the agent looks for them: each as DIGEST/NAME below /opt/schedune.
#
#   install-vmms.sh SUMS [FOLDER]
#
# SUMS is a file as sha256sum writes it, beside the binaries that it names. A binary with another
# digest is refused, and nothing of the rest is touched. What is there already stays as it is: a
# running VM keeps its binary, a new version comes beside it, and the agent takes the newest.
set -eu

sums=${1:?"usage: install-vmms.sh SUMS [FOLDER]"}
folder=${2:-/opt/schedune}

[ -r "$sums" ] || { echo "install-vmms: $sums cannot be read" >&2; exit 2; }
source=$(cd "$(dirname "$sums")" && pwd)
(cd "$source" && sha256sum -c "$(basename "$sums")" >&2) || {
    echo "install-vmms: a binary is not what $sums says; nothing was installed" >&2
    exit 1
}

mkdir -p "$folder"
while read -r digest name || [ -n "$digest" ]; do    # the last line may have no end
    name=$(basename "${name#\*}")
    target=$folder/$digest
    [ -x "$target/$name" ] && continue
    # Whole or not at all: the agent looks at any moment.
    fresh=$(mktemp -d "$folder/.fresh-XXXXXX")
    cp "$source/$name" "$fresh/$name"
    chmod 0755 "$fresh" "$fresh/$name"
    [ "$(sha256sum "$fresh/$name" | cut -d ' ' -f 1)" = "$digest" ] || {
        echo "install-vmms: $name changed while it was copied" >&2
        exit 1
    }
    rm -rf "$target"    # what a copy that was cut off has left
    mv "$fresh" "$target"
    echo "install-vmms: $target/$name" >&2
done < "$sums"
