// SPDX-License-Identifier: GPL-2.0-only
/*
 * The language of scenarios: one operation per line (or between semicolons), arguments as key=value.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"
#include "workload.h"

#define K(key) (1U << KEY_##key)

enum key {
	KEY_INST,
	KEY_SIZE,
	KEY_FLAGS,
	KEY_GPA,
	KEY_OFFSET,
	KEY_SLOT,
	KEY_FD,
	KEY_TO,
	KEY_ATTRIBUTES,
	KEY_BY,
	KEY_VCPU,
	KEY_READ,
	KEY_MODE,
	KEY_INTERRUPT,
	KEY_PRIVATE,
	KEY_DO,
	KEY_HOLD,
	KEY_OPS,
	KEY_RATE,
	KEY_DURATION,
	KEY_PAUSE,
	KEY_PAGES,
	KEY_KINDS,
	KEY_TIMES,
	KEY_STEP,
	KEY_EXPECT,
	NR_KEYS,
};

static const char *const key_names[NR_KEYS] = {
	"inst",	   "size",	 "flags", "gpa",  "offset", "slot",	"fd",
	"to",	   "attributes", "by",	  "vcpu", "read",   "mode",	"interrupt",
	"private", "do",	 "hold",  "ops",  "rate",   "duration", "pause",
	"pages",   "kinds",	 "times", "step", "expect",
};

#define COMMON (K(TIMES) | K(STEP) | K(EXPECT) | K(VCPU))

struct op_desc {
	const char *name;
	u32 keys;
	const char *help;
};

static const struct op_desc op_descs[NR_OPS] = {
	[OP_CREATE] = { "create", COMMON | K(INST) | K(SIZE) | K(FLAGS),
			"a guest_memfd instance, size= and flags= as the options say unless given" },
	[OP_CLOSE] = { "close", COMMON | K(INST), "the VMM's fd of the instance" },
	[OP_BIND] = { "bind", COMMON | K(INST) | K(SLOT) | K(GPA) | K(SIZE) | K(OFFSET) | K(FD),
		      "a memslot to a range of the instance; fd=N or fd=null gives a wrong fd" },
	[OP_UNBIND] = { "unbind", COMMON | K(SLOT), "delete the memslot (slot=2 unless given)" },
	[OP_CONVERT] = { "convert",
			 COMMON | K(INST) | K(GPA) | K(SIZE) | K(TO) | K(ATTRIBUTES) | K(FLAGS) |
				 K(BY),
			 "to=private|shared or attributes=N; by=host (explicit) or by=hypercall (the guest asks)" },
	[OP_TOUCH] = { "touch", COMMON | K(INST) | K(GPA) | K(SIZE) | K(READ),
		       "the guest writes (read=yes: reads) one word of every page; private pages without "
		       "instance become KVM_EXIT_MEMORY_FAULT and an implicit conversion to shared" },
	[OP_PREFAULT] = { "prefault", COMMON | K(INST) | K(GPA) | K(SIZE), "KVM_PRE_FAULT_MEMORY" },
	[OP_ALLOCATE] = { "allocate",
			  COMMON | K(INST) | K(OFFSET) | K(SIZE) | K(MODE) | K(INTERRUPT),
			  "fallocate; interrupt=US sends signals at this interval (the range must be empty)" },
	[OP_PUNCH] = { "punch", COMMON | K(INST) | K(OFFSET) | K(SIZE) | K(MODE), "a hole" },
	[OP_MMAP] = { "mmap", COMMON | K(INST) | K(OFFSET) | K(SIZE) | K(PRIVATE),
		      "keep a mapping of the instance; private=yes asks for MAP_PRIVATE" },
	[OP_MUNMAP] = { "munmap", COMMON | K(INST), "that mapping" },
	[OP_HOST_TOUCH] = { "host-touch", COMMON | K(INST) | K(OFFSET) | K(SIZE) | K(READ),
			    "the VMM touches every page, through the mapping that is kept, else through one of its "
			    "own; refused touches are caught (expect=SIGBUS)" },
	[OP_PASS] = { "pass", COMMON | K(INST) | K(DO) | K(HOLD) | K(OFFSET) | K(SIZE) | K(MODE),
		      "hand the fd to another process by SCM_RIGHTS, which does do=punch|allocate|host-touch "
		      "with it; hold=yes: it keeps the fd" },
	[OP_DROP] = { "drop", COMMON | K(INST), "the process that holds the fd goes" },
	[OP_POISON] = { "poison", COMMON | K(INST) | K(OFFSET), "memory failure of a mapped page" },
	[OP_MIX] = { "mix",
		     K(SLOT) | K(OPS) | K(RATE) | K(DURATION) | K(PAUSE) | K(PAGES) | K(KINDS),
		     "every vCPU in its slice: ops=N each, or duration=MS; kinds=KIND:WEIGHT,... of convert "
		     "hypercall redundant touch prefault allocate punch host-touch invalid; pages=N at most "
		     "per operation; rate=N conversions per second of the VM; pause=US after each" },
	[OP_REPEAT] = { "repeat", K(TIMES), "times=N the lines until end" },
	[OP_IF] = { "if", K(FLAGS), "the lines until end, where KVM has flags= for instances" },
	[OP_END] = { "end", 0, "of repeat or if" },
	[OP_START] = { "start", 0, "set-up ends here (first line unless given), see --wait-start" },
	[OP_SLEEP] = { "sleep", K(DURATION) | K(TIMES), "duration=MS" },
	[OP_EXIT] = { "exit", 0, "end the process without closing anything" },
	[OP_KILL] = { "kill", 0, "end the process by SIGKILL" },
};

static int yes_no(const char *text, bool *value)
{
	*value = !strcmp(text, "yes");
	return *value || !strcmp(text, "no") ? 0 : -EINVAL;
}

static int parse_outcome(const char *text, int *expect)
{
	const char *name;
	int i;

	*expect = 0;
	if (!strcmp(text, "ok"))
		return 0;
	*expect = EXPECT_ANY;
	if (!strcmp(text, "any"))
		return 0;
	*expect = ERR_SIGBUS;
	if (!strcmp(text, "SIGBUS"))
		return 0;
	for (i = 1; i < ERRNO_MAX; i++) {
		name = strerrorname_np(i);
		if (name && !strcmp(name, text)) {
			*expect = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* A second outcome, behind a bar, is that of older kernels. */
