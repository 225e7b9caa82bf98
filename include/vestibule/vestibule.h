// SPDX-License-Identifier: BSD-2-Clause-Patent
/* The #VC runtime of Vestibule for kernels, in C (C11 and later) and C++. It serves exception 29 of
 * an AMD SEV-ES guest in 64-bit mode: the library brings the entries, the kernel brings memory.
 * docs/library.md is the guide; section numbers are those of the GHCB specification (56421) and of
 * the AMD64 APM, volume 2 (24593).
 *
 * Freestanding: nothing is allocated, no libc is called, no SSE register is touched, and nothing
 * has to be relocated or constructed before the first call. */
#ifndef VESTIBULE_VESTIBULE_H
#define VESTIBULE_VESTIBULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* Linked statically: a position-independent kernel reaches all of it without a table of addresses
 * that somebody would have to relocate. */
#pragma GCC visibility push(hidden)

/* The interrupted code's registers, as the entries lay them out on the stack. Hooks may read them;
 * writing is for the handler. (An entry of the kernel's own lays out the same: see
 * vestibule_handle_vc.) */
struct vestibule_frame {
    uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t error_code; /* at #VC the exit code; after an NMI 0 */
    uint64_t rip, cs, rflags, rsp, ss;
};

/* What the library keeps for one CPU: state, a copy of the GHCB page for nested #VCs, and the
 * stacks of its #VC and NMI entries. Zeroed memory of the kernel's, aligned to its size (that is
 * how an entry finds it), mapped private and writable, for as long as the CPU runs. Never opened by
 * the kernel. */
#define VESTIBULE_CPU_SIZE 32768

struct vestibule_cpu {
#ifdef __cplusplus
    alignas(VESTIBULE_CPU_SIZE)
#else
    _Alignas(VESTIBULE_CPU_SIZE)
#endif
        unsigned char opaque[VESTIBULE_CPU_SIZE];
};

/* The part of it that a kernel with entries of its own needs: two pages, aligned to one, and no
 * stack. Where `vc_ist` is 0, a vestibule_cpu* may lead to so much. */
#define VESTIBULE_CORE_SIZE 8192

struct vestibule_core {
#ifdef __cplusplus
    alignas(4096)
#else
    _Alignas(4096)
#endif
        unsigned char opaque[VESTIBULE_CORE_SIZE];
};

/* The bytes of the NMI stack, on which the kernel's `nmi` hook runs; a page less with
 * guard pages. */
#define VESTIBULE_NMI_STACK_SIZE 8192

/* The same of the #MC stack and the `mc` hook. */
#define VESTIBULE_MC_STACK_SIZE 4096

/* 0, or why not: reason set in bits 11:8, reason code in bits 7:0, as in a termination request. The
 * library's own are of set 2. vestibule_reason_name() and vestibule_reason_text() say them in
 * words, and so do Vestibule's tools. */
typedef uint16_t vestibule_reason;

/* CPUID of an SEV-SNP guest (snp.h): made of the CPUID page, the same for all CPUs. */
struct vestibule_cpuid_table {
    uint64_t opaque[36];
};

struct vestibule_svsm;

/* ---- Before the GHCB ---- */

/* Target of a 64-bit interrupt gate for vector 29 (with no IST, or with one of the kernel's own):
 * serves CPUID by the MSR protocol, from the kernel's own 64-bit or 32-bit flat code at CPL 0, and
 * ends the guest on any other #VC. Needs a stack and nothing else. Install it before the first
 * instruction that can raise #VC (APM 15.35.5). */
extern void vestibule_early_entry(void);

/* What the hypervisor says of the machine, as far as it holds together. */
struct vestibule_platform {
    uint16_t protocol_version; /* of the GHCB protocol, 1 or 2: the highest that both sides speak */
    uint16_t reserved[3];
    uint64_t c_bit;      /* mask in page-table entries */
    uint64_t sev_status; /* MSR 0xC0010131: the CPU's own word */
};

/* Asks the CPU and, by the MSR protocol, the hypervisor (2.3.1). For an SEV-ES or SEV-SNP guest
 * only: SEV_STATUS bit 2 tells the latter. Elsewhere the MSR may not exist and raise #GP, and a
 * kernel that runs natively too must know from something that was measured which of both it is, or
 * a hypervisor chooses for it.
 *
 * SECURITY: the C-bit is the hypervisor's claim. Before secrets are written through page tables
 * built with it, prove it: a page written with it must not be readable without it. Vestibule's boot
 * stub has done so before it starts a payload. */
