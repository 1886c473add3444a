#!/bin/busybox sh
# The first and only program of the lab's guest. It proves that it lives by answering
# a nonce on the virtio port io.schedune.ready.0, or on port 1024 of vsock where the VMM has
# that instead, and powers down on the power button.
answer() { # one line in, one line out: the nonce that came, and this boot's id
  while read -r line; do
    nonce=$(echo "$line" | sed -n 's/^{"nonce":"\([0-9a-f]\{1,64\}\)"}$/\1/p')
    [ -n "$nonce" ] && echo "{\"nonce\":\"$nonce\",\"bootID\":\"$(cat /proc/sys/kernel/random/boot_id)\"}" >&3
  done <&3
}
[ "$1" = answer ] && exec 3<&0 && answer && exit # what vsock-listen runs for each connection
/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
for module in $(cat /modules/order); do insmod "/modules/$module" 2>/dev/null; done
word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^schedune.test=//p"; }
echo "schedune-guest: kernel $(uname -r), boot id $(cat /proc/sys/kernel/random/boot_id)"

button() { # an input event of the power button ends the guest in order
  for device in /dev/input/event*; do
    [ -e "$device" ] || continue
    (dd if="$device" bs=24 count=1 >/dev/null 2>&1 && echo "schedune-guest: power button" && poweroff -f) &
  done
}
[ "$(word)" = ignore-button ] || button

disks() { # what each disk holds, and whether it takes a write
  for block in /sys/block/vd*; do
    [ -e "$block" ] || continue
    device=/dev/$(basename "$block") serial=$(cat "$block/serial")
    echo "schedune-guest: disk $serial holds '$(head -c 32 "$device" | tr -dc ' -~')', $(cat "$block/size") sectors"
    echo "written by $(cat /proc/sys/kernel/random/boot_id | cut -c 1-8)" | dd of="$device" conv=notrunc,fsync 2>/dev/null \
      && echo "schedune-guest: disk $serial took a write" || echo "schedune-guest: disk $serial is read-only"
  done
}

seed() { # what the disk labelled CIDATA says, and who the firmware says that the machine is
  for block in /sys/block/vd*; do
    device=/dev/$(basename "$block")
    [ "$(dd if="$device" bs=1 skip=32808 count=6 2>/dev/null)" = CIDATA ] || continue
    mkdir -p /seed && mount -t iso9660 -o ro "$device" /seed || continue
    echo "schedune-guest: seed is disk $(cat "$block/serial")"
    echo "schedune-guest: meta-data $(cat /seed/meta-data)"
    echo "schedune-guest: user-data $(sha256sum </seed/user-data | cut -c 1-64)"
  done
  echo "schedune-guest: machine $(cat /sys/class/dmi/id/product_uuid 2>/dev/null)"
}

network() { # the address that QEMU's user network expects, and one word for whoever connects
  ip link set lo up
  ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0
  (while :; do echo "schedune-guest: $(cat /sys/class/net/eth0/address)" | nc -l -p 7 2>/dev/null; done) &
}

case "$(word)" in
  disks) disks ;;
  network) network ;;
  seed) seed ;;
  poweroff) poweroff -f ;;
  reboot) reboot -f ;;
  reboot-once) # the first disk remembers that it did
    [ "$(head -c 4 /dev/vda)" = once ] || { echo once | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null; reboot -f; } ;;
  panic) echo c >/proc/sysrq-trigger ;;
  tick) (n=0; while sleep 1; do n=$((n + 1)); echo "schedune-guest: tick $n"; done) & ;;
  silent) while :; do sleep 3600; done ;;
esac
vsock-listen /bin/sh /init answer 2>/dev/null & # ends at once where there is no vsock
while :; do
  for name in /sys/class/virtio-ports/*/name; do
    if [ "$(cat "$name" 2>/dev/null)" = io.schedune.ready.0 ]; then
      port=/dev/$(basename "$(dirname "$name")")
      exec 3<>"$port" && answer
      exec 3>&-
    fi
  done
  sleep 0.2
done