static int parse_expect(struct op *op, char *text)
{
	char *bar = strchr(text, '|');
	int ret;

	if (bar)
		*bar++ = 0;
	ret = parse_outcome(text, &op->expect);
	op->or_expect = op->expect;
	return ret || !bar ? ret : parse_outcome(bar, &op->or_expect);
}

static int parse_to(struct op *op, const char *text)
{
	op->has_attributes = true;
	op->attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE;
	if (!strcmp(text, "private"))
		return 0;
	op->attributes = 0;
	return strcmp(text, "shared") ? -EINVAL : 0;
}

static int parse_word(char *to, const char *text)
{
	if (strlen(text) >= NAME_LEN)
		return -EINVAL;
	strcpy(to, text);
	return 0;
}

static int parse_small(const char *text, int *value)
{
	u64 n;
	int ret = parse_size(text, &n);

	*value = (int)n;
	return ret || n > 65535 ? -EINVAL : 0;
}

static int parse_value(struct op *op, enum key key, char *text)
{
	u64 n;
	int ret;

	switch (key) {
	case KEY_INST: return parse_word(op->inst, text);
	case KEY_SIZE: op->has_size = true; return parse_size(text, &op->size);
	case KEY_FLAGS: op->has_flags = true; return parse_flags(text, &op->flags);
	case KEY_GPA:
		/* "+16K" counts from the start of instance memory. */
		ret = parse_size(*text == '+' ? text + 1 : text, &op->gpa);
		op->gpa += *text == '+' ? MEMORY_BASE : 0;
		return ret;
	case KEY_OFFSET: return parse_size(text, &op->offset);
	case KEY_SLOT: return parse_size(text, &op->slot);
	case KEY_FD:
		op->has_fd = true;
		op->fd = -2;
		if (!strcmp(text, "null"))
			return 0;
		op->fd = -1;
		if (!strcmp(text, "-1"))
			return 0;
		ret = parse_size(text, &n);
		op->fd = (s64)n;
		return ret;
	case KEY_TO: return parse_to(op, text);
	case KEY_ATTRIBUTES: op->has_attributes = true; return parse_size(text, &op->attributes);
	case KEY_BY:
		op->by = !strcmp(text, "hypercall") ? BY_HYPERCALL : BY_HOST;
		return op->by == BY_HOST && strcmp(text, "host") ? -EINVAL : 0;
	case KEY_VCPU:
		op->vcpu = VCPU_ALL;
		return strcmp(text, "all") ? parse_small(text, &op->vcpu) : 0;
	case KEY_READ: return yes_no(text, &op->read);
	case KEY_MODE: op->has_mode = true; return parse_size(text, &op->mode);
	case KEY_INTERRUPT: return parse_size(text, &op->interrupt);
	case KEY_PRIVATE: return yes_no(text, &op->private);
	case KEY_DO:
		if (strcmp(text, "punch") && strcmp(text, "allocate") && strcmp(text, "host-touch"))
			return -EINVAL;
		return parse_word(op->doing, text);
	case KEY_HOLD: return yes_no(text, &op->hold);
	case KEY_OPS: return parse_size(text, &op->ops);
	case KEY_RATE: return parse_size(text, &op->rate);
	case KEY_DURATION: return parse_size(text, &op->duration_ms);
	case KEY_PAUSE: return parse_size(text, &op->pause_us);
	case KEY_PAGES: return parse_size(text, &op->pages) || !op->pages ? -EINVAL : 0;
	case KEY_KINDS: op->kinds = strdup(text); return op->kinds ? 0 : -ENOMEM;
	case KEY_TIMES: return parse_size(text, &op->times);
	case KEY_STEP: return parse_size(text, &op->step);
	case KEY_EXPECT: return parse_expect(op, text);
	default: return -EINVAL;
	}
}

