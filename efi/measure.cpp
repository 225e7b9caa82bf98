// SPDX-License-Identifier: BSD-2-Clause-Patent
// See measure.h. The order of sections is that of systemd's src/fundamental/uki.h, by which its
// systemd-measure foretells the PCR; .pcrsig is not measured, since it holds what was foretold.
#include "efi/measure.h"

#include "efi/firmware.h"

namespace vestibule::efi {

namespace {

using kernel::Bytes;

constexpr u32 pcr          = 11;
constexpr u32 event_of_ipl = 0xD; // EV_IPL

/// EFI_TCG2_EVENT, with the longest name of a section in UTF-16 as its description.
struct [[gnu::packed]] Event {
    u32 size;
    u32 header_size;
    u16 header_version;
    u32 pcr;
    u32 type;
    char16_t description[10];
};

constexpr u32 event_header = 14; // behind the size

/// EFI_TCG2_PROTOCOL as far as it is used.
struct Tcg2 {
    void* get_capability;
    void* get_event_log;
    EFI_STATUS(EFIAPI* hash_log_extend)(Tcg2* self, u64 flags, u64 data, u64 size, Event* event);
};

constexpr EFI_GUID tcg2_guid = {
    0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}
};

constexpr elf::Phrase sections[] = {
    ".linux",  ".osrel", ".cmdline", ".initrd", ".ucode",
    ".splash", ".dtb",   ".uname",   ".sbat",   ".pcrpkey",
};

bool extend(Tcg2& tpm, Bytes data, elf::Phrase name) {
    Event event{.size           = sizeof(Event),
                .header_size    = event_header,
                .header_version = 1,
                .pcr            = pcr,
                .type           = event_of_ipl,
                .description    = {}};
    for (u64 n = 0; n < name.size; ++n) {
        event.description[n] = static_cast<u8>(name.data[n]);
    }
    return tpm.hash_log_extend(&tpm, 0, reinterpret_cast<u64>(data.data), data.size, &event)
           == EFI_SUCCESS;
}

} // namespace

unsigned measure_sections(Bytes image) {
    EFI_GUID guid = tcg2_guid;
    void* found   = nullptr;
    if (services().LocateProtocol(&guid, nullptr, &found) != EFI_SUCCESS) {
        return 0;
    }
    auto& tpm      = *static_cast<Tcg2*>(found);
    unsigned count = 0;
    for (const elf::Phrase& name : sections) {
        const Bytes data = kernel::section_of(image, name, kernel::Sections::in_memory);
        if (data.size == 0) {
            continue;
        }
        const Bytes text{reinterpret_cast<const u8*>(name.data), name.size + 1};
        count += extend(tpm, text, name) && extend(tpm, data, name) ? 1 : 0;
    }
    return count;
}

} // namespace vestibule::efi
