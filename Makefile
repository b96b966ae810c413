# kvm-paravirt; README.md is the introduction.

# Which guest kernel: its series, and virt (small) or cloud.
V := $(shell guest-patches/tools/default-series)
FLAVOUR := virt

help:
	@echo "To try it, on Debian 12 or 13 (README.md says what you need; * is for root, as in \"sudo make demo\"):"
	@echo "  make demo          * measures stock KVM against ours: a table, and the page build/demo.html; 10 minutes"
	@echo
	@echo "To use it (docs/install.md says what to do with the packages):"
	@echo "  make setup         * installs with apt what building takes; demo, check and bench do that themselves"
	@echo "  make deb             Debian packages, in build/deb; FLAVOUR=cloud for a guest kernel with all drivers"
	@echo "  make rpm             the same for Fedora, RHEL, openSUSE, in build/rpm; V='6.1 6.12' for both guest series"
	@echo "  make repo            signed repositories of both, in build/repo; KVMPV_SIGN_KEY=... is a GPG key"
	@echo "  make install       * without packages: the host module's source to /usr/src, for dkms, and the command"
	@echo "  make uninstall     * removes these"
	@echo
	@echo "To change it (CONTRIBUTING.md; after a change, check-quick first):"
	@echo "  make check-quick     what needs neither root nor a built kernel; 3 minutes"
	@echo "  make check         * all that must hold for each commit; 45 minutes, ends with \"N passed, N failed\""
	@echo "  make check-long    * all pairs of host and guest kernels, every patch by itself; hours"
	@echo "  make guest-tree      the guest's series as a git tree, in build/guest-$(V)/linux; V=6.12 for another series"
	@echo "  make guest-write     writes that tree back to guest-patches/"
	@echo "  make guest-export    the series for git am, in build/guest-$(V)/series"
	@echo "  make guest           builds the guest kernel, build/guest-$(V)/bzImage"
	@echo "  make root          * build/root: a clean Debian with our module, which the tests use"
	@echo
	@echo "To measure it, or to release it:"
	@echo "  make bench         * all works and configurations; 45 minutes"
	@echo "  make bench-write   * the same, and puts tables and charts into README.md and docs/"
	@echo "  make matrix        * every kernel of Debian's archives: dkms build, proof of fit, guest series"
	@echo "  make matrix-new    * only those that docs/kernels.md does not have; puts them there if nothing failed"
	@echo "  make matrix-write  * all of them, and puts the table into docs/kernels.md"
	@echo "  make dist            a release: all packages for both guest series, and checksums, in build/dist"
	@echo
	@echo "To tidy up:"
	@echo "  make clean           removes build/ (* if root made it)"

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

matrix:
	tests/matrix/run

matrix-new:
	tests/matrix/run --new --write

matrix-write:
	tests/matrix/run --write

setup:
	tests/setup/apt-setup
	@echo "setup: all packages are installed. To do next:"
	@echo "  sudo make demo    measures what kvm-paravirt saves; 10 minutes"
	@echo "  sudo make deb     makes the packages, which docs/install.md says how to install; 10 minutes"

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

.PHONY: help demo bench bench-write check check-quick check-long matrix matrix-new matrix-write setup root guest guest-tree guest-export \
	guest-write deb rpm repo dist install uninstall clean
