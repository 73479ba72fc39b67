/* SPDX-License-Identifier: GPL-2.0-only */
/* gmemtop record: frames go to a file, for gmemtop --replay. */
#ifndef GMEM_RECORD_H
#define GMEM_RECORD_H

/* The command with its options. Return: an exit status, or a negative errno that was explained. */
int record_main(int argc, char **argv);

#endif /* GMEM_RECORD_H */
