// ELF64 payloads as the EFI application reads them: good ones land where they should, and whatever
// is wrong with a file is said before anything is loaded.
#include "efi/elf.h"
#include "efi/elf_format.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace vestibule::efi {
namespace {

constexpr u64 data_at    = 0x1000; // of the first segment, in the file
constexpr u64 linked_at  = 0x10'0000;
constexpr u64 dynamic_at = 0x1800;
constexpr u64 rela_at    = 0x1900;
constexpr u64 file_size  = 0x2800;

/// An executable of two segments, of which the second has memory that is not in the file.
struct Elf {
    elf::Header header{};
    std::vector<elf::ProgramHeader> segments;
    std::vector<u8> data = std::vector<u8>(file_size, 0x5A);

    Elf() {
        std::memcpy(header.magic, "\177ELF", 4);
        header.file_class          = 2;
        header.encoding            = 1;
        header.type                = elf::type_executable;
        header.machine             = elf::machine_x86_64;
        header.entry               = linked_at + 0x10;
        header.program_headers     = sizeof(elf::Header);
        header.program_header_size = sizeof(elf::ProgramHeader);
        add(elf::segment_load, elf::flag_executable, data_at, linked_at, 0x1000, 0x1000);
        add(elf::segment_load, 0, data_at + 0x1000, linked_at + 0x1000, 0x800, 0x3000);
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
            store(sizeof(header) + i * sizeof(elf::ProgramHeader), segments[i]);
        }
        return data;
    }
};

Bytes bytes_of(const std::vector<u8>& file) { return {file.data(), file.size()}; }

std::string words(const Problem& problem) {
    return {problem.words.text().data, problem.words.text().size};
}

std::string refusal(const std::vector<u8>& file) {
    ElfPayload payload;
    return words(read_elf(bytes_of(file), payload));
}

TEST(EfiElf, ReadsSegmentsAndEntry) {
    Elf elf;
    std::swap(elf.segments[0], elf.segments[1]); // whatever their order
    ElfPayload payload;
    const auto file = elf.bytes();
    ASSERT_EQ(words(read_elf(bytes_of(file), payload)), "");
    EXPECT_EQ(payload.segment_count, 2u);
    EXPECT_EQ(payload.base(), linked_at);
    EXPECT_EQ(payload.end(), linked_at + 0x4000);
    EXPECT_EQ(payload.entry, linked_at + 0x10);
    EXPECT_FALSE(payload.position_independent);
}

TEST(EfiElf, VirtualEntryOfAPhysicalSegment) {
    Elf elf;
    for (auto& segment : elf.segments) {
        segment.virtual_address += 0xFFFF'FFFF'8000'0000;
    }
    elf.header.entry += 0xFFFF'FFFF'8000'0000;
    ElfPayload payload;
    const auto file = elf.bytes();
    ASSERT_EQ(words(read_elf(bytes_of(file), payload)), "");
    EXPECT_EQ(payload.entry, linked_at + 0x10);
}

struct Damage {
    const char* words; // some of them
    void (*make)(Elf& elf);
};

