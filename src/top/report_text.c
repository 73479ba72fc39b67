// SPDX-License-Identifier: GPL-2.0-only
/* A report for people, in lines of about 100 columns. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../lib/utf8.h"
#include "columns.h"
#include "heat.h"
#include "report.h"
#include "tui_text.h"

#define NAME_CELLS 24
#define HEAT_ROWS  16

static const char *scaled(char *buf, uint64_t value, enum unit unit)
{
	format_number(buf, value * 100, unit, true);
	return buf;
}

static void heading(FILE *out, const char *text)
{
	fprintf(out, "\n%s\n", text);
}

static void put_time(FILE *out, uint64_t ns)
{
	char buf[TIME_LEN];

	fputs(report_time(buf, ns, false), out);
}

static void put_recording(FILE *out, const struct report *report)
{
	const struct digest *d = &report->digest;
	char buf[NUMBER_LEN];

	fputs("Report of ", out);
	utf8_print(report->path, strlen(report->path), out);
	fputs("\n\n  ", out);
	put_time(out, d->first_ns);
	fputs(" to ", out);
	put_time(out, d->last_ns);
	fprintf(out, ", %" PRIu64 " frames that cover %s", d->frames,
		scaled(buf, d->watched_ns, UNIT_NS));
	if (d->runs > 1)
		fprintf(out, " in %u runs of a recorder", d->runs);
	fputs("\n  kernel ", out);
	utf8_print(d->kernel, strlen(d->kernel), out);
	fprintf(out, ", %zu VM%s\n", d->nr_vms, d->nr_vms == 1 ? "" : "s");
	if (d->middle)
		fputs("  It begins in the middle of a recording: what the first frame had counts as the "
		      "base.\n",
		      out);
	if (d->lower_bounds)
		fputs("  Some events were lost: all counters are lower bounds.\n", out);
}

/* --- totals --- */

static void put_counter(FILE *out, const char *name, enum unit unit, bool known, uint64_t value,
			const char *help)
{
	char buf[NUMBER_LEN] = "";

	if (known && !value)
		return;
	if (!known) {
		fprintf(out, "  %-26s %16s  %10s  %s\n", name, "-", "", help);
		return;
	}
	if (unit == UNIT_PAGES || unit == UNIT_NS)
		scaled(buf, value, unit);
	fprintf(out, "  %-26s %16" PRIu64 "  %10s  %s\n", name, value, buf, help);
}

