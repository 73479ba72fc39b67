// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "../lib/json.h"
#include "columns.h"
#include "digest_inner.h"
#include "model_phases.h"
#include "out_trace.h"
#include "session.h"

#define HOST_TRACK 1 /* the process of the trace that stands for all VMs */
#define VM_THREAD  0 /* the thread that a VM's life is on; vCPU n is thread n + 1 */

/* A VM that has been seen: a process of the trace. */
struct track {
	uint64_t id; /* of the VM, in this run of the recorder */
	uint32_t pid;
	uint64_t first_ns, last_ns;
	bool done; /* its life has been written */
	char name[NAME_LEN + 32];
	uint64_t conversions;
};

#define WRITTEN 256

struct trace {
	FILE *out;
	struct {
		uint32_t pid;
		struct model_slow slow;
	} written[WRITTEN]; /* conversions, the last ones */
	size_t nr_written;
	struct json json;
	bool any;	    /* an event was written */
	bool failed;	    /* memory ran out */
	uint64_t begin_ns;  /* CLOCK_REALTIME: times of the trace count from there */
	uint64_t before_ns; /* of the frame before */
	uint64_t number;    /* of the frame before */
	struct track *tracks;
	size_t nr, room;
	size_t first; /* of this run of the recorder */
	size_t next;  /* where the VM behind the last one is, perhaps: both are in the same order */
};

/* --- events --- */

static void put_us(struct json *json, const char *name, uint64_t ns)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%s\"%s\":%" PRIu64 ".%03u", json->comma ? "," : "",
			   name, ns / 1000, (unsigned int)(ns % 1000));

	/* json_raw() puts the comma itself. */
	json_raw(json, text + (text[0] == ','), (size_t)len - (text[0] == ','));
}

static uint64_t since(const struct trace *trace, uint64_t time_ns)
{
	return time_ns > trace->begin_ns ? time_ns - trace->begin_ns : 0;
}

/* Begin an event: its kind, name and process. */
static struct json *begin(struct trace *trace, const char *phase, const char *name, uint32_t pid)
{
	struct json *json = &trace->json;

	json_open(json, NULL, '{');
	json_str(json, "ph", phase);
	json_str(json, "name", name);
	json_u64(json, "pid", pid);
	return json;
}

/* A line for each event. */
static void end(struct trace *trace)
{
	const char *text;
	size_t len;

	json_close(&trace->json, '}');
	text = json_take(&trace->json, &len);
	trace->failed |= !text;
	if (!text)
		return;
	fprintf(trace->out, "%s%.*s", trace->any ? ",\n" : "", (int)len, text);
	trace->any = true;
}

static void put_name(struct trace *trace, const char *what, uint32_t pid, int tid, const char *name)
{
	struct json *json = begin(trace, "M", what, pid);

	if (tid >= 0)
		json_u64(json, "tid", (uint64_t)tid);
	json_open(json, "args", '{');
	json_str(json, "name", name);
	json_close(json, '}');
	end(trace);
}

static struct json *begin_counter(struct trace *trace, const char *name, uint32_t pid,
				  uint64_t time_ns)
{
	struct json *json = begin(trace, "C", name, pid);

	put_us(json, "ts", since(trace, time_ns));
	json_open(json, "args", '{');
	return json;
}

static void end_counter(struct trace *trace)
{
	json_close(&trace->json, '}');
	end(trace);
}

/* A rate is of the interval that begins there, a gauge of the moment. */
static void put_rates(struct trace *trace, const struct features *f, uint32_t pid, uint64_t time_ns,
		      const struct model_vm *vm, bool none)
{
	uint64_t errors = vm->rate_inst[GMEM_INST_host_faults_refused];
	struct json *json;
	int op;

	for (op = 0; op < GMEM_OP_MAX; op++)
		errors += vm->rate_err[op];
	if (f->facts & FACT(convert)) {
		json = begin_counter(trace, "conversions per second", pid, time_ns);
		json_fixed(json, direction_names[0], none ? 0 : vm->rate_vm[GMEM_VM_to_private]);
		json_fixed(json, direction_names[1], none ? 0 : vm->rate_vm[GMEM_VM_to_shared]);
		end_counter(trace);
	}
	if (f->facts & FACT(guest_fault)) {
		json = begin_counter(trace, "guest faults per second", pid, time_ns);
		json_fixed(json, inst_counter_names[GMEM_INST_guest_faults],
			   none ? 0 : vm->rate_inst[GMEM_INST_guest_faults]);
		end_counter(trace);
	}
	json = begin_counter(trace, "errors per second", pid, time_ns);
	json_fixed(json, VM_FIELD(errors), none ? 0 : errors);
	end_counter(trace);
}

