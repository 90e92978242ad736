#!/bin/sh
# What a running worker has no use for goes, and the user that it runs as comes: harden.sh [ROOT]
# ROOT is the base image's file system; none: this one.
set -eu
root=${1:-}
for tool in cc gcc g++ c++ clang ld as make; do
    if [ -e "$root/usr/bin/$tool" ] || [ -e "$root/usr/local/bin/$tool" ]; then
        echo "$tool is in the base image: take a slim one" >&2
        exit 1
    fi
done
# Installers, for whoever gets in.
rm -rf "$root"/usr/local/bin/pip* "$root"/usr/local/bin/idle* "$root"/usr/local/bin/pydoc* "$root"/usr/local/bin/wheel
for package in pip setuptools wheel pkg_resources _distutils_hack; do
    rm -rf "$root"/usr/local/lib/python3.11/site-packages/$package \
        "$root"/usr/local/lib/python3.11/site-packages/$package-*.dist-info
done
rm -rf "$root"/usr/local/lib/python3.11/ensurepip "$root"/usr/local/lib/python3.11/idlelib
# No program that gives its caller another user's rights.
find "$root/" -xdev -type f -perm /6000 -exec chmod a-s {} +
echo "stream:x:10001:" >> "$root/etc/group"
echo "stream:x:10001:10001:stream-triggers:/var/lib/stream:/usr/sbin/nologin" >> "$root/etc/passwd"
mkdir -p "$root/var/lib/stream" "$root/rules"
chown 10001:10001 "$root/var/lib/stream"
chmod 0750 "$root/var/lib/stream"
