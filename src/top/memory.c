// SPDX-License-Identifier: GPL-2.0-only
/* The command gmemtop memory: options and the loop. */
#include <errno.h>
#include <string.h>

#include "../lib/exits.h"
#include "../lib/log.h"
#include "../lib/namespaces.h"
#include "../lib/output.h"
#include "../lib/stop.h"
#include "common_opts.h"
#include "memory.h"
#include "session.h"
#include "source_bpf.h"
#include "source_live.h"

#define DEFAULT_VMS 10000

struct options {
	const char *vm, *cgroup;
	uint64_t frames, delay_ns, pid, max_vms, max_instances, leak_after_ns;
	bool json, redundant, no_wait, help;
	int verbose;
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "json", NULL, "a JSON object per ledger and line", AT(json), OPT_FLAG, 0 },
	{ "iterations", "N", "end after N ledgers (1)", AT(frames), OPT_NUMBER, 'n' },
	{ "delay", "SECONDS", "time between ledgers (1), decimals allowed", AT(delay_ns),
	  OPT_DURATION, 'd' },
	{ "leak-after", "SECONDS",
	  "list an instance without a memslot only after this time (0), as far as it was seen",
	  AT(leak_after_ns), OPT_DURATION, 0 },
	OPTS_OF_FILTERS,
	OPTS_OF_SOURCES,
	OPTS_OF_MESSAGES,
	{ 0 },
};

static const char usage[] =
	"Usage: gmemtop memory [OPTION]...\n\n"
	"Whose memory it is: what each VM has in instances and in shared backing, which cgroup pays\n"
	"for it, which call would free what is held twice, and the balance of the host.\n";

/* Return: 0, -EINTR, or a negative errno that was explained. */
static int make_ledger(struct live *live, struct model *model, struct memledger *ledger,
		       const struct options *opts)
{
	int ret = frames_next(&live->frames, model);

	if (ret)
		return ret == -EINTR ? ret : log_error(ret, NULL, NULL, "read the next frame");
	memledger_begin(ledger);
	ret = source_survey(live->source, model, ledger, &stop_asked);
	if (ret)
		return ret == -EINTR ? ret : log_error(ret, NULL, NULL, "inspect page caches");
	ret = memledger_find_leaks(ledger, model, opts->leak_after_ns);
	if (!ret)
		ret = memledger_read(ledger, model, live->cgroups);
	return ret ? log_error(ret, NULL, NULL, "read what the kernel reports of memory") : 0;
}

static int run(struct live *live, struct batch *batch, const struct options *opts)
{
	struct memledger ledger = { 0 };
	struct model model = { 0 };
	const struct memory_view view = { &live->frames, &model, &ledger, batch };
	uint64_t due = now_ns(), frame;
	int ret = 0;

	live->frames.want = WANT_BINDINGS | WANT_HOLDERS | WANT_WASTE;
	for (frame = 1; !stop_asked; frame++) {
		ret = make_ledger(live, &model, &ledger, opts);
		if (!ret)
			ret = opts->json ? memory_json(stdout, &view) : memory_text(stdout, &view);
		if (ret || frame == opts->frames)
			break;
		due += opts->delay_ns;
		if (due < now_ns())
			due = now_ns();
		sleep_until(due);
	}
	model_free(&model);
	memledger_free(&ledger);
	return ret == -EINTR ? 0 : ret;
}

static int show(struct batch *batch, const struct options *opts)
{
	const struct source_options sizes = {
		.max_vms = (unsigned int)opts->max_vms,
		.max_instances = (unsigned int)opts->max_instances,
		.redundant = opts->redundant,
		.survey = true,
	};
	struct source_bpf *source = NULL;
	struct live live;
	int ret;

	ret = session_check_pid(opts->pid);
	if (!ret)
		ret = namespaces_check("watch VMs");
	if (!ret)
		ret = session_wait_for_kvm(!opts->no_wait);
	if (!ret)
		ret = source_open(&source, &sizes);
	if (!ret) {
		live_init(&live, source);
		ret = run(&live, batch, opts);
		live.frames.close(&live.frames);
	}
	source_close(source);
	/* It was told to end before it had begun. */
	return ret == -EINTR ? 0 : ret;
}

int memory_main(int argc, char **argv)
{
	struct options opts = { .frames = 1,
				.delay_ns = NS_PER_S,
				.max_vms = DEFAULT_VMS,
				.max_instances = DEFAULT_VMS };
	struct batch batch = { 0 };
	int ret, i;

	for (i = 1; i < argc; i++)
		opts.json |= !strcmp(argv[i], "--json");
	log_setup("gmemtop", opts.json, 0);
	ret = opts_parse(table, &opts, argc, argv);
	log_setup("gmemtop", opts.json, opts.verbose);
	if (ret)
		return GMEM_EXIT_USAGE;
	if (opts.help) {
		opts_usage(table, usage);
		return GMEM_EXIT_OK;
	}
	if (opts.max_vms > 1000000 || opts.max_instances > 1000000)
		return log_error(-EINVAL, "1000000 is the most", NULL,
				 "--max-vms, --max-instances");
	batch.pid = opts.pid;
	batch.vm_pattern = opts.vm;
	batch.cgroup = opts.cgroup;
	session_catch_signals();
	output_until_stopped();
	ret = show(&batch, &opts);
	batch_free(&batch);
	return ret;
}
