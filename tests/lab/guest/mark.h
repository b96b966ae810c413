/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_MARK_H
#define LAB_MARK_H

#include <stdint.h>

/*
 * mark_begin() tells the controller on the serial console that @work is about
 * to start, sleeps until it has answered, and takes the first TSC stamp.
 * mark_end() takes the second stamp, then tells and sleeps again, and prints
 * the result. With LAB_MARKS=0 in the environment nobody answers: no sleep.
 */
void mark_begin(const char *work);
void mark_end(const char *work, uint64_t ops);

#endif