static void put_bytes(struct json *json, const char *name, uint64_t pages)
{
	if (pages != GMEM_UNKNOWN)
		json_u64(json, name, pages << 12);
}

static void put_memory(struct trace *trace, const struct features *f, const struct model_vm *vm,
		       uint32_t pid, uint64_t time_ns)
{
	struct json *json = begin_counter(trace, "memory in bytes", pid, time_ns);

	put_bytes(json, "private",
		  vm_private(f, vm).kind == VALUE_NONE ? GMEM_UNKNOWN : vm->now.private_pages);
	put_bytes(json, "resident", vm->resident);
	put_bytes(json, "waste_instance", vm->waste_instance);
	put_bytes(json, "waste_backing", vm->waste_backing);
	end_counter(trace);
}

static struct json *begin_slice(struct trace *trace, const char *name, uint32_t pid, uint64_t tid,
				uint64_t time_ns, uint64_t ns)
{
	struct json *json = begin(trace, "X", name, pid);

	json_u64(json, "tid", tid);
	put_us(json, "ts", since(trace, time_ns));
	put_us(json, "dur", ns);
	json_open(json, "args", '{');
	return json;
}

static void put_life(struct trace *trace, struct track *track, const char *why)
{
	struct json *json = begin_slice(trace, "VM", track->pid, VM_THREAD, track->first_ns,
					track->last_ns - track->first_ns);

	json_u64(json, "conversions", track->conversions);
	json_str(json, FIELD(ended, why), why);
	json_close(json, '}');
	end(trace);
	track->done = true;
}

/*
 * A conversion, and below it its phases, one behind the other: each is as long as it was, though
 * the VMM's time, for one, lies between the calls and not before them.
 */
static void put_slow(struct trace *trace, const struct track *track, const struct model_slow *slow,
		     uint64_t exit_ns)
{
	const __u64 *ns = slow->now.ns;
	uint64_t tid = slow->vcpu + 1ULL, at = exit_ns;
	struct json *json;
	unsigned int p;

	json = begin_slice(trace, direction_names[slow->now.direction % GMEM_DIRECTIONS],
			   track->pid, tid, exit_ns, ns[GMEM_PHASE_total]);
	json_u64(json, FIELD(slow, gpa), slow->now.gfn << 12);
	json_u64(json, FIELD(slow, pages), slow->now.pages);
	json_str(json, FIELD(slow, exit), exit_names[slow->now.exit % GMEM_GUEST_EXIT_MAX]);
	json_close(json, '}');
	end(trace);
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		if (p == GMEM_PHASE_total) {
			at = exit_ns + ns[p];
			continue;
		}
		if (ns[p] == GMEM_UNKNOWN)
			continue;
		begin_slice(trace, phase_names[p], track->pid, tid, at, ns[p]);
		json_close(&trace->json, '}');
		end(trace);
		at += ns[p];
	}
}

/* --- VMs --- */

static struct track *track_of(struct trace *trace, const struct model_vm *vm, uint64_t time_ns)
{
	struct track *track;
	char name[sizeof(track->name)];
	size_t i;

	i = trace->next;
	if (i >= trace->nr || i < trace->first || trace->tracks[i].id != vm->now.id) {
		for (i = trace->first; i < trace->nr && trace->tracks[i].id != vm->now.id; i++)
			;
	}
	if (i == trace->nr) {
		if (grow(&trace->tracks, &trace->room, trace->nr + 1, sizeof(*track)))
			return NULL;
		i = trace->nr++;
		trace->tracks[i] = (struct track){ .id = vm->now.id,
						   .pid = HOST_TRACK + (uint32_t)trace->nr,
						   .first_ns = time_ns };
	}
	trace->next = i + 1;
	track = &trace->tracks[i];
	snprintf(name, sizeof(name), "%s (pid %u)", vm->name, vm->now.tgid);
	if (strcmp(name, track->name)) {
		memcpy(track->name, name, sizeof(name));
		put_name(trace, "process_name", track->pid, -1, name);
		put_name(trace, "thread_name", track->pid, VM_THREAD, "life of the VM");
	}
	return track;
}

/* It stays among the slowest for many frames. */
static bool is_written(struct trace *trace, uint32_t pid, const struct model_slow *slow)
{
	size_t i, nr = trace->nr_written < WRITTEN ? trace->nr_written : WRITTEN;

	for (i = 0; i < nr; i++) {
		if (trace->written[i].pid == pid && slow_is_same(&trace->written[i].slow, slow))
			return true;
	}
	i = trace->nr_written++ % WRITTEN;
	trace->written[i].pid = pid;
	trace->written[i].slow = *slow;
	return false;
}

