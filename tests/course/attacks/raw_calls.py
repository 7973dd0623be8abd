"""+ Calls of the kernel that no solution needs."""

import ctypes
import errno

CALLS = {
    "ptrace": 101,
    "personality": 135,
    "pivot_root": 155,
    "chroot": 161,
    "mount": 165,
    "reboot": 169,
    "init_module": 175,
    "add_key": 248,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kexec_file_load": 320,
    "bpf": 321,
    "userfaultfd": 323,
    "setuid": 105,
    "setresuid": 117,
    "rt_sigqueueinfo": 129,
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "a call of tomorrow": 999,
}


def max_values(q_values):
    libc = ctypes.CDLL(None, use_errno=True)
    passed = []
    for name, number in CALLS.items():
        bad = ctypes.c_long(-1)
        libc.syscall(ctypes.c_long(number), bad, bad, bad, bad, bad, bad)
        if ctypes.get_errno() != errno.EPERM:
            passed.append(name)
    if passed:
        raise RuntimeError("breach: the kernel looks at " + ", ".join(passed))
    return q_values[:, 0] * 0
