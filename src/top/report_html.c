// SPDX-License-Identifier: GPL-2.0-only
/* A report as one HTML page: charts are inline SVG (report_svg.c), and there is no script. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "report.h"
#include "report_svg.h"
#include "tui_text.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\"/>\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	"<title>gmemtop report</title>\n<style>\n"
	"body { font: 15px/1.45 system-ui, sans-serif; color: #1d2330; background: #fff; margin: 2em auto; "
	"max-width: 1060px; padding: 0 1em; }\n"
	"h1 { font-size: 1.5em; margin-bottom: .2em; } h2 { font-size: 1.15em; margin: 2em 0 .6em; "
	"border-bottom: 1px solid #d5d9e2; }\n"
	"h3 { font-size: 1em; margin: 1.2em 0 .3em; } p { margin: .3em 0; }\n"
	"table { border-collapse: collapse; width: 100%; } th, td { text-align: right; padding: .2em .6em; "
	"border-bottom: 1px solid #e6e9ef; font-variant-numeric: tabular-nums; }\n"
	"th { font-weight: 600; color: #566; } td.t, th.t { text-align: left; }\n"
	".finding { border-left: 4px solid #d9822b; background: #fdf6ec; padding: .5em .9em; margin: .7em 0; }\n"
	".none { border-left-color: #3a8f5c; background: #eef7f1; }\n"
	".muted { color: #667; } code { background: #eef0f4; padding: 0 .25em; }\n"
	"svg { width: 100%; height: auto; display: block; } svg text { font: 11px system-ui, sans-serif; "
	"fill: #556; }\n"
	".key span { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }\n"
	"</style></head><body>\n";

static const char *scaled(char *buf, uint64_t value, enum unit unit)
{
	format_number(buf, value * 100, unit, true);
	return buf;
}

static void put_time(FILE *out, uint64_t ns)
{
	char buf[TIME_LEN];

	svg_text(out, report_time(buf, ns, true));
}

static void put_head(FILE *out, const struct report *report)
{
	const struct digest *d = &report->digest;
	char buf[NUMBER_LEN];

	fputs(head, out);
	fputs("<h1>What VMs did with guest_memfd</h1>\n<p class=\"muted\">", out);
	svg_text(out, report->path);
	fputs(": ", out);
	put_time(out, d->first_ns);
	fputs(" to ", out);
	put_time(out, d->last_ns);
	fprintf(out, ", %" PRIu64 " frames that cover %s", d->frames,
		scaled(buf, d->watched_ns, UNIT_NS));
	if (d->runs > 1)
		fprintf(out, " in %u runs of a recorder", d->runs);
	fputs("; kernel ", out);
	svg_text(out, d->kernel);
	fprintf(out, "; %zu VM%s</p>\n", d->nr_vms, d->nr_vms == 1 ? "" : "s");
	if (d->middle)
		fputs("<p>The recording begins in the middle of a recorder's run: what the first frame "
		      "had counts as the base.</p>\n",
		      out);
	if (d->lower_bounds)
		fputs("<p><strong>Some events were lost: all counters are lower bounds.</strong></p>\n",
		      out);
}

static void put_vm_name(FILE *out, const struct digest_vm *vm)
{
	svg_text(out, vm->name[0] ? vm->name : "-");
	fprintf(out, " (pid %u)", vm->pid);
}

/* --- diagnosis --- */

static void put_unchecked(FILE *out, const struct diagnosis *d)
{
	const struct unchecked *u;
	int fact;

	if (!d->nr_unchecked)
		return;
	fputs("<p class=\"muted\">Not checked:", out);
	for (u = d->unchecked; u < d->unchecked + d->nr_unchecked; u++) {
		fprintf(out, "%s %s (", u > d->unchecked ? ";" : "", u->rule->name);
		if (!u->missing)
			fprintf(out, "record with %s", u->rule->record);
		else
			fputs("this kernel cannot tell", out);
		for (fact = 0; fact < GMEM_FACT_MAX; fact++) {
			if (u->missing & (1U << fact))
				fprintf(out, " %s", fact_names[fact]);
		}
		putc(')', out);
	}
	fputs("</p>\n", out);
}

static void put_diagnosis(FILE *out, const struct report *report)
{
	const struct diagnosis *d = &report->diagnosis;
	const struct finding *f, *end = d->findings + d->nr;
	unsigned int shown;

	fputs("<h2>Diagnosis</h2>\n", out);
	if (!d->nr)
		fputs("<div class=\"finding none\">No rule applies.</div>\n", out);
	for (f = d->findings; f < end;) {
		const struct rule *rule = f->rule;

		fputs("<div class=\"finding\"><h3>", out);
		svg_text(out, rule->cause);
		fprintf(out, " <code>%s</code></h3>\n", rule->name);
		for (shown = 0; f < end && f->rule == rule; f++) {
			if (++shown > report->nr_worst)
				continue;
			fputs("<p><strong>", out);
			put_vm_name(out, f->vm);
			fputs("</strong>: ", out);
			svg_text(out, f->evidence.text);
			if (f->evidence.saving[0]) {
				fputs(". Saves ", out);
				svg_text(out, f->evidence.saving);
			}
			fputs(".</p>\n", out);
		}
		fputs("<p><em>", out);
		svg_text(out, rule->advice);
		fputs("</em></p></div>\n", out);
	}
	put_unchecked(out, d);
}

