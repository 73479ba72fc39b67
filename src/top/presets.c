// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/log.h"
#include "presets.h"

const struct preset presets[] = {
	{ "memory", "what is private, in memory, bound and mapped, and who holds it",
	  "pid,name,private_pages,resident_pages,size_pages,bound_now_pages,instances,mappable,"
	  "holders,allocated_pages_rate,punched_pages_rate,released_pages,type",
	  "resident_pages" },
	{ "conversions", "how many pages are converted, and how long that takes",
	  "pid,name,to_private_rate,to_shared_rate,interval_p50_ns,interval_p99_ns,interval_max_ns,"
	  "to_private_pages_rate,to_shared_pages_rate,to_private_redundant_rate,"
	  "to_shared_redundant_rate,p99_ns,max_ns",
	  "to_private_rate" },
	{ "faults", "faults of guests and of the host",
	  "pid,name,guest_faults_rate,first_touches_rate,host_faults_rate,host_faults_refused,"
	  "memory_failures,populated_pages,resident_pages,guest_faults,host_faults",
	  "guest_faults_rate" },
	{ "security", "what failed, and which memory other processes can reach",
	  "pid,name,denials,denials_rate,errors,host_faults_refused,mappable,mmaps,holders,last_error,type,"
	  "private_pages,cgroup",
	  "denials" },
};

const unsigned int nr_presets = sizeof(presets) / sizeof(presets[0]);

const struct preset *preset_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_presets; i++) {
		if (!strcmp(presets[i].name, name))
			return &presets[i];
	}
	log_error(-EINVAL, "there is no such preset", "--preset help lists them", "--preset %s",
		  name);
	return NULL;
}

void presets_print(void)
{
	unsigned int i;

	for (i = 0; i < nr_presets; i++)
		printf("%-12s %s\n             %s\n", presets[i].name, presets[i].help,
		       presets[i].columns);
}
