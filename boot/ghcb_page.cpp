// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/ghcb_page.h"

#include "boot/fatal.h"
#include "boot/image.h"
#include "boot/page_tables.h"
#include "x86/sev.h"

namespace vestibule::boot {

namespace {

constinit ghcb::Page page{};
constinit ghcb::Page backup{};

} // namespace

ghcb::Channel unopened_channel(u16 version) {
    return {.page = &page, .gpa = address_of(&page), .backup = &backup, .version = version};
}

void open_ghcb(ghcb::Channel& channel, u16 version, u64 c_bit,
               const ghcb::EncryptionLeaf& encryption) {
    share_page(&page, c_bit);
    channel = unopened_channel(version);
    ghcb::announce<x86::Cpu>(channel);
    if (const ghcb::Outcome answered = ghcb::prove<x86::Cpu>(channel, encryption);
        !answered.is_done()) {
        fail(answered.reason);
    }
}

} // namespace vestibule::boot
