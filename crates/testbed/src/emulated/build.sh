# Makes the file system of an emulated host: build ROOT IMAGE KERNEL [FILE:PATH …]
root=$1 image=$2 kernel=$3
shift 3
mkdir -p "$root/bin" "$root/sbin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run" \
    "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib"
cp "$image/bin/busybox" "$root/bin/busybox"
# The libraries that a program of the image needs, and the program.
add() {
    chroot "$image" ldd "$1" | awk '$2 == "=>" { print $3 } $1 ~ "^/" { print $1 }' |
        while read -r library; do
            mkdir -p "$root$(dirname "$library")"
            cp -L "$image$library" "$root$library"
        done
    mkdir -p "$root$(dirname "$1")"
    cp -L "$image$1" "$root$1"
}
add /usr/sbin/xtables-legacy-multi
add /usr/bin/kmod
add /lib/systemd/systemd-sysctl
for name in iptables ip6tables; do
    for form in '' -restore -save; do
        ln -s xtables-legacy-multi "$root/usr/sbin/$name-legacy$form"
    done
done
for name in modprobe rmmod lsmod; do
    ln -s /usr/bin/kmod "$root/sbin/$name"
done
mkdir -p "$root/usr/lib/x86_64-linux-gnu"
cp -r "$image/usr/lib/x86_64-linux-gnu/xtables" "$root/usr/lib/x86_64-linux-gnu/"
for library in libc.so.6 libm.so.6 libgcc_s.so.1; do
    mkdir -p "$root/lib/x86_64-linux-gnu" "$root/lib64"
    cp -L "$image/lib/x86_64-linux-gnu/$library" "$root/lib/x86_64-linux-gnu/"
done
cp -L "$image/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
release=$(ls "$kernel/lib/modules")
for folder in net lib crypto arch/x86/crypto; do
    mkdir -p "$root/lib/modules/$release/kernel/$folder"
    cp -r "$kernel/lib/modules/$release/kernel/$folder/." "$root/lib/modules/$release/kernel/$folder"
done
cp "$kernel/lib/modules/$release/"modules.order "$kernel/lib/modules/$release/"modules.builtin* \
    "$root/lib/modules/$release/"
depmod -b "$root" "$release"
for pair in "$@"; do
    target=$root${pair#*:}
    mkdir -p "$(dirname "$target")"
    cp "${pair%%:*}" "$target"
    chmod 755 "$target"
done
chmod 755 "$root/init"
cd "$root"
find . | cpio --quiet -o -H newc | gzip -1 > "$root.cpio.gz"
