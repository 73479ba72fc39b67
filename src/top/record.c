// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/exits.h"
#include "../lib/log.h"
#include "../lib/namespaces.h"
#include "../lib/stop.h"
#include "action.h"
#include "batch.h"
#include "common_opts.h"
#include "events_record.h"
#include "record.h"
#include "session.h"
#include "source_bpf.h"
#include "source_live.h"
#include "source_replay.h"
#include "store.h"

#define MIN_DELAY_NS   (NS_PER_S / 20)
#define DEFAULT_VMS    10000
#define DEFAULT_KEEP   9
#define MAX_KEEP       1000
#define FLIGHT_FILES   8
#define BLOCK_NS       (10 * NS_PER_S)
#define BLOCK_TEXT     (32UL << 20)
#define MIN_FILE_BYTES (64UL << 10)

struct options {
	const char *output, *vm, *cgroup, *replay, *from, *to, *on, *action, *events;
	uint64_t frames, delay_ns, pid, max_vms, max_instances;
	uint64_t rotate_bytes, rotate_ns, keep, flight_bytes, block_ns, snapshot_ns;
	bool instances, bindings, holders, waste, heat, latency, redundant, no_wait, help;
	int verbose;
	struct action *todo;		 /* of on and action */
	struct event_recorder *recorder; /* of events, live */
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "output", "FILE", "append to this recording; a new one if there is none", AT(output),
	  OPT_STRING, 'o' },
	{ "delay", "SECONDS", "time between frames (1), decimals allowed", AT(delay_ns),
	  OPT_DURATION, 'd' },
	{ "iterations", "N", "end after N frames", AT(frames), OPT_NUMBER, 'n' },
	{ "block", "SECONDS",
	  "write the frames of so much time at once (10): a killed recorder loses no more",
	  AT(block_ns), OPT_DURATION, 0 },
	{ "rotate-size", "SIZE", "rename FILE to FILE.1 before it gets larger, and begin anew",
	  AT(rotate_bytes), OPT_SIZE, 0 },
	{ "rotate-age", "SECONDS", "the same when it has the frames of this time", AT(rotate_ns),
	  OPT_DURATION, 0 },
	{ "keep", "N", "renamed files that are kept (9): FILE.1 is the newest", AT(keep),
	  OPT_NUMBER, 0 },
	{ "flight", "SIZE", "keep what was last, in 8 files that together are no larger",
	  AT(flight_bytes), OPT_SIZE, 0 },
	{ "events", "LIST", "record these events too: as gmemtop events -e takes them", AT(events),
	  OPT_STRING, 0 },
	{ "on", "CONDITION",
	  "take the action when it begins to hold of an interval: 'p99 > 5ms', 'errors > 0'",
	  AT(on), OPT_STRING, 0 },
	{ "ACTION", NULL, "of --on: snapshot, signal:NUMBER:PID, exec:COMMAND or exit", AT(action),
	  OPT_OPERAND, 0 },
	{ "snapshot", "SECONDS", "a snapshot has what was so long before it (60)", AT(snapshot_ns),
	  OPT_DURATION, 0 },
	OPTS_OF_LOOKS(),
	OPTS_OF_FILTERS,
	OPTS_OF_SOURCES,
	{ "replay", "FILE", "record what --json wrote, or another recording", AT(replay),
	  OPT_STRING, 0 },
	{ "from", "TIME",
	  "record only what comes from there on: 2026-11-30T16:05, 16:05, +60 or -60", AT(from),
	  OPT_STRING, 0 },
	{ "to", "TIME", "record only what comes up to there", AT(to), OPT_STRING, 0 },
	OPTS_OF_MESSAGES,
	{ 0 },
};

static const char usage[] =
	"Usage: gmemtop record -o FILE [OPTION]...\n\n"
	"Append what the VMs of this host do to a file, for gmemtop --replay FILE. The file is\n"
	"compressed, zstdcat prints it as JSON, and it can be read whenever the recorder ends.\n";

