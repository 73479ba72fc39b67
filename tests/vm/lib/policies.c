// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "../../../src/policy/compile.h"
#include "policies.h"
#include "../../../src/ctl/kernel/policy_file.h"

struct load_report policy_report;
struct gmem_denial policy_events[256];

static unsigned int nr_events;

char *policy_text(unsigned int deny, const char *fmt, ...)
{
	char *text, *rest;
	va_list args;
	int op, len;

	text = malloc(1 << 20);
	len = sprintf(text, "version: 1\nname: test\nmode: enforce\ndefault: { ");
	for (op = 0; op < GMEM_DO_MAX; op++)
		len += sprintf(text + len, "%s%s: %s", op ? ", " : "", operation_names[op],
			       deny >> op & 1 ? "deny" : "allow");
	len += sprintf(text + len, " }\n");
	va_start(args, fmt);
	if (vasprintf(&rest, fmt, args) < 0)
		abort();
	va_end(args);
	strcpy(text + len, rest);
	free(rest);
	return text;
}

int policy_load(const char *text, bool enforce, unsigned int flags)
{
	struct load_options opts = {
		.enforce = enforce,
		.dry_run = flags & POLICY_DRY_RUN,
		.strict = flags & POLICY_STRICT,
		.adopt = flags & POLICY_ADOPT,
		.deny_existing = !(flags & POLICY_STOP),
		.accept_default_change = !(flags & POLICY_SAME_DEFAULT),
		.lock = flags & POLICY_LOCK,
		.trust_running = !(flags & POLICY_NO_TRUST),
	};
	struct policy_file file;
	int ret;

	load_report_free(&policy_report);
	ret = policy_open_text(text, strlen(text), "test.yaml", true, &file);
	if (ret == -EBADMSG)
		diags_print(&file.diags, stdout);
	if (!ret)
		ret = loader_load(&file.compiled, &opts, &policy_report);
	policy_close(&file);
	return ret;
}

void policy_unload(void)
{
	struct pins pins = { .dir = PINS_DEFAULT };
	int ret = pins_exist(&pins) > 0 ? loader_unload(NULL) : 0;

	if (ret) {
		printf("unload: %s\n", strerror(-ret));
		exit(1);
	}
}

void policy_status(struct loader_status *status)
{
	if (loader_status(NULL, status)) {
		printf("status: no answer\n");
		exit(1);
	}
}

__u64 policy_rule_hits(unsigned int rule, enum gmem_verdict verdict)
{
	static struct loader_shown shown;
	__u64 n;

	if (loader_show(NULL, &shown)) {
		printf("show: no answer\n");
		exit(1);
	}
	n = shown.rules[rule].n[verdict];
	loader_shown_free(&shown);
	return n;
}

static int take(void *data, void *event, size_t size)
{
	(void)data;
	if (size >= sizeof(policy_events[0]) &&
	    nr_events < sizeof(policy_events) / sizeof(policy_events[0]))
		policy_events[nr_events++] = *(const struct gmem_denial *)event;
	return 0;
}

unsigned int policy_read_events(void)
{
	struct ring_buffer *ring;
	struct pins pins;
	int fd;

	nr_events = 0;
	fd = pins_open(&pins, NULL, false) ?: pins_map(&pins, MAP_denials);
	ring = fd < 0 ? NULL : ring_buffer__new(fd, take, NULL, NULL);
	if (ring)
		ring_buffer__consume(ring);
	ring_buffer__free(ring);
	if (fd >= 0)
		close(fd);
	return nr_events;
}