vestibule_reason vestibule_identify(struct vestibule_platform* platform);

/* ---- One CPU ---- */

/* A user-mode #VC for which the kernel's word is asked. */
struct vestibule_user_request {
    const struct vestibule_frame* frame;
    void* opaque;       /* of the setup */
    uint64_t exit_code; /* 0x7B IOIO, 0x81 VMMCALL */
    uint16_t port;      /* IOIO: the first port */
    uint8_t size;       /* IOIO: bytes at a time */
    uint8_t is_in;      /* IOIO: IN or INS */
    uint32_t reserved;
};

/* What a CPU's #VC handler works with. */
struct vestibule_setup {
    void* ghcb;            /* a page mapped shared: C-bit clear */
    uint64_t ghcb_gpa;     /* its guest-physical address, below the C-bit */
    uint64_t c_bit;        /* mask, as the kernel's page tables use it */
    uint64_t direct_map;   /* add to a guest-physical address to read a page table there */
    void* tss;             /* the CPU's 64-bit TSS; its IST numbers below become the library's */
    uint8_t vc_ist;        /* 1 to 7: IST number of the gate for vector 29; 0: no entry of the
                              library's with a stack of its own, `tss` is NULL */
    uint8_t nmi_ist;       /* 1 to 7, another one, for vector 2; 0: NMIs are the kernel's */
    uint8_t physical_bits; /* of guest-physical addresses; 0: all below the C-bit */
    uint8_t uses_xss;      /* not 0: IA32_XSS exists and XSAVES is in use */
    uint16_t kernel_code;  /* selector of the 64-bit code segment at CPL 0 */
    uint16_t protocol_version; /* of vestibule_identify() */
    /* Registers that a VMMCALL shows the hypervisor beside RAX and CPL, by their numbers: bit 1
     * RCX, 2 RDX, 3 RBX, 6 RSI and so on (never 4, RSP). KVM's hypercalls need 0x4E. 0: none. */
    uint16_t vmmcall_registers;
    /* Not 0: the pages at 8192 and 20480 of the block are not mapped, so that a stack that grows
     * too far ends in #PF, and with it in #DF, instead of in what lies below. */
    uint8_t guard_pages;
    /* 1 to 7, another one, for vector 18; 0: #MCs are the kernel's, and raise no #VC. */
    uint8_t mc_ist;
    /* Not 0: the kernel's handlers of #GP and #PF call vestibule_fix_up() first. Without it user
     * mode has no RDPMC, and a page that a process runs on must not go away during a #VC. */
    uint16_t fixes_up;
    uint16_t reserved;
    /* Not 0 where user mode may have this. NULL: never; then IN and OUT raise #GP, VMMCALL #UD.
     * Called inside the #VC handler: it must not raise #VC itself. */
    int (*user_may)(const struct vestibule_user_request* request);
    /* The kernel's NMI handler, called with NMIs masked; it may raise #VC. Needed with nmi_ist. */
    void (*nmi)(const struct vestibule_frame* frame, void* opaque);
    /* The kernel's #MC handler; it may raise #VC (RDMSR of MCG_STATUS). Needed with mc_ist. It
     * clears MCIP last: the next #MC takes the same stack. */
    void (*mc)(const struct vestibule_frame* frame, void* opaque);
    /* Handed to all of them. They need something that says which CPU they are on: the entries do
     * not touch GS, so its base is whatever the interrupted code had, user mode's maybe. */
    void* opaque;
    /* Of an SEV-SNP guest, and of no other: vestibule_snp_open_cpuid_page(). CPUID is answered from
     * it, and the GHCB page is registered. */
    const struct vestibule_cpuid_table* cpuid_table;
    /* Of an SEV-SNP guest below VMPL 0: how this CPU calls the service there (snp.h). NULL: this is
     * VMPL 0. It stays for as long as the CPU runs. */
    const struct vestibule_svsm* svsm;
};

/* Opens the CPU's GHCB and gets `cpu` ready; to be called once on that CPU, with interrupts off. It
 * raises no #VC itself, but speaks the MSR protocol, which an NMI's handler must not disturb. Then
 * point vector 29 at vestibule_vc_entry with vc_ist, and
 * vector 2 at vestibule_nmi_entry with nmi_ist: vestibule_set_gate(). Page tables, GDT, TSS and CR3
 * must be what they will be.
 *
 * Everything of `setup` is checked, the page's mapping by a walk of the page tables, and the page
 * by a first call whose answer must be what the MSR protocol gave. On failure nothing is installed.
 */
