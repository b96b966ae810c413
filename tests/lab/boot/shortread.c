// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into bochs, which keeps guest memory in blocks of 128 KiB that it
 * allocates in the order of first use, and reads a RAM image (optramimageN)
 * with read() calls of the whole remaining size into one block. A read that
 * stops where the block ends makes it right, because bochs then looks up where
 * the next one is. Images start on block boundaries (layout.h, mkboot).
 */
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK	(128UL << 10)

ssize_t read(int fd, void *buf, size_t count)
{
	return syscall(SYS_read, fd, buf, count > BLOCK ? BLOCK : count);
}
