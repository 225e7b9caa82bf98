// See elf.h. DT_RELA with R_X86_64_RELATIVE, and DT_RELR, which is the same in fewer bytes (System
// V ABI, "Dynamic Section" and "Relocation"). The tables are read out of the file, not out of
// memory: what is relocated may be a table itself.
#include "efi/elf.h"
#include "efi/elf_format.h"

namespace vestibule::efi {

namespace {

struct Table {
    u64 address = 0; // as linked
    u64 size    = 0;
};

struct Tables {
    Table rela;
    Table relr;
};

constexpr Problem damaged(const auto&... parts) { return problem(Trouble::damaged, parts...); }

u64 word_at(Bytes bytes, u64 at) {
    u64 value = 0;
    __builtin_memcpy(&value, bytes.data + at, sizeof(value));
    return value;
}

Problem read_dynamic(Bytes file, const ElfPayload& payload, Tables& tables) {
    for (u64 at = 0; at + sizeof(elf::Dynamic) <= payload.dynamic_size;
         at += sizeof(elf::Dynamic)) {
        const u64 tag   = word_at(file, payload.dynamic + at);
        const u64 value = word_at(file, payload.dynamic + at + sizeof(u64));
        switch (tag) {
        case elf::dynamic_end: return no_problem;
        case elf::dynamic_rela: tables.rela.address = value; break;
        case elf::dynamic_rela_size: tables.rela.size = value; break;
        case elf::dynamic_relr: tables.relr.address = value; break;
        case elf::dynamic_relr_size: tables.relr.size = value; break;
        case elf::dynamic_rela_entry:
            if (value != sizeof(elf::Rela)) {
                return damaged("its relocations have ", value, " bytes, expected 24");
            }
            break;
        case elf::dynamic_needed:
            return problem(Trouble::unsupported, "it is a program that needs a library");
        case elf::dynamic_rel_size:
        case elf::dynamic_plt_rel_size:
            if (value != 0) {
                return problem(Trouble::unsupported,
                               "it has relocations other than relative ones with addends");
            }
            break;
        default: break;
        }
    }
    return no_problem;
}

/// The table's bytes in the file.
bool find_table(Bytes file, const ElfPayload& payload, const Table& table, Bytes& bytes) {
    for (u32 i = 0; i < payload.segment_count; ++i) {
        const Segment& segment = payload.segments[i];
        const Bytes data{file.data + segment.offset, segment.file_size};
        if (table.address >= segment.place
            && data.hold(table.address - segment.place, table.size)) {
            bytes = {data.data + (table.address - segment.place), table.size};
            return true;
        }
    }
    return false;
}

/// Moves one word of the loaded payload, which must be in one of its segments.
class Mover {
  public:
    Mover(const ElfPayload& payload, u64 bias) : payload_(payload), bias_(bias) {}

    /// To `value`, or to what it is now, and `bias` more.
    Problem move(u64 place, const u64* value) {
        for (u32 i = 0; i < payload_.segment_count; ++i) {
            const Segment& segment = payload_.segments[i];
            if (place >= segment.place && place - segment.place < segment.memory_size
                && segment.memory_size - (place - segment.place) >= sizeof(u64)) {
                auto* const at = reinterpret_cast<u8*>(place + bias_);
                u64 word       = 0;
                __builtin_memcpy(&word, value != nullptr ? static_cast<const void*>(value) : at,
                                 sizeof(word));
                word += bias_;
                __builtin_memcpy(at, &word, sizeof(word));
                return no_problem;
            }
        }
        return damaged("it wants ", Hex{place}, " relocated, which is in none of its segments");
    }

  private:
    const ElfPayload& payload_;
    u64 bias_;
};

Problem apply_rela(Bytes table, Mover& mover) {
    for (u64 at = 0; at + sizeof(elf::Rela) <= table.size; at += sizeof(elf::Rela)) {
        const u64 place  = word_at(table, at);
        const u32 type   = low_half(word_at(table, at + 8));
        const u64 addend = word_at(table, at + 16);
        if (type == elf::relocation_none) {
            continue;
        }
        if (type != elf::relocation_relative) {
            return problem(Trouble::unsupported, "it has a relocation of type ", type,
                           ", expected 8, R_X86_64_RELATIVE, the only one that needs no symbols");
        }
        if (Problem wrong = mover.move(place, &addend); wrong.is_there()) {
            return wrong;
        }
    }
    return no_problem;
}

/// An even entry is the address of a word; an odd one is a bitmap of the 63 words behind the last.
Problem apply_relr(Bytes table, Mover& mover) {
    u64 next = 0;
    for (u64 at = 0; at + sizeof(u64) <= table.size; at += sizeof(u64)) {
        const u64 entry = word_at(table, at);
        if ((entry & 1) == 0) {
            if (Problem wrong = mover.move(entry, nullptr); wrong.is_there()) {
                return wrong;
            }
            next = entry + sizeof(u64);
            continue;
        }
        for (unsigned i = 1; i < 64; ++i) {
            if ((entry & bit(i)) == 0) {
                continue;
            }
            if (Problem wrong = mover.move(next + (i - 1) * sizeof(u64), nullptr);
                wrong.is_there()) {
                return wrong;
            }
        }
        next += 63 * sizeof(u64);
    }
    return no_problem;
}

} // namespace

Problem relocate(Bytes file, const ElfPayload& payload, u64 bias) {
    if (!payload.position_independent) {
        return no_problem;
    }
    Tables tables;
    if (Problem wrong = read_dynamic(file, payload, tables); wrong.is_there()) {
        return wrong;
    }
    Bytes rela;
    Bytes relr;
    if ((tables.rela.size != 0 && !find_table(file, payload, tables.rela, rela))
        || (tables.relr.size != 0 && !find_table(file, payload, tables.relr, relr))) {
        return damaged("its table of relocations is not in its data");
    }
    Mover mover(payload, bias);
    if (Problem wrong = apply_rela(rela, mover); wrong.is_there()) {
        return wrong;
    }
    return apply_relr(relr, mover);
}

} // namespace vestibule::efi