static int check(const struct options *opts)
{
	if (opts->action && !opts->on)
		return log_error(-EINVAL, "an action takes a condition", "give one with --on",
				 "'%s'", opts->action);
	if (!opts->output)
		return log_error(-EINVAL, "no file to record to", "give one with -o FILE",
				 "gmemtop record");
	if ((opts->from || opts->to) && !opts->replay)
		return log_error(-EINVAL, "they choose a part of a recording",
				 "give it with --replay", "--from and --to");
	if (opts->events && opts->replay)
		return log_error(-EINVAL, "events are recorded live only", NULL,
				 "--events and --replay");
	if (opts->delay_ns < MIN_DELAY_NS)
		return log_error(-EINVAL, "0.05 is the least", NULL, "--delay");
	if (opts->max_vms > 1000000 || opts->max_instances > 1000000)
		return log_error(-EINVAL, "1000000 is the most", NULL,
				 "--max-vms, --max-instances");
	if (opts->keep > MAX_KEEP)
		return log_error(-EINVAL, "1000 is the most", NULL, "--keep");
	if (opts->flight_bytes && (opts->rotate_bytes || opts->rotate_ns || opts->keep))
		return log_error(-EINVAL, "choose one", NULL,
				 "--flight and --rotate-size, --rotate-age or --keep");
	if (opts->keep && !opts->rotate_bytes && !opts->rotate_ns)
		return log_error(-EINVAL, "no file is ever renamed",
				 "give --rotate-size or --rotate-age too", "--keep");
	if ((opts->flight_bytes && opts->flight_bytes < FLIGHT_FILES * MIN_FILE_BYTES) ||
	    (opts->rotate_bytes && opts->rotate_bytes < MIN_FILE_BYTES))
		return log_error(-EINVAL, "64K for each file is the least", NULL,
				 opts->flight_bytes ? "--flight" : "--rotate-size");
	return 0;
}

/* Renamed files that may be there. */
static unsigned int kept_files(const struct options *opts)
{
	if (opts->flight_bytes)
		return FLIGHT_FILES - 1;
	if (!opts->rotate_bytes && !opts->rotate_ns)
		return 0;
	return opts->keep ? (unsigned int)opts->keep : DEFAULT_KEEP;
}

static int open_store(const struct options *opts, struct store_writer **store)
{
	const struct store_options how = {
		.block_ns = opts->block_ns,
		.block_text = BLOCK_TEXT,
		.rotate_bytes = opts->flight_bytes ? opts->flight_bytes / FLIGHT_FILES
						   : opts->rotate_bytes,
		.rotate_ns = opts->rotate_ns,
		.keep = kept_files(opts),
	};
	uint64_t cut = 0;
	int ret;

	ret = store_create(store, opts->output, &how, &cut);
	switch (ret) {
	case 0:
		if (cut)
			log_note("%s ended in the middle of a block, %" PRIu64
				 " bytes of which were cut off",
				 opts->output, cut);
		return 0;
	case -EBUSY:
		return log_error(ret, "another process writes to it", NULL, "record to %s",
				 opts->output);
	case -EBADMSG:
		return log_error(ret, "it exists and is no recording", "choose another name",
				 "record to %s", opts->output);
	case -EINVAL:
		return log_error(-EBADF, "it is not a regular file", NULL, "record to %s",
				 opts->output);
	}
	return log_error(ret, NULL, NULL, "record to %s", opts->output);
}

static int add_frame(struct batch *batch, struct frames *frames, struct model *model,
		     struct store_writer *store)
{
	const char *line;
	size_t len;
	int ret;

	ret = batch_line(batch, frames, model, &line, &len);
	if (!ret)
		ret = store_add(store, frames->time_ns, line, len);
	return ret;
}

static int take_snapshot(const struct options *opts, const struct frames *frames,
			 struct store_writer *store)
{
	char *path = NULL;
	int ret;

	/* A name that tells when, and sorts. */
	if (asprintf(&path, "%s.snapshot-%llu", opts->output,
		     (unsigned long long)(frames->time_ns / (NS_PER_S / 1000))) < 0)
		return -ENOMEM;
	ret = store_flush(store);
	if (!ret)
		ret = action_snapshot(opts->output, path, frames->time_ns - opts->snapshot_ns,
				      kept_files(opts));
	if (!ret)
		log_note("the last seconds are in %s", path);
	free(path);
	return ret;
}

/*
 * Return: 0, -ECANCELED: end now, or a negative errno. What an action could not do is reported, and
 * recording goes on.
 */
static int act(const struct options *opts, struct action *action, const struct frames *frames,
	       const struct model *model, struct store_writer *store)
{
	const struct condition *which;
	int ret;

	ret = action_due(action, frames, model, &which);
	if (ret <= 0)
		return ret;
	log_note("%s", which->text);
	if (action->kind == ACTION_EXIT)
		return -ECANCELED;
	if (action->kind == ACTION_SNAPSHOT)
		ret = take_snapshot(opts, frames, store);
	else
		ret = action_run(action, which, opts->output);
	if (ret)
		log_error(ret, NULL, NULL, "%s", opts->action);
	return 0;
}

/*
 * Frame after frame, without the time between them where they are recorded already. The last one is
 * read after the signal that ends it, so that nothing is missing that happened before.
 */
