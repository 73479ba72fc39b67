// SPDX-License-Identifier: GPL-2.0-only
/* gmemtop: what VMs do with guest_memfd, live. Options and the loop; the rest is in top/. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/exits.h"
#include "lib/log.h"
#include "lib/namespaces.h"
#include "lib/output.h"
#include "lib/stop.h"
#include "lib/version.h"
#include "top/batch.h"
#include "top/common_opts.h"
#include "top/diff.h"
#include "top/events.h"
#include "top/memory.h"
#include "top/presets.h"
#include "top/programs.h"
#include "top/record.h"
#include "top/report.h"
#include "top/session.h"
#include "top/source_bpf.h"
#include "top/source_live.h"
#include "top/source_replay.h"
#include "top/tui.h"

#define MIN_DELAY_NS (NS_PER_S / 20)
#define DEFAULT_VMS  10000
#define EXPORTER     "gmem-exporter"

struct options {
	bool batch, json, csv, once, features, no_wait, instances, redundant, version, help;
	bool bindings, holders, waste, heat, latency;
	int verbose;
	uint64_t frames, delay_ns, pid, max_vms, max_instances;
	const char *vm, *cgroup, *sort, *columns, *preset;
	bool ascii;
	const char *replay, *from, *to;
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "batch", NULL, "frames one after the other, for programs and pipes", AT(batch), OPT_FLAG,
	  'b' },
	{ "iterations", "N", "end after N frames", AT(frames), OPT_NUMBER, 'n' },
	{ "delay", "SECONDS", "time between frames (1), decimals allowed", AT(delay_ns),
	  OPT_DURATION, 'd' },
	{ "once", NULL, "one frame, with rates over the time that -d gives", AT(once), OPT_FLAG,
	  '1' },
	{ "json", NULL, "a JSON object per frame and line", AT(json), OPT_FLAG, 0 },
	{ "csv", NULL, "comma-separated values", AT(csv), OPT_FLAG, 0 },
	OPTS_OF_LOOKS(" (JSON)"),
	OPTS_OF_FILTERS,
	{ "sort", "COLUMN", "order by a column", AT(sort), OPT_STRING, 's' },
	{ "columns", "LIST", "columns with commas between; help lists them", AT(columns),
	  OPT_STRING, 'o' },
	{ "preset", "NAME", "columns for a question: memory, conversions, faults or security",
	  AT(preset), OPT_STRING, 0 },
	OPTS_OF_SOURCES,
	{ "features", NULL, "say where each number comes from on this kernel", AT(features),
	  OPT_FLAG, 0 },
	{ "ascii", NULL, "draw with ASCII only", AT(ascii), OPT_FLAG, 0 },
	{ "replay", "FILE",
	  "show a recording, or what --json wrote, in any form; needs neither root nor KVM",
	  AT(replay), OPT_STRING, 0 },
	{ "from", "TIME", "show a recording from there on: 2026-11-30T16:05, 16:05, +60 or -60",
	  AT(from), OPT_STRING, 0 },
	{ "to", "TIME", "show a recording up to there", AT(to), OPT_STRING, 0 },
	{ "version", NULL, "print the version", AT(version), OPT_FLAG, 'V' },
	OPTS_OF_MESSAGES,
	{ 0 },
};

static int check(struct options *opts, struct batch *batch)
{
	const struct preset *preset;
	int ret;

	if (opts->json && opts->csv)
		return log_error(-EINVAL, "choose one", NULL, "--json and --csv");
	if ((opts->from || opts->to) && !opts->replay)
		return log_error(-EINVAL, "they choose a part of a recording",
				 "give it with --replay", "--from and --to");
	if (opts->delay_ns < MIN_DELAY_NS)
		return log_error(-EINVAL, "0.05 is the least", NULL, "--delay");
	if (opts->max_vms > 1000000 || opts->max_instances > 1000000)
		return log_error(-EINVAL, "1000000 is the most", NULL,
				 "--max-vms, --max-instances");
	if (opts->preset) {
		if (opts->columns)
			return log_error(-EINVAL, "choose one", NULL, "--preset and --columns");
		preset = preset_by_name(opts->preset);
		if (!preset)
			return -EINVAL;
		opts->columns = preset->columns;
		opts->sort = opts->sort ? opts->sort : preset->sort;
	}
	ret = columns_parse(opts->columns ? opts->columns : default_columns, batch->columns,
			    &batch->nr_columns);
	if (ret)
		return ret;
	if (opts->sort) {
		batch->sort = column_by_name(opts->sort);
		if (!batch->sort)
			return log_error(-EINVAL, "there is no such column",
					 "--columns help lists them", "--sort %s", opts->sort);
	}
	if (opts->json)
		batch->format = BATCH_JSON;
	else if (opts->csv)
		batch->format = BATCH_CSV;
	if (opts->once)
		opts->frames = 2;
	batch->list_instances = opts->instances;
	batch->want = WANTED(*opts);
	batch->pid = opts->pid;
	batch->vm_pattern = opts->vm;
	batch->cgroup = opts->cgroup;
	return 0;
}

static int show_features(bool redundant, bool as_json)
{
	struct features features;
	int ret;

	ret = features_probe(&features, redundant, true);
	if (ret)
		return ret == -EOPNOTSUPP ? programs_probe_error(ret)
					  : log_error(ret == -ENODEV ? -EOPNOTSUPP : ret, NULL,
						      NULL, "look at the kernel");
	ret = features_print(&features, as_json);
	features_free(&features);
	return ret;
}

/* An empty table is no answer to whoever mistyped a name. */
static void note_filter(const struct options *opts, const struct batch *batch,
			const struct model *model)
{
	size_t i;

	if (!opts->pid && !opts->vm && !opts->cgroup)
		return;
	for (i = 0; i < model->nr_vms; i++) {
		if (batch_wanted(batch, model->vms[i]))
			return;
	}
	log_note("no VM fits --pid, --vm and --cgroup now");
}

