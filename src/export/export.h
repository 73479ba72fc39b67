/* SPDX-License-Identifier: GPL-2.0-only */
/* gmemtop export: metrics for Prometheus. */
#ifndef GMEM_EXPORT_H
#define GMEM_EXPORT_H

/* @argv: from the word "export" on. Return: an exit status, or a negative errno that was explained.
 */
int export_main(int argc, char **argv);

#endif /* GMEM_EXPORT_H */
