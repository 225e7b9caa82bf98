// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/guest_memory.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/page_walk.h"

namespace vestibule::sevsim {

using x86::PageTableEntry;

namespace {

constexpr u64 nowhere = Walk::nowhere;

u64 read_entry(u64 gpa, unsigned size) {
    const u8* memory = private_memory(gpa);
    if (memory == nullptr) {
        return 0;
    }
    if (size == sizeof(u32)) {
        u32 entry;
        memcpy(&entry, memory, sizeof entry);
        return entry;
    }
    u64 entry;
    memcpy(&entry, memory, sizeof entry);
    return entry;
}

Walk walk(Vcpu& vcpu, u64 linear) {
    const x86::Vmsa& state = vcpu.state();
    const PagingState paging{state.cr0, vcpu.without_c_bit(vcpu.cr3), state.cr4, state.efer};
    if (!paging.is_on()) {
        return {.address = linear & 0xFFFF'FFFF};
    }
    return walk_tables(paging_of(paging), linear, [&vcpu](u64 gpa, unsigned size) {
        return read_entry(vcpu.without_c_bit(gpa), size);
    });
}

u64 translate(Vcpu& vcpu, u64 linear) { return walk(vcpu, linear).address; }

/// The private memory behind a linear address, of which the CPU could read or write so many bytes
/// without any fault and without a change to an entry; otherwise nullptr.
u8* memory_as_cpu(Vcpu& vcpu, u64 linear, u64 count, bool write) {
    constexpr u64 to_write = PageTableEntry::writable | PageTableEntry::accessed;
    if (linear % page_size + count > page_size) {
        return nullptr;
    }
    const Walk found = walk(vcpu, linear);
    const u64 needed = write ? to_write : PageTableEntry::accessed;
    if (found.address == nowhere || (found.common & needed) != needed
        || (found.common & PageTableEntry::user) != 0 || (found.address & vcpu.c_bit()) == 0
        || (write && (found.last & PageTableEntry::dirty) == 0)) {
        return nullptr;
    }
    return open_private_memory(vcpu.without_c_bit(found.address));
}

bool is_prefix(u8 byte) {
    switch (byte) {
    case 0x26:
    case 0x2E:
    case 0x36:
    case 0x3E:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xF0:
    case 0xF2:
    case 0xF3: return true;
    default: return false;
    }
}

/// The guest's private memory by linear address: one walk for all the bytes of a page.
class PrivateBytes {
  public:
    explicit PrivateBytes(Vcpu& own) : vcpu_{own} {}

    /// The byte behind a linear address, or nullptr.
    const u8* at(u64 linear) {
        const u64 page = linear & ~(page_size - 1);
        if (page != page_) {
            const u64 gpa = translate(vcpu_, page);
            memory_       = gpa == nowhere ? nullptr : private_memory(vcpu_.without_c_bit(gpa));
            page_         = page;
        }
        return memory_ == nullptr ? nullptr : memory_ + linear % page_size;
    }

  private:
    Vcpu& vcpu_;
    u64 page_         = nowhere; // which is no page's address
    const u8* memory_ = nullptr;
};

/// The linear address `offset` bytes from the guest's RIP.
u64 code_address(Vcpu& vcpu, u64 offset) {
    const u64 linear = vcpu.state().rip + offset;
    return vcpu.is_64_bit_code() ? linear : (linear + vcpu.state().cs.base) & 0xFFFF'FFFF;
}

} // namespace

bool translate_linear(Vcpu& vcpu, u64 linear, u64& gpa) {
    gpa = translate(vcpu, linear);
    return gpa != nowhere;
}

bool read_private(Vcpu& vcpu, u64 linear, void* to, u64 count) {
    PrivateBytes bytes{vcpu};
    for (u64 n = 0; n < count; ++n) {
        const u8* at = bytes.at(linear + n);
        if (at == nullptr) {
            return false;
        }
        static_cast<u8*>(to)[n] = *at;
    }
    return true;
}

bool read_as_cpu(Vcpu& vcpu, u64 linear, void* to, u64 count) {
    const u8* memory = memory_as_cpu(vcpu, linear, count, false);
    if (memory != nullptr) {
        memcpy(to, memory, count);
    }
    return memory != nullptr;
}

bool write_as_cpu(Vcpu& vcpu, u64 linear, const void* from, u64 count) {
    u8* memory = memory_as_cpu(vcpu, linear, count, true);
    if (memory != nullptr) {
        memcpy(memory, from, count);
    }
    return memory != nullptr;
}

u64 fetch_code(Vcpu& vcpu, u8* bytes, u64 count) {
    PrivateBytes code{vcpu};
    for (u64 n = 0; n < count; ++n) {
        const u8* at = code.at(code_address(vcpu, n));
        if (at == nullptr) {
            return n;
        }
        bytes[n] = *at;
    }
    return count;
}

std::span<const u8> code_page(Vcpu& vcpu) {
    const u64 page   = vcpu.state().rip & ~(page_size - 1);
    const u64 gpa    = vcpu.is_64_bit_code() ? translate(vcpu, page) : nowhere;
    const u8* memory = gpa == nowhere ? nullptr : private_memory(vcpu.without_c_bit(gpa));
    return memory != nullptr ? std::span{memory, page_size} : std::span<const u8>{};
}

bool read_code_before(Vcpu& vcpu, u8& byte) {
    const u8* at = PrivateBytes{vcpu}.at(code_address(vcpu, ~u64{0}));
    byte         = at != nullptr ? *at : u8{0};
    return at != nullptr;
}

FetchedInstruction fetch_instruction(Vcpu& vcpu) {
    FetchedInstruction instruction{};
    instruction.count =
        static_cast<unsigned>(fetch_code(vcpu, instruction.bytes, sizeof instruction.bytes));
    unsigned& n = instruction.opcode;
    for (; n < instruction.count && is_prefix(instruction.bytes[n]); ++n) {
        instruction.repeat |= instruction.bytes[n] >= 0xF2;
    }
    if (vcpu.is_64_bit_code() && n < instruction.count && (instruction.bytes[n] & 0xF0) == 0x40) {
        instruction.rex = instruction.bytes[n++];
    }
    return instruction;
}

} // namespace vestibule::sevsim
