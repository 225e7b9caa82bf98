// SPDX-License-Identifier: BSD-2-Clause-Patent
// Prints the offsets of boot/boot_info.h for assembly: `nasm` as boot_info.inc, `c` as
// boot_info_offsets.h, for .S files. Runs on the build machine.
#include "boot/boot_info.h"

#include <cstddef>
#include <cstdio>
#include <string_view>

namespace {

struct Offset {
    const char* name;
    unsigned long value;
};

#define FIELD(name, field) {#name, offsetof(vestibule_boot_info, field)}
constexpr Offset offsets[] = {
    FIELD(MAGIC, magic),
    FIELD(VERSION, version),
    FIELD(SIZE, size),
    FIELD(PLATFORM, platform),
    FIELD(GHCB_VERSION, ghcb_version),
    FIELD(C_BIT, c_bit),
    FIELD(GHCB_GPA, ghcb_gpa),
    FIELD(SEV_STATUS, sev_status),
    FIELD(IMAGE_BASE, image_base),
    FIELD(IMAGE_SIZE, image_size),
    FIELD(PAYLOAD_BASE, payload_base),
    FIELD(PAYLOAD_SIZE, payload_size),
    FIELD(COMMAND_LINE, command_line),
    FIELD(COMMAND_LINE_SIZE, command_line_size),
    FIELD(INITRD, initrd),
    FIELD(INITRD_SIZE, initrd_size),
    FIELD(CPUID_PAGE, cpuid_page),
    FIELD(SECRETS_PAGE, secrets_page),
    FIELD(MEMORY_MAP, memory_map),
    FIELD(MEMORY_MAP_SIZE, memory_map_size),
    FIELD(VP_COUNT, vp_count),
    FIELD(EFI_SYSTEM_TABLE, efi_system_table),
    FIELD(EFI_MEMORY_MAP, efi_memory_map),
    FIELD(EFI_MEMORY_MAP_SIZE, efi_memory_map_size),
    FIELD(EFI_DESCRIPTOR_SIZE, efi_descriptor_size),
    FIELD(EFI_DESCRIPTOR_VERSION, efi_descriptor_version),
    FIELD(RSDP, rsdp),
    FIELD(VC_HANDLER, vc_handler),
    FIELD(VC_SELECTOR, vc_selector),
    FIELD(VCPUS, vcpus),
    FIELD(RAM, ram),
    FIELD(RAM_COUNT, ram_count),
    FIELD(AP_MAILBOX, ap_mailbox),
    FIELD(VALIDATED, validated),
    FIELD(VALIDATED_COUNT, validated_count),
    FIELD(VMPL, vmpl),
    FIELD(REPORT, report),
    FIELD(REPORT_SIZE, report_size),
    FIELD(CERTIFICATES, certificates),
    FIELD(CERTIFICATES_SIZE, certificates_size),
    FIELD(SVSM_AREAS, svsm_areas),
};
#undef FIELD

static_assert(offsetof(vestibule_boot_info, svsm_areas) + sizeof(uint64_t)
                  == sizeof(vestibule_boot_info),
              "the table ends before the structure does");

} // namespace

int main(int count, char** arguments) {
    const bool nasm = count == 2 && std::string_view{arguments[1]} == "nasm";
    std::printf("%s Generated from boot/boot_info.h: where its fields are.%s\n", nasm ? ";" : "/*",
                nasm ? "" : " */");
    for (const Offset& offset : offsets) {
        std::printf(nasm ? "VESTIBULE_BOOT_INFO_AT_%s equ %lu\n"
                         : "#define VESTIBULE_BOOT_INFO_AT_%s %lu\n",
                    offset.name, offset.value);
    }
}
