#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A VMM of two processes: one has the VM, the other one works on its memory, as a handler of page faults or a
back end of a device does.

two_processes.py handler SOCKET   receive an instance, map it, read and write it, punch a hole
two_processes.py vmm SOCKET WAIT  create a VM and an instance that can be mapped, bind it, pass it on

Both print "done" and keep what they have while the file WAIT exists (the handler, until the VMM ends). Exit status 13:
an operation was denied.
"""
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import sys
import time

SIZE = 4 * 4096
KVM_CREATE_VM, KVM_CREATE_GUEST_MEMFD, KVM_SET_USER_MEMORY_REGION2 = 0xAE01, 0xC040AED4, 0x40A0AE49
FLAG_MMAP, FLAG_INIT_SHARED, KVM_MEM_GUEST_MEMFD = 1, 2, 4
libc = ctypes.CDLL(None, use_errno=True)


def handler(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen(1)
        peer, _ = listener.accept()
    _, fds, flags, _ = socket.recv_fds(peer, 16, 1)
    if not fds or flags & socket.MSG_CTRUNC:
        raise PermissionError("the descriptor was taken out of the message")
    memory = mmap.mmap(fds[0], SIZE)
    memory[0] = 1
    memory[4096:4097] = b"x"
    if memory[8192] != 0:
        raise ValueError("memory of an instance is zero")
    # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    if libc.fallocate(fds[0], 3, ctypes.c_long(4096), ctypes.c_long(4096)):
        raise OSError(ctypes.get_errno(), "fallocate")
    peer.send(b"done")
    print("done", flush=True)
    peer.recv(1)


def vmm(path, wait):
    vm = fcntl.ioctl(os.open("/dev/kvm", os.O_RDWR), KVM_CREATE_VM, 0)
    request = bytearray(struct.pack("QQ48x", SIZE, FLAG_MMAP | FLAG_INIT_SHARED))
    instance = fcntl.ioctl(vm, KVM_CREATE_GUEST_MEMFD, request)
    shadow = mmap.mmap(-1, SIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(shadow))
    fcntl.ioctl(vm, KVM_SET_USER_MEMORY_REGION2,
                struct.pack("IIQQQQII112x", 0, KVM_MEM_GUEST_MEMFD, 0x100000, SIZE, address, 0, instance, 0))
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.connect(path)
    socket.send_fds(peer, [b"take"], [instance])
    if peer.recv(16) != b"done":
        raise PermissionError("the handler could not work on it")
    print("done", flush=True)
    while os.path.exists(wait):
        time.sleep(0.05)


def main():
    try:
        handler(sys.argv[2]) if sys.argv[1] == "handler" else vmm(*sys.argv[2:])
    except PermissionError as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(13)


main()
