#!/bin/busybox sh
# The first program of an emulated host: runs /script and switches the host off.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/usr/sbin:/sbin:/bin:/usr/bin
echo
sh -eu /script
status=$?
echo
echo "@@ end $status"
poweroff -f
