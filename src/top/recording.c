// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../lib/log.h"
#include "recording.h"
#include "store.h"

int recording_open(struct recording *recording, const char *path)
{
	int ret;

	*recording = (struct recording){ 0 };
	ret = strcmp(path, "-") ? store_open(&recording->store, path) : -EBADMSG;
	/* Neither a recording nor a regular file: lines, from a FIFO perhaps. */
	if (ret != -EBADMSG && ret != -EINVAL) {
		recording->fd = ret ? -1 : store_fd(recording->store);
		return ret;
	}
	ret = lines_open(&recording->lines, path);
	recording->fd = recording->lines.fd;
	return ret;
}

int recording_next(struct recording *recording, bool wait, const char **line, size_t *len,
		   bool *complete)
{
	char *text;
	int ret;

	if (recording->store) {
		*complete = true;
		ret = store_line(recording->store, line, len);
		return ret > 0 ? 0 : ret ? ret : -ENODATA;
	}
	ret = lines_next(&recording->lines, wait, &text, complete);
	if (!ret) {
		*line = text;
		*len = strlen(text);
	}
	return ret;
}

bool recording_span(const struct recording *recording, uint64_t *first_ns, uint64_t *last_ns)
{
	return recording->store && store_span(recording->store, first_ns, last_ns);
}

void recording_seek(struct recording *recording, uint64_t time_ns)
{
	if (recording->store)
		store_seek(recording->store, time_ns);
}

void recording_explain(const struct recording *recording, const char *path)
{
	const struct store_health *health;

	if (!recording->store)
		return;
	health = store_health(recording->store);
	if (health->cut)
		log_note("%s ends in the middle of a block, %" PRIu64
			 " bytes of which are not shown",
			 path, health->cut);
	if (health->damaged)
		log_note("%s is damaged, %" PRIu64 " bytes of it are not shown", path,
			 health->damaged);
}

void recording_close(struct recording *recording)
{
	store_close(recording->store);
	if (!recording->store)
		lines_close(&recording->lines);
}
