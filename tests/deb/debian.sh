# Makes small Debian systems for the tests that start from one; they source this file at the top of the repository.
# shellcheck shell=bash disable=SC2034

# debian_system SUITE: makes build/debian/SUITE.tar with Debian's minimal system, unless it is there. Tests that run at the same time
# make it once. dpkg does not wait for the disk in it, as in Debian's own images. Fails with the reason in $debian_failed.
debian_system() {
	local suite=$1 folder=build/debian
	local root=$folder/$1.root log=$folder/$1.log
	debian_failed=""
	mkdir -p "$folder"
	(
		flock 9
		[ ! -e "$folder/$suite.tar" ] || exit 0
		rm -rf --one-file-system "$root"
		[ -e "/usr/share/debootstrap/scripts/$suite" ] || { echo "this version of debootstrap does not know $suite" >"$log"; exit 1; }
		debootstrap --foreign --variant=minbase "$suite" "$root" >"$log" 2>&1 || exit 1
		mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
		echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
		# a mount namespace of its own: whatever debootstrap mounts is gone when it ends
		unshare --mount chroot "$root" /debootstrap/debootstrap --second-stage >>"$log" 2>&1 || exit 1
		rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
		tar -C "$root" -cf "$folder/$suite.part" . && mv "$folder/$suite.part" "$folder/$suite.tar" || exit 1
		rm -rf --one-file-system "$root"
	) 9>"$folder/lock" || { debian_failed="debootstrap cannot make a system of $suite: $(tail -1 "$log")"; return 1; }
}
