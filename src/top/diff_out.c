// SPDX-License-Identifier: GPL-2.0-only
/* A comparison as text and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../lib/json.h"
#include "../lib/utf8.h"
#include "columns.h"
#include "diff.h"
#include "tui_text.h"

#define PERCENTS 7

static const unsigned int percents[PERCENTS] = { 10, 25, 50, 75, 90, 99, 100 };

static const char *const names[2] = { "a", "b" };

/* VMs to which a rule applies. */
static uint64_t findings_of(const struct diagnosis *diagnosis, const struct rule *rule)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < diagnosis->nr; i++)
		n += diagnosis->findings[i].rule == rule;
	return n;
}

static bool checked(const struct diagnosis *diagnosis, const struct rule *rule)
{
	unsigned int i;

	for (i = 0; i < diagnosis->nr_unchecked; i++) {
		if (diagnosis->unchecked[i].rule == rule)
			return false;
	}
	return true;
}

/* --- text --- */

static void put_measure(FILE *out, const struct diff *diff, enum measure m)
{
	char text[2][NUMBER_LEN] = { "-", "-" };
	bool known[2];
	double v[2];
	int i;

	for (i = 0; i < 2; i++) {
		known[i] = measure_of(&diff->digests[i], m, &v[i]);
		if (known[i])
			measure_text(m, v[i], text[i]);
	}
	if (!known[0] && !known[1])
		return;
	if (known[0] && known[1] && v[0] == 0 && v[1] == 0)
		return;
	fprintf(out, "  %-22s %12s %12s", measures[m].name, text[0], text[1]);
	if (known[0] && known[1] && v[0] > 0)
		fprintf(out, " %9.2fx", v[1] / v[0]);
	putc('\n', out);
}

static void put_distribution(FILE *out, const char *name, const struct latency *a,
			     const struct latency *b)
{
	struct distance distance = distance_of(a, b);
	char text[NUMBER_LEN];
	__u64 ns[2][PERCENTS];
	int p;

	if (!distance.known)
		return;
	latency_percentiles(a, percents, PERCENTS, ns[0]);
	latency_percentiles(b, percents, PERCENTS, ns[1]);
	fprintf(out, "\n  %s\n", name);
	for (p = 0; p < PERCENTS; p++) {
		snprintf(text, sizeof(text), percents[p] == 100 ? "max" : "p%u", percents[p]);
		fprintf(out, "    %-20s", text);
		format_number(text, ns[0][p] * 100, UNIT_NS, false);
		fprintf(out, " %12s", text);
		format_number(text, ns[1][p] * 100, UNIT_NS, false);
		fprintf(out, " %12s", text);
		if (ns[0][p])
			fprintf(out, " %9.2fx", (double)ns[1][p] / (double)ns[0][p]);
		putc('\n', out);
	}
	format_number(text, distance.at_ns * 100, UNIT_NS, false);
	if (distance.most <= distance.chance)
		fprintf(out,
			"    No difference beyond chance: %.1f %% at most, chance explains %.1f %%.\n",
			distance.most * 100, distance.chance * 100);
	else
		fprintf(out,
			"    B is %s: within %s, the part of all conversions that was done is %.1f %% "
			"%s (chance explains %.1f %%).\n",
			distance.slower ? "slower" : "faster", text, distance.most * 100,
			distance.slower ? "smaller" : "larger", distance.chance * 100);
}

static void put_rules(FILE *out, const struct diff *diff)
{
	const struct rule *rule;
	uint64_t n[2];
	bool any = false;

	fputs("\nDIAGNOSIS (VMs to which a rule applies)\n", out);
	for (rule = rules; rule < rules + nr_rules; rule++) {
		n[0] = findings_of(&diff->diagnoses[0], rule);
		n[1] = findings_of(&diff->diagnoses[1], rule);
		if (!n[0] && !n[1])
			continue;
		any = true;
		fprintf(out, "  %-22s", rule->name);
		if (checked(&diff->diagnoses[0], rule))
			fprintf(out, " %12" PRIu64, n[0]);
		else
			fprintf(out, " %12s", "-");
		if (checked(&diff->diagnoses[1], rule))
			fprintf(out, " %12" PRIu64 "\n", n[1]);
		else
			fprintf(out, " %12s\n", "-");
	}
	if (!any)
		fputs("  no rule applies\n", out);
}

static void put_conditions(FILE *out, const struct diff *diff)
{
	unsigned int i;
	bool known, crossed;

	if (!diff->nr_conditions)
		return;
	fputs("\nCONDITIONS\n", out);
	for (i = 0; i < diff->nr_conditions; i++) {
		crossed = diff_crossed(diff, &diff->conditions[i], &known);
		fprintf(out, "  %-40s %s\n", diff->conditions[i].text,
			!known	  ? "unknown"
			: crossed ? "FAILED: it holds"
				  : "ok: it does not hold");
	}
}

