// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl: the policy of who may use guest_memfd. Options and commands; the rest is in ctl/. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/changes.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/kernel/digest.h"
#include "ctl/kernel/store.h"
#include "lib/closest.h"
#include "lib/exits.h"
#include "lib/log.h"
#include "lib/opts.h"
#include "lib/output.h"
#include "lib/version.h"

#define AT(member) offsetof(struct ctl_options, member)

/* clang-format off */
#define COMMON \
	{ "output", "FORMAT", "text or json (text)", AT(output), OPT_STRING, 'o' }, \
	{ "verbose", NULL, "libbpf's messages too (twice: all of them)", AT(verbose), OPT_COUNT, 'v' }, \
	{ "help", NULL, "this text", AT(help), OPT_FLAG, 'h' }, \
	{ 0 }
/* clang-format on */

static const struct opt check_opts[] = {
	{ "FILE", NULL, "", AT(file), OPT_OPERAND, 0 },
	COMMON,
};

/* clang-format off */
#define PINS { "pins", "DIR", "where it is pinned (/sys/fs/bpf/gmem)", AT(pins), OPT_STRING, 0 }
#define STRICT_IOCTL \
	{ "strict-ioctl", NULL, \
	  "without their hooks, decide binding and conversion by the ioctl's number: " \
	  "breaks ordinary VMs", AT(strict_ioctl), OPT_FLAG, 0 }
#define TRUST_RUNNING \
	{ "trust-running", NULL, "accept processes that began before the guards were enforced", \
	  AT(trust_running), OPT_FLAG, 0 }
#define ADOPT \
	{ "adopt", NULL, "take in existing instances that the policy allows", AT(adopt), OPT_FLAG, \
	  0 }
#define DENY_EXISTING \
	{ "deny-existing", NULL, "deny everything for other existing instances", \
	  AT(deny_existing), OPT_FLAG, 0 }
/* clang-format on */

static const struct opt load_opts[] = {
	{ "FILE", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "mode", "MODE", "enforce or audit, instead of what the policy says", AT(mode), OPT_STRING,
	  'm' },
	{ "dry-run", NULL, "everything but to put it in force", AT(dry_run), OPT_FLAG, 'n' },
	ADOPT,
	DENY_EXISTING,
	{ "accept-default-change", NULL, "the defaults may be others than before",
	  AT(accept_default_change), OPT_FLAG, 0 },
	{ "lock", NULL, "until the next boot, only the policy's manager may change anything of it",
	  AT(lock), OPT_FLAG, 0 },
	TRUST_RUNNING,
	STRICT_IOCTL,
	PINS,
	COMMON,
};

static const struct opt try_opts[] = {
	{ "FILE", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "confirm", "TIME", "how long it waits for gmemctl confirm, as 90s or 10m (60s)",
	  AT(confirm), OPT_DURATION, 0 },
	{ "mode", "MODE", "enforce or audit, instead of what the policy says", AT(mode), OPT_STRING,
	  'm' },
	ADOPT,
	DENY_EXISTING,
	{ "accept-default-change", NULL, "the defaults may be others than before",
	  AT(accept_default_change), OPT_FLAG, 0 },
	TRUST_RUNNING,
	STRICT_IOCTL,
	PINS,
	COMMON,
};

static const struct opt mode_opts[] = {
	{ "MODE", NULL, "", AT(file), OPT_OPERAND, 0 },
	TRUST_RUNNING,
	ADOPT,
	DENY_EXISTING,
	PINS,
	COMMON,
};

static const struct opt pins_opts[] = {
	PINS,
	COMMON,
};

static const struct opt rollback_opts[] = {
	{ "unconfirmed", NULL, "only from a policy whose trial is over, waiting for its end",
	  AT(unconfirmed), OPT_FLAG, 0 },
	TRUST_RUNNING,
	ADOPT,
	DENY_EXISTING,
	PINS,
	COMMON,
};

static const struct opt status_opts[] = {
	{ "check", NULL, "a summary, also of a locked policy; exit status 0: enforcing, 1: not",
	  AT(check), OPT_FLAG, 0 },
	PINS,
	COMMON,
};

