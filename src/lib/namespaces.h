/* SPDX-License-Identifier: GPL-2.0-only */
/* In which namespaces gmemctl and gmemtop can work. */
#ifndef GMEM_NAMESPACES_H
#define GMEM_NAMESPACES_H

/**
 * namespaces_check - refuse to work where processes or times are not the host's
 *
 * In a PID namespace other than the host's most processes cannot be named: running VMMs, tracers
 * and holders of instances would be overlooked. In a cgroup namespace the paths of cgroups are
 * others, and in a time namespace the times of events are.
 *
 * @what: what is refused then, for the message
 * Return: 0, -EOPNOTSUPP, or another negative errno; each has been explained.
 */
int namespaces_check(const char *what);

#endif /* GMEM_NAMESPACES_H */
