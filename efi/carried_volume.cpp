// SPDX-License-Identifier: BSD-2-Clause-Patent
// The "volume" of examiner.efi: its payload, which the application carries, and a configuration
// that names it. What stands behind the application's name in a boot entry or in the shell (UEFI
// specification 2.10, section 9.1, LoadOptions) is the payload's command line.
#include "efi/config.h"
#include "efi/firmware.h"
#include "efi/volume.h"

extern "C" {
extern const vestibule::u8 examiner_bytes[]; // examiner.asm
extern const vestibule::u8 examiner_end[];
}

namespace vestibule::efi {

namespace {

constexpr EFI_GUID loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
};

constexpr Text payload_name   = "examiner.elf";
constexpr Text payload_line   = "payload = examiner.elf\nverbose = off\ncmdline = ";
constexpr u64 most_characters = 1024;

/// The options behind the first word, in ASCII; a loader that gives none has the payload find none.
u64 read_options(u8* to) {
    const auto* const loaded = protocol<EFI_LOADED_IMAGE>(firmware.image, loaded_image_guid);
    if (loaded == nullptr || loaded->LoadOptions == nullptr) {
        return 0;
    }
    const auto* const wide = static_cast<const CHAR16*>(loaded->LoadOptions);
    const u64 length       = loaded->LoadOptionsSize / sizeof(CHAR16);
    u64 at                 = 0;
    while (at < length && wide[at] != 0 && wide[at] != ' ') {
        ++at;
    }
    u64 size = 0;
    for (; at < length && wide[at] != 0 && size < most_characters; ++at) {
        if (wide[at] < ' ' || wide[at] > '~') {
            return 0; // a boot entry's own data
        }
        to[size++] = static_cast<u8>(wide[at]);
    }
    return size;
}

} // namespace

void Volume::close() {}

Problem Volume::open() { return no_problem; }

Problem Volume::read(Text path, Pages& memory, u64& size, u64 limit) {
    const bool is_config = path == config_name;
    if (!is_config && path != payload_name) {
        return problem(Trouble::not_found, "there is no ", path, " in this application");
    }
    const auto carried = static_cast<u64>(examiner_end - examiner_bytes);
    size               = is_config ? payload_line.size + most_characters : carried;
    if (!memory.allocate(size, page_size, EfiLoaderData, limit)) {
        return problem(Trouble::memory, "too little memory: ", path, " has ", size, " bytes");
    }
    if (is_config) {
        __builtin_memcpy(memory.at(), payload_line.data, payload_line.size);
        size = payload_line.size + read_options(memory.at(payload_line.size));
    } else {
        __builtin_memcpy(memory.at(), examiner_bytes, carried);
    }
    return no_problem;
}

} // namespace vestibule::efi
