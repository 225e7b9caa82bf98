#include "sevsim/monitor/memory/guest_memory.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "x86/page_table.h"

namespace vestibule::sevsim {

using x86::PageTableEntry;

namespace {

constexpr u64 nowhere = ~u64{0};

/// A paging mode: where its walk starts and how wide its entries are.
struct Paging {
    u64 root;
    unsigned entry_size;
    unsigned first_shift; // of the linear address, for the index into the root
    unsigned index_bits;  // per level
    unsigned first_index_bits;
    u64 large_shifts; // bit n set: an entry that maps 2^n bytes may be a page
};

Paging paging_of(Vcpu& vcpu) {
    const u64 root = vcpu.without_c_bit(vcpu.cr3);
    if (vcpu.is_long_mode()) {
        const bool five_levels = (vcpu.state().cr4 & x86::cr4::la57) != 0;
        return {root & PageTableEntry::address_mask,
                8,
                five_levels ? 48u : 39u,
                9,
                9,
                bit(30) | bit(21)};
    }
    if ((vcpu.state().cr4 & x86::cr4::pae) != 0) {
        return {root & 0xFFFF'FFE0, 8, 30, 9, 2, bit(21)};
    }
    const bool large_page = (vcpu.state().cr4 & x86::cr4::pse) != 0;
    return {root & 0xFFFF'F000, 4, 22, 10, 10, large_page ? bit(22) : 0};
}

u64 read_entry(u64 gpa, unsigned size) {
    const u8* memory = private_memory(gpa);
    if (memory == nullptr) {
        return 0;
    }
    u64 entry = 0;
    memcpy(&entry, memory, size);
    return entry;
}

/// Where a walk leads, what all of its entries have in common, and the last one.
struct Walk {
    u64 gpa; // with the C-bit as the page's entry has it; `nowhere` where there is no page
    u64 common = ~u64{0};
    u64 last   = ~u64{0};
};

Walk walk(Vcpu& vcpu, u64 linear) {
    if ((vcpu.state().cr0 & x86::cr0::pg) == 0) {
        return {.gpa = linear & 0xFFFF'FFFF};
    }
    u64 common          = ~u64{0};
    const Paging paging = paging_of(vcpu);
    unsigned index_bits = paging.first_index_bits;
    u64 table           = paging.root;
    for (unsigned shift = paging.first_shift;; shift -= paging.index_bits) {
        const u64 index = (linear >> shift) & (bit(index_bits) - 1);
        const u64 entry = read_entry(table + index * paging.entry_size, paging.entry_size);
        if ((entry & PageTableEntry::present) == 0) {
            return {.gpa = nowhere};
        }
        common &= entry;
        const u64 address = entry & PageTableEntry::address_mask;
        const bool large =
            (entry & PageTableEntry::large) != 0 && (paging.large_shifts & bit(shift)) != 0;
        if (shift == 12 || large) {
            const u64 offset_mask = bit(shift) - 1;
            return {(address & ~offset_mask) | (linear & offset_mask), common, entry};
        }
        table      = vcpu.without_c_bit(address);
        index_bits = paging.index_bits;
    }
}

u64 translate(Vcpu& vcpu, u64 linear) { return walk(vcpu, linear).gpa; }

/// The private memory behind a linear address, of which the CPU could read or write so many bytes
/// without any fault and without a change to an entry; otherwise nullptr.
u8* memory_as_cpu(Vcpu& vcpu, u64 linear, u64 count, bool write) {
    constexpr u64 to_write = PageTableEntry::writable | PageTableEntry::accessed;
    if (linear % page_size + count > page_size) {
        return nullptr;
    }
    const Walk found = walk(vcpu, linear);
    const u64 needed = write ? to_write : PageTableEntry::accessed;
    if (found.gpa == nowhere || (found.common & needed) != needed
        || (found.common & PageTableEntry::user) != 0 || (found.gpa & vcpu.c_bit()) == 0
        || (write && (found.last & PageTableEntry::dirty) == 0)) {
        return nullptr;
    }
    return open_private_memory(vcpu.without_c_bit(found.gpa));
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
