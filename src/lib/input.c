// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"
#include "log.h"

const char *input_name(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

int input_open(const char *path, FILE **in)
{
	struct stat st;

	*in = stdin;
	if (!strcmp(path, "-"))
		return 0;
	*in = NULL;
	if (!stat(path, &st) && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		return log_error(-ENXIO, "it is a device", "name a file, or - for standard input",
				 "read %s", path);
	*in = fopen(path, "re");
	return *in ? 0 : input_failed(path);
}

void input_close(FILE *in)
{
	if (in && in != stdin)
		fclose(in);
}

int input_failed(const char *path)
{
	int error = errno ?: EIO;

	/* The path was right, and so was the usage. */
	return log_error(error == EINVAL ? -EIO : -error,
			 error == EBADF ? "it is closed" : strerror(error), NULL, "read %s",
			 input_name(path));
}
