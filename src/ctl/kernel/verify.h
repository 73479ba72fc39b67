/* SPDX-License-Identifier: GPL-2.0-only */
/* The proof that a policy bites. */
#ifndef GMEM_CTL_KERNEL_VERIFY_H
#define GMEM_CTL_KERNEL_VERIFY_H

#include <stdbool.h>

#include <linux/types.h>

struct store;

/* X(name, how it is said) */
#define GMEM_PROOFS(X)                                                         \
	X(none, "not verified")                                                \
	X(denied, "verified: a child without identity was denied")             \
	X(audit, "verified: a child without identity would have been denied")  \
	X(untested, "not verified: no instance can be created here to try it") \
	X(allowed, "NOT WORKING: a child that must be denied was not")         \
	X(other, "NOT VERIFIED: a child was denied, but not by this policy")

enum proof {
#define X(name, ...) PROOF_##name,
	GMEM_PROOFS(X)
#undef X
		PROOF_MAX
};

extern const char *const proof_names[PROOF_MAX];
extern const char *const proof_texts[PROOF_MAX];

/**
 * verify - see that who must be denied is denied
 * @serial: NULL, or the result: the set of programs that denied, see struct gmem_build
 *
 * A child whose identity is taken away asks for an instance, which no policy allows. The policy
 * records the denial for this proof alone (struct gmem_proof): it is in no counter and no event.
 * A denial by anybody else proves nothing.
 *
 * Return: the result, or a negative errno that has been explained.
 */
int verify(const struct store *store, __u32 *serial);

/**
 * prove - let go of who is traced, and see that what is in force now denies
 * @trust_running: see running_trust(); else processes that the kernel does not accept are reported
 * @proof: the result of verify()
 *
 * The generation may be a new one afterwards, see traced_forget().
 *
 * Return: 0, -EPROTO: it does not deny, or another negative errno; each has been explained.
 */
int prove(struct store *store, bool trust_running, enum proof *proof);

/**
 * verify_lock - see that a lock keeps a stranger out
 *
 * A child whose identity is taken away tries to open a map, by its pin and by its number, and to
 * remove and make something among the pins. These denials are in no counter and no event.
 *
 * Return: 0, -EPROTO if it could do one of it, or another negative errno; explained.
 */
int verify_lock(const struct store *store);

/**
 * verify_is_open - may a stranger open all maps of what is loaded?
 *
 * Where he may not they belong to a locked policy, or he could not try.
 *
 * Return: 1, 0, or a negative errno: there was nobody to try.
 */
int verify_is_open(const struct store *store);

#endif /* GMEM_CTL_KERNEL_VERIFY_H */
