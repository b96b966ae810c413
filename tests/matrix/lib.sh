# shellcheck shell=sh
# Sourced in a throw-away Debian root.

# apt_update SUITE...: apt gets the lists of the root's own suites and of these, of the same mirror. One that it cannot
# get is an error: without it, kernels would seem to be gone.
apt_update()
{
	# shellcheck source=/dev/null
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	for suite; do
		sed -n "s, $release main\$, $suite main,p" /etc/apt/sources.list | grep . || return
	done >/etc/apt/sources.list.d/matrix.list
	apt-get -q -o APT::Update::Error-Mode=any update
}
