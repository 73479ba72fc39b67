// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "../../bpf/abi/trace.h"
#include "key.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* A bijection in which every bit of the result depends on every bit of @x (SplitMix64). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static uint64_t combine(uint64_t key, uint64_t with)
{
	return mix(key + 0x9e3779b97f4a7c15ULL + mix(with));
}

static uint64_t boot(void)
{
	static uint64_t known;
	char text[40] = "";
	FILE *file;
	size_t i;

	if (known)
		return known;
	file = fopen(BOOT_ID, "re");
	if (file && !fgets(text, sizeof(text), file))
		*text = '\0';
	if (file)
		fclose(file);
	known = 1;
	for (i = 0; text[i] && text[i] != '\n'; i++)
		known = combine(known, (unsigned char)text[i]);
	return known;
}

uint64_t key_of_vm(uint32_t kind, uint64_t number)
{
	if (kind == GMEM_KEY_NONE)
		return 0;
	return combine(combine(boot(), kind), number) ?: 1;
}

uint64_t key_of_instance(uint64_t vm, uint32_t dev, uint64_t ino)
{
	return vm ? combine(combine(vm, dev), ino) ?: 1 : 0;
}

const char *key_text(uint64_t key, char *buf)
{
	int i;

	if (!key)
		return NULL;
	for (i = 0; i < KEY_LEN - 1; i++, key <<= 4)
		buf[i] = "0123456789abcdef"[key >> 60];
	buf[i] = '\0';
	return buf;
}