/* Frame after frame; those of a recording without the time between them. */
static int run(const struct options *opts, struct batch *batch, struct frames *frames)
{
	uint64_t next = now_ns(), frame;
	struct model model = { 0 };
	bool noted = false;
	int ret = 0;

	frames->want = batch_wants(batch);
	for (frame = 1; !stop_asked; frame++) {
		ret = frames_next(frames, &model);
		if (ret) {
			if (ret != -ENODATA && ret != -EINTR)
				log_error(ret, NULL, NULL, "read the next frame");
			break;
		}
		/* Rates take two frames, of which --once shows the second. */
		if (opts->once && frame == 1)
			goto next;
		/* What could not be written output_end() explains. */
		ret = batch_print(batch, frames, &model);
		if (!noted)
			note_filter(opts, batch, &model);
		noted = true;
		if (ret || frame == opts->frames)
			break;
	next:
		next += opts->delay_ns;
		if (next < now_ns())
			next = now_ns();
		if (!frames->recorded)
			sleep_until(next);
	}
	model_free(&model);
	return ret == -ENODATA || ret == -EINTR ? 0 : ret;
}

/* Interactive, unless there is a sign that a program reads us. */
static bool wants_tui(const struct options *opts)
{
	return !opts->batch && !opts->once && !opts->json && !opts->csv && isatty(STDOUT_FILENO);
}

static int show(const struct options *opts, struct batch *batch, struct frames *frames)
{
	struct tui_options tui = {
		.batch = batch,
		.own_columns = opts->columns != NULL,
		.ascii = opts->ascii,
		.delay_ns = opts->delay_ns,
		.frames = opts->frames,
		.stop = &stop_asked,
	};

	return wants_tui(opts) ? tui_run(frames, &tui) : run(opts, batch, frames);
}

static int show_live(const struct options *opts, struct batch *batch, struct source_bpf *source)
{
	struct live live;
	int ret;

	live_init(&live, source);
	ret = show(opts, batch, &live.frames);
	live.frames.close(&live.frames);
	return ret;
}

static int show_recorded(const struct options *opts, struct batch *batch)
{
	struct frames *frames;
	int ret;

	ret = replay_open(&frames, opts->replay);
	if (ret)
		return ret;
	ret = replay_choose(frames, opts->replay, opts->from, opts->to);
	if (!ret)
		ret = show(opts, batch, frames);
	if (!ret)
		replay_explain(frames, opts->replay);
	frames->close(frames);
	return ret;
}

/* The exporter is a program beside this one. Return: a negative errno that was explained. */
static int run_exporter(char **argv)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(EXPORTER));

	if (len < 0)
		return log_error(-errno, NULL, NULL, "find " EXPORTER);
	path[len] = '\0';
	strcpy(strrchr(path, '/') + 1, EXPORTER);
	execv(path, argv);
	return log_error(-errno, errno == ENOENT ? "it is not installed" : NULL,
			 errno == ENOENT ? "its package is gmem-exporter" : NULL, "run %s", path);
}

