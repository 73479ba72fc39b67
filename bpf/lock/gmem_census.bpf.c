// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gmemctl asks the kernel for when a policy is to be locked: who could still reach into it,
 * and where its pins are to the kernel. Nothing here stays.
 */
#include <stdbool.h>

#include "../kernel/types.h"

#include "../kernel/lock_types.h"
#include "../abi/census.h"
#include "../abi/policy.h"
#include "../kernel/file_identity.h"

#define VM_EXEC 0x4

char LICENSE[] SEC("license") = "GPL";

/* Whose directories are to be looked at. */
const volatile int self;

SEC("iter/bpf_map")
int gmem_c_maps(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *map = ctx->map;
	struct gmem_census_map found = {};

	if (!map)
		return 0;
	found.id = map->id;
	/* One of these is the iterator's own, while it shows the map. */
	found.refs = BPF_CORE_READ(map, refcnt.counter) - 1;
	found.users = BPF_CORE_READ(map, usercnt.counter);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

SEC("iter/bpf_prog")
int gmem_c_progs(struct bpf_iter__bpf_prog *ctx)
{
	struct bpf_prog *prog = ctx->prog;
	struct gmem_census_prog found = {};
	struct bpf_prog_aux *aux;

	if (!prog)
		return 0;
	aux = prog->aux;
	found.id = BPF_CORE_READ(aux, id);
	found.type = BPF_CORE_READ(prog, type);
	found.attach = BPF_CORE_READ(prog, expected_attach_type);
	found.target = BPF_CORE_READ(aux, dst_prog, aux, id);
	found.function = BPF_CORE_READ(aux, attach_btf_id);
	found.btf = BPF_CORE_READ(aux, attach_btf, id);
	found.meddles = (writes_registers(aux) ? GMEM_CENSUS_REGISTERS : 0) |
			(answers_calls(prog) ? GMEM_CENSUS_CALLS : 0);
	BPF_CORE_READ_STR_INTO(&found.name, aux, name);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

/* Names that the kernel gives, so that nobody else's file has them. */
static __always_inline bool named(struct file___lock *file, const char *name)
{
	const unsigned char *at = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	char have[16] = "";

	bpf_probe_read_kernel_str(have, sizeof(have), at);
	return !bpf_strncmp(have, sizeof(have), name);
}

/* What is held by this file, if it is of interest. */
static __always_inline bool look_at(struct file *any, struct gmem_census_file *found)
{
	struct file___lock *file = (void *)any;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	unsigned long magic = BPF_CORE_READ(inode, i_sb, s_magic);
	void *private = BPF_CORE_READ(file, private_data);

	if (magic == PROC_SUPER_MAGIC) {
		found->hold = GMEM_CENSUS_sysctl;
		return BPF_CORE_READ(file, f_mode) & FMODE_WRITE && named(file, "ftrace_enabled");
	}
	if (magic != ANON_INODE_FS_MAGIC)
		return false;
	if (named(file, "bpf-map")) {
		struct bpf_map *map = private;

		found->hold = GMEM_CENSUS_map;
		found->id = BPF_CORE_READ(map, id);
		return true;
	}
	if (named(file, "bpf-prog")) {
		struct bpf_prog *prog = private;

		found->hold = GMEM_CENSUS_program;
		found->id = BPF_CORE_READ(prog, aux, id);
		return true;
	}
	return false;
}

static __always_inline void write_file(struct bpf_iter_meta *meta, struct task_struct *task,
				       struct gmem_census_file *found)
{
	found->pid = task->pid;
	found->tgid = task->tgid;
	BPF_CORE_READ_STR_INTO(&found->comm, task, comm);
	bpf_seq_write(meta->seq, found, sizeof(*found));
}

SEC("iter/task_file")
int gmem_c_files(struct bpf_iter__task_file *ctx)
{
	struct gmem_census_file found = {};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (!file || !task || !look_at(file, &found))
		return 0;
	found.file = (__u64)file;
	found.table = (__u64)task->files;
	found.at = ctx->fd;
	write_file(ctx->meta, task, &found);
	return 0;
}

/* A map that is mapped stays open without a descriptor. */
SEC("iter/task_vma")
int gmem_c_mappings(struct bpf_iter__task_vma *ctx)
{
	struct gmem_census_file found = {};
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct file *file;

	if (!vma || !task)
		return 0;
	file = vma->vm_file;
	if (!file || !look_at(file, &found))
		return 0;
	found.file = (__u64)file;
	found.at = vma->vm_start;
	write_file(ctx->meta, task, &found);
	return 0;
}

/* Too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gmem_census_dir);
} gmem_room SEC(".maps");

SEC("iter/task_file")
int gmem_c_dirs(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct mount *mount, *parent;
	struct gmem_census_dir *dir;
	struct file___lock *file = (void *)ctx->file;
	struct inode *inode;
	__u32 zero = 0, i;

	dir = bpf_map_lookup_elem(&gmem_room, &zero);
	if (!file || !task || !dir || task->tgid != self || task->pid != self)
		return 0;
	__builtin_memset(dir, 0, sizeof(*dir));
	inode = BPF_CORE_READ(file, f_inode);
	dir->fd = ctx->fd;
	dir->ino = BPF_CORE_READ(inode, i_ino);
	dir->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	dir->generation = BPF_CORE_READ((struct inode___policy *)inode, i_generation);
	dir->subvolume = subvolume_of(inode);
	dir->writers = BPF_CORE_READ((struct inode___lock *)inode, i_writecount.counter);
	mount = mount_of(BPF_CORE_READ(file, f_path.mnt));
	dir->mount_ns = (__u64)BPF_CORE_READ(mount, mnt_ns);
	dir->nr_mounts = GMEM_LOCK_MOUNTS + 1;
	for (i = 0; i < GMEM_LOCK_MOUNTS; i++) {
		inode = BPF_CORE_READ(mount, mnt_mountpoint, d_inode);
		parent = BPF_CORE_READ(mount, mnt_parent);
		dir->mounts[i].mount = (__u64)mount;
		dir->mounts[i].ino = BPF_CORE_READ(inode, i_ino);
		dir->mounts[i].dev = BPF_CORE_READ(inode, i_sb, s_dev);
		if (parent == mount) {
			dir->nr_mounts = i + 1;
			break;
		}
		mount = parent;
	}
	bpf_seq_write(ctx->meta->seq, dir, sizeof(*dir));
	return 0;
}

SEC("iter/task_vma")
int gmem_c_code(struct bpf_iter__task_vma *ctx)
{
	struct gmem_census_code code = {};
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct inode *inode;

	if (!vma || !task || task->tgid != self || !(vma->vm_flags & VM_EXEC) || !vma->vm_file)
		return 0;
	inode = BPF_CORE_READ(vma, vm_file, f_inode);
	code.ino = BPF_CORE_READ(inode, i_ino);
	code.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	code.generation = BPF_CORE_READ((struct inode___policy *)inode, i_generation);
	code.subvolume = subvolume_of(inode);
	code.writers = BPF_CORE_READ((struct inode___lock *)inode, i_writecount.counter);
	bpf_seq_write(ctx->meta->seq, &code, sizeof(code));
	return 0;
}
