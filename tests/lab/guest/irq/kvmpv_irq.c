// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts on demand, through an 8259A; see README.md.
 */
#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/seq_file.h>

#include <asm/irq_vectors.h>
#include <asm/paravirt.h>
#include <asm/pgtable_types.h>

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kvm-paravirt: interrupts on demand");

#define UART_IER	1
#define UART_IIR	2
#define UART_THRI	2	/* in IER: transmitter empty */
#define PIC_SLAVE_IMR	0xa1
#define PIC_ELCR	0x4d0

static unsigned int irq = 3;
module_param(irq, uint, 0644);
static unsigned int base = 0x2f8;
module_param(base, uint, 0644);
static unsigned int count = 100;
module_param(count, uint, 0644);
static bool level;
module_param(level, bool, 0644);
static bool threaded;
module_param(threaded, bool, 0644);

static DECLARE_COMPLETION(handled);
static unsigned int hard, thread;
static bool crash;

static void uart_raise(void)
{
	outb(0, base + UART_IER);
	outb(UART_THRI, base + UART_IER);
}

static void uart_lower(void)
{
	inb(base + UART_IIR);
}

static irqreturn_t handler(int unused, void *dev)
{
	hard++;
	if (crash)
		panic("kvmpv_irq: in a handler");
	/* An interrupt storm: the line was to be masked, and is not. */
	if (hard > 100 * count)
		outb(0, base + UART_IER);
	if (threaded)
		return IRQ_WAKE_THREAD;
	uart_lower();
	complete(&handled);
	return IRQ_HANDLED;
}

static irqreturn_t thread_handler(int unused, void *dev)
{
	thread++;
	uart_lower();
	complete(&handled);
	return IRQ_HANDLED;
}

/*
 * Of a masked line. An 8259A of KVM or QEMU keeps the request that an edge has left, the serial driver's
 * probing, say, as that of a level: it would stay until the line goes down, and that is down.
 */
static void set_trigger(void)
{
	unsigned int port = PIC_ELCR + irq / 8;
	u8 elcr = inb(port) & ~BIT(irq % 8);

	outb(level ? elcr | BIT(irq % 8) : elcr, port);
	if (!level)
		return;
	uart_raise();
	uart_lower();
	outb(0, base + UART_IER);
}

static int uart_show(struct seq_file *m, void *unused)
{
	unsigned int i, lost = 0;
	int r;

	set_trigger();
	r = request_threaded_irq(irq, handler, threaded ? thread_handler : NULL,
				 threaded ? IRQF_ONESHOT : 0, "kvmpv_irq", &handled);
	if (r)
		return r;
	/* An interrupt that was latched before comes now. */
	msleep(20);
	hard = thread = 0;
	for (i = 0; i < count; i++) {
		reinit_completion(&handled);
		uart_raise();
		if (!wait_for_completion_timeout(&handled, HZ / 2))
			lost++;
	}
	outb(0, base + UART_IER);
	free_irq(irq, &handled);
	seq_printf(m, "hard %u thread %u lost %u\n", hard, thread, lost);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(uart);

static int spurious7_show(struct seq_file *m, void *unused)
{
	local_irq_disable();
	asm volatile("int %0" : : "i" (ISA_IRQ_VECTOR(7)) : "memory");
	local_irq_enable();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(spurious7);

static int spurious15_show(struct seq_file *m, void *unused)
{
	u8 mask;

	local_irq_disable();
	mask = inb(PIC_SLAVE_IMR);
	outb(mask & ~BIT(irq % 8), PIC_SLAVE_IMR);
	uart_raise();
	outb(mask | BIT(irq % 8), PIC_SLAVE_IMR);
	local_irq_enable();
	uart_lower();
	outb(0, base + UART_IER);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(spurious15);

static int pv_ops_show(struct seq_file *m, void *unused)
{
	unsigned int unused_level;
	pte_t *pte = lookup_address((unsigned long)&pv_ops, &unused_level);

	seq_puts(m, pte && !pte_write(*pte) ? "ro\n" : "rw\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pv_ops);

static int crash_show(struct seq_file *m, void *unused)
{
	crash = true;
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(crash);

static struct dentry *dir;

static int __init kvmpv_irq_init(void)
{
	dir = debugfs_create_dir("kvmpv_irq", NULL);
	debugfs_create_file("uart", 0400, dir, NULL, &uart_fops);
	debugfs_create_file("spurious7", 0400, dir, NULL, &spurious7_fops);
	debugfs_create_file("spurious15", 0400, dir, NULL, &spurious15_fops);
	debugfs_create_file("pv_ops", 0400, dir, NULL, &pv_ops_fops);
	debugfs_create_file("crash", 0400, dir, NULL, &crash_fops);
	return 0;
}
module_init(kvmpv_irq_init);

static void __exit kvmpv_irq_exit(void)
{
	debugfs_remove_recursive(dir);
}
module_exit(kvmpv_irq_exit);
