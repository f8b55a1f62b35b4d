#!/bin/sh
# podman.sh UID DEVICE COMMAND...: runs a command in a container of podman's that a user starts, root or another, and
# that is given a device. The container's /usr is the machine's. The user's name is made where there is none.
set -eu
uid=$1 device=$2
shift 2
folder=/run/podman-$uid
if [ "$uid" != 0 ] && ! getent passwd "$uid" >/dev/null; then
    echo "rootless$uid:x:$uid:$uid::$folder:/bin/sh" >>/etc/passwd
    echo "rootless$uid:x:$uid:" >>/etc/group
    echo "rootless$uid:500000:65536" | tee -a /etc/subuid >>/etc/subgid
fi
mountpoint --quiet /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
root=$folder/container
mkdir -p "$root/usr" "$root/etc" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/run" "$root/var/tmp"
for name in bin sbin lib lib64; do
    ln -sfn usr/$name "$root/$name"
done
: >"$folder/containers.conf"
chown -R "$uid:$uid" "$folder"
runtime=$folder
[ "$uid" != 0 ] || runtime=
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups env HOME="$folder" XDG_RUNTIME_DIR="$runtime" \
    CONTAINERS_CONF="$folder/containers.conf" podman --root "$folder/root" --runroot "$folder/run" \
    --tmpdir "$folder/tmp" --storage-driver=vfs --cgroup-manager=cgroupfs --events-backend=none \
    run --rm --cgroups=disabled --network=none --log-driver=none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
    --volume /usr:/usr:ro --volume "$(dirname "$1"):$(dirname "$1"):ro" --device "$device" --rootfs "$root" "$@"