static void put_totals(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;

	heading(out, "TOTALS OF ALL VMS (counters that are 0 are left out; -: not on this kernel)");
#define X(name, fact, unit, help)                                                     \
	put_counter(out, #name, UNIT_##unit, report_knows_vm(report, GMEM_VM_##name), \
		    host->c[GMEM_VM_##name], help);
	GMEM_VM_COUNTERS(X)
#undef X
#define X(name, fact, unit, help)                                                         \
	put_counter(out, #name, UNIT_##unit, report_knows_inst(report, GMEM_INST_##name), \
		    host->inst[GMEM_INST_##name], help);
	GMEM_INST_COUNTERS(X)
#undef X
}

static void put_durations(FILE *out, const char *name, const struct latency *latency)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	char buf[4][NUMBER_LEN];
	__u64 ns[3];

	if (!latency_percentiles(latency, percents, 3, ns)) {
		fprintf(out, "  %-12s %10s %10s %10s %10s", name, "-", "-", "-", "-");
		return;
	}
	fprintf(out, "  %-12s %10s %10s %10s %10s", name, scaled(buf[0], ns[0], UNIT_NS),
		scaled(buf[1], ns[1], UNIT_NS), scaled(buf[2], ns[2], UNIT_NS),
		scaled(buf[3], latency->max_ns, UNIT_NS));
}

static void put_latency(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;
	struct latency both = digest_latency(host);
	int d;

	if (!(report->digest.facts & FACT(convert)))
		return;
	heading(out, "DURATIONS OF CONVERSIONS (a percentile is at most a quarter too long)");
	fprintf(out, "  %-12s %10s %10s %10s %10s\n", "", "p50", "p90", "p99", "max");
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		put_durations(out, direction_names[d], &host->latency[d]);
		putc('\n', out);
	}
	put_durations(out, "both", &both);
	putc('\n', out);
}

static void put_name(FILE *out, const struct digest_vm *vm)
{
	char name[NAME_LEN * 4];

	text_fit(name, sizeof(name), vm->name[0] ? vm->name : "-", NAME_CELLS, true);
	fprintf(out, "  %-*s %8u", NAME_CELLS, name, vm->pid);
}

static void put_phases(FILE *out, const struct report *report)
{
	const struct digest_phase *phases = report->digest.host.phases;
	uint64_t total = phases ? phases[GMEM_PHASE_total].sum_ns : 0;
	const struct digest_slow *slow;
	char ns[NUMBER_LEN];
	unsigned int p, i;

	if (!phases)
		return;
	heading(out, "PHASES OF CONVERSIONS (from the guest's exit to its re-entry)");
	fprintf(out, "  %-12s %10s %10s %10s %10s %12s %10s %6s\n", "", "p50", "p90", "p99", "max",
		"conversions", "time", "");
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		put_durations(out, phase_names[p], &phases[p].latency);
		fprintf(out, " %12" PRIu64 " %10s", phases[p].count,
			scaled(ns, phases[p].sum_ns, UNIT_NS));
		if (total && p != GMEM_PHASE_fault)
			fprintf(out, " %5.1f%%", (double)phases[p].sum_ns * 100 / (double)total);
		putc('\n', out);
	}
	if (report->digest.nr_slowest)
		fputs("\n  The slowest:\n", out);
	for (i = 0; i < report->digest.nr_slowest; i++) {
		slow = &report->digest.slowest[i];
		put_name(out, slow->vm);
		fprintf(out, " vCPU %u, %s, gpa %#llx, %llu pages, %s:", slow->slow.vcpu,
			direction_names[slow->slow.now.direction % GMEM_DIRECTIONS],
			(unsigned long long)slow->slow.now.gfn << 12,
			(unsigned long long)slow->slow.now.pages,
			exit_names[slow->slow.now.exit % GMEM_GUEST_EXIT_MAX]);
		for (p = 0; p < GMEM_PHASE_MAX; p++) {
			if (slow->slow.now.ns[p] != GMEM_UNKNOWN)
				fprintf(out, " %s %s", phase_names[p],
					scaled(ns, slow->slow.now.ns[p], UNIT_NS));
		}
		putc('\n', out);
	}
}

static void put_sizes(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;
	char from[NUMBER_LEN];
	int i;

	if (!digest_conversions(host))
		return;
	heading(out, "SIZES OF CONVERSIONS (the mean of each VM and interval)");
	fprintf(out, "  %-12s %14s %14s\n", "from", "to private", "to shared");
	for (i = 0; i < DIGEST_SIZES; i++) {
		if (host->sizes[0][i] || host->sizes[1][i])
			fprintf(out, "  %-12s %14" PRIu64 " %14" PRIu64 "\n",
				scaled(from, 1ULL << i, UNIT_PAGES), host->sizes[0][i],
				host->sizes[1][i]);
	}
}

/* --- VMs --- */

static void put_worst(FILE *out, const struct report *report)
{
	static const unsigned int percents[] = { 99 };
	char time[NUMBER_LEN], longest[NUMBER_LEN], private[NUMBER_LEN], resident[NUMBER_LEN];
	const struct digest_vm *vm;
	struct latency both;
	__u64 p99;
	size_t i;

	if (!report->nr_worst)
		return;
	heading(out, "VMS, THE MOST TIME IN CONVERSIONS FIRST");
	fprintf(out, "  %-*s %8s %11s %12s %9s %9s %8s %10s %10s\n", NAME_CELLS, "name", "pid",
		"conversions", "pages", "time", "p99", "errors", "private", "resident");
	for (i = 0; i < report->nr_worst; i++) {
		vm = report->worst[i];
		both = digest_latency(vm);
		put_name(out, vm);
		fprintf(out, " %11" PRIu64 " %12" PRIu64 " %9s %9s %8" PRIu64 " %10s %10s%s%s\n",
			digest_conversions(vm), digest_asked(vm),
			scaled(time, digest_convert_ns(vm), UNIT_NS),
			latency_percentiles(&both, percents, 1, &p99)
				? scaled(longest, p99, UNIT_NS)
				: "-",
			digest_errors(vm),
			vm->private.frames ? scaled(private, vm->private.peak, UNIT_PAGES) : "-",
			scaled(resident, vm->resident.peak, UNIT_PAGES),
			vm->ended ? "  ended: " : "", vm->ended ? vm->why : "");
	}
	if (report->nr_worst < report->digest.nr_vms)
		fprintf(out, "  and %zu more\n", report->digest.nr_vms - report->nr_worst);
}

/* A row of a heat map is a part of the guest's memory, a column a part of the time. */
static void put_heat_of(FILE *out, const struct digest_vm *vm)
{
	const struct timeline *t = &vm->timeline;
	unsigned int slots = timeline_used(t), slot, row, cells = 0, per, i, n;
	struct gmem_heat all = { 0 };
	uint64_t max = 0, sum;

	for (slot = 0; slot < slots; slot++)
		heat_add(&all, &t->heat[slot]);
	cells = heat_cells(&all);
	per = (cells + HEAT_ROWS - 1) / HEAT_ROWS;
	for (n = 0; n < 2; n++) {
		for (row = 0; row * per < cells; row++) {
			if (n)
				fprintf(out, "  %#14" PRIx64 " ",
					(uint64_t)row * per << (all.shift + 12));
			for (slot = 0; slot < slots; slot++) {
				struct gmem_heat heat = { .shift = all.shift };

				heat_add(&heat, &t->heat[slot]);
				for (sum = 0, i = row * per; i < (row + 1) * per && i < cells; i++)
					sum += heat.pages[i];
				if (!n && sum > max)
					max = sum;
				if (n)
					fputs(heat_text(heat_level(sum, max), true), out);
			}
			if (n)
				putc('\n', out);
		}
	}
}

static void put_heat(FILE *out, const struct report *report)
{
	char slot[NUMBER_LEN];
	size_t i, shown = 0;

	if (!(report->digest.looked & WANT_HEAT))
		return;
	heading(out,
		"HEAT OVER TIME (pages asked for by conversions; down: guest address, right: time)");
	for (i = 0; i < report->nr_worst && shown < 3; i++) {
		if (!report->worst[i]->timeline.heat)
			continue;
		put_name(out, report->worst[i]);
		fprintf(out, ", a column is %s\n",
			scaled(slot, report->worst[i]->timeline.slot_ns, UNIT_NS));
		put_heat_of(out, report->worst[i]);
		shown++;
	}
	if (!shown)
		fputs("  no conversions\n", out);
}

static void put_waste(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;
	char peak[NUMBER_LEN], last[NUMBER_LEN];

	if (!(report->digest.looked & WANT_WASTE))
		return;
	heading(out, "MEMORY HELD TWICE");
	if (host->waste_instance.frames)
		fprintf(out, "  %-48s at most %s, at the end %s\n",
			"instance pages that the guest does not use",
			scaled(peak, host->waste_instance.peak, UNIT_PAGES),
			scaled(last, host->waste_instance.last, UNIT_PAGES));
	if (host->waste_backing.frames)
		fprintf(out, "  %-48s at most %s, at the end %s\n",
			"pages of the shared backing that are private",
			scaled(peak, host->waste_backing.peak, UNIT_PAGES),
			scaled(last, host->waste_backing.last, UNIT_PAGES));
}

static void put_errors(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;
	const struct digest_error *e;
	const char *name;
	char number[16];

	heading(out, "ERRORS");
	for (e = host->errors; e < host->errors + host->nr_errors; e++) {
		name = e->error ? strerrorname_np((int)e->error) : FIELD(operation, other);
		snprintf(number, sizeof(number), "%u", e->error);
		fprintf(out, "  %-26s %-12s %12" PRIu64 "\n", op_names[e->op], name ? name : number,
			e->count);
	}
	if (host->inst[GMEM_INST_host_faults_refused])
		fprintf(out, "  %-26s %-12s %12" PRIu64 "\n", FIELD(errors, host_fault),
			FIELD(host_fault, refused), host->inst[GMEM_INST_host_faults_refused]);
	if (!digest_errors(host))
		fputs("  none\n", out);
	if (host->denials)
		fprintf(out, "  of which security modules denied %" PRIu64 "\n", host->denials);
}

static void put_lost(FILE *out, const struct report *report)
{
	const struct digest *d = &report->digest;
	static const char *const helps[] = {
#define X(name, help) help,
		GMEM_LOSSES(X)
#undef X
	};
	uint64_t all = d->missed;
	int n;

	for (n = 0; n < GMEM_LOST_MAX; n++)
		all += d->lost[n];
	heading(out, "LOST");
	for (n = 0; n < GMEM_LOST_MAX; n++) {
		if (d->lost[n])
			fprintf(out, "  %-16s %12" PRIu64 "  %s\n", loss_names[n], d->lost[n],
				helps[n]);
	}
	if (d->missed)
		fprintf(out, "  %-16s %12" PRIu64 "  %s\n", FIELD(lost, missed), d->missed,
			fields[FIELD_lost_missed].help);
	if (!all)
		fputs("  nothing\n", out);
}

/* --- diagnosis --- */

static void put_unchecked(FILE *out, const struct unchecked *u)
{
	int fact;

	fprintf(out, "  %s: ", u->rule->name);
	if (!u->missing) {
		fprintf(out, "record with %s\n", u->rule->record);
		return;
	}
	fputs("this kernel cannot tell", out);
	for (fact = 0; fact < GMEM_FACT_MAX; fact++) {
		if (u->missing & (1U << fact))
			fprintf(out, " %s", fact_names[fact]);
	}
	putc('\n', out);
}

static void put_diagnosis(FILE *out, const struct report *report)
{
	const struct diagnosis *d = &report->diagnosis;
	const struct rule *rule = NULL;
	const struct finding *f;
	unsigned int i, shown = 0;

	heading(out, "DIAGNOSIS");
	if (!d->nr)
		fputs("  no rule applies\n", out);
	for (f = d->findings; f < d->findings + d->nr; f++) {
		if (f->rule != rule) {
			if (rule)
				fprintf(out, "    Do: %s\n\n", rule->advice);
			fprintf(out, "  %s [%s]\n", f->rule->cause, f->rule->name);
			shown = 0;
		}
		rule = f->rule;
		if (++shown > report->nr_worst)
			continue;
		putc(' ', out);
		put_name(out, f->vm);
		fputs(": ", out);
		utf8_print(f->evidence.text, strlen(f->evidence.text), out);
		putc('\n', out);
		if (f->evidence.saving[0])
			fprintf(out, "    Saves: %s\n", f->evidence.saving);
	}
	if (rule)
		fprintf(out, "    Do: %s\n", rule->advice);
	if (d->nr_unchecked)
		fputs("\n  Not checked:\n", out);
	for (i = 0; i < d->nr_unchecked; i++)
		put_unchecked(out, &d->unchecked[i]);
}

int report_text(FILE *out, const struct report *report)
{
	put_recording(out, report);
	put_diagnosis(out, report);
	put_totals(out, report);
	put_latency(out, report);
	put_phases(out, report);
	put_sizes(out, report);
	put_worst(out, report);
	put_heat(out, report);
	put_waste(out, report);
	put_errors(out, report);
	put_lost(out, report);
	return fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
}
