// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "kernel/bzimage.h"

#include "kernel/memory_range.h"
#include "kernel/setup_header.h" // NOLINT(readability-duplicate-include): it is not

namespace vestibule::kernel {

namespace {

constexpr u64 four_gib = u64{1} << 32;

/// Whether the kernel may be moved by multiples of `alignment`.
constexpr bool is_alignment(u64 alignment) {
    constexpr u64 most = u64{1} << 30;
    return alignment >= page_size && alignment <= most && (alignment & (alignment - 1)) == 0;
}

template <class T>
void store(u8* header, u64 offset, T value) {
    __builtin_memcpy(header + (offset - setup::start), &value, sizeof(T));
}

} // namespace

bool is_bzimage(Bytes file) {
    return file.size >= setup::least_end
           && file.load<u16>(setup::boot_flag) == setup::boot_flag_value
           && file.load<u32>(setup::magic) == setup::magic_value;
}

Fault read_bzimage(Bytes file, LinuxKernel& kernel) {
    const auto version      = file.load<u16>(setup::version);
    const auto load_flags   = file.load<u8>(setup::load_flags);
    const auto xloadflags   = file.load<u16>(setup::xloadflags);
    const auto pref_address = file.load<u64>(setup::pref_address);
    const auto init_size    = file.load<u32>(setup::init_size);
    const auto alignment    = file.load<u32>(setup::kernel_alignment);
    const bool moves        = file.load<u8>(setup::relocatable_kernel) != 0;
    const u64 sectors       = file.load<u8>(setup::sectors);
    const u64 real_mode     = ((sectors == 0 ? 4 : sectors) + 1) * setup::sector;
    const u64 header_end    = setup::magic + file.load<u8>(setup::jump_length);
    const elf::Row rows[]   = {
        {.expected = "boot protocol 2.12 or later",
         .offset   = setup::version,
         .found    = version,
         .right    = version >= setup::least_version                                           },
        {.expected = "a kernel that is loaded high",
         .offset   = setup::load_flags,
         .found    = load_flags,
         .right    = (load_flags & setup::loaded_high) != 0                                    },
        {.expected = "a 64-bit entry point (XLF_KERNEL_64)",
         .offset   = setup::xloadflags,
         .found    = xloadflags,
         .right    = (xloadflags & setup::xlf_kernel_64) != 0                                  },
        {.expected = "a setup header that ends behind init_size and in the zero page's room for it",
         .offset   = setup::jump_length,
         .found    = header_end,
         .right    = header_end >= setup::least_end && header_end <= setup::most_end
                    && header_end <= file.size                                                 },
        {.expected = "a protected-mode kernel behind the real-mode code",
         .offset   = setup::sectors,
         .found    = sectors,
         .right    = file.size > real_mode + entry64_offset                                    },
        {.expected = "a page-aligned preferred address with room below for the real-mode code",
         .offset   = setup::pref_address,
         .found    = pref_address,
         .right    = pref_address % page_size == 0 && pref_address >= high_memory_start + real_mode
                    && pref_address < four_gib                                                 },
        {.expected = "room for the kernel (init_size) that holds its file and ends below 4 GiB",
         .offset   = setup::init_size,
         .found    = init_size,
         .right    = file.size - real_mode <= init_size && init_size <= four_gib - pref_address},
        {.expected = "an alignment that is a power of two, from a page to 1 GiB",
         .offset   = setup::kernel_alignment,
         .found    = alignment,
         .right    = !moves || is_alignment(alignment)                                         },
    };
    if (const Fault fault = elf::all_right(rows); fault.is_there()) {
        return fault;
    }
    // Who says that all may lie above 4 GiB has no limit for it below (boot.rst,
    // "initrd_addr_max").
    const bool anywhere = (xloadflags & setup::xlf_above_4g) != 0;
    kernel              = {
                     .header             = {},
                     .header_size        = header_end - setup::start,
                     .initrd_limit       = anywhere ? four_gib - 1 : file.load<u32>(setup::initrd_max),
                     .command_line_limit = file.load<u32>(setup::cmdline_size),
                     .offset             = real_mode,
                     .preferred_address  = pref_address,
                     .alignment          = moves ? alignment : 0,
                     .memory_size        = init_size,
    };
    __builtin_memcpy(kernel.header, file.data + setup::start, kernel.header_size);
    return elf::no_fault;
}

LinuxKernel kernel_without_header() {
    constexpr u32 longest_command_line = 2047;
    LinuxKernel kernel{.header             = {},
                       .header_size        = setup::least_end - setup::start,
                       .initrd_limit       = setup::highest_initrd,
                       .command_line_limit = longest_command_line,
                       .offset             = 0,
                       .preferred_address  = 0,
                       .alignment          = 0,
                       .memory_size        = 0};
    store(kernel.header, setup::boot_flag, setup::boot_flag_value);
    store(kernel.header, setup::jump_length, static_cast<u8>(setup::least_end - setup::magic));
    store(kernel.header, setup::magic, setup::magic_value);
    store(kernel.header, setup::version, setup::least_version);
    store(kernel.header, setup::load_flags, setup::loaded_high);
    store(kernel.header, setup::initrd_max, setup::highest_initrd);
    store(kernel.header, setup::xloadflags, setup::xlf_kernel_64);
    store(kernel.header, setup::cmdline_size, longest_command_line);
    return kernel;
}

} // namespace vestibule::kernel