static const struct opt refresh_opts[] = {
	{ "forget", NULL, "files that were replaced count no more", AT(forget), OPT_FLAG, 0 },
	TRUST_RUNNING,
	PINS,
	COMMON,
};

static const struct opt show_opts[] = {
	{ "source", NULL, "the text alone, as it was loaded", AT(source), OPT_FLAG, 0 },
	PINS,
	COMMON,
};

static const struct opt monitor_opts[] = {
	{ "count", "N", "end after so many", AT(count), OPT_NUMBER, 'n' },
	{ "op", "OPERATION", "only these", AT(op), OPT_STRING, 0 },
	{ "journal", NULL, "write them to the journal as structured records; wait for a policy",
	  AT(journal), OPT_FLAG, 0 },
	{ "audit", NULL, "write them as audit records (USER_AVC); wait for a policy", AT(audit),
	  OPT_FLAG, 0 },
	{ "pid", "PID", "only of this process or thread", AT(pid), OPT_NUMBER, 0 },
	PINS,
	COMMON,
};

static const struct opt probe_opts[] = {
	STRICT_IOCTL,
	COMMON,
};

static const struct opt test_opts[] = {
	{ "CASES", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "policy", "FILE", "the policy, instead of the one that the cases name", AT(policy),
	  OPT_STRING, 'p' },
	{ "events", "FILE", "what would the policy have denied of what gmemtop recorded",
	  AT(events), OPT_STRING, 'e' },
	COMMON,
};

/* The request, where it is asked about. */
/* clang-format off */
#define REQUEST \
	{ "size", "SIZE", "of the instance, as 64GiB", AT(size), OPT_STRING, 0 }, \
	{ "flags", "LIST", "of the instance: none, or mmap, init-shared with commas", AT(flags), \
	  OPT_STRING, 0 }, \
	{ "prot", "LIST", "of the mapping or fault: none, or read, write, exec with commas", \
	  AT(prot), OPT_STRING, 0 }, \
	{ "direction", "TO", "of the conversion: to-private or to-shared", AT(direction), \
	  OPT_STRING, 0 }, \
	{ "range", "START-END", "guest addresses, as 0-1GiB", AT(range), OPT_STRING, 0 }, \
	{ "offset", "START-END", "bytes of the instance that are bound", AT(offset), OPT_STRING, \
	  0 }, \
	{ "vm-type", "TYPE", "of the VM", AT(vm_type), OPT_STRING, 0 }
/* clang-format on */

static const struct opt explain_opts[] = {
	{ "EVENT", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "policy", "FILE", "the policy, instead of the one that is in force", AT(policy),
	  OPT_STRING, 'p' },
	{ "op", "OPERATION", "create, bind, mmap, fault, convert, punch or receive", AT(op),
	  OPT_STRING, 0 },
	{ "pid", "PID", "who asks: executable, user and cgroup of a process", AT(pid), OPT_NUMBER,
	  0 },
	{ "exe", "PATH", "executable of who asks", AT(exe), OPT_STRING, 0 },
	{ "verity", "DIGEST", "fs-verity digest of the executable, as sha256:...", AT(verity),
	  OPT_STRING, 0 },
	{ "uid", "USER", "user of who asks, name or number", AT(uid), OPT_STRING, 0 },
	{ "cgroup", "PATH", "cgroup of who asks, below the root of cgroup2", AT(cgroup), OPT_STRING,
	  0 },
	REQUEST,
	PINS,
	COMMON,
};

static const struct opt diff_opts[] = {
	{ "A", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "B", NULL, "", AT(other), OPT_OPERAND, 0 },
	COMMON,
};

static const struct opt who_can_opts[] = {
	{ "OPERATION", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "policy", "FILE", "the policy, instead of the one that is in force", AT(policy),
	  OPT_STRING, 'p' },
	{ "except", "LIST", "leave out tasks that are one of these subjects", AT(except),
	  OPT_STRING, 0 },
	REQUEST,
	PINS,
	COMMON,
};

static const struct opt simulate_opts[] = {
	{ "FILE", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "events", "PATH",
	  "what was recorded instead of what runs: a file, or a directory of them", AT(events),
	  OPT_STRING, 'e' },
	COMMON,
};