static int run(const struct options *opts, struct batch *batch, struct frames *frames,
	       struct store_writer *store)
{
	uint64_t due = now_ns(), frame;
	struct model model = { 0 };
	bool last = false;
	int ret = 0;

	frames->want = batch_wants(batch);
	for (frame = 1; !last; frame++) {
		last = stop_asked || frame == opts->frames;
		ret = frames_next(frames, &model);
		if (ret) {
			/* The end of the file, or a signal while its writer stalls. */
			if (ret == -EINTR)
				ret = -ENODATA;
			if (ret != -ENODATA)
				log_error(ret, NULL, NULL, "read the next frame");
			break;
		}
		ret = add_frame(batch, frames, &model, store);
		if (ret) {
			log_error(ret, NULL, "what is in it can be read", "write to %s",
				  opts->output);
			break;
		}
		if (opts->on)
			ret = act(opts, opts->todo, frames, &model, store);
		if (ret)
			break;
		if (frames->recorded || last)
			continue;
		if (frame == 1)
			log_note("recording to %s", opts->output);
		due += opts->delay_ns;
		if (due < now_ns())
			due = now_ns();
		if (opts->recorder)
			ret = event_recorder_until(opts->recorder, due);
		else
			sleep_until(due);
		if (ret) {
			log_error(ret, NULL, "what is in it can be read", "record events to %s",
				  opts->output);
			break;
		}
	}
	model_free(&model);
	if (ret == -ECANCELED)
		return GMEM_EXIT_FOUND;
	return ret == -ENODATA ? 0 : ret;
}

static int record_live(struct options *opts, struct batch *batch, struct store_writer *store)
{
	const struct source_options sizes = {
		.max_vms = (unsigned int)opts->max_vms,
		.max_instances = (unsigned int)opts->max_instances,
		.redundant = opts->redundant,
		.latency = opts->latency,
	};
	struct source_bpf *source = NULL;
	struct live live;
	int ret, end;

	ret = session_check_pid(opts->pid);
	if (!ret)
		ret = namespaces_check("watch VMs");
	if (!ret)
		ret = session_wait_for_kvm(!opts->no_wait);
	if (!ret)
		ret = source_open(&source, &sizes);
	if (!ret && opts->events)
		ret = event_recorder_open(&opts->recorder, opts->events, (uint32_t)opts->pid,
					  store);
	if (!ret) {
		live_init(&live, source);
		ret = run(opts, batch, &live.frames, store);
		live.frames.close(&live.frames);
	}
	end = event_recorder_close(opts->recorder);
	if (end && !ret)
		ret = log_error(end, NULL, NULL, "record events to %s", opts->output);
	source_close(source);
	/* It was told to end before it had begun. */
	return ret == -EINTR ? 0 : ret;
}

static int record_again(const struct options *opts, struct batch *batch, struct store_writer *store)
{
	struct frames *frames;
	int ret;

	ret = replay_open(&frames, opts->replay);
	if (ret)
		return ret;
	ret = replay_choose(frames, opts->replay, opts->from, opts->to);
	if (!ret)
		ret = run(opts, batch, frames, store);
	if (!ret)
		replay_explain(frames, opts->replay);
	frames->close(frames);
	return ret;
}

int record_main(int argc, char **argv)
{
	struct options opts = { .delay_ns = NS_PER_S,
				.block_ns = BLOCK_NS,
				.snapshot_ns = 60 * NS_PER_S,
				.max_vms = DEFAULT_VMS,
				.max_instances = DEFAULT_VMS };
	struct batch batch = { .format = BATCH_JSON, .raw = true };
	struct action action = { 0 };
	struct store_writer *store;
	int ret, end;

	log_setup("gmemtop", false, 0);
	ret = opts_parse(table, &opts, argc, argv);
	log_setup("gmemtop", false, opts.verbose);
	if (ret)
		return GMEM_EXIT_USAGE;
	if (opts.help) {
		opts_usage(table, usage);
		return GMEM_EXIT_OK;
	}
	ret = check(&opts);
	if (!ret && opts.on)
		ret = action_parse(&action, opts.on, opts.action);
	if (ret)
		return ret;
	opts.todo = &action;
	batch.list_instances = opts.instances;
	batch.want = WANTED(opts);
	batch.pid = opts.pid;
	batch.vm_pattern = opts.vm;
	batch.cgroup = opts.cgroup;
	session_catch_signals();
	ret = open_store(&opts, &store);
	if (ret)
		return ret;
	ret = opts.replay ? record_again(&opts, &batch, store) : record_live(&opts, &batch, store);
	end = store_finish(store);
	if (end && !ret)
		ret = log_error(end, NULL, "what is in it can be read", "write to %s", opts.output);
	action_free(&action);
	batch_free(&batch);
	return ret;
}
