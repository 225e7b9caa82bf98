// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "launcher/last_words.h"

#include "ghcb/last_words_text.h"

#include <sys/mman.h>

namespace vestibule::launcher {

std::string last_words(const GuestMemory& memory, u64 ghcb_msr) {
    const auto set  = static_cast<u8>((ghcb_msr >> 12) & 0xF);
    const auto code = static_cast<u8>(ghcb_msr >> 16);
    for (const Slot& slot : memory.slots()) {
        std::vector<unsigned char> touched(slot.range.size / page_size);
        if (mincore(slot.host, slot.range.size, touched.data()) != 0) {
            continue;
        }
        for (u64 page = 0; page < touched.size(); ++page) {
            if ((touched[page] & 1) == 0) {
                continue;
            }
            const u8* const at = slot.host + page * page_size + ghcb::last_words_offset;
            if (auto text = ghcb::last_words_text({at, sizeof(ghcb::LastWords)}, set, code);
                !text.empty()) {
                return text;
            }
        }
    }
    return {};
}

} // namespace vestibule::launcher