/* gmemtop replay FILE is gmemtop --replay FILE. Return: 0 or -EINVAL, which has been explained. */
static int command_replay(int argc, char **argv)
{
	static char option[] = "--replay", help[] = "--help";

	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
		argv[1] = help;
		return 0;
	}
	if (argc < 3 || (argv[2][0] == '-' && argv[2][1]))
		return log_error(-EINVAL, "no recording to show", "name its file first",
				 "gmemtop replay");
	argv[1] = option;
	return 0;
}

/* Return: an exit status, or a negative errno that was explained. */
static int gmemtop(int argc, char **argv)
{
	struct options opts = { .delay_ns = NS_PER_S,
				.max_vms = DEFAULT_VMS,
				.max_instances = DEFAULT_VMS };
	struct source_bpf *source = NULL;
	struct source_options sizes;
	struct batch batch = { 0 };
	int ret, i;

	if (argc > 1 && !strcmp(argv[1], "events"))
		return events_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "export"))
		return run_exporter(argv + 1);
	if (argc > 1 && !strcmp(argv[1], "memory"))
		return memory_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "record"))
		return record_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "diff"))
		return diff_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "report"))
		return report_main(argc - 1, argv + 1);
	/* Errors in the options themselves are JSON already. */
	for (i = 1; i < argc; i++)
		opts.json |= !strcmp(argv[i], "--json");
	log_setup("gmemtop", opts.json, 0);
	if (argc > 1 && !strcmp(argv[1], "replay") && command_replay(argc, argv))
		return GMEM_EXIT_USAGE;
	ret = opts_parse(table, &opts, argc, argv);
	log_setup("gmemtop", opts.json, opts.verbose);
	if (ret)
		return GMEM_EXIT_USAGE;
	if (opts.help) {
		opts_usage(
			table,
			"Usage: gmemtop [OPTION]...\n"
			"       gmemtop events [OPTION]...   (the live event stream; events --help)\n"
			"       gmemtop export [OPTION]...   (metrics for Prometheus; export --help)\n"
			"       gmemtop memory [OPTION]...   (whose memory it is; memory --help)\n"
			"       gmemtop record -o FILE [OPTION]...   (to a file; record --help)\n"
			"       gmemtop replay FILE [OPTION]...   (show a recording, as --replay)\n"
			"       gmemtop report FILE [OPTION]...   (what a recording shows; report --help)\n"
			"       gmemtop diff A B [OPTION]...   (what changed between two; diff --help)\n\n"
			"What the VMs of this host do with guest_memfd.\n");
		return GMEM_EXIT_OK;
	}
	if (opts.version) {
		printf("gmemtop %s\n", gmem_version);
		return GMEM_EXIT_OK;
	}
	if (opts.columns && !strcmp(opts.columns, "help")) {
		columns_print();
		return GMEM_EXIT_OK;
	}
	if (opts.preset && !strcmp(opts.preset, "help")) {
		presets_print();
		return GMEM_EXIT_OK;
	}
	ret = check(&opts, &batch);
	if (ret)
		return ret;
	session_catch_signals();
	/* ncurses writes to the terminal itself. */
	if (!wants_tui(&opts))
		output_until_stopped();
	if (opts.replay)
		return show_recorded(&opts, &batch);
	ret = session_check_pid(opts.pid);
	if (ret)
		return ret;
	ret = namespaces_check("watch VMs");
	if (ret)
		return ret;
	ret = session_wait_for_kvm(!opts.no_wait && !opts.once && !opts.features);
	if (ret)
		return ret == -EINTR ? GMEM_EXIT_OK : ret;
	if (opts.features)
		return show_features(opts.redundant, opts.json);
	sizes.max_vms = (unsigned int)opts.max_vms;
	sizes.max_instances = (unsigned int)opts.max_instances;
	sizes.redundant = opts.redundant;
	sizes.latency = opts.latency;
	ret = source_open(&source, &sizes);
	if (!ret)
		ret = show_live(&opts, &batch, source);
	source_close(source);
	batch_free(&batch);
	/* It was told to end before it had begun. */
	return ret == -EINTR ? GMEM_EXIT_OK : ret;
}

int main(int argc, char **argv)
{
	output_begin();
	return output_end(gmemtop(argc, argv));
}
