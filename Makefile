# kvm-paravirt; README.md is the introduction.

# Which guest kernel: its series, and virt (small) or cloud.
V := $(shell guest-patches/tools/default-series)
FLAVOUR := virt

help:
	@echo "make demo          the main job: build all, boot the lab, print the table (root)"
	@echo "make bench         the benchmark: more works and configurations than the demo's (root)"
	@echo "make bench-write   the same, and puts table and charts into docs/ (root)"
	@echo "make check         all but the long tests; ends with N passed, N failed (root)"
	@echo "make check-quick   what needs neither root nor a built kernel, in less than three minutes"
	@echo "make matrix        every kernel of the archive: dkms build, CRCs, guest series (root)"
	@echo "make matrix-write  the same, and puts the table into docs/kernels.md (root)"
	@echo "make check-long    what takes longer: all pairs of host and guest, every patch boots (root)"
	@echo
	@echo "make setup         install what building and testing needs, with apt (root)"
	@echo "make root          build/root: a clean Debian with our module installed by dkms (root)"
	@echo "make guest         build/guest-$(V)/bzImage: the patched guest kernel; V=... names another series"
	@echo "make deb           Debian packages, in build/deb; FLAVOUR=cloud for the large guest kernel"
	@echo "make rpm           the same for Fedora, RHEL, openSUSE, in build/rpm; V='6.1 6.12' for both guests"
	@echo "make repo          signed repositories of both, in build/repo; KVMPV_SIGN_KEY=... is a GPG key"
	@echo "make dist          a release: all packages for both guest series, and checksums, in build/dist"
	@echo "make install       copy the host module's source to /usr/src, for dkms, and the command kvm-paravirt (root)"
	@echo "make uninstall     the reverse (root)"
	@echo "make guest-tree    the series as a git tree, in build/guest-$(V)/linux"
	@echo "make guest-export  the series for git am, in build/guest-$(V)/series"
	@echo "make guest-write   write the git tree back to guest-patches/"
	@echo "make clean         remove build/ (root, if root made it)"

demo:
	tests/demo

bench:
	tests/bench

bench-write:
	tests/bench --write

check:
	tests/check

check-quick:
	tests/check-quick

check-long:
	tests/check-long

matrix: root
	tests/matrix/run

matrix-write: root
	tests/matrix/run --write

setup:
	tests/setup/apt-setup

root:
	tests/setup/make-root
	tests/setup/install-module

guest:
	$(MAKE) -C guest-patches kernel

guest-tree:
	$(MAKE) -C guest-patches tree

guest-export:
	$(MAKE) -C guest-patches export

guest-write:
	$(MAKE) -C guest-patches writeback

deb:
	packaging/build-deb
	set -e; for v in $(V); do packaging/kernel/build-deb $$v $(FLAVOUR); done

rpm:
	set -e; for v in $(V); do $(MAKE) -C guest-patches kernel V=$$v FLAVOUR=; done
	packaging/rpm/build build/rpm $(addprefix build/guest-,$(V))

repo:
	packaging/repo/build build/deb build/rpm build/repo

dist:
	$(MAKE) deb
	$(MAKE) deb V=6.12
	$(MAKE) rpm V='6.1 6.12'
	packaging/dist

install uninstall:
	$(MAKE) -C host-dkms $@
	$(MAKE) -C packaging/tools $@

clean:
	rm -rf build

.PHONY: help demo bench bench-write check check-quick check-long matrix matrix-write setup root guest guest-tree guest-export \
	guest-write deb rpm repo dist install uninstall clean