int diff_text(FILE *out, const struct diff *diff)
{
	struct latency both[2] = { digest_latency(&diff->digests[0].host),
				   digest_latency(&diff->digests[1].host) };
	enum measure m;
	int i;

	for (i = 0; i < 2; i++) {
		fprintf(out, "%s: ", i ? "B" : "A");
		utf8_print(diff->paths[i], strlen(diff->paths[i]), out);
		fputs(", kernel ", out);
		utf8_print(diff->digests[i].kernel, strlen(diff->digests[i].kernel), out);
		fprintf(out, ", %" PRIu64 " frames%s\n", diff->digests[i].frames,
			diff->digests[i].lower_bounds
				? "; events were lost, counters are lower bounds"
				: "");
	}
	fprintf(out, "\n  %-22s %12s %12s %10s\n", "", "A", "B", "B/A");
	for (m = 0; m < NR_MEASURES; m++)
		put_measure(out, diff, m);
	fputs("\nDISTRIBUTION OF DURATIONS\n", out);
	for (i = 0; i < GMEM_DIRECTIONS; i++)
		put_distribution(out, direction_names[i], &diff->digests[0].host.latency[i],
				 &diff->digests[1].host.latency[i]);
	put_distribution(out, "both", &both[0], &both[1]);
	if (!distance_of(&both[0], &both[1]).known)
		fputs("  not in both recordings\n", out);
	put_rules(out, diff);
	put_conditions(out, diff);
	return fflush(out) || ferror(out) ? -(errno ? errno : EIO) : 0;
}

/* --- JSON --- */

static void json_double(struct json *json, const char *name, bool known, double value)
{
	/* Beyond the range of a fixed point there is nothing that is measured. */
	if (!known || value < 0 || value > 1e12)
		json_null(json, name);
	else
		json_fixed(json, name, (uint64_t)(value * 1e6 + 0.5));
}

static void json_measures(struct json *json, const struct diff *diff)
{
	bool known[2];
	enum measure m;
	double v[2];
	int i;

	json_open(json, "measures", '{');
	for (m = 0; m < NR_MEASURES; m++) {
		json_open(json, measures[m].name, '{');
		for (i = 0; i < 2; i++) {
			known[i] = measure_of(&diff->digests[i], m, &v[i]);
			json_double(json, names[i], known[i], v[i]);
		}
		json_double(json, "ratio", known[0] && known[1] && v[0] > 0, v[1] / v[0]);
		json_str(json, "unit", unit_names[measures[m].unit]);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void json_distribution(struct json *json, const struct diff *diff)
{
	struct distance distance;
	__u64 ns[PERCENTS];
	char name[16];
	int d, i, p;

	json_open(json, "distribution", '{');
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		json_open(json, direction_names[d], '{');
		for (i = 0; i < 2; i++) {
			const struct latency *l = &diff->digests[i].host.latency[d];
			bool known = latency_percentiles(l, percents, PERCENTS, ns);

			json_open(json, names[i], '{');
			for (p = 0; p < PERCENTS; p++) {
				snprintf(name, sizeof(name),
					 percents[p] == 100 ? "max_ns" : "p%u_ns", percents[p]);
				if (known)
					json_u64(json, name, ns[p]);
				else
					json_null(json, name);
			}
			json_close(json, '}');
		}
		distance = distance_of(&diff->digests[0].host.latency[d],
				       &diff->digests[1].host.latency[d]);
		json_double(json, "distance", distance.known, distance.most);
		json_double(json, "distance_by_chance", distance.known, distance.chance);
		json_double(json, "distance_at_ns", distance.known, (double)distance.at_ns);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void json_rules(struct json *json, const struct diff *diff)
{
	const struct rule *rule;
	int i;

	json_open(json, "findings", '{');
	for (rule = rules; rule < rules + nr_rules; rule++) {
		json_open(json, rule->name, '{');
		for (i = 0; i < 2; i++) {
			if (checked(&diff->diagnoses[i], rule))
				json_u64(json, names[i], findings_of(&diff->diagnoses[i], rule));
			else
				json_null(json, names[i]);
		}
		json_close(json, '}');
	}
	json_close(json, '}');
}

int diff_json(FILE *out, const struct diff *diff)
{
	struct json json = { 0 };
	bool known, crossed;
	unsigned int i;
	int ret;

	json_open(&json, NULL, '{');
	json_u64(&json, FIELD(frame, version), 1);
	for (i = 0; i < 2; i++) {
		json_open(&json, names[i], '{');
		json_str(&json, "file", diff->paths[i]);
		json_str(&json, FIELD(frame, kernel), diff->digests[i].kernel);
		json_u64(&json, "frames", diff->digests[i].frames);
		json_bool(&json, FIELD(frame, lower_bounds), diff->digests[i].lower_bounds);
		json_close(&json, '}');
	}
	json_measures(&json, diff);
	json_distribution(&json, diff);
	json_rules(&json, diff);
	json_open(&json, "conditions", '[');
	for (i = 0; i < diff->nr_conditions; i++) {
		crossed = diff_crossed(diff, &diff->conditions[i], &known);
		json_open(&json, NULL, '{');
		json_str(&json, "condition", diff->conditions[i].text);
		if (known)
			json_bool(&json, "holds", crossed);
		else
			json_null(&json, "holds");
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	ret = json_flush_line(&json, out);
	json_free(&json);
	return ret;
}
