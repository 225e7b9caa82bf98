// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/pvh.h"

#include "boot/pvh/record.h"
#include "kernel/pvh.h"

// Assembly: efi/images.asm.
extern "C" {
extern const vestibule::u8 enter_pvh_bytes[];
extern const vestibule::u8 enter_pvh_end[];
}

namespace vestibule::efi {

using kernel::PvhTold;

namespace {

u64 code_size() { return static_cast<u64>(enter_pvh_end - enter_pvh_bytes); }

/// Behind the code.
u64 told_at() { return (code_size() + alignof(PvhTold) - 1) & ~(alignof(PvhTold) - 1); }

} // namespace

Problem PvhEntry::place(boot::PayloadHeader& header) {
    if (!memory_.allocate(told_at() + sizeof(PvhTold), page_size, EfiLoaderCode)) {
        return problem(Trouble::memory, "too little memory for the way into a PVH kernel");
    }
    __builtin_memcpy(memory_.at(), enter_pvh_bytes, code_size());
    auto& record      = *memory_.at<boot::pvh::Record>();
    record.entry      = low_half(header.entry); // of a payload, which ends below 4 GiB
    record.start_info = low_half(memory_.base() + told_at());
    header.entry      = memory_.base();
    return no_problem;
}

void PvhEntry::describe(const boot::PayloadHeader& header, const Departure& departure,
                        Extent stub) const {
    auto* const ranges = reinterpret_cast<MemoryRange*>(departure.behind_map());
    const u32 count =
        departure.convert(stub, memory_.extent(), kernel::MemoryType::reserved, ranges);
    *memory_.at<PvhTold>(told_at()) = kernel::tell_pvh(
        memory_.base() + told_at(), header.initrd, header.initrd_size,
        reinterpret_cast<u64>(&header.command_line[0]), header.rsdp, departure.behind_map(), count);
}

} // namespace vestibule::efi
