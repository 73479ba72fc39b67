/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GMEM_VERSION_H
#define GMEM_VERSION_H

/* The release, the newest one of CHANGELOG.md, and the commit that was built: "0.9.0
 * (1a2b3c4d5e6f)". */
extern const char gmem_version[];

#endif /* GMEM_VERSION_H */
