// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options: one table for parsing and for --help.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

enum option_kind {
	OPT_NUMBER32,
	OPT_NUMBER,
	OPT_SIZE,
	OPT_TEXT,
	OPT_BOOL,
	OPT_TYPE,
	OPT_FLAGS,
	OPT_HELP
};

struct option_desc {
	const char *name;
	char letter;
	enum option_kind kind;
	const char *arg;
	void *value;
	u64 min, max;
	const char *help;
};

struct config cfg = {
	.vms = 1,
	.vcpus = 1,
	.vms_per_process = 1,
	.type = KVM_X86_SW_PROTECTED_VM,
	.size = 16 << 20,
	.ops = 1000,
	.seed = 1,
	.teardown = "close",
	.log_fd = -1,
	.trips_fd = -1,
};

static const struct option_desc options[] = {
	{ "vms", 'n', OPT_NUMBER32, "N", &cfg.vms, 1, 10000, "number of VMs (1)" },
	{ "vms-per-process", 0, OPT_NUMBER32, "N", &cfg.vms_per_process, 1, 10000,
	  "VMs that one VMM process carries (1)" },
	{ "vcpus", 'c', OPT_NUMBER32, "N", &cfg.vcpus, 1, MAX_VCPUS,
	  "vCPUs of each VM, a thread each (1)" },
	{ "type", 't', OPT_TYPE, "TYPE", &cfg.type, 0, 0,
	  "VM type: default or software-protected (software-protected)" },
	{ "flags", 'f', OPT_FLAGS, "FLAGS", &cfg.flags, 0, 0,
	  "flags of instances: none, or mmap and init-shared with a comma between (none)" },
	{ "size", 's', OPT_SIZE, "SIZE", &cfg.size, 1, ~0ULL,
	  "size of instances, with suffix K, M, G, T (16M)" },
	{ "script", 'S', OPT_TEXT, "FILE", &cfg.script, 0, 0,
	  "the scenario, - for standard input" },
	{ "execute", 'e', OPT_TEXT, "OPS", &cfg.commands, 0, 0,
	  "the scenario itself, semicolons between its lines (create; bind; start; mix)" },
	{ "ops", 'o', OPT_NUMBER, "N", &cfg.ops, 0, ~0ULL,
	  "operations of each vCPU in a mix, 0: until --duration is over (1000)" },
	{ "mix", 'm', OPT_TEXT, "KINDS", &cfg.mix, 0, 0,
	  "what is mixed, KIND:WEIGHT,... (see mix below)" },
	{ "rate", 'r', OPT_NUMBER, "N", &cfg.rate, 0, 1000000000,
	  "conversions per second of each VM in a mix (0: no limit)" },
	{ "duration", 'd', OPT_NUMBER, "MS", &cfg.duration_ms, 0, ~0ULL >> 24,
	  "end a mix after this time (0: never)" },
	{ "pause", 0, OPT_NUMBER, "US", &cfg.pause_us, 0, ~0ULL >> 24,
	  "pause after each operation of a mix (0)" },
	{ "seed", 0, OPT_NUMBER, "N", &cfg.seed, 0, ~0ULL,
	  "seed of the mix: same seed, same counts (1)" },
	{ "serial", 0, OPT_BOOL, NULL, &cfg.serial, 0, 0,
	  "one vCPU of a VM at a time, which makes the number of guest faults exact" },
	{ "stagger", 0, OPT_NUMBER, "MS", &cfg.stagger_ms, 0, 1000000,
	  "time between the starts of processes (0)" },
	{ "teardown", 0, OPT_TEXT, "HOW", &cfg.teardown, 0, 0,
	  "at the end: close everything, exit without, or kill (close)" },
	{ "wait-start", 'w', OPT_BOOL, NULL, &cfg.wait_start, 0, 0,
	  "wait for a line on standard input between set-up and work" },
	{ "hold", 0, OPT_BOOL, NULL, &cfg.hold, 0, 0,
	  "keep everything open after the work until standard input is closed" },
	{ "json-lines", 'j', OPT_BOOL, NULL, &cfg.json_lines, 0, 0,
	  "each object on one line, and objects {\"progress\": ready|started|held, ...} before the last" },
	{ "log", 'l', OPT_TEXT, "FILE", &cfg.log, 0, 0,
	  "write each operation with the values that the kernel must have seen" },
	{ "trips", 0, OPT_TEXT, "FILE", &cfg.trips, 0, 0,
	  "write when each conversion that a guest asked for began and ended, and its calls" },
	{ "vmm-us", 0, OPT_NUMBER, "US", &cfg.vmm_us, 0, 1000000,
	  "pause before such a conversion: once to four times as long, in turn (0)" },
	{ "hold-lock", 0, OPT_NUMBER, "MS", &cfg.hold_lock_ms, 0, 900,
	  "another thread has slots_lock for so long when vCPU 0 makes the first of them (0)" },
	{ "discard", 0, OPT_BOOL, NULL, &cfg.discard, 0, 0,
	  "free the memory that such a conversion leaves unused" },
	{ "help", 'h', OPT_HELP, NULL, NULL, 0, 0, "this text" },
};

