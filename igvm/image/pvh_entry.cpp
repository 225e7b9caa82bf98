// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "igvm/image/pvh_entry.h"

#include "boot/pvh/record.h"
#include "kernel/pvh.h"

#include <cstring>

namespace vestibule::igvm {

using kernel::MemoryRange;
using kernel::PvhTold;

static u64 told_at(u64 code_size) {
    return (code_size + alignof(PvhTold) - 1) & ~(alignof(PvhTold) - 1);
}

u64 pvh_entry_size(std::span<const u8> code, u64 ranges) {
    return whole_pages(told_at(code.size()) + sizeof(PvhTold) + ranges * sizeof(MemoryRange));
}

std::vector<u8> make_pvh_entry(std::span<const u8> code, u64 gpa, u64 entry, u64 command_line,
                               const boot::MemoryRange& initrd, u64 rsdp,
                               std::span<const MemoryRange> map) {
    const u64 told = told_at(code.size());
    const u64 list = told + sizeof(PvhTold);
    std::vector<u8> bytes(list + map.size_bytes());
    std::ranges::copy(code, bytes.begin());
    boot::pvh::Record record{};
    std::memcpy(&record, bytes.data(), sizeof(record));
    record.entry      = static_cast<u32>(entry); // of a payload, which ends below 4 GiB
    record.start_info = static_cast<u32>(gpa + told);
    std::memcpy(bytes.data(), &record, sizeof(record));
    const PvhTold all = kernel::tell_pvh(gpa + told, initrd.base, initrd.size, command_line, rsdp,
                                         gpa + list, static_cast<u32>(map.size()));
    std::memcpy(&bytes[told], &all, sizeof(all));
    std::memcpy(&bytes[list], map.data(), map.size_bytes());
    return bytes;
}

} // namespace vestibule::igvm