/* --- charts --- */

static void put_over_time(FILE *out, const struct report *report)
{
	const struct timeline *t = &report->digest.host.timeline;
	const struct svg_series work[] = {
		{ "conversions", "#3b6fb6", offsetof(struct timeline_slot, conversions),
		  UNIT_COUNT },
		{ "guest faults", "#d9822b", offsetof(struct timeline_slot, faults), UNIT_COUNT },
		{ "errors", "#c23030", offsetof(struct timeline_slot, errors), UNIT_COUNT },
	};
	const struct svg_series memory[] = {
		{ "private", "#6f4fa3", offsetof(struct timeline_slot, private), UNIT_PAGES },
		{ "in memory", "#3a8f5c", offsetof(struct timeline_slot, resident), UNIT_PAGES },
		{ "held twice", "#c23030", offsetof(struct timeline_slot, waste), UNIT_PAGES },
	};
	bool waste = report->digest.looked & WANT_WASTE;
	char buf[NUMBER_LEN];

	fprintf(out, "<h2>Over time</h2>\n<p class=\"muted\">All VMs; a step is %s.</p>\n",
		scaled(buf, t->slot_ns, UNIT_NS));
	svg_timeline(out, t, work, 3, "What happened in each step");
	svg_timeline(out, t, memory, waste ? 3 : 2, "Memory, the most of each step");
}

static void put_durations(FILE *out, const struct report *report)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	const struct digest_vm *host = &report->digest.host;
	char buf[NUMBER_LEN];
	__u64 ns[3];
	int d, i;

	if (!(report->digest.facts & FACT(convert)))
		return;
	fputs("<h2>Durations of conversions</h2>\n<table><tr><th class=\"t\">direction</th>"
	      "<th>conversions</th><th>p50</th><th>p90</th><th>p99</th><th>max</th></tr>\n",
	      out);
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		fprintf(out, "<tr><td class=\"t\">%s</td><td>%" PRIu64 "</td>", direction_names[d],
			host->c[GMEM_VM_to_private + d * GMEM_PER_DIRECTION]);
		if (latency_percentiles(&host->latency[d], percents, 3, ns)) {
			for (i = 0; i < 3; i++)
				fprintf(out, "<td>%s</td>", scaled(buf, ns[i], UNIT_NS));
			fprintf(out, "<td>%s</td></tr>\n",
				scaled(buf, host->latency[d].max_ns, UNIT_NS));
		} else {
			fputs("<td>-</td><td>-</td><td>-</td><td>-</td></tr>\n", out);
		}
	}
	fputs("</table>\n", out);
	svg_histogram(out, host->latency);
	if (digest_conversions(host)) {
		fputs("<h2>Sizes of conversions</h2>\n<p class=\"muted\">The mean of each VM and "
		      "interval.</p>\n",
		      out);
		svg_sizes(out, host->sizes);
	}
}

static void put_phases(FILE *out, const struct report *report)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	const struct digest_phase *phases = report->digest.host.phases;
	char buf[NUMBER_LEN];
	unsigned int p, i;
	__u64 ns[3];

	if (!phases)
		return;
	fputs("<h2>Phases of conversions</h2>\n<p class=\"muted\">From the guest's exit to its "
	      "re-entry.</p>\n<table><tr><th class=\"t\">phase</th><th>conversions</th><th>time</th>"
	      "<th>p50</th><th>p90</th><th>p99</th><th>max</th><th class=\"t\">what it is</th></tr>\n",
	      out);
	for (p = 0; p < GMEM_PHASE_MAX; p++) {
		fprintf(out, "<tr><td class=\"t\">%s</td><td>%" PRIu64 "</td><td>%s</td>",
			phase_names[p], phases[p].count, scaled(buf, phases[p].sum_ns, UNIT_NS));
		if (latency_percentiles(&phases[p].latency, percents, 3, ns)) {
			for (i = 0; i < 3; i++)
				fprintf(out, "<td>%s</td>", scaled(buf, ns[i], UNIT_NS));
			fprintf(out, "<td>%s</td>", scaled(buf, phases[p].latency.max_ns, UNIT_NS));
		} else {
			fputs("<td>-</td><td>-</td><td>-</td><td>-</td>", out);
		}
		fputs("<td class=\"t\">", out);
		svg_text(out, phase_texts[p]);
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
	svg_phases(out, phases);
}

static void put_heat(FILE *out, const struct report *report)
{
	size_t i, shown = 0;

	if (!(report->digest.looked & WANT_HEAT))
		return;
	fputs("<h2>Heat over time</h2>\n<p class=\"muted\">Pages asked for by conversions. Up: guest "
	      "address; right: time.</p>\n",
	      out);
	for (i = 0; i < report->nr_worst && shown < 3; i++) {
		if (!report->worst[i]->timeline.heat)
			continue;
		fputs("<h3>", out);
		put_vm_name(out, report->worst[i]);
		fputs("</h3>\n", out);
		svg_heat(out, &report->worst[i]->timeline);
		shown++;
	}
	if (!shown)
		fputs("<p>No conversions.</p>\n", out);
}

