// SPDX-License-Identifier: GPL-2.0-only
#include "frames.h"

int frames_next(struct frames *frames, struct model *model)
{
	int ret;

	do {
		ret = frames->next(frames, &frames->sample);
		if (!ret)
			ret = model_step(model, &frames->sample);
	} while (!ret && frames->early);
	return ret;
}