static int parse_argument(struct op *op, char *word)
{
	char *value = strchr(word, '=');
	int i;

	if (value)
		*value++ = 0;
	for (i = 0; i < NR_KEYS && strcmp(word, key_names[i]); i++)
		;
	if (!value || i == NR_KEYS || !(op_descs[op->id].keys & 1U << i)) {
		say("line %d: '%s' is no argument of %s", op->line, word, op_descs[op->id].name);
		return -EINVAL;
	}
	if (parse_value(op, i, value)) {
		say("line %d: bad value '%s' of %s", op->line, value, word);
		return -EINVAL;
	}
	return 0;
}

static void op_init(struct op *op, int line)
{
	memset(op, 0, sizeof(*op));
	op->line = line;
	op->times = 1;
	op->vcpu = VCPU_NONE;
	op->gpa = MEMORY_BASE;
	op->ops = cfg.ops;
	op->rate = cfg.rate;
	op->duration_ms = cfg.duration_ms;
	op->pause_us = cfg.pause_us;
	op->pages = 16;
	strcpy(op->inst, "0");
}

static int op_check(const struct op *op)
{
	if (op->id == OP_IF && !op->has_flags) {
		say("line %d: if wants flags=", op->line);
		return -EINVAL;
	}
	if (op->id == OP_CONVERT && !op->has_attributes) {
		say("line %d: convert wants to= or attributes=", op->line);
		return -EINVAL;
	}
	if (op->vcpu == VCPU_ALL && !op->has_size && !op->step) {
		say("line %d: vcpu=all wants size=, each vCPU has its own range of it", op->line);
		return -EINVAL;
	}
	if ((op->id == OP_PASS || op->id == OP_SLEEP) && op->vcpu != VCPU_NONE) {
		say("line %d: not on a vCPU's thread", op->line);
		return -EINVAL;
	}
	if ((op->id == OP_EXIT || op->id == OP_KILL) && cfg.vms_per_process != 1) {
		say("line %d: exit and kill want --vms-per-process 1", op->line);
		return -EINVAL;
	}
	return 0;
}

static struct op *append(struct scenario *s, int line)
{
	struct op *op;

	op = reallocarray(s->op, s->nr + 1, sizeof(*op));
	if (!op)
		return NULL;
	s->op = op;
	op_init(&op[s->nr], line);
	return &op[s->nr++];
}

