// SPDX-License-Identifier: GPL-2.0-only
/* Which mounts are of FUSE, by what /proc/self/mountinfo says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/ctl/kernel/resolve.h"

static const char mounts[] = "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
			     "22 21 0:30 / /mnt/a rw - fuse.sshfs host: rw,user_id=0,group_id=0\n"
			     "23 21 0:31 / /mnt/b rw shared:2 master:1 - fuseblk /dev/sdb1 rw\n"
			     "24 21 0:32 / /mnt/c rw - virtiofs tag rw\n"
			     "25 21 0:33 / /mnt/fuse\\040-\\040fuse rw - tmpfs fuse rw\n"
			     "26 21 0:34 / /mnt/d rw - fuse d rw\n"
			     "nonsense\n"
			     "27 21 0:35 / /mnt/e rw";

static void test_mounts(void **state)
{
	static const struct {
		int id;
		bool made_up;
	} wanted[] = {
		{ 21, false }, { 22, true }, { 23, true },  { 24, false },
		{ 25, false }, { 26, true }, { 27, false }, { 28, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		FILE *file = fmemopen((void *)(uintptr_t)mounts, strlen(mounts), "r");

		assert_non_null(file);
		if (mount_is_untrusted(file, wanted[i].id) != wanted[i].made_up)
			fail_msg("mount %d", wanted[i].id);
		fclose(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
