// SPDX-License-Identifier: GPL-2.0
/* What forkexec_aslr runs: nothing, linked as the compiler does by default: to the C library, at any address. */
int main(void)
{
	return 0;
}
