# shellcheck shell=sh disable=SC2034
# Sourced by the tests that run in a copy of build/root, after tests/dkms/lib.sh.

: "${out:?}"
debs=/mnt/build/deb
export DEBIAN_FRONTEND=noninteractive
# As _apt, apt could not read files that only root may.
apt_get() { apt-get -q -y -o APT::Sandbox::User=root "$@"; }

# What dpkg thinks of package $1: "installed" is configured.
state() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || echo none; }

# grub-probe asks for the disk below /, and a chroot has none.
stand_in_for_grub_probe()
{
	dpkg-divert --quiet --local --rename --add /usr/sbin/grub-probe
	printf '#!/bin/sh\ncase "$*" in *fs_uuid*) echo 00000000-0000 ;; *) echo ext2 ;; esac\n' >/usr/sbin/grub-probe
	chmod 755 /usr/sbin/grub-probe
	mkdir -p /boot/grub
}

# said PATTERN: the last command of check said so, on one line; an extended regular expression.
said() { grep -qE "$1" "$out.last" || { tail -n 3 "$out.last"; return 1; }; }

# run TEXT COMMAND...: as check, and keeps what it said for said().
run()
{
	check "$@"
	cp "$out" "$out.last"
}

# Every file, and what is in those that removal may write to. apt's and dpkg's records change; the
# key that dkms makes is the machine's, not ours: other modules are signed with it.
snapshot()
{
	find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
		-o -path '/var/lib/dkms/mok.*' \) -prune -o -printf '%p %y %m %l\n' | LC_ALL=C sort
	find /etc /boot /lib/modules/ -xdev -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
}

# nothing_left FILE: the snapshot in FILE is how it is now.
nothing_left()
{
	snapshot >/tmp/snapshot.now
	diff "$1" /tmp/snapshot.now >/tmp/snapshot.diff || { tail -n 3 /tmp/snapshot.diff; return 1; }
}