#define NR_OPTIONS ARRAY_SIZE(options)

static const char description[] =
	"Usage: gmem-workload [OPTION]...\n"
	"\n"
	"A small VMM that uses guest_memfd as a scenario says and prints as JSON exactly what it did: per VM\n"
	"and in total, successes, pages, pages that really changed, failures by errno.\n"
	"\n"
	"Options:\n";

static const char notes[] =
	"\n"
	"Scenario: one operation per line, then key=value; # begins a comment. Numbers may be hexadecimal and\n"
	"have a suffix K, M, G or T. gpa=+N counts from the start of instance memory at 4G (the default), 1G to\n"
	"1G+2M is ordinary memory. The first instance is called 0, inst=NAME names others; size is the whole\n"
	"instance unless given. times=N step=SIZE repeats one line and moves gpa and offset; vcpu=N runs it on\n"
	"that vCPU's thread, vcpu=all on all at once, each with a range of its own behind the one before;\n"
	"expect=ERRNO (or SIGBUS, any) is the outcome without which the run fails (ok).\n"
	"\n";

static const char truth[] =
	"\n"
	"What is exact: everything but the following. Without --serial, vCPUs that fault at the same time may\n"
	"fault again; guest_fault.ok is then a lower bound (\"guest_faults_exact\": false) and first_touches is\n"
	"still exact. How far an interrupted allocation came is asked of the kernel by cachestat; where there is\n"
	"none the range is punched, and those pages are neither in pages_added nor in pages_freed. A process\n"
	"killed from outside may have done one operation per thread more. \"unreached\" counts failures that\n"
	"neither guest_memfd nor KVM's handler saw; kvm_stat_private_pages is null on a kernel without it.\n"
	"\n"
	"Exit status: 0 done, 1 failed or an outcome was not the expected one, 2 usage, 4 the kernel cannot do it.\n";

/* Print --help. */
static void help(void)
{
	const struct option_desc *o;
	char left[64];
	size_t i;

	fputs(description, stdout);
	for (i = 0; i < NR_OPTIONS; i++) {
		o = &options[i];
		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", o->letter ? '-' : ' ',
			 o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
		printf("  %-26s %s\n", left, o->help);
	}
	fputs(notes, stdout);
	scenario_help(stdout);
	fputs(truth, stdout);
}

/**
 * parse_size - a whole number, decimal or hexadecimal, perhaps with a suffix
 * @text: what was written
 * @value: what it means; a leading minus wraps around, for values that are to be wrong
 */
int parse_size(const char *text, u64 *value)
{
	static const char suffixes[] = "KMGT";
	bool minus = *text == '-';
	const char *suffix;
	char *end;
	u64 n;

	text += minus;
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno)
		return -ERANGE;
	if (*end) {
		suffix = strchr(suffixes, *end);
		if (!suffix || end[1])
			return -EINVAL;
		n <<= 10 * (suffix - suffixes + 1);
	}
	*value = minus ? -n : n;
	return 0;
}