static const struct opt learn_opts[] = {
	{ "EVENTS", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "for", "SECONDS", "record what happens now for so long, instead of EVENTS", AT(duration),
	  OPT_DURATION, 0 },
	{ "base", "FILE", "propose a drop-in with what this policy lacks", AT(base), OPT_STRING,
	  0 },
	{ "exact", NULL, "no bounds beyond what was seen, and cgroups as they are", AT(exact),
	  OPT_FLAG, 0 },
	COMMON,
};

static const struct opt changes_opts[] = {
	{ "FILE", NULL, "", AT(file), OPT_OPERAND, 0 },
	{ "contains", "HASH", "fail unless the change with this hash is in it", AT(contains),
	  OPT_STRING, 0 },
	COMMON,
};

struct command {
	const char *name, *operands, *help;
	const struct opt *opts;
	int (*run)(const struct ctl_options *opts);
};

static const struct command commands[] = {
	{ "check", "FILE", "is this a valid policy? needs neither root nor KVM", check_opts,
	  ctl_check },
	{ "test", "CASES | --policy FILE --events FILE",
	  "does a policy decide as expected? the same matcher as the kernel's", test_opts,
	  ctl_test },
	{ "explain", "EVENT | --op OPERATION", "which rule decides, and why not those before it",
	  explain_opts, ctl_explain },
	{ "diff", "A B", "where do two policies decide differently? an example for each operation",
	  diff_opts, ctl_diff },
	{ "who-can", "OPERATION",
	  "every subject that a policy allows an operation, or that none can", who_can_opts,
	  ctl_who_can },
	{ "simulate", "FILE", "what would a policy deny of what runs now, or of recordings?",
	  simulate_opts, ctl_simulate },
	{ "cat", "FILE", "print a policy with its drop-ins, as it would be loaded", check_opts,
	  ctl_cat },
	{ "learn", "EVENTS | --for SECONDS", "propose a policy that allows what was done",
	  learn_opts, ctl_learn },
	{ "load", "FILE", "put a policy in force, wholly or not at all", load_opts, ctl_load },
	{ "try", "FILE", "load a policy that is taken back unless it is confirmed", try_opts,
	  ctl_try },
	{ "confirm", "", "keep the policy that is on trial", pins_opts, ctl_confirm },
	{ "status", "", "is a policy enforced, and what does this kernel guarantee?", status_opts,
	  ctl_status },
	{ "show", "", "the policy in force, and how often each rule decided", show_opts, ctl_show },
	{ "monitor", "", "print denials as they happen", monitor_opts, ctl_monitor },
	{ "holders", "", "list the processes that hold instances, and could read guest memory now",
	  pins_opts, ctl_holders },
	{ "refresh", "", "look executables up again, after an upgrade replaced them", refresh_opts,
	  ctl_refresh },
	{ "set-mode", "enforce|audit", "change the mode of what is in force", mode_opts,
	  ctl_set_mode },
	{ "rollback", "", "put the previous policy in force again", rollback_opts, ctl_rollback },
	{ "unload", "", "remove the policy: everything is allowed", pins_opts, ctl_unload },
	{ "changes", "FILE", "who changed the policy in force, and is the record complete?",
	  changes_opts, ctl_changes },
	{ "probe", "", "what can this kernel enforce?", probe_opts, ctl_probe },
	{ 0 },
};

static void usage(void)
{
	const struct command *command;

	puts("Usage: gmemctl COMMAND [OPTION]...\n\n"
	     "Who may create, bind, map, convert and receive guest_memfd.\n");
	for (command = commands; command->name; command++)
		printf("  %-12s %s\n", command->name, command->help);
	puts("\nOptions of a command: gmemctl COMMAND --help. Policies: gmem-policy(5).");
}

static const struct command *find(const char *name)
{
	const struct command *command;

	for (command = commands; command->name; command++) {
		if (!strcmp(command->name, name))
			return command;
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0])], *near;
	char hint[160] = "gmemctl --help lists them";
	size_t nr;

	for (nr = 0; commands[nr].name; nr++)
		names[nr] = commands[nr].name;
	near = closest_name(name, names, nr);
	if (near)
		snprintf(hint, sizeof(hint), "did you mean %s?", near);
	log_error(-EINVAL, "there is no such command", hint, "'%s'", name);
	return GMEM_EXIT_USAGE;
}

