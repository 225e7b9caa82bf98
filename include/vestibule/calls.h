// SPDX-License-Identifier: BSD-2-Clause-Patent
/* Calls of the kernel's own through the GHCB, of which the library owns page and MSR: any event of
 * the specification's section 4.1, and the usual ones by name. On a CPU that vestibule_cpu_start()
 * has taken, `cpu` being that CPU's; also in an NMI's handler, and with interrupts on or off: they
 * are held off meanwhile. Not in `user_may`. No call raises #VC.
 *
 * Where a driver knows that it speaks to a port or to a device's memory, these are its fast path:
 * nothing is decoded, no exception is taken (docs/library.md has the figures). */
#ifndef VESTIBULE_CALLS_H
#define VESTIBULE_CALLS_H

#include "vestibule.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(hidden)

/* The most that fits in a call's buffer. */
#define VESTIBULE_BUFFER_SIZE 2032

/* What a call shows, and wants answered, beside general registers. */
enum {
    VESTIBULE_SHOW_CPL       = 1,
    VESTIBULE_SHOW_XCR0      = 2,
    VESTIBULE_SHOW_XSS       = 4,
    VESTIBULE_WANT_EXITINFO2 = 8
};

/* One call. What is 0 is not shown and not wanted; the hypervisor sees nothing that is not said
 * here. */
struct vestibule_call {
    uint64_t exit_code;
    uint64_t exitinfo1;
    uint64_t exitinfo2; /* where it is wanted: then the answer's */
    uint64_t reg[16];   /* by number: RAX 0, RCX 1, RDX 2, RBX 3, RBP 5, RSI 6, RDI 7, R8 to R15 */
    uint64_t xcr0;
    uint64_t xss;
    uint16_t shown;  /* bit n: reg[n] goes out. Never 4, RSP, which the page does not have */
    uint16_t wanted; /* bit n, 0 to 3: the answer must have reg[n] */
    uint8_t cpl;
    uint8_t fields; /* VESTIBULE_SHOW_*, VESTIBULE_WANT_* */
    /* Data in the page's buffer, which SW_SCRATCH then names: so many bytes are copied there from
     * `buffer`, and so many from there once the answer is accepted. */
    uint16_t bytes_out;
    uint16_t bytes_in;
    uint16_t reserved[3];
    void* buffer;
};

/* Makes the call. 0: the answer is in `call`, copied from the shared page once and checked. Else
 * `call` is as it was: VESTIBULE_REASON_CALL_ARGUMENT, nothing was sent; GHCB_*, what is wrong with
 * the answer; UNEXPECTED_EXCEPTION and the vector, 6 or 13: the hypervisor would have the
 * instruction fault. */
vestibule_reason vestibule_ghcb_call(struct vestibule_cpu* cpu, struct vestibule_call* call);

/* ---- Of the machine ---- */

/* Hypervisor features (exit 0x8000FFFD): a bit each; none by version 1 of the protocol. Not
 * measured: to be believed in what goes without. */
vestibule_reason vestibule_hypervisor_features(struct vestibule_cpu* cpu, uint64_t* features);

/* The AP jump table (exit 0x80000005): a page's guest-physical address that the hypervisor keeps
 * for whoever comes next; 0 where none was set. What lies there is for caller and APs to agree. */
vestibule_reason vestibule_ap_jump_table(struct vestibule_cpu* cpu, uint64_t* gpa);
vestibule_reason vestibule_set_ap_jump_table(struct vestibule_cpu* cpu, uint64_t gpa);

/* AP reset hold (exit 0x80000004): returns once this CPU was sent INIT and SIPI. */
vestibule_reason vestibule_ap_reset_hold(struct vestibule_cpu* cpu);

/* Resets a PC: by port 0xCF9, then by the keyboard controller. The guest ends by a termination
 * request if neither does it. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void vestibule_reset(struct vestibule_cpu* cpu);

/* Powers off by ACPI: `pm1a_control` is the port that the FADT says, `sleep_type` the first number
 * of the DSDT's \_S5 (ACPI specification, section 4.8.3.2; QEMU has 0). Ends the guest as above. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void vestibule_power_off(struct vestibule_cpu* cpu, uint16_t pm1a_control, uint8_t sleep_type);

/* Ends the guest as vestibule_terminate() does, and leaves word of where: `rip` and `address` are
 * shown with the reason by Vestibule's tools. For a kernel's handlers of exceptions that it has no
 * use for: UNEXPECTED_EXCEPTION and the vector, the frame's RIP and error code, CR2. */
#ifdef __cplusplus
[[noreturn]]
#else
_Noreturn
#endif
void vestibule_terminate_at(struct vestibule_cpu* cpu, vestibule_reason reason, uint64_t rip,
                            uint64_t error_code, uint64_t address);

/* ---- Of a device ----
 *
 * `size` is 1, 2 or 4 bytes, of memory also 8. An answer that is none ends the guest, as it does
 * that of a #VC: there is nothing else that a driver could do. */

uint32_t vestibule_in(struct vestibule_cpu* cpu, uint16_t port, unsigned size);
void vestibule_out(struct vestibule_cpu* cpu, uint16_t port, unsigned size, uint32_t value);

/* `gpa` is the register's guest-physical address, within a page. SECURITY: it goes to the
 * hypervisor whatever the page tables say of it; a #VC would have looked. */
uint64_t vestibule_mmio_read(struct vestibule_cpu* cpu, uint64_t gpa, unsigned size);
void vestibule_mmio_write(struct vestibule_cpu* cpu, uint64_t gpa, unsigned size, uint64_t value);

/* So many bytes to one port, 2032 with a VMGEXIT: to an emulated serial port, which takes whatever
 * comes. */
void vestibule_write(struct vestibule_cpu* cpu, uint16_t port, const void* bytes, size_t count);

static inline void vestibule_putc(struct vestibule_cpu* cpu, uint16_t port, uint8_t character) {
    vestibule_out(cpu, port, 1, character);
}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
