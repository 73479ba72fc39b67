// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../lib/log.h"
#include "../lib/stop.h"
#include "programs.h"

#define SETCAP "be root"

/* More than one object has. */
#define MAX_PROGRAMS 64

/*
 * What the programs of the object that is loaded next are attached to. libbpf would look for each
 * name in the types of the kernel and of all its modules, which takes longer than all the rest.
 */
static struct {
	const char *program;
	uint32_t id;
	int btf; /* that the id belongs to: fd, 0: the kernel's own */
} targets[MAX_PROGRAMS];
static unsigned int nr_targets;

static int prepare_load(struct bpf_program *program, struct bpf_prog_load_opts *opts,
			long cookie __attribute__((unused)))
{
	unsigned int i;

	for (i = 0; i < nr_targets; i++) {
		if (strcmp(targets[i].program, bpf_program__name(program)))
			continue;
		opts->attach_btf_id = targets[i].id;
		opts->attach_btf_obj_fd = (__u32)targets[i].btf;
		return 0;
	}
	return -ENOENT;
}

static int attach(const struct bpf_program *program, long cookie __attribute__((unused)),
		  struct bpf_link **link)
{
	*link = bpf_program__attach_trace(program);
	return *link ? 0 : -errno;
}

int programs_take_over(void)
{
	static const struct {
		const char *section;
		enum bpf_attach_type type;
	} sections[] = {
		{ "fentry", BPF_TRACE_FENTRY },
		{ "fexit", BPF_TRACE_FEXIT },
		{ "tp_btf+", BPF_TRACE_RAW_TP },
	};
	DECLARE_LIBBPF_OPTS(libbpf_prog_handler_opts, opts);
	static bool done;
	unsigned int i;
	int ret;

	opts.prog_prepare_load_fn = prepare_load;
	opts.prog_attach_fn = attach;
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]) && !done; i++) {
		ret = libbpf_register_prog_handler(sections[i].section, BPF_PROG_TYPE_TRACING,
						   sections[i].type, &opts);
		if (ret < 0)
			return ret;
	}
	done = true;
	return 0;
}

static int choose(struct bpf_object *obj, const struct hook *hook, uint32_t id, int btf)
{
	struct bpf_program *program;

	program = bpf_object__find_program_by_name(obj, hook->program);
	if (!program)
		return log_error(-ENOENT, "not in this gmemtop", NULL, "program %s", hook->program);
	if (nr_targets == MAX_PROGRAMS)
		return -ENOSPC;
	targets[nr_targets].program = hook->program;
	targets[nr_targets].btf = is_of_kernel(hook) ? 0 : btf;
	targets[nr_targets++].id = id;
	return bpf_program__set_autoload(program, true);
}

int programs_choose(struct bpf_object *obj, const struct features *features, uint32_t facts)
{
	unsigned int f, h, source;
	int ret;

	if (features->kvm_btf < 0)
		return features->kvm_btf;
	nr_targets = 0;
	for (f = 0; f < GMEM_FACT_MAX; f++) {
		if (!(facts & (1U << f)) || features->chosen[f] < 0)
			continue;
		source = (unsigned int)features->chosen[f];
		for (h = 0; h < MAX_HOOKS; h++) {
			if (!features->targets[source * MAX_HOOKS + h])
				continue;
			ret = choose(obj, &sources[source].hooks[h],
				     features->ids[source * MAX_HOOKS + h], features->kvm_btf);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int programs_probe_error(int ret)
{
	if (ret == -EOPNOTSUPP)
		log_error(ret, "no type information (/sys/kernel/btf/vmlinux and kvm)",
			  "use a kernel with CONFIG_DEBUG_INFO_BTF and _BTF_MODULES",
			  "look at the kernel");
	return ret;
}

/* The types of a module can only be had with this one; without it the functions are not found. */
static bool is_privileged(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &header, data) ||
	       (data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN));
}

/* The strict one of two: with "integrity" programs may read the kernel's memory. */
static bool is_locked_down(void)
{
	FILE *f = fopen("/sys/kernel/security/lockdown", "re");
	char line[64] = "";

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		*line = '\0';
	fclose(f);
	return strstr(line, "[confidentiality]");
}

int programs_refused(int ret, const char *what)
{
	/* The kernel leaves off when a signal comes, with EAGAIN. */
	if (stop_asked)
		return -EINTR;
	log_error(ret, NULL, "-v shows what the kernel says", "%s", what);
	return ret == -ENOMEM ? ret : -EOPNOTSUPP;
}

int programs_load_error(int ret)
{
	if (ret == -ENODEV || ret == -EOPNOTSUPP)
		return ret;
	if (stop_asked)
		return -EINTR;
	/* EACCES is the verifier's. */
	if (ret == -EPERM || !is_privileged())
		return log_error(-EPERM, NULL, SETCAP, "load programs into the kernel");
	if (is_locked_down())
		return log_error(-EOPNOTSUPP, "the kernel is locked down (confidentiality)",
				 "boot with lockdown=integrity or less",
				 "load programs into the kernel");
	return programs_refused(ret, "load programs into the kernel");
}

static bool is_at_event(const struct bpf_program *program)
{
	enum bpf_attach_type type = bpf_program__expected_attach_type(program);

	return type == BPF_TRACE_FENTRY || type == BPF_TRACE_FEXIT || type == BPF_TRACE_RAW_TP;
}

void programs_count(struct bpf_object *obj, struct programs_use *use)
{
	struct bpf_program *program;
	struct bpf_prog_info info;
	__u32 size;

	*use = (struct programs_use){ 0 };
	bpf_object__for_each_program(program, obj)
	{
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (!bpf_program__autoload(program) ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			continue;
		use->missed += info.recursion_misses;
		use->runs += info.run_cnt;
		if (is_at_event(program))
			use->ns += info.run_time_ns;
	}
}
