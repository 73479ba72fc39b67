// SPDX-License-Identifier: GPL-2.0-only
/*
 * Subjects by fs-verity digest, on a file system that has it: the digest is who may, whatever the
 * name and the inode; a file with other bytes, or without a digest, is not. Runs as root in lanes
 * whose kernels have FS_VERITY and ext4.
 *
 *   policy_verity_test [CASE...]
 */
#define _GNU_SOURCE
#include <linux/fsverity.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/ctl/kernel/loader.h"
#include "../../src/policy/compile.h"
#include "../../src/policy/value.h"
#include "../../src/lib/log.h"
#include "lib/cases.h"
#include "lib/policies.h"
#include "lib/requests.h"
#include "test.h"

#define IMAGE "/tmp/verity.img"
#define DIR   "/tmp/verity"
#define VMM   DIR "/vmm"

static void shell(const char *command)
{
	if (system(command))
		give_up(command);
}

static void make_disk(void)
{
	shell("modprobe -qa loop ext4; truncate -s 256M " IMAGE
	      " && mkfs.ext4 -q -F -b 4096 -O verity " IMAGE " && mkdir -p " DIR
	      " && mount -t ext4 $(losetup -f --show " IMAGE ") " DIR);
}

/* A copy of this program, with other bytes at its end if @more. */
static void copy_to(const char *path, const char *more)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -f %s; cp /proc/%d/exe %s && printf '%s' >>%s", path,
		 getpid(), path, more, path);
	shell(command);
}

static void enable(const char *path, __u32 algorithm)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = algorithm,
		.block_size = 4096,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (ioctl(fd, FS_IOC_ENABLE_VERITY, &arg))
		give_up("FS_IOC_ENABLE_VERITY");
	close(fd);
}

/* As `fsverity measure` prints it. */
static const char *measure(const char *path)
{
	static char text[VALUE_DIGEST_TEXT];
	union {
		struct fsverity_digest head;
		__u8 all[sizeof(struct fsverity_digest) + GMEM_DIGEST_SIZE];
	} measured = { .head.digest_size = GMEM_DIGEST_SIZE };
	struct gmem_identity digest = { .kind = GMEM_BY_VERITY };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (ioctl(fd, FS_IOC_MEASURE_VERITY, &measured))
		give_up("FS_IOC_MEASURE_VERITY");
	close(fd);
	digest.algorithm = measured.head.digest_algorithm;
	digest.size = measured.head.digest_size;
	memcpy(digest.digest, measured.all + sizeof(measured.head), digest.size);
	return value_digest_text(&digest, text);
}

static int run(const char *exe, const char *how)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execl(exe, exe, how, NULL);
		_exit(ASKED_NOT);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ASKED_NOT;
	return WEXITSTATUS(status);
}

#define create_as(exe) run(exe, "--create")

#define POLICY                                            \
	"subjects: { vmm: { verity: \"%s\", uid: 0 } }\n" \
	"rules: [ { name: vmm, allow: [create], subjects: [vmm] } ]\n"

static void load(const char *digest)
{
	char *text = policy_text(1U << GMEM_DO_create, POLICY, digest);

	if (policy_load(text, true, 0))
		give_up("loading a policy");
	free(text);
}

static void test_digest(__u32 algorithm)
{
	copy_to(VMM, "");
	enable(VMM, algorithm);
	load(measure(VMM));
	CHECK(create_as(VMM) == 0, "the file");
	copy_to(DIR "/copy", "");
	CHECK(create_as(DIR "/copy") == EACCES, "the same bytes, unmeasured");
	enable(DIR "/copy", algorithm);
	CHECK(create_as(DIR "/copy") == 0, "the same bytes in another file");
	copy_to(DIR "/changed", "x");
	enable(DIR "/changed", algorithm);
	CHECK(create_as(DIR "/changed") == EACCES, "a byte more");
	copy_to(DIR "/other", "");
	enable(DIR "/other", algorithm == FS_VERITY_HASH_ALG_SHA256 ? FS_VERITY_HASH_ALG_SHA512
								    : FS_VERITY_HASH_ALG_SHA256);
	CHECK(create_as(DIR "/other") == EACCES, "the same bytes by another algorithm");
	CHECK(open(VMM, O_RDWR) < 0 && errno == EPERM, "the file can be written");
	/* By another file of this name, which a package manager put there. */
	if (rename(DIR "/copy", VMM))
		give_up("renaming");
	CHECK(create_as(VMM) == 0, "the same digest under the name");
	if (rename(DIR "/changed", VMM))
		give_up("renaming");
	CHECK(create_as(VMM) == EACCES, "another digest under the name");
	policy_unload();
}

