// See payload_relocations.h. DT_RELA with R_X86_64_RELATIVE and DT_RELR, which is the same in fewer
// bytes (System V ABI, "Dynamic Section" and "Relocation").
#include "igvm/image/payload_relocations.h"

#include "igvm/format/reader.h"

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

namespace {
// Not in every <elf.h>.
constexpr i64 dt_relrsz = 35;
constexpr i64 dt_relr   = 36;

/// A table of the dynamic section.
struct Table {
    u64 address = 0; // as linked
    u64 size    = 0;
    u64 entry   = 0; // in the dynamic section, for messages
};

struct Tables {
    Table rela;
    Table relr;
};
} // namespace

/// `size` bytes of the pages with data, at a physical address; empty where not all of them are.
static std::span<u8> bytes_at(std::vector<Stretch>& stretches, u64 gpa, u64 size) {
    const auto behind = std::ranges::upper_bound(stretches, gpa, {}, &Stretch::gpa);
    if (behind == stretches.begin()) {
        return {};
    }
    Stretch& stretch = *std::prev(behind);
    const u64 offset = gpa - stretch.gpa;
    if (offset > stretch.bytes.size() || size > stretch.bytes.size() - offset) {
        return {};
    }
    return std::span(stretch.bytes).subspan(offset, size);
}

static std::expected<Tables, ImageError> read_dynamic(std::span<const u8> elf, u64 at,
                                                      const Elf64_Phdr& segment) {
    if (const auto right = check_segment_data(elf, at, segment); !right) {
        return std::unexpected(right.error());
    }
    Tables tables;
    for (u64 offset = 0; offset + sizeof(Elf64_Dyn) <= segment.p_filesz;
         offset += sizeof(Elf64_Dyn)) {
        const u64 place  = segment.p_offset + offset;
        const auto entry = load<Elf64_Dyn>(elf, place);
        const u64 value  = entry.d_un.d_val;
        switch (entry.d_tag) {
        case DT_NULL: return tables;
        case DT_RELA: tables.rela.address = value; break;
        case DT_RELASZ:
            tables.rela.size  = value;
            tables.rela.entry = place;
            break;
        case DT_RELAENT:
            if (value != sizeof(Elf64_Rela)) {
                return refuse("relocations of 24 bytes", place, value);
            }
            break;
        case dt_relr: tables.relr.address = value; break;
        case dt_relrsz:
            tables.relr.size  = value;
            tables.relr.entry = place;
            break;
        case DT_NEEDED: return refuse("a payload that needs no library", place, value);
        case DT_RELSZ:
        case DT_PLTRELSZ:
            if (value != 0) {
                return refuse("no relocations but relative ones with addends", place, value);
            }
            break;
        default: break;
        }
    }
    return tables;
}

static std::expected<void, ImageError> move_word(std::vector<Stretch>& stretches, u64 bias,
                                                 u64 place, const Table& table,
                                                 std::optional<u64> addend) {
    const auto word = bytes_at(stretches, place + bias, sizeof(u64));
    if (word.empty()) {
        return refuse("relocations of the payload's own data", table.entry, place);
    }
    const u64 value = addend.value_or(load<u64>(word)) + bias;
    std::memcpy(word.data(), &value, sizeof(value));
    return {};
}

static std::expected<void, ImageError> apply_rela(std::vector<Stretch>& stretches, u64 bias,
                                                  const Table& table) {
    const auto bytes = bytes_at(stretches, table.address + bias, table.size);
    if (bytes.size() != table.size) {
        return refuse("a table of relocations in the payload's data", table.entry, table.size);
    }
    // A copy: what is relocated may be the table itself.
    const std::vector<u8> entries(bytes.begin(), bytes.end());
    for (u64 at = 0; at + sizeof(Elf64_Rela) <= entries.size(); at += sizeof(Elf64_Rela)) {
        const auto entry = load<Elf64_Rela>(entries, at);
        const u64 type   = ELF64_R_TYPE(entry.r_info);
        if (type == R_X86_64_NONE) {
            continue;
        }
        if (type != R_X86_64_RELATIVE) {
            return refuse("R_X86_64_RELATIVE, the only relocation that needs no symbols",
                          table.entry, type);
        }
        if (const auto done =
                move_word(stretches, bias, entry.r_offset, table, static_cast<u64>(entry.r_addend));
            !done) {
            return done;
        }
    }
    return {};
}

/// An even entry is the address of a word; an odd one is a bitmap of the 63 words behind the last.
static std::expected<void, ImageError> apply_relr(std::vector<Stretch>& stretches, u64 bias,
                                                  const Table& table) {
    const auto bytes = bytes_at(stretches, table.address + bias, table.size);
    if (bytes.size() != table.size) {
        return refuse("a table of relocations in the payload's data", table.entry, table.size);
    }
    const std::vector<u8> entries(bytes.begin(), bytes.end());
    u64 next = 0;
    for (u64 at = 0; at + sizeof(u64) <= entries.size(); at += sizeof(u64)) {
        const u64 entry = load<u64>(entries, at);
        if ((entry & 1) == 0) {
            if (const auto done = move_word(stretches, bias, entry, table, {}); !done) {
                return done;
            }
            next = entry + sizeof(u64);
            continue;
        }
        for (unsigned i = 1; i < 64; ++i) {
            if ((entry & bit(i)) != 0) {
                const u64 place = next + (i - 1) * sizeof(u64);
                if (const auto done = move_word(stretches, bias, place, table, {}); !done) {
                    return done;
                }
            }
        }
        next += 63 * sizeof(u64);
    }
    return {};
}

std::expected<void, ImageError> relocate(std::span<const u8> elf, const Elf64_Ehdr& header,
                                         u64 bias, std::vector<Stretch>& stretches) {
    for (u64 i = 0; i < header.e_phnum; ++i) {
        const u64 at       = header.e_phoff + i * sizeof(Elf64_Phdr);
        const auto segment = load<Elf64_Phdr>(elf, at);
        if (segment.p_type != PT_DYNAMIC) {
            continue;
        }
        const auto tables = read_dynamic(elf, at, segment);
        if (!tables) {
            return std::unexpected(tables.error());
        }
        if (const auto done = apply_rela(stretches, bias, tables->rela); !done) {
            return done;
        }
        if (const auto done = apply_relr(stretches, bias, tables->relr); !done) {
            return done;
        }
    }
    return {};
}

} // namespace vestibule::igvm
