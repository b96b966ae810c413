// SPDX-License-Identifier: GPL-2.0
/*
 * usage: kexec load|panic KERNEL INITRAMFS COMMAND_LINE
 *
 * "load" goes there at once, without shutting anything down; "panic" says where
 * the kernel is to go when it crashes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *name)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		perror(name);
	return fd;
}

int main(int argc, char **argv)
{
	int on_panic, kernel, initramfs;

	if (argc != 5) {
		fprintf(stderr, "usage: kexec load|panic KERNEL INITRAMFS COMMAND_LINE\n");
		return 2;
	}
	on_panic = !strcmp(argv[1], "panic");
	kernel = open_file(argv[2]);
	initramfs = open_file(argv[3]);
	if (kernel < 0 || initramfs < 0)
		return 1;
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(argv[4]) + 1, argv[4],
		    on_panic ? KEXEC_FILE_ON_CRASH : 0)) {
		perror("kexec_file_load");
		return 1;
	}
	if (on_panic)
		return 0;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}