/**
 * parse_flags - flags of an instance by name, or a number
 * @text: what was written
 * @flags: what it means
 */
int parse_flags(const char *text, u64 *flags)
{
	char copy[64], *save, *word;

	if (!parse_size(text, flags))
		return 0;
	*flags = 0;
	if (!strcmp(text, "none"))
		return 0;
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (!strcmp(word, "mmap"))
			*flags |= GUEST_MEMFD_FLAG_MMAP;
		else if (!strcmp(word, "init-shared"))
			*flags |= GUEST_MEMFD_FLAG_INIT_SHARED;
		else
			return -EINVAL;
	}
	return 0;
}

static int set_option(const struct option_desc *o, const char *text)
{
	u64 n = 0;
	int ret = 0;

	switch (o->kind) {
	case OPT_HELP: help(); exit(EXIT_OK);
	case OPT_BOOL: *(bool *)o->value = true; return 0;
	case OPT_TEXT: *(const char **)o->value = text; return 0;
	case OPT_TYPE:
		*(u32 *)o->value = KVM_X86_SW_PROTECTED_VM;
		if (!strcmp(text, "default"))
			*(u32 *)o->value = KVM_X86_DEFAULT_VM;
		else
			ret = strcmp(text, "software-protected") ? -EINVAL : 0;
		break;
	case OPT_FLAGS: ret = parse_flags(text, o->value); break;
	default:
		ret = *text == '-' ? -EINVAL : parse_size(text, &n);
		if (!ret && (n < o->min || n > o->max))
			ret = -ERANGE;
		if (o->kind == OPT_NUMBER32)
			*(u32 *)o->value = (u32)n;
		else
			*(u64 *)o->value = n;
	}
	if (ret)
		say("bad value '%s' of --%s", text, o->name);
	return ret;
}

static int open_log(const char *path, int *fd)
{
	if (!path)
		return EXIT_OK;
	*fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	if (*fd >= 0)
		return EXIT_OK;
	say("cannot write %s: %s", path, strerror(errno));
	return EXIT_FAILED;
}

static int check_options(void)
{
	if (cfg.script && cfg.commands) {
		say("--script and --execute exclude each other");
		return EXIT_USAGE;
	}
	if (cfg.script && !strcmp(cfg.script, "-") && (cfg.wait_start || cfg.hold)) {
		say("standard input cannot be the script and the signal to go on");
		return EXIT_USAGE;
	}
	if (strcmp(cfg.teardown, "close") && strcmp(cfg.teardown, "exit") &&
	    strcmp(cfg.teardown, "kill")) {
		say("--teardown is close, exit or kill, not '%s'", cfg.teardown);
		return EXIT_USAGE;
	}
	if (!cfg.ops && !cfg.duration_ms) {
		say("--ops 0 wants a --duration");
		return EXIT_USAGE;
	}
	return open_log(cfg.log, &cfg.log_fd) ?: open_log(cfg.trips, &cfg.trips_fd);
}

/**
 * parse_options - fill the configuration from the command line
 * @argc: as main() has it
 * @argv: as main() has it
 *
 * Return: 0, or the exit code, with the reason said.
 */
int parse_options(int argc, char **argv)
{
	struct option longs[NR_OPTIONS + 1] = { 0 };
	char shorts[2 * NR_OPTIONS + 1] = "", *s = shorts;
	size_t i;
	int c;

	for (i = 0; i < NR_OPTIONS; i++) {
		longs[i].name = options[i].name;
		longs[i].has_arg = options[i].arg ? required_argument : no_argument;
		longs[i].val = 256 + (int)i;
		if (!options[i].letter)
			continue;
		*s++ = options[i].letter;
		if (options[i].arg)
			*s++ = ':';
	}
	*s = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		for (i = 0; i < NR_OPTIONS && c != 256 + (int)i && c != options[i].letter; i++)
			;
		if (c == '?' || i == NR_OPTIONS || set_option(&options[i], optarg))
			return EXIT_USAGE;
	}
	if (optind < argc) {
		say("what is '%s'? see --help", argv[optind]);
		return EXIT_USAGE;
	}
	return check_options();
}
