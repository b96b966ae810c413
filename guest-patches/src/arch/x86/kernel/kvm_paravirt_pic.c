// SPDX-License-Identifier: GPL-2.0
/*
 * kvm-paravirt: the 8259A pair of a guest, where each port access is an exit.
 *
 * handle_level_irq() with the chip of i8259.c masks and acknowledges each
 * interrupt, and unmasks it afterwards: four accesses, five on the slave. Here
 * it takes none, and one on the slave:
 *
 *  - The master is in automatic EOI mode, its in-service bits are cleared as
 *    the CPU takes the interrupt. What they are for, that an interrupt does not
 *    come again during its handler, interrupts being off does as well. A level-
 *    triggered line that is still up waits, and its handler takes it down; if
 *    none does, it comes again, as it does after unmasking it.
 *
 *  - The slave cannot do that, its EOI is written after the handlers. Not
 *    before: the request of a level-triggered line would still be up, be passed
 *    on to the master and latched there, and be spurious once it is taken.
 *
 *  - Nothing is masked, but for what handle_fasteoi_irq() has to: threaded
 *    handlers with IRQF_ONESHOT, and lines without a handler. A line masked by
 *    disable_irq() keeps its request, edges are latched beside the mask.
 *
 * It takes no more than an 8259A, hence nothing from the host. Where an IO-APIC
 * is in use no line gets here.
 */
#define pr_fmt(fmt) "kvm-paravirt: " fmt

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#include <asm/hw_irq.h>
#include <asm/hardirq.h>
#include <asm/i8259.h>
#include <asm/kvm_paravirt.h>

/* What both are told at INTA when there is no request any more. */
#define KVMPV_PIC_SPURIOUS_MASTER	7
#define KVMPV_PIC_SPURIOUS_SLAVE	15

#define KVMPV_PIC_SPECIFIC_EOI		0x60	/* OCW2 */
#define KVMPV_PIC_READ_IRR		0x0a	/* OCW3 */
#define KVMPV_PIC_READ_ISR		0x0b

static void (*kvmpv_pic_init_8259A)(int auto_eoi) __ro_after_init;

static void kvmpv_pic_mask(struct irq_data *data)
{
	legacy_pic->mask(data->irq);
}

static void kvmpv_pic_unmask(struct irq_data *data)
{
	legacy_pic->unmask(data->irq);
}

/*
 * Without i8259A_lock: this is one access, and an OCW2, which may come between
 * the OCW3 and the read that i8259.c has in pairs.
 */
static void kvmpv_pic_eoi(struct irq_data *data)
{
	if (data->irq & 8)
		outb(KVMPV_PIC_SPECIFIC_EOI + (data->irq & 7), PIC_SLAVE_CMD);
}

static struct irq_chip kvmpv_pic_chip = {
	.name		= "XT-PIC-light",
	.irq_mask	= kvmpv_pic_mask,
	.irq_disable	= kvmpv_pic_mask,
	.irq_unmask	= kvmpv_pic_unmask,
	.irq_eoi	= kvmpv_pic_eoi,
};

/*
 * An interrupt of a masked line. Spurious ones are the lowest of their 8259A,
 * whatever the line that went away; hence, and as in mask_and_ack_8259A(), one
 * that nobody has unmasked tells of them without asking the 8259A each time.
 *
 * A real one may be masked meanwhile by another CPU. Its in-service bit tells,
 * on the slave. The master has none in automatic EOI mode: there such an IRQ7
 * is counted as spurious, too. It is only counted, and handled all the same.
 */
static void kvmpv_pic_masked_irq(unsigned int irq)
{
	static unsigned int told;
	bool real = false;

	if (irq != KVMPV_PIC_SPURIOUS_MASTER && irq != KVMPV_PIC_SPURIOUS_SLAVE)
		return;

	raw_spin_lock(&i8259A_lock);
	if (irq == KVMPV_PIC_SPURIOUS_SLAVE) {
		outb(KVMPV_PIC_READ_ISR, PIC_SLAVE_CMD);
		real = inb(PIC_SLAVE_CMD) & BIT(irq & 7);
		outb(KVMPV_PIC_READ_IRR, PIC_SLAVE_CMD);
	}
	if (!real && !(told & BIT(irq))) {
		told |= BIT(irq);
		printk_deferred(KERN_DEBUG "spurious 8259A interrupt: IRQ%u.\n",
				irq);
	}
	raw_spin_unlock(&i8259A_lock);

	if (!real)
		kvmpv_count_spurious_irq();
}

static void kvmpv_pic_handle_irq(struct irq_desc *desc)
{
	unsigned int irq = irq_desc_get_irq(desc);

	if (unlikely(READ_ONCE(cached_irq_mask) & BIT(irq)))
		kvmpv_pic_masked_irq(irq);
	handle_fasteoi_irq(desc);
}

/* Also on resume, which passes on what was used last. */
static void kvmpv_pic_init_auto_eoi(int auto_eoi)
{
	kvmpv_pic_init_8259A(1);
}

/**
 * kvmpv_pic_init() - drive the 8259A pair, if there is one, in the light way
 *
 * Context: before early_irq_init().
 * Return: false if this platform is known to have none.
 */
bool __init kvmpv_pic_init(void)
{
	if (!has_legacy_pic())
		return false;

	kvmpv_pic_init_8259A = legacy_pic->init;
	legacy_pic->init = kvmpv_pic_init_auto_eoi;
	legacy_pic->chip = &kvmpv_pic_chip;
	legacy_pic->handler = kvmpv_pic_handle_irq;
	return true;
}

/**
 * kvmpv_pic_crash() - another kernel takes over, maybe amid an interrupt handler
 *
 * The EOI of that interrupt is still to come, and as long as it does not, the
 * slave passes on nothing of the same or a lower priority. A kernel that has
 * the 8259A initialize itself may trust that to clear in-service bits, but
 * KVM's keeps them.
 *
 * Context: all other CPUs are stopped, maybe with i8259A_lock held.
 */
void kvmpv_pic_crash(void)
{
	unsigned int i;

	if (legacy_pic->chip != &kvmpv_pic_chip)
		return;
	for (i = 0; i < 8; i++)
		outb(KVMPV_PIC_SPECIFIC_EOI + i, PIC_SLAVE_CMD);
}
