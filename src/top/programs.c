// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../lib/log.h"
#include "programs.h"

#define SETCAP "be root, or: setcap cap_sys_admin,cap_bpf,cap_perfmon+ep gmemtop"

static int choose(struct bpf_object *obj, const struct hook *hook, const char *target)
{
	struct bpf_program *program;
	int ret;

	program = bpf_object__find_program_by_name(obj, hook->program);
	if (!program)
		return log_error(-ENOENT, "not in this gmemtop", NULL, "program %s", hook->program);
	ret = bpf_program__set_autoload(program, true);
	if (!ret && !is_tracepoint(hook))
		ret = bpf_program__set_attach_target(program, 0, target);
	return ret;
}

int programs_choose(struct bpf_object *obj, const struct features *features, uint32_t facts)
{
	unsigned int f, h, source;
	const char *target;
	int ret;

	for (f = 0; f < GMEM_FACT_MAX; f++) {
		if (!(facts & (1U << f)) || features->chosen[f] < 0)
			continue;
		source = (unsigned int)features->chosen[f];
		for (h = 0; h < MAX_HOOKS; h++) {
			target = features->targets[source * MAX_HOOKS + h];
			if (!target)
				continue;
			ret = choose(obj, &sources[source].hooks[h], target);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int programs_probe_error(int ret)
{
	if (ret == -EOPNOTSUPP)
		log_error(ret, "no type information (/sys/kernel/btf/vmlinux)",
			  "use a kernel with CONFIG_DEBUG_INFO_BTF", "look at the kernel");
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

int programs_refused(int ret, const char *what)
{
	log_error(ret, NULL, "-v shows what the kernel says", "%s", what);
	return ret == -ENOMEM ? ret : -EOPNOTSUPP;
}

int programs_load_error(int ret)
{
	if (ret == -ENODEV || ret == -EOPNOTSUPP)
		return ret;
	/* EACCES is the verifier's. */
	if (ret == -EPERM || !is_privileged())
		return log_error(-EPERM, NULL, SETCAP, "load programs into the kernel");
	return programs_refused(ret, "load programs into the kernel");
}

uint64_t programs_missed(struct bpf_object *obj)
{
	struct bpf_program *program;
	struct bpf_prog_info info;
	__u32 size;
	uint64_t sum = 0;

	bpf_object__for_each_program(program, obj)
	{
		memset(&info, 0, sizeof(info));
		size = sizeof(info);
		if (bpf_program__autoload(program) &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			sum += info.recursion_misses;
	}
	return sum;
}
