// SPDX-License-Identifier: BSD-2-Clause-Patent
/* The public header, in C and in C++: alone, twice, and used. */
#include <vestibule/vestibule.h>

#include <vestibule/boot_info.h>
#include <vestibule/boot_info_offsets.h>
#include <vestibule/calls.h>
#include <vestibule/reasons.h>
#include <vestibule/share.h>
#include <vestibule/snp.h>

#ifdef __cplusplus
#define STATIC_ASSERT static_assert
#else
#define STATIC_ASSERT _Static_assert
#endif

STATIC_ASSERT(VESTIBULE_REASON_C_BIT_MISMATCH == 0x204, "set and code");
STATIC_ASSERT(VESTIBULE_REASON_UNEXPECTED_EXCEPTION == 0x500, "a set whose code is what was met");
STATIC_ASSERT(offsetof(struct vestibule_boot_info, c_bit) == VESTIBULE_BOOT_INFO_AT_C_BIT, "");
STATIC_ASSERT(offsetof(struct vestibule_boot_info, rsdp) == VESTIBULE_BOOT_INFO_AT_RSDP, "");

struct vestibule_cpu cpu;
struct vestibule_platform platform;
struct vestibule_setup setup;

vestibule_reason use(void *idt);

vestibule_reason use(void *idt) {
    vestibule_reason reason = vestibule_identify(&platform);
    setup.c_bit             = platform.c_bit;
    if (reason == VESTIBULE_REASON_NONE) {
        reason = vestibule_cpu_start(&cpu, &setup);
    }
    if (reason != 0) {
        vestibule_terminate(reason);
    }
    vestibule_set_gate(idt, 29, vestibule_vc_entry, 8, 1);
    return 0;
}
