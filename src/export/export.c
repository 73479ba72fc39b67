// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "../lib/exits.h"
#include "../lib/log.h"
#include "../lib/namespaces.h"
#include "../lib/opts.h"
#include "../lib/stop.h"
#include "../lib/version.h"
#include "collect.h"
#include "export.h"
#include "serve.h"
#include "../top/session.h"
#include "textfile.h"
#include "tls_files.h"
#include "web_auth.h"

#define DEFAULT_VMS	   10000
#define DEFAULT_LISTED	   "top:20"
#define DEFAULT_MIN_NS	   NS_PER_S
#define DEFAULT_TEXTFILE_S 15
#define MAX_SIZE	   1000000

struct options {
	const char *listen, *textfile, *vms, *tls_cert, *tls_key, *web_auth, *replay;
	uint64_t interval_ns, min_interval_ns, max_vms, max_instances;
	bool waste, redundant, no_created, exemplars, metrics, version, help;
	int verbose;
};

#define AT(member) offsetof(struct options, member)

static const struct opt table[] = {
	{ "listen", "ADDR:PORT",
	  "serve HTTP there (" DEFAULT_LISTEN "); without an address on 127.0.0.1", AT(listen),
	  OPT_STRING, 'l' },
	{ "textfile", "FILE",
	  "write metrics to a file, for node_exporter; no HTTP without --listen", AT(textfile),
	  OPT_STRING, 0 },
	{ "interval", "SECONDS", "time between two writes of the file (15)", AT(interval_ns),
	  OPT_DURATION, 'i' },
	{ "vms", "WHICH",
	  "VMs with series of their own: top:N, none or regex:RE (" DEFAULT_LISTED ")", AT(vms),
	  OPT_STRING, 0 },
	{ "min-interval", "SECONDS", "serve a frame again until it is that old (1)",
	  AT(min_interval_ns), OPT_DURATION, 0 },
	{ "waste", NULL, "memory that is held twice too: inspects every page for each frame",
	  AT(waste), OPT_FLAG, 'w' },
	{ "no-created", NULL, "leave out when each counter began: half as many series",
	  AT(no_created), OPT_FLAG, 0 },
	{ "exemplars", NULL, "which VM had the longest conversions, in buckets of durations",
	  AT(exemplars), OPT_FLAG, 0 },
	{ "tls-cert", "FILE", "serve HTTPS with this certificate and its chain (PEM)", AT(tls_cert),
	  OPT_STRING, 0 },
	{ "tls-key", "FILE", "the private key of the certificate (PEM)", AT(tls_key), OPT_STRING,
	  0 },
	{ "web-auth", "FILE", "ask for a name and a password: lines of htpasswd -B", AT(web_auth),
	  OPT_STRING, 0 },
	{ "max-vms", "N", "count N VMs at most (10000)", AT(max_vms), OPT_NUMBER, 0 },
	{ "max-instances", "N", "count N instances at most (10000)", AT(max_instances), OPT_NUMBER,
	  0 },
	{ "redundant", NULL, "count redundant conversions even where that makes each one slower",
	  AT(redundant), OPT_FLAG, 'r' },
	{ "replay", "FILE", "a recording of --json instead of the kernel: a frame for each scrape",
	  AT(replay), OPT_STRING, 0 },
	{ "metrics", NULL, "print the list of metrics: name, type, labels, meaning", AT(metrics),
	  OPT_FLAG, 0 },
	{ "verbose", NULL, "libbpf's messages too (twice: all of them)", AT(verbose), OPT_COUNT,
	  'v' },
	{ "version", NULL, "print the version", AT(version), OPT_FLAG, 'V' },
	{ "help", NULL, "this text", AT(help), OPT_FLAG, 'h' },
	{ 0 },
};

struct exporter {
	struct serve_source source; /* first */
	const struct options *opts;
	struct collect_options collect;
	struct collector *collector;
	struct listeners listeners;
	struct tls_files tls;
	struct web_auth *auth;
	struct server *server;
	uint64_t write_ns;    /* when the file is due */
	uint64_t watchdog_ns; /* how often systemd wants to hear from us, 0: it does not */
	uint64_t watched_ns;
};

/* --- what is served --- */

static int get(struct serve_source *source, enum metrics_format format, const struct text **text,
	       uint64_t *serial)
{
	struct exporter *exporter = (struct exporter *)source;

	collect_refresh(exporter->collector);
	*serial = collect_serial(exporter->collector);
	return collect_text(exporter->collector, format, text);
}

static bool healthy(struct serve_source *source)
{
	return collect_healthy(((struct exporter *)source)->collector);
}

/* --- options --- */

static int check(const struct options *opts, struct exporter *exporter)
{
	int ret;

	if (!opts->tls_cert != !opts->tls_key)
		return log_error(-EINVAL, "each needs the other", NULL, "--tls-cert and --tls-key");
	if (opts->max_vms > MAX_SIZE || opts->max_instances > MAX_SIZE)
		return log_error(-EINVAL, "1000000 is the most", NULL,
				 "--max-vms, --max-instances");
	if (!opts->interval_ns)
		return log_error(-EINVAL, "0 is too short", NULL, "--interval");
	ret = vms_choice_parse(opts->vms, &exporter->collect.vms);
	if (ret)
		return ret;
	exporter->collect.replay = opts->replay;
	exporter->collect.min_interval_ns = opts->min_interval_ns;
	exporter->collect.want = opts->waste ? WANT_WASTE : 0;
	exporter->collect.no_created = opts->no_created;
	exporter->collect.exemplars = opts->exemplars;
	exporter->collect.sizes.max_vms = (unsigned int)opts->max_vms;
	exporter->collect.sizes.max_instances = (unsigned int)opts->max_instances;
	exporter->collect.sizes.redundant = opts->redundant;
	return 0;
}

