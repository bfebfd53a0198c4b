# Runs one test host. Started by host.rs in a pid and a mount namespace of its own and in the network
# namespace of the lab's router; as the first process of its pid namespace it takes all others with it
# when it ends, and it ends when its standard input closes.
#
# Arguments: the host's name, the image's directory, the units to enable (one word, may be empty),
# then options of systemd-nspawn. Orders on standard input: "on" boots the host. Answers on standard
# output: "ready" once, "off STATUS" whenever the host has powered off.
set -eu
name=$1 image=$2 enable=$3
shift 3
state=/run/systemd/testbed

# Nothing that is mounted here shows outside, and systemd-nspawn takes an existing /run/systemd for a
# machine that runs systemd.
mount --make-rprivate /
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
mkdir -p $state/changes $state/work $state/root $state/docker

# A cgroup of its own in each hierarchy that systemd uses, else all hosts would share one. A machine
# has either the unified hierarchy at /sys/fs/cgroup or, in the older layouts, several below it.
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    hierarchies=/sys/fs/cgroup
else
    hierarchies="/sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup/pids /sys/fs/cgroup/memory"
fi
for hierarchy in $hierarchies; do
    if [ -d "$hierarchy" ]; then
        mkdir "$hierarchy/$name"
        echo 0 >"$hierarchy/$name/cgroup.procs"
    fi
done

# The image below, the host's own changes above; both outlive reboots and power cuts.
mount -t overlay overlay -o "lowerdir=$image,upperdir=$state/changes,workdir=$state/work" $state/root
if [ -n "$enable" ]; then
    # shellcheck disable=SC2086 # several words
    systemctl --quiet --root=$state/root enable $enable >$state/console 2>&1
fi

# Exit status 133 means that the host asked for a reboot.
# Docker keeps its layers on a plain file system, because an overlay cannot lie on an overlay.
boot() {
    status=133
    while [ "$status" = 133 ]; do
        status=0
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --directory=$state/root \
            --machine="$name" --network-veth --network-bridge=br0 --register=no --keep-unit --boot \
            --console=pipe --link-journal=no --resolv-conf=off --timezone=off \
            --bind=$state/docker:/var/lib/docker "$@" </dev/null >>$state/console 2>&1 || status=$?
    done
    echo "off $status"
}

echo ready
while read -r order; do
    case $order in
    on) boot "$@" & ;;
    esac
done