static void put_vcpus(struct trace *trace, const struct frames *frames, const struct model *model,
		      struct track *track)
{
	struct model_slow slow[GMEM_SLOWEST];
	uint64_t exit_ns, before_ns = model->now_ns - model->interval_ns;
	unsigned int n = model_slowest(model, track->id, slow), i;
	char name[32];

	for (i = 0; i < n; i++) {
		/* It is new if it ended during this interval, or just before it. */
		if (slow[i].now.exit_ns + slow[i].now.ns[GMEM_PHASE_total] + NS_PER_S / 10 <=
			    before_ns ||
		    is_written(trace, track->pid, &slow[i]))
			continue;
		exit_ns = frames->time_ns - (model->now_ns - slow[i].now.exit_ns);
		if (exit_ns < trace->begin_ns)
			continue;
		snprintf(name, sizeof(name), "vCPU %u", slow[i].vcpu);
		put_name(trace, "thread_name", track->pid, (int)(slow[i].vcpu + 1), name);
		put_slow(trace, track, &slow[i], exit_ns);
	}
}

static int put_vm(struct trace *trace, const struct frames *frames, const struct model *model,
		  const struct model_vm *vm)
{
	struct track *track = track_of(trace, vm, frames->time_ns);

	if (!track)
		return -ENOMEM;
	if (model->interval_ns)
		put_rates(trace, frames->features, track->pid, trace->before_ns, vm, false);
	put_memory(trace, frames->features, vm, track->pid, frames->time_ns);
	if (model->looked & WANT_LATENCY && model->interval_ns)
		put_vcpus(trace, frames, model, track);
	track->last_ns = frames->time_ns;
	track->conversions = vm->now.c[GMEM_VM_to_private] + vm->now.c[GMEM_VM_to_shared];
	return 0;
}

/* After the last frame of a VM its rates are 0. */
static void put_ends(struct trace *trace, const struct frames *frames, const struct model *model)
{
	const struct model_vm none = { 0 }, *vm;
	const char *why;
	unsigned int e;
	size_t i;

	for (i = trace->first; i < trace->nr; i++) {
		struct track *track = &trace->tracks[i];

		vm = model_vm(model, track->id);
		if (track->done || (vm && !vm->gone))
			continue;
		for (why = NULL, e = 0; e < model->nr_ended; e++) {
			if (model->ended[e].vm_id == track->id)
				why = model->ended[e].why;
		}
		put_life(trace, track, why);
		put_rates(trace, frames->features, track->pid, track->last_ns, &none, true);
	}
}

/* All VMs that still live, when a run of a recorder ends. */
static void end_run(struct trace *trace)
{
	size_t i;

	for (i = trace->first; i < trace->nr; i++) {
		if (!trace->tracks[i].done)
			put_life(trace, &trace->tracks[i], NULL);
	}
	trace->first = trace->nr;
}

struct trace *trace_begin(FILE *out)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->out = out;
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", out);
	put_name(trace, "process_name", HOST_TRACK, -1, "all VMs");
	return trace;
}

int trace_frame(struct trace *trace, const struct frames *frames, const struct model *model)
{
	struct model_vm host;
	size_t i;
	int ret = 0;

	if (!trace->begin_ns)
		trace->begin_ns = frames->time_ns;
	if (model->frame <= trace->number)
		end_run(trace);
	trace->number = model->frame;
	model_host(model, &host);
	/* The first interval can have begun before the trace. */
	if (model->interval_ns && trace->before_ns)
		put_rates(trace, frames->features, HOST_TRACK, trace->before_ns, &host, false);
	if (!trace->before_ns)
		trace->before_ns = frames->time_ns;
	for (i = 0; i < model->nr_vms && !ret; i++) {
		if (model_is_used(model->vms[i]))
			ret = put_vm(trace, frames, model, model->vms[i]);
	}
	trace->next = trace->first;
	put_ends(trace, frames, model);
	trace->before_ns = frames->time_ns;
	return ret ? ret : trace->failed ? -ENOMEM : 0;
}

int trace_end(struct trace *trace)
{
	FILE *out;
	int ret;

	if (!trace)
		return 0;
	end_run(trace);
	out = trace->out;
	fputs("\n]}\n", out);
	ret = trace->failed ? -ENOMEM : 0;
	json_free(&trace->json);
	free(trace->tracks);
	free(trace);
	return ret ? ret : fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
}
