// SPDX-License-Identifier: BSD-2-Clause-Patent
/* A payload of the stub's: entered in 64-bit mode with boot info, on the stub's stack, page tables
 * and #VC handler. It says what it was given, and exits with code 0. */
#include "instructions.h"

#include <vestibule/boot_info.h>

enum { com1 = 0x3F8, exit_port = 0xF4 };

void start(const struct vestibule_boot_info* info);

/* In an SEV-ES guest each IN and OUT is a #VC, of which nothing is to be seen here. */
static void print(const char* text) {
    for (; *text != 0; ++text) {
        while ((in8(com1 + 5) & 0x20) == 0) {
        }
        out8(com1, (uint8_t)*text);
    }
}

static void print_number(uint64_t value) {
    char digits[21] = {0};
    unsigned at     = 20;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print(digits + at);
}

static const char* platform(const struct vestibule_boot_info* info) {
    switch (info->platform) {
    case VESTIBULE_NATIVE: return "native";
    case VESTIBULE_SEV_ES: return "SEV-ES";
    default: return "unknown";
    }
}

/* What EFI left that is RAM now (UEFI specification 2.10, 7.2.3): types 1 to 4 and 7. An entry's
 * number of pages is its third word of 64 bits behind the type. */
static uint64_t usable_pages(const struct vestibule_boot_info* info) {
    uint64_t pages = 0;
    for (uint64_t at = 0; at < info->efi_memory_map_size; at += info->efi_descriptor_size) {
        const uint64_t* entry = (const uint64_t*)(info->efi_memory_map + at);
        const uint32_t type   = (uint32_t)entry[0];
        if ((type >= 1 && type <= 4) || type == 7) {
            pages += entry[3];
        }
    }
    return pages;
}

void start(const struct vestibule_boot_info* info) {
    print("Hello from a payload.\nPlatform: ");
    print(platform(info));
    print("\nCommand line: ");
    print((const char*)info->command_line);
    print("\nInitrd: ");
    print_number(info->initrd_size);
    print(" bytes\n");
    if (info->efi_system_table != 0) {
        print("Started by EFI firmware, which left ");
        print_number(usable_pages(info) / 256);
        print(" MiB.\n");
    }
    out8(exit_port, 0);
    for (;;) {
    }
}
