/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files that are under way in sockets: sent by SCM_RIGHTS and not received yet. They stand in the
 * queue of the socket that will receive them, or of a connection that has not been accepted. Read
 * without the queue's lock: what moves meanwhile can be missed. Included by
 * bpf/inspect/gmem_inspect.bpf.c only.
 */
#ifndef GMEM_INSPECT_INFLIGHT_H
#define GMEM_INSPECT_INFLIGHT_H

#include "../abi/inspect.h"
#include "../kernel/kvm.h"
#include "../kernel/policy_types.h"

#define SOCKFS_MAGIC 0x534f434b
#define AF_UNIX	     1
#define TCP_LISTEN   10 /* of all kinds of sockets */
#define MAX_QUEUE    65536
#define MAX_FDS	     255 /* of a message: SCM_MAX_FD is below */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
};

struct sk_buff;

struct sk_buff_head {
	struct sk_buff *next;
};

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
};

struct sk_buff {
	struct sk_buff *next;
	struct sock *sk;
	char cb[48];
};

struct socket {
	struct sock *sk;
};

struct scm_fp_list {
	short count;
	struct file *fp[1];
};

struct unix_skb_parms {
	struct scm_fp_list *fp;
};

#pragma clang attribute pop

/* A queue that is walked: where the walk stands, and what marks its end. */
struct queue {
	struct sk_buff *at;
	__u64 end;
};

struct socket_walk {
	struct queue listener, queue;
	struct scm_fp_list *fds;
	__u32 fd;
	struct seq_file *seq;
	struct gmem_found found;
};

/* Is this file an instance? Then it is told. Defined by the includer. */
static void tell_in_flight(struct socket_walk *walk, struct file *file);

static __always_inline void queue_begin(struct queue *queue, struct sock *sk)
{
	queue->end = (__u64)sk + bpf_core_field_offset(struct sock, sk_receive_queue);
	queue->at = BPF_CORE_READ(sk, sk_receive_queue.next);
}

/* Return: the buffer where the walk stands, NULL at the end. */
static __always_inline struct sk_buff *queue_next(struct queue *queue)
{
	struct sk_buff *skb = queue->at;

	if (!skb || (__u64)skb == queue->end)
		return NULL;
	queue->at = BPF_CORE_READ(skb, next);
	return skb;
}

static long look_at_fd(__u32 index, struct socket_walk *walk)
{
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file),
			      (void *)walk->fds + bpf_core_field_offset(struct scm_fp_list, fp) +
				      walk->fd++ * sizeof(file));
	if (file && is_instance(file))
		tell_in_flight(walk, file);
	return 0;
}

static long look_at_message(__u32 index, struct socket_walk *walk)
{
	struct sk_buff *skb = queue_next(&walk->queue);
	struct scm_fp_list *fds = NULL;
	__u32 count;

	if (!skb)
		return 1;
	bpf_probe_read_kernel(&fds, sizeof(fds),
			      (void *)skb + bpf_core_field_offset(struct sk_buff, cb) +
				      bpf_core_field_offset(struct unix_skb_parms, fp));
	if (!fds)
		return 0;
	count = BPF_CORE_READ(fds, count);
	walk->fds = fds;
	walk->fd = 0;
	bpf_loop(count & MAX_FDS, look_at_fd, walk, 0);
	return 0;
}

static long look_at_connection(__u32 index, struct socket_walk *walk)
{
	struct sk_buff *skb = queue_next(&walk->listener);
	struct sock *sk;

	if (!skb)
		return 1;
	sk = BPF_CORE_READ(skb, sk);
	if (!sk)
		return 0;
	queue_begin(&walk->queue, sk);
	bpf_loop(MAX_QUEUE, look_at_message, walk, 0);
	return 0;
}

static __always_inline bool is_socket(struct file *file)
{
	return BPF_CORE_READ(file, f_inode, i_sb, s_magic) == SOCKFS_MAGIC;
}

/* walk->seq and walk->found: where to tell it, and what is to be told beside the instance. */
static __always_inline void walk_socket(struct socket_walk *walk, struct file *file)
{
	struct socket *socket = file->private_data;
	struct sock *sk = BPF_CORE_READ(socket, sk);

	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX)
		return;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN) {
		queue_begin(&walk->listener, sk);
		bpf_loop(MAX_QUEUE, look_at_connection, walk, 0);
	} else {
		queue_begin(&walk->queue, sk);
		bpf_loop(MAX_QUEUE, look_at_message, walk, 0);
	}
}

#endif /* GMEM_INSPECT_INFLIGHT_H */
