#!/bin/busybox sh
# First program of the nested machine: from the initramfs into the root on the first disk,
# and there, as second half, the payload on the second disk; its output goes to ttyS1.
if [ ! -e /payload ]; then
  /bin/busybox --install -s /bin
  mount -t devtmpfs devtmpfs /dev
  for module in $(cat /modules/order); do insmod "/modules/$module"; done
  mkdir -p /new && mount -t ext4 /dev/vda /new && cp /init /new/init
  mkdir -p /new/modules && cp -r /modules/* /new/modules/
  umount /dev
  exec switch_root /new /init
fi
export PATH=/bin:/usr/bin:/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
mount -t ext4 /dev/vdb /payload
chown 0:36 /dev/kvm  # as udev does: VMs run as users of their own, in this group
chmod 0660 /dev/kvm
chmod 0666 /dev/net/tun  # likewise: Firecracker opens its tap itself
echo "nested: kvm $(ls /dev/kvm), kernel $(uname -r), up $(cut -d ' ' -f 1 /proc/uptime) s"
sh /payload/run.sh >/run/out 2>&1
cat /run/out
cat /run/results >/dev/ttyS1
sync
poweroff -f
