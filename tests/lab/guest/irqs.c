// SPDX-License-Identifier: GPL-2.0
/*
 * Lets interrupts come through the 8259A: of the timer (IRQ 0) by sleeping, of
 * the RTC (IRQ 8) by waiting for its updates, one a second. An operation is an
 * interrupt.
 *
 * usage: irqs WORK 0|8 SECONDS
 */
#include "common.h"
#include "mark.h"

#include <fcntl.h>
#include <linux/rtc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How often @irq came on CPU 0; it must have come through the 8259A. */
static uint64_t interrupts(int irq)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long long n;
	char line[256];
	int number;

	if (!f)
		die("irqs: /proc/interrupts");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%d: %llu", &number, &n) != 2 || number != irq)
			continue;
		fclose(f);
		if (strstr(line, "XT-PIC"))
			return n;
		printf("G: FAIL not through the 8259A: %s", line);
		exit(1);
	}
	printf("G: FAIL no interrupt %d\n", irq);
	exit(1);
}

static void wait_updates(long seconds)
{
	int rtc = open("/dev/rtc0", O_RDONLY);
	unsigned long data;

	if (rtc < 0 || ioctl(rtc, RTC_UIE_ON, 0))
		die("irqs: /dev/rtc0");
	while (seconds--)
		if (read(rtc, &data, sizeof(data)) != sizeof(data))
			die("irqs: read");
	ioctl(rtc, RTC_UIE_OFF, 0);
	close(rtc);
}

int main(int argc, char **argv)
{
	long seconds = argc == 4 ? atol(argv[3]) : 0;
	int irq = argc == 4 ? atoi(argv[2]) : -1;
	uint64_t before;

	if (seconds <= 0 || (irq != 0 && irq != 8)) {
		fprintf(stderr, "usage: irqs WORK 0|8 SECONDS\n");
		return 1;
	}
	mark_begin(argv[1]);
	before = interrupts(irq);
	if (irq == 0)
		sleep(seconds);
	else
		wait_updates(seconds);
	mark_end(argv[1], interrupts(irq) - before);
	return 0;
}