constexpr Damage damages[] = {
    {"no ELF file",                                   [](Elf& elf) { elf.header.magic[0] = 'M'; }                      },
    {"class 1, encoding 1",                           [](Elf& elf) { elf.header.file_class = 1; }                      },
    {"encoding 2",                                    [](Elf& elf) { elf.header.encoding = 2; }                        },
    {"for machine 183",                               [](Elf& elf) { elf.header.machine = 183; }                       },
    {"of type 1",                                     [](Elf& elf) { elf.header.type = 1; }                            },
    {"have 32 bytes",                                 [](Elf& elf) { elf.header.program_header_size = 32; }            },
    {"program headers at 0xffffffffffffffff",
     [](Elf& elf) { elf.header.program_headers = ~u64{0}; }                                                            },
    {"program headers at 0x2800",                     [](Elf& elf) { elf.header.program_headers = file_size; }         },
    {"segment 0 has 4096 bytes in the file and 4095",
     [](Elf& elf) { elf.segments[0].memory_size = 0xFFF; }                                                             },
    {"segment 0, 4096 bytes at 0x1801",
     [](Elf& elf) { elf.segments[0].offset = file_size - 0xFFF; }                                                      },
    {"segment 0, 4096 bytes at 0xfffffffffffff001",
     [](Elf& elf) { elf.segments[0].offset = ~u64{0} - 0xFFE; }                                                        },
    {"does not end below 4 GiB",                      [](Elf& elf) { elf.segments[0].physical_address = 0xFFFF'F001; } },
    {"does not end below 4 GiB",
     [](Elf& elf) { elf.segments[1].memory_size = ~u64{0} - linked_at; }                                               },
    {"aligned to 0x1001",                             [](Elf& elf) { elf.segments[0].alignment = 0x1001; }             },
    {"aligned to 0x8000000000000000",                 [](Elf& elf) { elf.segments[0].alignment = bit(63); }            },
    {"0x100000 and 0x100fff overlap",
     [](Elf& elf) { elf.segments[1].physical_address = linked_at + 0xFFF; }                                            },
    {"entry point 0x101000",                          [](Elf& elf) { elf.header.entry = linked_at + 0x1000; }          },
    {"entry point 0x100900",
     [](Elf& elf) {
         elf.segments[0].file_size = 0x800; // of 0x1000 in memory
         elf.header.entry          = linked_at + 0x900;
     }                                                                                                                 },
    {"no segment to load",                            [](Elf& elf) { elf.segments[0].type = elf.segments[1].type = 6; }},
    {"dynamic section, 100 bytes at 0x27ff",
     [](Elf& elf) { elf.add(elf::segment_dynamic, 0, file_size - 1, 0, 100, 100); }                                    },
    {"more than 32 segments",
     [](Elf& elf) {
         for (u64 i = 0; i < 31; ++i) {
             elf.add(elf::segment_load, 0, 0, 0x20'0000 + i * page_size, 0, 1);
         }
     }                                                                                                                 },
};

TEST(EfiElf, Damage) {
    for (const Damage& damage : damages) {
        Elf elf;
        damage.make(elf);
        EXPECT_NE(refusal(elf.bytes()).find(damage.words), std::string::npos)
            << damage.words << "\n"
            << refusal(elf.bytes());
    }
}

TEST(EfiElf, Counts) {
    Elf elf;
    elf.header.program_header_count = 0;
    EXPECT_NE(refusal(elf.as_is()).find("its 0 program headers"), std::string::npos);
    elf.header.program_header_count = elf::count_elsewhere;
    EXPECT_NE(refusal(elf.as_is()).find("its 65535 program headers"), std::string::npos);
}

constexpr u64 note_at = 0x600;

/// With a segment of notes at 0x600: one of GNU's, then a PVH note whose descriptor has so many
/// bytes of `entry`.
Elf pvh(u32 bytes, u64 entry, u64 alignment = 4) {
    Elf elf;
    const u64 first      = alignment == 4 ? 12 + 4 + 4 : 12 + 4 + 8;
    const u64 descriptor = first + 12 + 4;
    elf.add(elf::segment_note, 0, note_at, 0, descriptor + bytes, descriptor + bytes);
    elf.segments.back().alignment = alignment;
    elf.store(note_at, elf::Note{.name_size = 4, .description_size = 1, .type = 18});
    elf.store(note_at + 12, u32{0x554E47}); // "GNU"
    elf.store(note_at + first, elf::Note{.name_size = 4, .description_size = bytes, .type = 18});
    elf.store(note_at + first + 12, u32{0x6E6558}); // "Xen"
    elf.store(note_at + descriptor, entry);
    return elf;
}

TEST(EfiElf, PvhNote) {
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
        ElfPayload payload;
        const auto file = elf.bytes();
        ASSERT_EQ(words(read_elf(bytes_of(file), payload)), "") << row.bytes << row.alignment;
        EXPECT_TRUE(payload.pvh);
        EXPECT_EQ(payload.entry, linked_at + 0x20);
    }
    for (const u32 type : {6u, 17u, 19u}) { // others of Xen's
        Elf elf = pvh(4, linked_at);
        elf.store(note_at + 20, elf::Note{.name_size = 4, .description_size = 4, .type = type});
        ElfPayload payload;
        const auto file = elf.bytes();
        ASSERT_EQ(words(read_elf(bytes_of(file), payload)), "");
        EXPECT_FALSE(payload.pvh);
    }
}

TEST(EfiElf, DamagedNotes) {
    EXPECT_NE(refusal(pvh(2, linked_at).bytes()).find("PVH note has 2 bytes, expected 4 or 8"),
              std::string::npos);
    EXPECT_NE(refusal(pvh(16, linked_at).bytes()).find("PVH note has 16 bytes"), std::string::npos);
    // What the file has of the executable segment; it is physical, though another is not.
    for (const u64 entry : {u64{0}, linked_at - 1, linked_at + 0x1000, linked_at | bit(63)}) {
        Elf elf                         = pvh(8, entry);
        elf.segments[0].virtual_address = bit(63) | linked_at;
        EXPECT_NE(refusal(elf.bytes()).find("of its PVH note is not in what the file has"),
                  std::string::npos)
            << entry;
    }
    Elf outside                = pvh(4, linked_at);
    outside.segments[2].offset = file_size - 1;
    EXPECT_NE(refusal(outside.bytes()).find("its notes, 40 bytes at 0x27ff"), std::string::npos);
    Elf twice = pvh(4, linked_at);
    twice.segments.push_back(twice.segments[2]);
    EXPECT_NE(refusal(twice.bytes()).find("more than one PVH note"), std::string::npos);

    struct Row {
        elf::Note second;
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
        EXPECT_EQ(refusal(elf.bytes()).find("its note at 0x614") == std::string::npos, row.is_right)
            << row.second.name_size << " " << row.second.description_size << refusal(elf.bytes());
    }
}

/// Cut anywhere, it is refused: the file's end is the second segment's.
TEST(EfiElf, CutFiles) {
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
        ElfPayload payload;
        problem = words(read_elf(bytes_of(file), payload));
        if (problem.empty()) {
            const u64 bias = reinterpret_cast<u64>(memory.data()) - linked_at;
            load_segments(bytes_of(file), payload, bias);
            problem = words(relocate(bytes_of(file), payload, bias));
        }
    }

    [[nodiscard]] u64 at(u64 linked) const { return memory[(linked - linked_at) / sizeof(u64)]; }

    [[nodiscard]] u64 moved(u64 linked) const {
        return reinterpret_cast<u64>(memory.data()) + linked - linked_at;
    }
};

/// Position-independent, with a dynamic section and a table of relocations in its first segment.
Elf movable(const std::vector<elf::Dynamic>& dynamic) {
    Elf elf;
    elf.header.type = elf::type_position_independent;
    elf.add(elf::segment_dynamic, 0, dynamic_at, linked_at + dynamic_at - data_at,
            dynamic.size() * sizeof(elf::Dynamic), dynamic.size() * sizeof(elf::Dynamic));
    for (u64 i = 0; i < dynamic.size(); ++i) {
        elf.store(dynamic_at + i * sizeof(elf::Dynamic), dynamic[i]);
    }
    return elf;
}

const std::vector<elf::Dynamic> with_rela = {
    {elf::dynamic_rela,       linked_at + rela_at - data_at},
    {elf::dynamic_rela_size,  2 * sizeof(elf::Rela)        },
    {elf::dynamic_rela_entry, sizeof(elf::Rela)            },
    {elf::dynamic_end,        0                            },
};

Elf with_relocations(const elf::Rela& first, const elf::Rela& second) {
    Elf elf = movable(with_rela);
    elf.store(rela_at, first);
    elf.store(rela_at + sizeof(elf::Rela), second);
    return elf;
}

TEST(EfiElf, LoadsAndZeroes) {
    const Loaded loaded(movable({}).bytes());
    ASSERT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.at(linked_at + 0x17F8), 0x5A5A'5A5A'5A5A'5A5A);
    EXPECT_EQ(loaded.at(linked_at + 0x1800), 0u);
    EXPECT_EQ(loaded.at(linked_at + 0x3FF8), 0u);
}

TEST(EfiElf, RelativeRelocations) {
    const Loaded loaded(
        with_relocations({linked_at + 0x1000, elf::relocation_relative, linked_at},
                         {linked_at + 0x3FF8, elf::relocation_relative, linked_at + 0x123})
            .bytes());
    ASSERT_EQ(loaded.problem, "");
    EXPECT_EQ(loaded.at(linked_at + 0x1000), loaded.moved(linked_at));
    EXPECT_EQ(loaded.at(linked_at + 0x3FF8), loaded.moved(linked_at + 0x123));
    EXPECT_EQ(loaded.at(linked_at + 0x1008), 0x5A5A'5A5A'5A5A'5A5A);
}

TEST(EfiElf, PackedRelocations) {
    Elf elf = movable({
        {elf::dynamic_relr,      linked_at + rela_at - data_at},
        {elf::dynamic_relr_size, 2 * sizeof(u64)              }
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

TEST(EfiElf, RelocationsThatAreRefused) {
    const elf::Rela good{linked_at + 0x1000, elf::relocation_relative, 0};
    const auto refused = [](Elf elf) { return Loaded(elf.bytes()).problem; };
    EXPECT_NE(refused(with_relocations(good, {linked_at + 0x1000, 1, 0})).find("of type 1"),
              std::string::npos);
    for (const u64 outside : {u64{0}, linked_at - 1, linked_at + 0x3FF9, linked_at + 0x4000}) {
        EXPECT_NE(refused(with_relocations(good, {outside, elf::relocation_relative, 0}))
                      .find("in none of its segments"),
                  std::string::npos)
            << outside;
    }
    EXPECT_EQ(refused(with_relocations(good, {0, elf::relocation_none, 0})), "");

    struct Row {
        elf::Dynamic entry;
        const char* words;
    };

    const Row rows[] = {
        {{elf::dynamic_rela_entry, 16},       "have 16 bytes"           },
        {{elf::dynamic_needed, 1},            "needs a library"         },
        {{elf::dynamic_rel_size, 8},          "other than relative ones"},
        {{elf::dynamic_plt_rel_size, 8},      "other than relative ones"},
        {{elf::dynamic_rela_size, file_size}, "not in its data"         },
        {{elf::dynamic_rela_size, ~u64{0}},   "not in its data"         },
        {{elf::dynamic_relr_size, 8},         "not in its data"         },
    };
    for (const Row& row : rows) {
        EXPECT_NE(refused(movable({row.entry})).find(row.words), std::string::npos) << row.words;
    }
}

/// Under the sanitizers: nothing is read outside the file, nothing written outside the memory.
TEST(EfiElf, DamagedAnywhere) {
    Elf elf = with_relocations({linked_at + 0x1000, elf::relocation_relative, linked_at},
                               {linked_at + 0x2000, elf::relocation_relative, linked_at});
    constexpr u64 between = dynamic_at + 0x60; // dynamic section and relocations
    elf.add(elf::segment_note, 0, between, 0, 24, 24);
    elf.store(between, elf::Note{.name_size = 4, .description_size = 8, .type = 18});
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
        ElfPayload payload;
        if (read_elf(bytes_of(file), payload).is_there() || payload.base() < linked_at
            || payload.end() > linked_at + 0x4000) {
            ++refused;
            continue;
        }
        refused += Loaded(file).problem.empty() ? 0 : 1;
    }
    EXPECT_GT(refused, 500u);
}

} // namespace
} // namespace vestibule::efi
