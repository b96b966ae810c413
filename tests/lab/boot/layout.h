/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where things lie in the emulated machine's memory before it starts.
 * Read by entry.S and, as "#define NAME NUMBER" lines, by mkboot.
 */
#define ROM_ADDRESS	0xd0000
#define ROM_BLOCKS	1
#define BOOT_PARAMS	0x20000
#define COMMAND_LINE	0x21000
#define PAGE_TABLES	0x22000
#define KERNEL		0x1000000
