// SPDX-License-Identifier: BSD-2-Clause-Patent
// ELF64 payloads: good ones land where they should, and whatever is wrong with a file is said, with
// its place, before anything is loaded.
#include "elf/notes.h"
#include "elf/relocations.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace vestibule::elf {
namespace {

constexpr u64 data_at    = 0x1000; // of the first segment, in the file
constexpr u64 linked_at  = 0x10'0000;
constexpr u64 dynamic_at = 0x1800;
constexpr u64 rela_at    = 0x1900;
constexpr u64 file_size  = 0x2800;

/// An executable of two segments, of which the second has memory that is not in the file.
struct Elf {
    Header header{};
    std::vector<ProgramHeader> segments;
    std::vector<u8> data = std::vector<u8>(file_size, 0x5A);

    Elf() {
        std::memcpy(header.magic, "\177ELF", 4);
        header.file_class          = 2;
        header.encoding            = 1;
        header.type                = type_executable;
        header.machine             = machine_x86_64;
        header.entry               = linked_at + 0x10;
        header.program_headers     = sizeof(Header);
        header.program_header_size = sizeof(ProgramHeader);
        add(segment_load, flag_executable, data_at, linked_at, 0x1000, 0x1000);
        add(segment_load, 0, data_at + 0x1000, linked_at + 0x1000, 0x800, 0x3000);
    }

    void add(u32 type, u32 flags, u64 offset, u64 address, u64 in_file, u64 in_memory) {
        segments.push_back({.type             = type,
                            .flags            = flags,
                            .offset           = offset,
                            .virtual_address  = address,
                            .physical_address = address,
                            .file_size        = in_file,
                            .memory_size      = in_memory,
                            .alignment        = page_size});
    }

    template <class T>
    void store(u64 at, const T& value) {
        std::memcpy(data.data() + at, &value, sizeof(value));
    }

    std::vector<u8> bytes() {
        header.program_header_count = static_cast<u16>(segments.size());
        return as_is();
    }

    std::vector<u8> as_is() {
        store(0, header);
        for (u64 i = 0; i < segments.size(); ++i) {
            store(sizeof(header) + i * sizeof(ProgramHeader), segments[i]);
        }
        return data;
    }
};

Bytes bytes_of(const std::vector<u8>& file) { return {file.data(), file.size()}; }

/// "offset: expected", or nothing where nothing is wrong.
std::string words(const Fault& fault) {
    std::ostringstream text;
    if (fault.is_there()) {
        text << std::hex << fault.offset << ": "
             << std::string_view(fault.expected.data, fault.expected.size) << ", found "
             << fault.found;
    }
    return text.str();
}

/// All that is checked before a payload is loaded. By its PVH note if it has one, as EFI enters it.
struct Read {
    Image image;
    PvhNote pvh;
    u64 entry = 0;
    std::string problem;