/* --- tables --- */

static void put_worst(FILE *out, const struct report *report)
{
	static const unsigned int percents[] = { 99 };
	const struct digest_vm *vm;
	struct latency both;
	char buf[NUMBER_LEN];
	__u64 p99;
	size_t i;

	fputs("<h2>VMs</h2>\n<table><tr><th class=\"t\">name</th><th>conversions</th><th>pages</th>"
	      "<th>time</th><th>p99</th><th>guest faults</th><th>errors</th><th>private</th>"
	      "<th>in memory</th><th class=\"t\">end</th></tr>\n",
	      out);
	for (i = 0; i < report->nr_worst; i++) {
		vm = report->worst[i];
		both = digest_latency(vm);
		fputs("<tr><td class=\"t\">", out);
		put_vm_name(out, vm);
		fprintf(out, "</td><td>%" PRIu64 "</td><td>%" PRIu64 "</td>",
			digest_conversions(vm), digest_asked(vm));
		fprintf(out, "<td>%s</td>", scaled(buf, digest_convert_ns(vm), UNIT_NS));
		fprintf(out, "<td>%s</td>",
			latency_percentiles(&both, percents, 1, &p99) ? scaled(buf, p99, UNIT_NS)
								      : "-");
		fprintf(out, "<td>%" PRIu64 "</td><td>%" PRIu64 "</td>",
			vm->inst[GMEM_INST_guest_faults], digest_errors(vm));
		fprintf(out, "<td>%s</td>",
			vm->private.frames ? scaled(buf, vm->private.peak, UNIT_PAGES) : "-");
		fprintf(out, "<td>%s</td><td class=\"t\">",
			scaled(buf, vm->resident.peak, UNIT_PAGES));
		svg_text(out, vm->ended ? vm->why : "");
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
	if (report->nr_worst < report->digest.nr_vms)
		fprintf(out, "<p class=\"muted\">and %zu more</p>\n",
			report->digest.nr_vms - report->nr_worst);
}

static void put_counter(FILE *out, const char *name, enum unit unit, bool known, uint64_t value,
			const char *help)
{
	char buf[NUMBER_LEN] = "";

	if (known && !value)
		return;
	fprintf(out, "<tr><td class=\"t\"><code>%s</code></td>", name);
	if (known && (unit == UNIT_PAGES || unit == UNIT_NS))
		scaled(buf, value, unit);
	if (known)
		fprintf(out, "<td>%" PRIu64 "</td><td>%s</td>", value, buf);
	else
		fputs("<td>-</td><td></td>", out);
	fputs("<td class=\"t\">", out);
	svg_text(out, help);
	fputs("</td></tr>\n", out);
}

static void put_totals(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;

	fputs("<h2>Totals of all VMs</h2>\n<p class=\"muted\">Counters that are 0 are left out; -: not "
	      "on this kernel.</p>\n<table>\n",
	      out);
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
	fputs("</table>\n", out);
}

static void put_errors(FILE *out, const struct report *report)
{
	const struct digest_vm *host = &report->digest.host;
	const struct digest *d = &report->digest;
	const struct digest_error *e;
	const char *name;
	int n;

	fputs("<h2>Errors and losses</h2>\n<table><tr><th class=\"t\">operation</th>"
	      "<th class=\"t\">error</th><th>how often</th></tr>\n",
	      out);
	for (e = host->errors; e < host->errors + host->nr_errors; e++) {
		name = e->error ? strerrorname_np((int)e->error) : FIELD(operation, other);
		fprintf(out,
			"<tr><td class=\"t\">%s</td><td class=\"t\">%s</td><td>%" PRIu64
			"</td></tr>\n",
			op_names[e->op], name ? name : "?", e->count);
	}
	if (host->inst[GMEM_INST_host_faults_refused])
		fprintf(out,
			"<tr><td class=\"t\">%s</td><td class=\"t\">%s</td><td>%" PRIu64
			"</td></tr>\n",
			FIELD(errors, host_fault), FIELD(host_fault, refused),
			host->inst[GMEM_INST_host_faults_refused]);
	fputs("</table>\n<p class=\"muted\">Lost:", out);
	for (n = 0; n < GMEM_LOST_MAX; n++)
		fprintf(out, " %s %" PRIu64 ",", loss_names[n], d->lost[n]);
	fprintf(out, " %s %" PRIu64 ".</p>\n", FIELD(lost, missed), d->missed);
}

int report_html(FILE *out, const struct report *report)
{
	put_head(out, report);
	put_diagnosis(out, report);
	put_over_time(out, report);
	put_durations(out, report);
	put_phases(out, report);
	put_heat(out, report);
	put_worst(out, report);
	put_totals(out, report);
	put_errors(out, report);
	fputs("</body></html>\n", out);
	return fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
}
