/* SPDX-License-Identifier: GPL-2.0-only */
/* gmemtop events: the live stream of what happens to guest_memfd. */
#ifndef GMEM_EVENTS_MAIN_H
#define GMEM_EVENTS_MAIN_H

/**
 * events_main - the command
 * @argc: of the words after "gmemtop"
 * @argv: the first is "events"
 *
 * Return: the exit status.
 */
int events_main(int argc, char **argv);

#endif /* GMEM_EVENTS_MAIN_H */
