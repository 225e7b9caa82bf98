// SPDX-License-Identifier: BSD-2-Clause-Patent
// The snippets' world as layout.h has it: descriptor tables, stacks, page tables, and the memory
// that a snippet can change, which is put back after each.
#pragma once

#include "qemu-tests/guests/oracle/devices.h"
#include "qemu-tests/guests/oracle/layout.h"
#include "qemu-tests/guests/oracle/record.h"
#include "x86/types.h"

namespace vestibule::oracle {

/// Builds and loads it. `c_bit` is zero natively.
void build_world(u64 c_bit);

/// Copies the bytes to where they are executed, and returns that address: the start of the code
/// page, or where their end is the page's.
u64 place_code(const u8* code, unsigned length, bool at_page_end, bool for_user);

/// The TSS's bitmap: may user mode access the storage and the text?
void allow_ports(bool allowed);

/// Where what ends a snippet is pushed: on a stack that nobody looks at (IST 1), or where a gate
/// without IST does, which is memory that is compared: at the snippet's RSP, from CPL 3 at the end
/// of the supervisor page (RSP 0).
void use_interrupt_stack(bool used);

/// All memory as snippets find it.
void fill_memory(const Devices& devices);

/// Calls `visit(Change)` for every word that is not as snippets find it, and puts it back.
template <class Visit>
void restore_memory(const Devices& devices, Visit visit);

namespace memory {

/// What a byte-wise pattern of 8 bytes holds at an address: no two words are the same.
constexpr u64 pattern(u64 address) {
    u64 mixed = (address + 0x9E37'79B9) * 0xBF58'476D'1CE4'E5B9;
    mixed ^= mixed >> 29;
    return mixed * 0x94D0'49BB'1331'11EB;
}

/// A page that the snippets can reach, at its own address and at theirs.
struct Page {
    volatile u64* words;
    u64 address;
};

inline constexpr unsigned page_count = 8;
Page page(unsigned number);

} // namespace memory

template <class Visit>
void restore_memory(const Devices& devices, Visit visit) {
    for (unsigned number = 0; number < memory::page_count; ++number) {
        const memory::Page page = memory::page(number);
        for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
            const u64 address = page.address + n * sizeof(u64);
            const u64 value   = page.words[n];
            if (value != memory::pattern(address)) {
                visit(Change{address, value});
                page.words[n] = memory::pattern(address);
            }
        }
    }
    for (u64 offset = 0; offset < device_size; offset += sizeof(u64)) {
        const u64 value = devices.read(device_gpa + offset);
        if (value != memory::pattern(device + offset)) {
            visit(Change{device + offset, value});
            devices.write(device_gpa + offset, memory::pattern(device + offset));
        }
    }
}

} // namespace vestibule::oracle