/* Before any program is loaded: what can fail cheaply fails first. */
static int open_sockets(const struct options *opts, struct exporter *exporter)
{
	int ret;

	ret = listen_inherit(&exporter->listeners);
	if (!ret && (opts->listen || (!exporter->listeners.nr && !opts->textfile)))
		ret = listen_open(&exporter->listeners, opts->listen ?: DEFAULT_LISTEN);
	if (!ret && opts->tls_cert)
		ret = tls_files_load(&exporter->tls, opts->tls_cert, opts->tls_key);
	if (!ret && opts->web_auth)
		ret = web_auth_load(&exporter->auth, opts->web_auth);
	if (!ret && exporter->listeners.exposed && (!opts->tls_cert || !opts->web_auth))
		log_note("other hosts can read the metrics %s",
			 !opts->web_auth ? "without a password" : "and passwords in clear text");
	if (!ret && exporter->listeners.nr)
		exporter->collect.requests = exporter->source.requests;
	return ret;
}

/* --- the loop --- */

static int write_file(struct exporter *exporter)
{
	const struct text *text;
	int ret;

	collect_refresh(exporter->collector);
	ret = collect_text(exporter->collector, METRICS_TEXT, &text);
	if (ret)
		return log_error(ret, NULL, NULL, "write %s", exporter->opts->textfile);
	exporter->write_ns = now_ns() + exporter->opts->interval_ns;
	return textfile_write(exporter->opts->textfile, text->data, text->len);
}

static void feed_watchdog(struct exporter *exporter)
{
	if (!exporter->watchdog_ns || now_ns() - exporter->watched_ns < exporter->watchdog_ns)
		return;
	sd_notify(0, "WATCHDOG=1");
	exporter->watched_ns = now_ns();
}

/* @ms: -1: never */
static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int until(uint64_t ns)
{
	uint64_t now = now_ns();

	return ns <= now ? 0 : (int)((ns - now) / (NS_PER_S / 1000)) + 1;
}

static int loop(struct exporter *exporter)
{
	struct pollfd fds[MAX_LISTENERS];
	int nr = 0, ret = 0, ms;

	while (!stop_asked && !ret) {
		ms = collect_idle(exporter->collector);
		if (exporter->opts->textfile && !until(exporter->write_ns))
			ret = write_file(exporter);
		if (exporter->opts->textfile)
			ms = sooner(ms, until(exporter->write_ns));
		feed_watchdog(exporter);
		if (exporter->watchdog_ns)
			ms = sooner(ms, until(exporter->watched_ns + exporter->watchdog_ns));
		if (exporter->server) {
			nr = serve_poll(exporter->server, fds);
			ms = sooner(ms, serve_timeout(exporter->server));
		}
		if (ret || stop_asked)
			break;
		if (poll(fds, (nfds_t)nr, ms) < 0 && errno != EINTR)
			ret = log_error(-errno, NULL, NULL, "wait for requests");
		if (exporter->server)
			serve_run(exporter->server);
	}
	return ret;
}

static int run(const struct options *opts, struct exporter *exporter)
{
	uint64_t us;
	int ret;

	ret = open_sockets(opts, exporter);
	if (!ret)
		ret = collect_open(&exporter->collector, &exporter->collect);
	if (!ret && exporter->listeners.nr)
		ret = serve_start(&exporter->server, &exporter->source, &exporter->listeners,
				  opts->tls_cert ? &exporter->tls : NULL, exporter->auth);
	if (!ret && opts->textfile)
		ret = write_file(exporter);
	if (ret)
		return ret;
	if (sd_watchdog_enabled(0, &us) > 0)
		exporter->watchdog_ns = us * 1000 / 2;
	sd_notify(0, "READY=1");
	ret = loop(exporter);
	sd_notify(0, "STOPPING=1");
	return ret;
}

static void release(struct exporter *exporter)
{
	serve_stop(exporter->server);
	collect_close(exporter->collector);
	listen_close(&exporter->listeners);
	tls_files_free(&exporter->tls);
	web_auth_free(exporter->auth);
	vms_choice_free(&exporter->collect.vms);
}

int export_main(int argc, char **argv)
{
	struct options opts = { .vms = DEFAULT_LISTED,
				.interval_ns = DEFAULT_TEXTFILE_S * NS_PER_S,
				.min_interval_ns = DEFAULT_MIN_NS,
				.max_vms = DEFAULT_VMS,
				.max_instances = DEFAULT_VMS };
	struct exporter exporter = { .source = { .get = get, .healthy = healthy }, .opts = &opts };
	int ret;

	log_setup("gmemtop export", false, 0);
	if (opts_parse(table, &opts, argc, argv))
		return GMEM_EXIT_USAGE;
	log_setup("gmemtop export", false, opts.verbose);
	if (opts.help) {
		opts_usage(table, "Usage: gmemtop export [OPTION]...\n\n"
				  "Metrics for Prometheus of what the VMs of this host do with "
				  "guest_memfd.\n");
		return GMEM_EXIT_OK;
	}
	if (opts.version) {
		printf("gmemtop %s\n", gmem_version);
		return GMEM_EXIT_OK;
	}
	if (opts.metrics) {
		metrics_print_list();
		return GMEM_EXIT_OK;
	}
	session_catch_signals();
	ret = check(&opts, &exporter);
	if (!ret && !opts.replay)
		ret = namespaces_check("watch VMs");
	if (!ret)
		ret = run(&opts, &exporter);
	release(&exporter);
	/* It was told to end before it had begun. */
	return ret == -EINTR ? GMEM_EXIT_OK : ret;
}
