// SPDX-License-Identifier: BSD-2-Clause-Patent
/* What a payload in C makes of the boot info: only compiled. */
#include "boot/boot_info.h"

#include <stddef.h>

_Static_assert(sizeof(struct vestibule_boot_info) == 296, "as in C++");
_Static_assert(offsetof(struct vestibule_boot_info, platform) == 16, "as in C++");
_Static_assert(offsetof(struct vestibule_boot_info, vp_count) == 144, "as in C++");
_Static_assert(offsetof(struct vestibule_boot_info, rsdp) == 184, "as in C++");
_Static_assert(offsetof(struct vestibule_boot_info, ap_mailbox) == 224, "as in C++");

const char* start(const struct vestibule_boot_info* info);

const char* start(const struct vestibule_boot_info* info) {
    if (info->magic != VESTIBULE_BOOT_INFO_MAGIC || info->platform == VESTIBULE_SEV_SNP) {
        return "";
    }
    return (const char*)(uintptr_t)info->command_line; /* NOLINT: an address */
}
