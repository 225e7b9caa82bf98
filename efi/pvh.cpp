#include "efi/pvh.h"

#include "boot/pvh/record.h"

// Assembly: efi/images.asm.
extern "C" {
extern const vestibule::u8 enter_pvh_bytes[];
extern const vestibule::u8 enter_pvh_end[];
}

namespace vestibule::efi {

namespace {

u64 code_size() { return static_cast<u64>(enter_pvh_end - enter_pvh_bytes); }

/// Behind the code.
struct Told {
    pvh::StartInfo start_info;
    pvh::Module initrd;
};

u64 told_at() { return (code_size() + alignof(Told) - 1) & ~(alignof(Told) - 1); }

} // namespace

Problem PvhEntry::place(boot::PayloadHeader& header) {
    if (!memory_.allocate(told_at() + sizeof(Told), page_size, EfiLoaderCode)) {
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
                        pvh::Extent stub) const {
    const pvh::InUse in_use{
        .extents = {stub,
                    {.base = memory_.base(), .end = memory_.base() + memory_.size()},
                    {.base = departure.map(), .end = departure.behind_map_end()}}
    };
    auto* const ranges = reinterpret_cast<pvh::MemoryRange*>(departure.behind_map());
    const Bytes map{reinterpret_cast<const u8*>(departure.map()), departure.map_size()};
    const u32 count = pvh::convert_map(map, departure.descriptor_size(), in_use, ranges);

    auto& told  = *memory_.at<Told>(told_at());
    told.initrd = {
        .base = header.initrd, .size = header.initrd_size, .command_line = 0, .reserved = 0};
    const bool any  = header.initrd_size != 0;
    told.start_info = {.magic            = pvh::StartInfo::magic_value,
                       .version          = pvh::StartInfo::current_version,
                       .flags            = 0,
                       .module_count     = any ? 1u : 0u,
                       .modules          = any ? reinterpret_cast<u64>(&told.initrd) : 0,
                       .command_line     = reinterpret_cast<u64>(&header.command_line[0]),
                       .rsdp             = header.rsdp,
                       .memory_map       = departure.behind_map(),
                       .memory_map_count = count,
                       .reserved         = 0};
}

} // namespace vestibule::efi
