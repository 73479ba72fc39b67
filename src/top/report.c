// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/exits.h"
#include "../lib/log.h"
#include "../lib/opts.h"
#include "out_trace.h"
#include "report.h"
#include "session.h"
#include "source_replay.h"

#define DEFAULT_WORST 10

struct options {
	const char *path, *output, *from, *to;
	uint64_t worst;
	bool json, html, trace, help;
	int verbose;
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "FILE", NULL, "the recording; - for lines of --json on standard input", AT(path),
	  OPT_OPERAND, 0 },
	{ "json", NULL, "one JSON object", AT(json), OPT_FLAG, 0 },
	{ "html", NULL, "one HTML page that needs nothing else", AT(html), OPT_FLAG, 0 },
	{ "trace", NULL, "a trace for Perfetto (ui.perfetto.dev) and Chrome", AT(trace), OPT_FLAG,
	  0 },
	{ "output", "FILE", "write to this file instead of standard output", AT(output), OPT_STRING,
	  'o' },
	{ "vms", "N", "show the N VMs that spent the most time in conversions (10)", AT(worst),
	  OPT_NUMBER, 'n' },
	{ "from", "TIME", "report what comes from there on: 2026-11-30T16:05, 16:05, +60 or -60",
	  AT(from), OPT_STRING, 0 },
	{ "to", "TIME", "report what comes up to there", AT(to), OPT_STRING, 0 },
	{ "verbose", NULL, "libbpf's messages too (twice: all of them)", AT(verbose), OPT_COUNT,
	  'v' },
	{ "help", NULL, "this text", AT(help), OPT_FLAG, 'h' },
	{ 0 },
};

static const char usage[] =
	"Usage: gmemtop report FILE [OPTION]...\n\n"
	"What the VMs of a recording did, and what was wrong: totals, the VMs with the most\n"
	"conversions, errors, and causes of trouble with their evidence.\n";

bool report_knows_vm(const struct report *report, int counter)
{
	return report->digest.host.known_vm >> counter & 1;
}

bool report_knows_inst(const struct report *report, int counter)
{
	return report->digest.host.known_inst >> counter & 1;
}

int report_frames(const char *path, const char *from, const char *to,
		  int (*each)(void *arg, const struct frames *frames, const struct model *model),
		  void *arg)
{
	struct model model = { 0 };
	struct frames *frames;
	bool any = false;
	int ret;

	ret = replay_open(&frames, path);
	if (ret)
		return ret;
	ret = replay_choose(frames, path, from, to);
	if (ret)
		goto out;
	while (!(ret = frames_next(frames, &model))) {
		any = true;
		ret = each(arg, frames, &model);
		if (ret)
			break;
	}
	if (ret == -ENODATA)
		ret = 0;
	if (ret)
		log_error(ret, NULL, NULL, "read %s", path);
	else if (!any)
		ret = log_error(-ENODATA, "it has no frame", NULL, "report %s", path);
	else
		replay_explain(frames, path);
out:
	model_free(&model);
	frames->close(frames);
	return ret;
}

static int add(void *digest, const struct frames *frames, const struct model *model)
{
	return digest_add(digest, frames, model);
}

int report_read(struct digest *digest, const char *path, const char *from, const char *to)
{
	int ret = report_frames(path, from, to, add, digest);

	digest_end(digest);
	return ret;
}

const char *report_time(char buf[TIME_LEN], uint64_t ns, bool zone)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm;

	buf[0] = '\0';
	if (localtime_r(&seconds, &tm))
		strftime(buf, TIME_LEN, zone ? "%Y-%m-%d %H:%M:%S %Z" : "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

static int by_time(const void *a, const void *b)
{
	const struct digest_vm *first = *(const struct digest_vm *const *)a;
	const struct digest_vm *second = *(const struct digest_vm *const *)b;
	uint64_t ns[] = { digest_convert_ns(first), digest_convert_ns(second) };
	uint64_t errors[] = { digest_errors(first), digest_errors(second) };

	if (ns[0] != ns[1])
		return ns[0] < ns[1] ? 1 : -1;
	if (errors[0] != errors[1])
		return errors[0] < errors[1] ? 1 : -1;
	if (first->run != second->run)
		return first->run < second->run ? -1 : 1;
	return first->id < second->id ? -1 : first->id > second->id;
}

static int choose_worst(struct report *report, uint64_t nr)
{
	const struct digest *digest = &report->digest;
	size_t i;

	report->worst = calloc(digest->nr_vms + 1, sizeof(*report->worst));
	if (!report->worst)
		return -ENOMEM;
	for (i = 0; i < digest->nr_vms; i++)
		report->worst[i] = digest->vms[i];
	qsort(report->worst, digest->nr_vms, sizeof(*report->worst), by_time);
	report->nr_worst = digest->nr_vms < nr ? digest->nr_vms : (size_t)nr;
	return 0;
}

static int trace(void *arg, const struct frames *frames, const struct model *model)
{
	return trace_frame(arg, frames, model);
}

/* Frame by frame, without a digest of all. */
static int write_trace(const struct options *opts, FILE *out)
{
	struct trace *writer = trace_begin(out);
	int ret, end;

	if (!writer)
		return log_error(-ENOMEM, NULL, NULL, "trace %s", opts->path);
	ret = report_frames(opts->path, opts->from, opts->to, trace, writer);
	end = trace_end(writer);
	return ret ? ret : end;
}

static int write_report(const struct options *opts, FILE *out)
{
	struct report report = { .path = opts->path };
	int ret;

	ret = report_read(&report.digest, opts->path, opts->from, opts->to);
	if (!ret) {
		ret = diagnose(&report.diagnosis, &report.digest);
		if (!ret)
			ret = choose_worst(&report, opts->worst);
		if (ret)
			log_error(ret, NULL, NULL, "report %s", opts->path);
	}
	if (!ret && opts->json)
		ret = report_json(out, &report);
	else if (!ret)
		ret = opts->html ? report_html(out, &report) : report_text(out, &report);
	free(report.worst);
	diagnosis_free(&report.diagnosis);
	digest_free(&report.digest);
	return ret;
}

int report_main(int argc, char **argv)
{
	struct options opts = { .worst = DEFAULT_WORST };
	FILE *out;
	int ret, i;

	/* Errors in the options themselves are JSON already. */
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
	if (!opts.path)
		return log_error(-EINVAL, "no recording to report", "name its file",
				 "gmemtop report");
	if (opts.json + opts.html + opts.trace > 1)
		return log_error(-EINVAL, "choose one", NULL, "--json, --html and --trace");
	session_catch_signals();
	out = opts.output ? fopen(opts.output, "w") : stdout;
	if (!out)
		return log_error(-errno, NULL, NULL, "write %s", opts.output);
	ret = opts.trace ? write_trace(&opts, out) : write_report(&opts, out);
	/* What could not be written to standard output output_end() explains. */
	if (out == stdout)
		return ret;
	if (fclose(out) && !ret)
		ret = -errno;
	return ret && !log_has_said() ? log_error(ret, NULL, NULL, "write %s", opts.output) : ret;
}