/* Errors in the options themselves are JSON already. */
static bool asks_for_json(int argc, char **argv)
{
	bool json = false;
	int i;

	for (i = 1; i < argc; i++)
		json |= !strcmp(argv[i], "-ojson") || !strcmp(argv[i], "--output=json") ||
			(!strcmp(argv[i], "json") &&
			 (!strcmp(argv[i - 1], "-o") || !strcmp(argv[i - 1], "--output")));
	return json;
}

static int parse(const struct command *command, struct ctl_options *opts, int argc, char **argv)
{
	int ret;

	ret = opts_parse(command->opts, opts, argc, argv);
	if (ret)
		return ret;
	opts->json = !strcmp(opts->output, "json");
	if (!opts->json && strcmp(opts->output, "text"))
		return log_error(-EINVAL, "there is no such format", "text or json", "--output %s",
				 opts->output);
	log_setup("gmemctl", opts->json, opts->verbose);
	return 0;
}

/* Does a command change the policy in force? */
static bool is_change(const struct command *command)
{
	return command->run == ctl_load || command->run == ctl_try || command->run == ctl_confirm ||
	       command->run == ctl_set_mode || command->run == ctl_rollback ||
	       command->run == ctl_refresh || command->run == ctl_unload;
}

/* What is in force now, after a change. */
static void record_change(const struct command *command, const struct ctl_options *opts, int ret,
			  int argc, char **argv)
{
	struct change change = { .command = command->name,
				 .arguments = argv + 2,
				 .nr_arguments = argc - 2,
				 .status = ret > 0 ? ret : (int)exit_status(ret) };
	char digest[DIGEST_TEXT];
	struct pins pins;
	struct store store;
	bool open = false;
	__u64 word;

	if (opts->dry_run || access(CHANGES_DIR, X_OK))
		return;
	if (ret == -EINTR)
		change.status = -1;
	/* Where it failed nothing is opened, which would be another denial under a lock. */
	if (!ret && command->run != ctl_unload && !pins_open(&pins, opts->pins, false) &&
	    pins_exist(&pins) > 0)
		open = !store_open(&store, &pins);
	word = open ? store_active(&store) : 0;
	if (word) {
		change.policy = store.heads[GMEM_ACTIVE_SLOT(word)].name;
		change.generation = GMEM_ACTIVE_GENERATION(word);
		change.enforce = GMEM_ACTIVE_ENFORCES(word);
		change.digest = digest_text(store.slots[GMEM_ACTIVE_SLOT(word)].digest, digest);
	}
	changes_append(CHANGES_DIR, &change);
	if (open)
		store_close(&store);
}

static int run(int argc, char **argv)
{
	struct ctl_options opts = { .output = "text", .confirm = CTL_TRIAL_NS };
	const struct command *command;
	char head[256];
	int ret;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		usage();
		return argc < 2 ? GMEM_EXIT_USAGE : GMEM_EXIT_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("gmemctl %s\n", gmem_version);
		return GMEM_EXIT_OK;
	}
	command = find(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (parse(command, &opts, argc - 1, argv + 1))
		return GMEM_EXIT_USAGE;
	if (opts.help) {
		snprintf(head, sizeof(head), "Usage: gmemctl %s %s [OPTION]...\n\n%s\n",
			 command->name, command->operands, command->help);
		opts_usage(command->opts, head);
		return GMEM_EXIT_OK;
	}
	ret = command->run(&opts);
	if (is_change(command))
		record_change(command, &opts, ret, argc, argv);
	return ret;
}

int main(int argc, char **argv)
{
	int ret;

	output_begin();
	log_setup("gmemctl", asks_for_json(argc, argv), 0);
	signal(SIGPIPE, SIG_IGN);
	ret = run(argc, argv);
	interrupts_end(ret);
	/* Every failure is explained, also where memory was missing. output_end() reports failures
	 * of the output. */
	if (ret < 0 && !log_has_said() && !ferror(stdout))
		ret = log_error(ret, NULL, NULL, "%s", argv[1]);
	return output_end(ret);
}