static int parse_line(struct scenario *s, char *text, int line)
{
	char *save, *word = strtok_r(text, " \t\r\n", &save);
	struct op *op;
	int i, ret;

	if (!word)
		return 0;
	for (i = 0; i < NR_OPS && strcmp(word, op_descs[i].name); i++)
		;
	if (i == NR_OPS) {
		say("line %d: unknown operation '%s'", line, word);
		return -EINVAL;
	}
	op = append(s, line);
	if (!op)
		return -ENOMEM;
	op->id = i;
	while ((word = strtok_r(NULL, " \t\r\n", &save))) {
		/* "repeat 5" is short for "repeat times=5". */
		if (op->id == OP_REPEAT && isdigit((unsigned char)*word) &&
		    !parse_size(word, &op->times))
			continue;
		ret = parse_argument(op, word);
		if (ret)
			return ret;
	}
	return op_check(op);
}

static int link_blocks(struct scenario *s)
{
	size_t i, depth = 0, stack[64];

	for (i = 0; i < s->nr; i++) {
		if ((s->op[i].id == OP_REPEAT || s->op[i].id == OP_IF) &&
		    depth < ARRAY_SIZE(stack)) {
			stack[depth++] = i;
		} else if (s->op[i].id == OP_END) {
			if (!depth) {
				say("line %d: end without repeat or if", s->op[i].line);
				return -EINVAL;
			}
			s->op[i].jump = stack[--depth];
			s->op[stack[depth]].jump = i;
		}
	}
	if (depth)
		say("line %d: repeat or if without end", s->op[stack[depth - 1]].line);
	return depth ? -EINVAL : 0;
}

static int parse_text(struct scenario *s, char *text)
{
	char *at = text, *next, *comment, *part, *save;
	int line, ret;

	for (line = 1; at; line++, at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = 0;
		comment = strchr(at, '#');
		if (comment)
			*comment = 0;
		for (part = strtok_r(at, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
			ret = parse_line(s, part, line);
			if (ret)
				return ret;
		}
	}
	return link_blocks(s);
}

static char *read_script(const char *path)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	char *text = NULL;
	size_t size = 0;

	if (!file || getdelim(&text, &size, 0, file) < 0) {
		say("cannot read the scenario %s: %s", path,
		    errno ? strerror(errno) : "it is empty");
		free(text);
		text = NULL;
	}
	if (file && file != stdin)
		fclose(file);
	return text;
}

/**
 * scenario_load - read the scenario that the options name, or make the one they describe
 * @scenario: what to fill
 *
 * Return: 0, or -errno with the reason said.
 */
int scenario_load(struct scenario *scenario)
{
	struct op *op;
	char *text;
	size_t i;
	int ret;

	if (cfg.script)
		text = read_script(cfg.script);
	else
		text = strdup(cfg.commands ? cfg.commands : "create; bind; start; mix");
	if (!text)
		return -EINVAL;
	ret = parse_text(scenario, text);
	free(text);
	for (i = 0; !ret && i < scenario->nr && scenario->op[i].id != OP_START; i++)
		;
	if (!ret && i == scenario->nr) {
		op = append(scenario, 0);
		if (!op)
			return -ENOMEM;
		op->id = OP_START;
		/* To the front: every jump moves by one. */
		memmove(scenario->op + 1, scenario->op, (scenario->nr - 1) * sizeof(*op));
		op_init(scenario->op, 0);
		scenario->op[0].id = OP_START;
		for (i = 1; i < scenario->nr; i++)
			scenario->op[i].jump++;
	}
	return ret;
}

void scenario_free(struct scenario *scenario)
{
	size_t i;

	for (i = 0; i < scenario->nr; i++)
		free(scenario->op[i].kinds);
	free(scenario->op);
}

/* The language, from the tables above. */
void scenario_help(FILE *out)
{
	int i, k;

	for (i = 0; i < NR_OPS; i++) {
		fprintf(out, "  %-10s %s\n", op_descs[i].name, op_descs[i].help);
		if (!op_descs[i].keys)
			continue;
		fprintf(out, "            ");
		for (k = 0; k < NR_KEYS; k++) {
			if (op_descs[i].keys & 1U << k)
				fprintf(out, " %s=", key_names[k]);
		}
		fprintf(out, "\n");
	}
}
