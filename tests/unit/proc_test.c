// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/proc.h"

#define CMDLINE(text) text, sizeof(text)

static void test_cmdline(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-name\0guest=web,debug-threads=on"), name,
					   sizeof(name)),
			 0);
	assert_string_equal(name, "web");
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-name\0debug-threads=on,guest=db"), name,
					   sizeof(name)),
			 0);
	assert_string_equal(name, "db");
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-m\0"
						   "4G\0--name\0plain"),
					   name, sizeof(name)),
			 0);
	assert_string_equal(name, "plain");
	assert_int_equal(name_from_cmdline(CMDLINE("qemu\0-name\0guest=a,,b,process=x"), name,
					   sizeof(name)),
			 0);
	assert_string_equal(name, "a,b");
	assert_int_equal(
		name_from_cmdline(CMDLINE("qemu\0-name\0a-name-that-is-far-too-long-for-it"), name,
				  sizeof(name)),
		0);
	assert_int_equal(strlen(name), sizeof(name) - 1);
}

#define SANDBOX "2f1c0ae4d1f0b6f3a9e2d7c85b60c4a1e3f5d7980c2b4a6e8f0d1c3b5a79e8f6"

/* Command lines of VMMs other than QEMU, as ps shows them. */
static void test_vmms(void **state)
{
	static const struct {
		const char *cmdline; /* with blanks between the arguments */
		const char *name;
	} cases[] = {
		{ "/usr/bin/firecracker --api-sock /run/firecracker.socket --id fn-4711",
		  "fn-4711" },
		{ "/firecracker --id=551e7604-e35c-42b3-b825-416853441234 --start-time-us=7 "
		  "--start-time-cpu-us=9",
		  "551e7604-e35c-42b3-b825-416853441234" },
		{ "firecracker-v1.10.1-x86_64 --api-sock /tmp/fc/web.socket --config-file a.json",
		  "web" },
		{ "/usr/bin/firecracker --api-sock /run/firecracker.socket", NULL },
		{ "/opt/kata/bin/cloud-hypervisor --api-socket /run/vc/vm/" SANDBOX "/clh-api.sock",
		  SANDBOX },
		{ "cloud-hypervisor --kernel vmlinux --api-socket path=/run/ch/db-1.sock --memory "
		  "size=4G",
		  "db-1" },
		{ "cloud-hypervisor --api-socket=/tmp/cloud-hypervisor.sock --cpus boot=2", NULL },
		{ "cloud-hypervisor --api-socket fd=3", NULL },
		{ "cloud-hypervisor --api-socket", NULL },
		{ "/usr/bin/crosvm run --name arc --socket /run/vm/vm.Dax3dP/crosvm.sock Image",
		  "arc" },
		{ "crosvm run --cpus 4 --socket /run/vm/vm.Dax3dP/crosvm.sock Image", "vm.Dax3dP" },
		{ "crosvm run -s /run/user/1000/crosvm.sock Image", NULL },
		{ "crosvm --log-level=info run -s guest.sock Image", "guest" },
		{ "krunvm start fedora /bin/bash", "fedora" },
		{ "/opt/kata/bin/containerd-shim-kata-v2 -namespace k8s.io -address "
		  "/run/containerd/containerd.sock -publish-binary /usr/bin/containerd -id " SANDBOX,
		  SANDBOX },
		{ "/opt/kata/bin/qemu-system-x86_64 -name sandbox-" SANDBOX
		  ",debug-threads=on -uuid 1",
		  "sandbox-" SANDBOX },
		{ "/usr/libexec/qemu-kvm -name guest=default_vm1,debug-threads=on -S",
		  "default_vm1" },
		/* The options of one VMM mean nothing to another one. */
		{ "/usr/bin/qemu-system-x86_64 --id x --socket /run/web.sock", NULL },
		{ "muvm -- glxgears -id x", NULL },
	};
	char cmdline[512], name[96], *c;
	size_t i, n;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n = strlen(cases[i].cmdline) + 1;
		memcpy(cmdline, cases[i].cmdline, n);
		for (c = cmdline; c < cmdline + n; c++) {
			if (*c == ' ')
				*c = '\0';
		}
		ret = name_from_cmdline(cmdline, n, name, sizeof(name));
		if (!ret != (cases[i].name != NULL))
			fail_msg("%s: %d %s", cases[i].cmdline, ret, ret ? "" : name);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
	}
}

static void test_no_name(void **state)
{
	static const char unended[] = { 'q', 0, '-', 'n', 'a', 'm', 'e', 0, 'x' };
	char name[32];

	(void)state;
	assert_int_not_equal(name_from_cmdline("", 0, name, sizeof(name)), 0);
	assert_int_not_equal(name_from_cmdline(CMDLINE("qemu\0-m\0"
						       "4G"),
					       name, sizeof(name)),
			     0);
	assert_int_not_equal(name_from_cmdline(CMDLINE("qemu\0-name"), name, sizeof(name)), 0);
	assert_int_not_equal(name_from_cmdline(CMDLINE("qemu\0-name\0"), name, sizeof(name)), 0);
	assert_int_not_equal(name_from_cmdline(unended, sizeof(unended), name, sizeof(name)), 0);
}

static void test_cgroup(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{ "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", "web" },
		{ "/machine.slice/machine-qemu\\x2d12\\x2dmy\\x2ddb.scope/libvirt/emulator",
		  "my-db" },
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice/x",
		  "pod0a1b" },
		{ "/kubepods/besteffort/pod12ab/34cd", "pod12ab" },
		{ "/kubepods.slice/kubepods-pod1f2e.slice/kata_overhead/" SANDBOX, "pod1f2e" },
		{ "/kata_overhead/" SANDBOX, SANDBOX },
		{ "/vc/kata_" SANDBOX, SANDBOX },
		{ "/firecracker/551e7604-e35c", "551e7604-e35c" },
		{ "/machine.slice/machine-ch\\x2d3\\x2dci\\x2drunner.scope", "ci-runner" },
		{ "/machine.slice/libpod-" SANDBOX ".scope/container", "libpod-2f1c0ae4d1f0" },
		{ "/system.slice/docker-" SANDBOX ".scope", "docker-2f1c0ae4d1f0" },
		{ "/firecracker/", NULL },
		{ "/machine.slice/libpod-conmon", NULL },
		{ "/user.slice/session-1.scope", NULL },
		{ "/", NULL },
		{ "", NULL },
		{ "/machine.slice/machine-qemu.scope", NULL },
		{ "/machine.slice/machine-qemu\\x2d1.scope", NULL },
		{ "/kubepods.slice", NULL },
	};
	char name[96];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ret = name_from_cgroup(cases[i].path, name, sizeof(name));
		assert_int_equal(!ret, cases[i].name != NULL);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_vmms),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_cgroup),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
