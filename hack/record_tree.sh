#!/bin/busybox sh
# Copy the small files that the agent's probes read into a tree, and print it as base64 of a tar.
# Runs as the first program of a guest (hack/record_tree.py), or in a container's namespaces.
if [ $$ = 1 ] && [ -d /modules ]; then
  /bin/busybox --install -s /bin
  export PATH=/bin
  mkdir -p /proc /sys /dev /tmp
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t devtmpfs devtmpfs /dev
  mount -t cgroup2 none /sys/fs/cgroup
  for module in $(cat /modules/order); do insmod "/modules/$module"; done
  # The groups of a pod, as a kubelet nests them: the limit is not the innermost group's.
  group=/sys/fs/cgroup
  for name in kubepods agent; do
    echo +memory >$group/cgroup.subtree_control
    echo +pids >$group/cgroup.subtree_control
    echo +cpu >$group/cgroup.subtree_control
    group=$group/$name
    mkdir $group
  done
  echo 134217728 >/sys/fs/cgroup/kubepods/memory.max
  echo "50000 100000" >/sys/fs/cgroup/kubepods/cpu.max
  echo 100 >$group/pids.max
  echo $$ >$group/cgroup.procs
  guest=yes
fi

out=$(mktemp -d)
for path in \
  /etc/os-release \
  /proc/cpuinfo /proc/loadavg /proc/mdstat /proc/meminfo /proc/misc /proc/modules /proc/stat \
  /proc/swaps /proc/pressure/* /proc/device-tree/compatible \
  /proc/self/cgroup /proc/self/mountinfo /proc/self/status /proc/self/uid_map \
  /proc/sys/kernel/arch /proc/sys/kernel/hostname /proc/sys/kernel/io_uring_disabled \
  /proc/sys/kernel/osrelease /proc/sys/kernel/pid_max /proc/sys/kernel/seccomp/* \
  /proc/sys/kernel/unprivileged_userns_clone \
  /proc/sys/kernel/apparmor_restrict_unprivileged_userns /proc/sys/user/max_user_namespaces \
  /proc/sys/vm/overcommit_memory /proc/sys/vm/unprivileged_userfaultfd \
  /sys/block/*/ro /sys/block/*/md/* /sys/block/*/device/state \
  /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/bios_vendor \
  /sys/class/hwmon/*/name /sys/class/hwmon/*/temp* \
  /sys/class/thermal/*/type /sys/class/thermal/*/temp /sys/class/thermal/*/trip_point_* \
  /sys/class/tpm/*/tpm_version_major /sys/class/net/*/bridge/bridge_id \
  /sys/devices/system/clocksource/clocksource0/* \
  /sys/devices/system/cpu/online /sys/devices/system/cpu/possible \
  /sys/devices/system/cpu/smt/* /sys/devices/system/cpu/vulnerabilities/* \
  /sys/devices/system/cpu/cpu*/topology/* \
  /sys/devices/system/cpu/cpu0/regs/identification/* \
  /sys/devices/system/node/online /sys/devices/system/node/node*/cpulist \
  /sys/devices/system/node/node*/meminfo /sys/devices/system/node/node*/hugepages/*/* \
  /sys/fs/ext4/*/errors_count \
  /sys/hypervisor/type /sys/kernel/mm/hugepages/*/* /sys/kernel/mm/ksm/run \
  /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/security/lsm \
  /sys/kernel/iommu_groups/*/type \
  /sys/module/kvm*/parameters/* /sys/module/vhost*/parameters/* /sys/module/apparmor/parameters/* \
  /sys/fs/cgroup/cgroup.* /sys/fs/cgroup/*.max /sys/fs/cgroup/kubepods/*.max \
  /sys/fs/cgroup/kubepods/cgroup.* /sys/fs/cgroup/kubepods/agent/*.max \
  /sys/fs/cgroup/kubepods/agent/cgroup.* \
  /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/*/memory.stat /sys/fs/cgroup/*/pids.max \
  /sys/fs/cgroup/*/cpu.cfs_* /sys/fs/cgroup/*/cgroup.procs
do
  case "$path" in */cgroup.procs | */cgroup.threads | *cgroup.kill | */uevent) continue ;; esac
  [ -f "$path" ] && [ -r "$path" ] || continue
  mkdir -p "$out${path%/*}"
  head -c 65536 "$path" >"$out$path" 2>/dev/null || rm -f "$out$path"
done
echo SCHEDUNE-RECORD-BEGIN
tar -C "$out" -czf - . | base64
echo SCHEDUNE-RECORD-END
[ "$guest" = yes ] && poweroff -f
rm -rf "$out"
