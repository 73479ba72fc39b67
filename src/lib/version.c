// SPDX-License-Identifier: GPL-2.0-only
#include "version.h"

/* Made by the Makefile: GMEM_VERSION. */
#include "gmem_version.h"

const char gmem_version[] = GMEM_VERSION;
