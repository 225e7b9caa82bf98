// SPDX-License-Identifier: BSD-2-Clause-Patent
// Segmentation of a memory operand: from the instruction's offset to a linear address, or the
// exception that the segment's rules demand (APM volume 2, sections 4.5, 4.7, 4.8 and 4.12).
#pragma once

#include "ghcb/outcome.h"
#include "vc/registers.h"
#include "vc/request.h"
#include "x86/descriptor.h"
#include "x86/msr.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// Offsets from `first` to `last` are addressable; in 64-bit code it is the linear address that
/// must be canonical.
struct SegmentView {
    u64 base         = 0;
    u64 first        = 0;
    u64 last         = 0;
    u8 vector        = 0; // of what it raises: #GP or #SS
    bool usable      = true;
    bool is_64bit    = false;
    u8 unsigned_bits = 0; // 64-bit code: of a linear address, without its sign bit

    /// The linear address of `size` bytes at `offset`; false where they raise `vector`.
    bool linear(u64 offset, u8 size, u64& address) const {
        const u64 end = offset + size - 1;
        if (!is_64bit) {
            address = low_half(base + offset);
            return usable && offset >= first && end <= last;
        }
        address         = base + offset;
        const auto sign = static_cast<i64>(address) >> unsigned_bits;
        const auto tail = static_cast<i64>(base + end) >> unsigned_bits;
        return (sign == 0 || sign == -1) && tail == sign;
    }
};

/// FS and GS have the base that their MSRs hold in every mode. Where the program's entry has
/// swapped GS, it says so (Context::gs_is_swapped).
template <class Cpu>
[[gnu::noinline, clang::minsize]] SegmentView view_segment(const Request& request, Segment segment,
                                                           bool write) {
    SegmentView view;
    view.vector =
        segment == Segment::ss ? x86::exception::stack_segment : x86::exception::general_protection;
    view.is_64bit       = request.code.size == CodeSize::bits64;
    const bool from_msr = segment >= Segment::fs;
    if (from_msr) {
        view.base = Cpu::rdmsr(segment == Segment::fs ? x86::Msr::fs_base
                               : Cpu::serves_kernel && request.context.gs_is_swapped
                                   ? x86::Msr::kernel_gs_base
                                   : x86::Msr::gs_base);
    }
    if (view.is_64bit) {
        view.unsigned_bits = (Cpu::cr4() & x86::cr4::la57) != 0 ? 56 : 47;
        return view;
    }
    u16 selector = 0;
    switch (segment) {
    case Segment::cs: selector = static_cast<u16>(request.frame.cs); break;
    case Segment::ss: selector = static_cast<u16>(request.frame.ss); break;
    default: selector = Cpu::segment_selector(static_cast<unsigned>(segment)); break;
    }
    x86::SegmentDescriptor descriptor{};
    view.usable = Cpu::read_descriptor(selector, descriptor)
                  && (write ? descriptor.is_writable() : descriptor.is_readable());
    if (!from_msr) {
        view.base = descriptor.base();
    }
    view.last = descriptor.limit();
    if (descriptor.is_expand_down()) {
        view.first = view.last + 1;
        view.last  = descriptor.is_default_32() ? 0xFFFF'FFFF : 0xFFFF;
    }
    return view;
}

/// base + index × scale + displacement, cut to the address size.
[[gnu::noinline]] inline u64 effective_offset(const Request& request, i64 further) {
    const Instruction& instruction = request.instruction;
    const MemoryOperand& memory    = instruction.memory;
    u64 offset = static_cast<u64>(memory.displacement) + static_cast<u64>(further);
    if (memory.base == MemoryOperand::rip) {
        offset += request.frame.rip + instruction.length;
    } else if (memory.base != MemoryOperand::no_register) {
        offset += whole_register(request.frame, memory.base);
    }
    if (memory.index != MemoryOperand::no_register) {
        offset += whole_register(request.frame, memory.index) * memory.scale;
    }
    return offset & size_mask(instruction.address_size);
}

} // namespace vestibule::vc