static void test_sha256(void)
{
	test_digest(FS_VERITY_HASH_ALG_SHA256);
}

static void test_sha512(void)
{
	test_digest(FS_VERITY_HASH_ALG_SHA512);
}

/* Who is named by digest is guarded as who is named by path. */
static void test_guarded(void)
{
	struct loader_status status;

	copy_to(VMM, "");
	enable(VMM, FS_VERITY_HASH_ALG_SHA256);
	copy_to(DIR "/plain", "");
	load(measure(VMM));
	CHECK(run(VMM, "--traceme") == EPERM, "traced");
	CHECK(run(DIR "/plain", "--traceme") == 0, "another");
	policy_status(&status);
	CHECK(status.guards[GMEM_GUARD_trace].n[GMEM_VERDICT_denied] == 1, "%llu denied",
	      status.guards[GMEM_GUARD_trace].n[GMEM_VERDICT_denied]);
	CHECK(status.guards[GMEM_GUARD_preload].n[GMEM_VERDICT_allowed] == 1, "%llu begun",
	      status.guards[GMEM_GUARD_preload].n[GMEM_VERDICT_allowed]);
	policy_unload();
}

/* The command's own words: 0 if @wanted is in them. */
static int says(const char *args, const char *wanted)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "build/gmemctl %s >/tmp/verity.out 2>&1; grep -q -- '%s' /tmp/verity.out && exit; "
		 "cat /tmp/verity.out; exit 1",
		 args, wanted);
	return system(command);
}

/* A policy file, without the kernel: check, test and explain decide as it does. */
static void test_offline(void)
{
	char *text, args[512];
	char digest[VALUE_DIGEST_TEXT];
	FILE *file;

	copy_to(VMM, "");
	enable(VMM, FS_VERITY_HASH_ALG_SHA256);
	copy_to(DIR "/changed", "x");
	enable(DIR "/changed", FS_VERITY_HASH_ALG_SHA256);
	strcpy(digest, measure(VMM));
	text = policy_text(1U << GMEM_DO_create, POLICY, digest);
	file = fopen("/tmp/verity.yaml", "we");
	if (!file || fputs(text, file) < 0 || fclose(file))
		give_up("/tmp/verity.yaml");
	free(text);
	CHECK(!says("check /tmp/verity.yaml", "valid: policy test"), "check");
	snprintf(args, sizeof(args),
		 "explain --policy /tmp/verity.yaml --op create --uid 0 --verity %s", digest);
	CHECK(!says(args, "create allowed by rule vmm"), "explain by digest");
	CHECK(!says("explain --policy /tmp/verity.yaml --op create --uid 0 --verity sha256:"
		    "0000000000000000000000000000000000000000000000000000000000000000",
		    "create denied by default"),
	      "explain by another digest");
	CHECK(!says("explain --policy /tmp/verity.yaml --op create --uid 0 --exe " VMM,
		    "create allowed by rule vmm"),
	      "explain by path");
	CHECK(!says("explain --policy /tmp/verity.yaml --op create --uid 0 --exe " DIR "/changed",
		    "create denied by default"),
	      "explain by the path of another");
	load(digest);
	CHECK(!says("show", "as written"), "show");
	CHECK(!says("refresh", "nothing has changed"), "refresh");
	CHECK(create_as(VMM) == 0, "after the refresh");
	policy_unload();
}

static const struct test_case cases[] = {
	{ "sha256", test_sha256 },
	{ "sha512", test_sha512 },
	{ "guarded", test_guarded },
	{ "offline", test_offline },
};

int main(int argc, char **argv)
{
	int ret;

	if (argc > 1 && !strcmp(argv[1], "--create"))
		return request(REQUEST_create);
	if (argc > 1 && !strcmp(argv[1], "--traceme"))
		return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_setup("policy_verity_test", false, getenv("VERBOSE") ? 1 : 0);
	if (system("command -v mkfs.ext4 >/dev/null")) {
		printf("there is no mkfs.ext4: run make deps (Debian: e2fsprogs)\n");
		return 1;
	}
	policy_unload();
	make_disk();
	ret = run_cases("verity", cases, sizeof(cases) / sizeof(cases[0]), argv + 1);
	shell("umount " DIR);
	return ret;
}