    explicit Read(const std::vector<u8>& file) {
        Fault fault = read_image(bytes_of(file), image);
        if (!fault.is_there()) {
            fault = read_pvh_note(bytes_of(file), image, pvh);
        }
        if (!fault.is_there() && !pvh.is_there) {
            fault = find_entry(image, entry);
        }
        problem = words(fault);
    }
};

std::string refusal(const std::vector<u8>& file) { return Read(file).problem; }

TEST(ElfImage, ReadsSegmentsAndEntry) {
    Elf elf;
    std::swap(elf.segments[0], elf.segments[1]); // whatever their order
    const Read read(elf.bytes());
    ASSERT_EQ(read.problem, "");
    EXPECT_EQ(read.image.segment_count, 2u);
    EXPECT_EQ(read.image.base(), linked_at);
    EXPECT_EQ(read.image.end(), linked_at + 0x4000);
    EXPECT_EQ(read.entry, linked_at + 0x10);
    EXPECT_FALSE(read.image.position_independent);
}

TEST(ElfImage, VirtualEntryOfAPhysicalSegment) {
    Elf elf;
    for (auto& segment : elf.segments) {
        segment.virtual_address += 0xFFFF'FFFF'8000'0000;
    }
    elf.header.entry += 0xFFFF'FFFF'8000'0000;
    const Read read(elf.bytes());
    ASSERT_EQ(read.problem, "");
    EXPECT_EQ(read.entry, linked_at + 0x10);
}

struct Damage {
    const char* words; // some of them
    void (*make)(Elf& elf);
};

constexpr Damage damages[] = {
    {"0: the magic of an ELF file",                                                    [](Elf& elf) { elf.header.magic[0] = 'M'; }                      },
    {"4: a 64-bit ELF, found 1",                                                       [](Elf& elf) { elf.header.file_class = 1; }                      },
    {"5: a little-endian ELF, found 2",                                                [](Elf& elf) { elf.header.encoding = 2; }                        },
    {"12: an image for x86-64, found b7",                                              [](Elf& elf) { elf.header.machine = 183; }                       },
    {"10: an executable, position-independent or not, found 1",
     [](Elf& elf) { elf.header.type = 1; }                                                                                                              },
    {"36: program headers of 56 bytes, found 20",
     [](Elf& elf) { elf.header.program_header_size = 32; }                                                                                              },
    {"20: program headers, fewer than 65535, within the file, found ffffffffffffffff",
     [](Elf& elf) { elf.header.program_headers = ~u64{0}; }                                                                                             },
    {"20: program headers, fewer than 65535, within the file, found 2800",
     [](Elf& elf) { elf.header.program_headers = file_size; }                                                                                           },
    {"60: a file size not above the memory size, found 1000",
     [](Elf& elf) { elf.segments[0].memory_size = 0xFFF; }                                                                                              },
    {"48: a segment whose data is within the file, found 1801",
     [](Elf& elf) { elf.segments[0].offset = file_size - 0xFFF; }                                                                                       },
    {"48: a segment whose data is within the file, found fffffffffffff001",
     [](Elf& elf) { elf.segments[0].offset = ~u64{0} - 0xFFE; }                                                                                         },
    {"58: a segment that ends below 4 GiB, found fffff001",
     [](Elf& elf) { elf.segments[0].physical_address = 0xFFFF'F001; }                                                                                   },
    {"90: a segment that ends below 4 GiB, found 101000",
     [](Elf& elf) { elf.segments[1].memory_size = ~u64{0} - linked_at; }                                                                                },
    {"70: an alignment that is a power of two, at most 1 GiB, found 1001",
     [](Elf& elf) { elf.segments[0].alignment = 0x1001; }                                                                                               },
    {"70: an alignment that is a power of two, at most 1 GiB, found 8000000000000000",
     [](Elf& elf) { elf.segments[0].alignment = bit(63); }                                                                                              },
    {"90: segments that do not overlap, found 100fff",
     [](Elf& elf) { elf.segments[1].physical_address = linked_at + 0xFFF; }                                                                             },
    {"18: an entry point in the file's part of an executable segment, found 101000",
     [](Elf& elf) { elf.header.entry = linked_at + 0x1000; }                                                                                            },
    {"18: an entry point in the file's part of an executable segment, found 100900",
     [](Elf& elf) {
         elf.segments[0].file_size = 0x800; // of 0x1000 in memory
         elf.header.entry          = linked_at + 0x900;
     }                                                                                                                                                  },
    {"38: a segment to load",                                                          [](Elf& elf) { elf.segments[0].type = elf.segments[1].type = 6; }},
    {"b8: a segment whose data is within the file, found 27ff",
     [](Elf& elf) { elf.add(segment_dynamic, 0, file_size - 1, 0, 100, 100); }                                                                          },
    {"e8: one dynamic section, found 1800",
     [](Elf& elf) {
         elf.add(segment_dynamic, 0, dynamic_at, 0, 16, 16);
         elf.add(segment_dynamic, 0, dynamic_at, 0, 16, 16);
     }                                                                                                                                                  },
    {"at most 32 segments to load, found 21",
     [](Elf& elf) {
         for (u64 i = 0; i < 31; ++i) {
             elf.add(segment_load, 0, 0, 0x20'0000 + i * page_size, 0, 1);
         }
     }                                                                                                                                                  },
};

TEST(ElfImage, Damage) {
    for (const Damage& damage : damages) {
        Elf elf;
        damage.make(elf);
        EXPECT_NE(refusal(elf.bytes()).find(damage.words), std::string::npos)
            << damage.words << "\n"
            << refusal(elf.bytes());
    }
}

TEST(ElfImage, Counts) {
    Elf elf;
    elf.header.program_header_count = 0;
    EXPECT_NE(refusal(elf.as_is()).find("20: program headers, fewer than 65535"),
              std::string::npos);
    elf.header.program_header_count = count_elsewhere;
    EXPECT_NE(refusal(elf.as_is()).find("20: program headers, fewer than 65535"),
              std::string::npos);
}

constexpr u64 note_at = 0x600;

/// With a segment of notes at 0x600: one of GNU's, then a PVH note whose descriptor has so many
/// bytes of `entry`.
Elf pvh(u32 bytes, u64 entry, u64 alignment = 4) {
    Elf elf;
    const u64 first      = alignment == 4 ? 12 + 4 + 4 : 12 + 4 + 8;
    const u64 descriptor = first + 12 + 4;
    elf.add(segment_note, 0, note_at, 0, descriptor + bytes, descriptor + bytes);
    elf.segments.back().alignment = alignment;
    elf.store(note_at, Note{.name_size = 4, .description_size = 1, .type = 18});
    elf.store(note_at + 12, u32{0x554E47}); // "GNU"
    elf.store(note_at + first, Note{.name_size = 4, .description_size = bytes, .type = 18});
    elf.store(note_at + first + 12, u32{0x6E6558}); // "Xen"
    elf.store(note_at + descriptor, entry);
    return elf;
}

TEST(ElfImage, PvhNote) {
    struct Row {
        u32 bytes;
        u64 alignment;
    };

    for (const Row& row : {
             Row{4, 4},
             Row{8, 4},
             Row{8, 8}
    }) {
        Elf elf          = pvh(row.bytes, linked_at + 0x20, row.alignment);
        elf.header.entry = ~u64{0}; // of no matter to who is entered otherwise
        const Read read(elf.bytes());
        ASSERT_EQ(read.problem, "") << row.bytes << row.alignment;
        EXPECT_TRUE(read.pvh.is_there);
        EXPECT_EQ(read.pvh.entry, linked_at + 0x20);
    }
    for (const u32 type : {6u, 17u, 19u}) { // others of Xen's
        Elf elf = pvh(4, linked_at);
        elf.store(note_at + 20, Note{.name_size = 4, .description_size = 4, .type = type});
        const Read read(elf.bytes());
        ASSERT_EQ(read.problem, "");
        EXPECT_FALSE(read.pvh.is_there);
    }
}

TEST(ElfImage, DamagedNotes) {
    EXPECT_NE(refusal(pvh(2, linked_at).bytes())
                  .find("624: an entry point of 4 or 8 bytes in the PVH note, found 2"),
              std::string::npos);
    EXPECT_NE(refusal(pvh(16, linked_at).bytes()).find("4 or 8 bytes in the PVH note, found 10"),
              std::string::npos);
    // What the file has of the executable segment; it is physical, though another is not.
    for (const u64 entry : {u64{0}, linked_at - 1, linked_at + 0x1000, linked_at | bit(63)}) {
        Elf elf                         = pvh(8, entry);
        elf.segments[0].virtual_address = bit(63) | linked_at;
        EXPECT_NE(
            refusal(elf.bytes()).find("624: a PVH note whose entry point is in the file's part"),
            std::string::npos)
            << entry;
    }
    Elf outside                = pvh(4, linked_at);
    outside.segments[2].offset = file_size - 1;
    EXPECT_NE(
        refusal(outside.bytes()).find("b8: a segment whose data is within the file, found 27ff"),
        std::string::npos);
    Elf twice = pvh(4, linked_at);
    twice.segments.push_back(twice.segments[2]);
    EXPECT_NE(refusal(twice.bytes()).find("624: one PVH note at most"), std::string::npos);

    struct Row {
        Note second;
        bool is_right;
    };

    const Row rows[] = {
        // the second note has 8 bytes behind its three words
        {{.name_size = 4, .description_size = 4, .type = 6},      true },
        {{.name_size = 8, .description_size = 0, .type = 6},      true },
        {{.name_size = 5, .description_size = 0, .type = 6},      true },
        {{.name_size = 4, .description_size = 5, .type = 6},      false},
        {{.name_size = 9, .description_size = 0, .type = 6},      false},
        {{.name_size = 5, .description_size = 1, .type = 6},      false},
        {{.name_size = ~0u, .description_size = ~0u, .type = 18}, false},
        {{.name_size = 4, .description_size = ~0u, .type = 18},   false},
    };
    for (const Row& row : rows) {
        Elf elf = pvh(4, linked_at);
        elf.store(note_at + 20, row.second);
        EXPECT_EQ(refusal(elf.bytes()).find("614: a note that ends within") == std::string::npos,
                  row.is_right)
            << row.second.name_size << " " << row.second.description_size << refusal(elf.bytes());
    }
}

/// Cut anywhere, it is refused: the file's end is the second segment's.
TEST(ElfImage, CutFiles) {
    const auto whole = Elf().bytes();
    ASSERT_EQ(refusal(whole), "");
    for (u64 size = 0; size < whole.size(); size += size < 256 ? 1 : 97) {
        EXPECT_NE(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}), "")
            << size;
    }
}

// --- Loading, to memory of the test's own ---

struct Loaded {
    std::vector<u64> memory = std::vector<u64>(0x4000 / sizeof(u64), 0xCCCC'CCCC'CCCC'CCCC);
    std::string problem;

    explicit Loaded(const std::vector<u8>& file) {
        const Read read(file);
        problem = read.problem;
        if (!problem.empty()) {
            return;
        }
        for (u32 i = 0; i < read.image.segment_count; ++i) {
            const Segment& segment = read.image.segments[i];
            std::memcpy(place_of(segment.place), file.data() + segment.offset, segment.file_size);
            std::memset(place_of(segment.data_end()), 0, segment.memory_size - segment.file_size);
        }
        Relocations relocations;
        MovingWord word;
        problem = words(relocations.open(bytes_of(file), read.image));
        while (problem.empty()) {
            problem = words(relocations.next(word));
            if (!word.is_there) {
                break;
            }
            if (problem.empty()) {
                u64 value = word.value;
                if (!word.has_value) {
                    std::memcpy(&value, place_of(word.place), sizeof(value));
                }
                value = moved(value);
                std::memcpy(place_of(word.place), &value, sizeof(value));
            }
        }
    }

    void* place_of(u64 linked) {
        return reinterpret_cast<u8*>(memory.data()) + (linked - linked_at);
    }

    [[nodiscard]] u64 at(u64 linked) const { return memory[(linked - linked_at) / sizeof(u64)]; }

    [[nodiscard]] u64 moved(u64 linked) const {
        return reinterpret_cast<u64>(memory.data()) + linked - linked_at;
    }
};

/// Position-independent, with a dynamic section and a table of relocations in its first segment.
Elf movable(const std::vector<Dynamic>& dynamic) {
    Elf elf;
    elf.header.type = type_position_independent;
    elf.add(segment_dynamic, 0, dynamic_at, linked_at + dynamic_at - data_at,
            dynamic.size() * sizeof(Dynamic), dynamic.size() * sizeof(Dynamic));
    for (u64 i = 0; i < dynamic.size(); ++i) {
        elf.store(dynamic_at + i * sizeof(Dynamic), dynamic[i]);
    }
    return elf;
}

const std::vector<Dynamic> with_rela = {
    {dynamic_rela,       linked_at + rela_at - data_at},
    {dynamic_rela_size,  2 * sizeof(Rela)             },
    {dynamic_rela_entry, sizeof(Rela)                 },
    {dynamic_end,        0                            },
};

Elf with_relocations(const Rela& first, const Rela& second) {
    Elf elf = movable(with_rela);
    elf.store(rela_at, first);
    elf.store(rela_at + sizeof(Rela), second);
    return elf;
}

TEST(ElfImage, LoadsAndZeroes) {
    const Loaded loaded(movable({}).bytes());
    ASSERT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.at(linked_at + 0x17F8), 0x5A5A'5A5A'5A5A'5A5A);
    EXPECT_EQ(loaded.at(linked_at + 0x1800), 0u);
    EXPECT_EQ(loaded.at(linked_at + 0x3FF8), 0u);
}

TEST(ElfImage, RelativeRelocations) {
    const Loaded loaded(
        with_relocations({linked_at + 0x1000, relocation_relative, linked_at},
                         {linked_at + 0x3FF8, relocation_relative, linked_at + 0x123})
            .bytes());
    ASSERT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.at(linked_at + 0x1000), loaded.moved(linked_at));
    EXPECT_EQ(loaded.at(linked_at + 0x3FF8), loaded.moved(linked_at + 0x123));
    EXPECT_EQ(loaded.at(linked_at + 0x1008), 0x5A5A'5A5A'5A5A'5A5A);
}

TEST(ElfImage, PackedRelocations) {
    Elf elf = movable({
        {dynamic_relr,      linked_at + rela_at - data_at},
        {dynamic_relr_size, 2 * sizeof(u64)              }
    });
    elf.store(rela_at, linked_at + 0x1000);
    elf.store(rela_at + 8, u64{0b101}); // the second word behind it
    elf.store(0x2000, linked_at + 1);
    elf.store(0x2010, linked_at + 2);
    const Loaded loaded(elf.bytes());
    ASSERT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.at(linked_at + 0x1000), loaded.moved(linked_at + 1));
    EXPECT_EQ(loaded.at(linked_at + 0x1008), 0x5A5A'5A5A'5A5A'5A5A);
    EXPECT_EQ(loaded.at(linked_at + 0x1010), loaded.moved(linked_at + 2));
}

TEST(ElfImage, RelocationsThatAreRefused) {
    const Rela good{linked_at + 0x1000, relocation_relative, 0};
    const auto refused = [](Elf elf) { return Loaded(elf.bytes()).problem; };
    EXPECT_NE(
        refused(with_relocations(good, {linked_at + 0x1000, 1, 0}))
            .find("1810: R_X86_64_RELATIVE, the only relocation that needs no symbols, found 1"),
        std::string::npos);
    for (const u64 outside : {u64{0}, linked_at - 1, linked_at + 0x3FF9, linked_at + 0x4000}) {
        EXPECT_NE(refused(with_relocations(good, {outside, relocation_relative, 0}))
                      .find("1810: relocations of the payload's own data"),
                  std::string::npos)
            << outside;
    }
    EXPECT_EQ(refused(with_relocations(good, {0, relocation_none, 0})), "");

    struct Row {
        Dynamic entry;
        const char* words;
    };

    const Row rows[] = {
        {{dynamic_rela_entry, 16},       "relocations of 24 bytes, found 10"            },
        {{dynamic_needed, 1},            "a payload that needs no library"              },
        {{dynamic_rel_size, 8},          "no relocations but relative ones with addends"},
        {{dynamic_plt_rel_size, 8},      "no relocations but relative ones with addends"},
        {{dynamic_rela_size, file_size}, "a table of relocations in the payload's data" },
        {{dynamic_rela_size, ~u64{0}},   "a table of relocations in the payload's data" },
        {{dynamic_relr_size, 8},         "a table of relocations in the payload's data" },
    };
    for (const Row& row : rows) {
        EXPECT_NE(refused(movable({row.entry})).find(row.words), std::string::npos) << row.words;
    }
}

/// Under the sanitizers: nothing is read outside the file, nothing written outside the memory.
TEST(ElfImage, DamagedAnywhere) {
    Elf elf               = with_relocations({linked_at + 0x1000, relocation_relative, linked_at},
                                             {linked_at + 0x2000, relocation_relative, linked_at});
    constexpr u64 between = dynamic_at + 0x60; // dynamic section and relocations
    elf.add(segment_note, 0, between, 0, 24, 24);
    elf.store(between, Note{.name_size = 4, .description_size = 8, .type = 18});
    elf.store(between + 12, u32{0x6E6558}); // "Xen"
    elf.store(between + 16, linked_at);
    const auto good = elf.bytes();
    std::mt19937 random(1); // NOLINT: the same every time
    u64 refused = 0;
    ASSERT_EQ(refusal(good), "");
    for (int run = 0; run < 5'000; ++run) {
        auto file = good;
        for (int n = 0; n < 3; ++n) {
            const u64 at = random() % 2 == 0 ? random() % 256 : dynamic_at + random() % 0x140;
            file[at]     = static_cast<u8>(random());
        }
        const Read read(file);
        if (!read.problem.empty() || read.image.base() < linked_at
            || read.image.end() > linked_at + 0x4000) {
            ++refused;
            continue;
        }
        refused += Loaded(file).problem.empty() ? 0 : 1;
    }
    EXPECT_GT(refused, 500u);
}

} // namespace
} // namespace vestibule::elf
