/* SPDX-License-Identifier: GPL-2.0-only */
/* Does KVM convert memory through the instance, as an ioctl on its file? */
#ifndef GMEM_TOP_IN_PLACE_H
#define GMEM_TOP_IN_PLACE_H

/**
 * in_place_try - ask for a conversion of nothing, through an instance of a VM that is made for it
 *
 * Return: 1 if KVM knows the request, 0 if it does not, or a negative errno if there can be no such
 * VM here.
 */
int in_place_try(void);

#endif /* GMEM_TOP_IN_PLACE_H */
