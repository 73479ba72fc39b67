/* SPDX-License-Identifier: GPL-2.0-only */
/* Sources that the administrator has switched off: kernel.ftrace_enabled=0 silences functions. */
#ifndef GMEM_SILENCE_H
#define GMEM_SILENCE_H

#include "features.h"

#define SILENCE_SYSCTL "kernel.ftrace_enabled"

/**
 * silence_check - make facts missing whose source is silent now, and bring back the others
 *
 * Asked before every frame. Return: true if a source is silent.
 */
bool silence_check(struct features *features);

#endif /* GMEM_SILENCE_H */