vestibule_reason vestibule_cpu_start(struct vestibule_cpu* cpu,
                                     const struct vestibule_setup* setup);

/* Targets of the 64-bit interrupt gates for vectors 29 and 2. Not functions to call. */
extern void vestibule_vc_entry(void);
extern void vestibule_nmi_entry(void);
extern void vestibule_mc_entry(void); /* vector 18 */

/* Writes the interrupt gate of `vector` (APM 4.8.4, DPL 0) into the long-mode IDT at `idt`, which
 * has room for it: 16 bytes at 16 x vector. */
void vestibule_set_gate(void* idt, uint8_t vector, void (*entry)(void), uint16_t code, uint8_t ist);

/* Ends what vestibule_cpu_start() began, on that CPU and not from one of the library's hooks: for
 * another TSS, after which it is started again; before the CPU is taken off line; before another
 * kernel is started in this one's place (kexec). The IST slots are zero then, the GHCB page is, the
 * GHCB MSR names it no more, and it may be made private. Vector 29 needs another entry before the
 * next #VC. CR3 and GDT may change without it, as long as what the block, the GHCB page and the
 * code segment are stays the same. 0, or GHCB_REENTERED from within a #VC or an NMI. */
vestibule_reason vestibule_cpu_stop(struct vestibule_cpu* cpu);

/* ---- Before the TSS ---- */

/* Target of the gate for vector 29, without IST, of a kernel that has a GHCB page and no TSS yet:
 * serves all that vestibule_vc_entry does, on the interrupted stack, for the one CPU whose block
 * was named by vestibule_boot_entry_serves(). That one was started with `tss` NULL and `vc_ist` 0.
 * Not for user mode. Exceptions go to interrupt gates without IST. NMIs must not come, or find an
 * entry that raises no #VC.
 *
 * Once the TSS is loaded: vestibule_cpu_start() again, with the same GHCB page and a whole block,
 * then the other gate. */
extern void vestibule_boot_entry(void);
void vestibule_boot_entry_serves(struct vestibule_cpu* cpu);

/* For a kernel with a #VC entry of its own, on a stack of its own, whose NMI entry is its own too:
 * serves the #VC whose registers are in `frame`. 0: the frame holds what to return to. Otherwise
 * the interrupted code has earned the exception of that vector (1 #DB, 6 #UD, 13 #GP, 14 #PF, ...;
 * never 0), and the frame is what its handler is to see: the error code is in it, CR2 or DR6 are
 * set. A #VC that cannot be served ends the guest.
 *
 * The entry checks that the CPU has pushed an error code: at its first instruction RSP is a
 * multiple of 16 (APM 8.9.3). Without one, which a hypervisor can do, it calls
 * vestibule_terminate(0x23A).
 *
 * `gs_is_swapped`: not 0 where the interrupted code's GS base is in MSR KERNEL_GS_BASE by now,
 * since the entry has executed SWAPGS, or the CPU has (FRED).
 *
 * Such an entry keeps interrupts off until this returns. One #VC may nest in another, which an NMI
 * handler's does; it needs its own stack, and the kernel tells the hypervisor of the NMI's end by
 * vestibule_nmi_complete(). */
uint8_t vestibule_handle_vc(struct vestibule_cpu* cpu, struct vestibule_frame* frame,
                            int gs_is_swapped);

/* For the kernel's handlers of #GP (13) and #PF (14), at CPL 0 and first of all, as one entry of
 * its exception table: not 0 where the exception at *rip is one that the library reckons with. *rip
 * is then where to return to, all other registers being as they were. That is so where a hypervisor
 * answers by an injected #GP instead of the protocol's, and where a page that user mode gave went
 * away meanwhile. */
int vestibule_fix_up(uint8_t vector, uint64_t* rip);

/* NMI complete (4.1, exit 0x80000003), for a kernel with an NMI entry of its own, nmi_ist 0: the
 * next NMI may come before this returns, so the NMI stack's frame must be out of its way by now.
 * Behind it such an entry writes back what MSR 0xC0010130 held when the NMI came. */
void vestibule_nmi_complete(struct vestibule_cpu* cpu);

/* ---- The end ---- */

/* Ends the guest by a termination request (2.3.1); `reason` as above. Never returns, and works at
 * any time. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void vestibule_terminate(vestibule_reason reason);

/* "C_BIT_MISMATCH" and a sentence; "" for a reason that is none. Their tables hold pointers: a
 * kernel that relocates itself may ask once it has. */
const char* vestibule_reason_name(vestibule_reason reason);
const char* vestibule_reason_text(vestibule_reason reason);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
