// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's memory by linear address, read as the CPU reads it: by a walk of the guest's own
// tables, which is private whatever their entries say.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

#include <span>

namespace vestibule::sevsim {

/// Reads up to `count` bytes of code at the guest's RIP; how many could be read.
u64 fetch_code(Vcpu& vcpu, u8* bytes, u64 count);

/// The page that the guest's RIP is in, of 64-bit code; empty where there is none, or where an
/// SEV-SNP guest has given it back.
std::span<const u8> code_page(Vcpu& vcpu);

/// Reads the byte of code before the guest's RIP; false where it is not there.
bool read_code_before(Vcpu& vcpu, u8& byte);

/// Reads the guest's private memory at a linear address; false where some of it is not there.
bool read_private(Vcpu& vcpu, u64 linear, void* to, u64 count);

/// Read or write the guest's private memory at a linear address as its CPU does for itself, at CPL
/// 0, in long mode. False, with nothing changed, where that would fault, set a bit in the guest's
/// tables or cross into another page, or where the memory shows its contents through another view.
bool read_as_cpu(Vcpu& vcpu, u64 linear, void* to, u64 count);
bool write_as_cpu(Vcpu& vcpu, u64 linear, const void* from, u64 count);

/// Where a linear address leads by the guest's own tables, with the C-bit as they have it; false
/// where it is not mapped.
bool translate_linear(Vcpu& vcpu, u64 linear, u64& gpa);

/// The instruction at RIP, without its prefixes.
struct FetchedInstruction {
    u8 bytes[15];    // prefixes included
    unsigned count;  // of bytes that could be read
    unsigned opcode; // index of the first byte that is no prefix
    u8 rex;          // 0 where there is none
    bool repeat;     // F2 or F3

    /// True where the opcode starts with these bytes.
    bool is(u8 first, u8 second) const {
        return opcode + 1 < count && bytes[opcode] == first && bytes[opcode + 1] == second;
    }

    bool is(u8 first, u8 second, u8 third) const {
        return opcode + 2 < count && is(first, second) && bytes[opcode + 2] == third;
    }
};

FetchedInstruction fetch_instruction(Vcpu& vcpu);

} // namespace vestibule::sevsim
