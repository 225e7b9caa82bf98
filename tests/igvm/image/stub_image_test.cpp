// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest image's contract: the good image reads as it is, and each way to break the contract is
// named, at the place in the file where it is broken.
#include "tests/igvm/elf_fixture.h"

#include <functional>

namespace vestibule::igvm::test {

TEST(IgvmStubImage, ReadsAGoodImage) {
    const Bytes file = good_elf().finish();
    const auto image = read_stub_image(file);
    ASSERT_TRUE(image) << image.error().expected;
    EXPECT_EQ(image->entry, 0x1010u);
    EXPECT_EQ(image->size, 0xC000u);
    ASSERT_EQ(image->segments.size(), 3u);
    const StubSegment& code = image->segments[0];
    EXPECT_EQ(code.address, 0x1000u);
    EXPECT_TRUE(code.executable);
    EXPECT_FALSE(code.payload);
    EXPECT_EQ(code.data[0], 0xF4);
    const StubSegment& data = image->segments[1];
    EXPECT_EQ(data.data.size(), page_size + page_size / 2);
    EXPECT_EQ(data.memory_size, 5 * page_size);
    EXPECT_FALSE(data.executable);
    EXPECT_TRUE(image->segments[2].payload);
}

TEST(IgvmStubImage, FindsEntryPointsByName) {
    const Bytes plain = good_elf().finish();
    const auto none   = read_stub_image(plain);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->entry_point(boot::Entry::long64), 0x1010u);
    EXPECT_EQ(none->entry_point(boot::Entry::compat), std::nullopt);
    EXPECT_EQ(none->entry_point(boot::Entry::legacy32), std::nullopt);

    Elf elf = good_elf();
    elf.add_symbol("entry32x", 0x1111);
    elf.add_symbol("entry32", 0x2030);
    elf.add_symbol("entry_compat", 0x1020);
    elf.add_symbol("entry64", 0x1222);
    elf.add_symbol("entry", 0x1333);
    elf.add_symbol("entry32", 0x1444);
    elf.symbols.back().st_shndx = SHN_UNDEF;
    const Bytes file            = elf.finish();
    const auto image            = read_stub_image(file);
    ASSERT_TRUE(image) << image.error().expected;
    EXPECT_EQ(image->entry_point(boot::Entry::long64), 0x1010u) << "the ELF header's";
    EXPECT_EQ(image->entry_point(boot::Entry::compat), 0x1020u);
    EXPECT_EQ(image->entry_point(boot::Entry::legacy32), 0x2030u);
}

TEST(IgvmStubImage, FillsTwoMebibytesExactly) {
    Elf elf                 = good_elf();
    elf.segments[2].p_memsz = 0x20'0000 - 0xA000;
    const Bytes file        = elf.finish();
    const auto image        = read_stub_image(file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->size, 0x20'0000u);
}

struct Case {
    Case(const char* message, std::function<void(Elf&)> breaker)
        : expected(message), damage(std::move(breaker)) {}

    const char* expected; // a part of the message
    std::function<void(Elf&)> damage;
};

static const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {"magic",                     [](Elf& elf) { elf.header.e_ident[0] = 0; }                                  },
        {"64-bit",                    [](Elf& elf) { elf.header.e_ident[EI_CLASS] = ELFCLASS32; }                  },
        {"little-endian",             [](Elf& elf) { elf.header.e_ident[EI_DATA] = ELFDATA2MSB; }                  },
        {"an executable, position",   [](Elf& elf) { elf.header.e_type = ET_REL; }                                 },
        {"for x86-64",                [](Elf& elf) { elf.header.e_machine = EM_386; }                              },
        {"program headers of 56",     [](Elf& elf) { elf.header.e_phentsize = 32; }                                },
        {"section headers of 64",     [](Elf& elf) { elf.header.e_shentsize = 0; }                                 },
        {"a segment to load",
         [](Elf& elf) {
             for (Elf64_Phdr& segment : elf.segments) {
                 segment.p_type = PT_NOTE;
             }
         }                                                                                                         },
        {"page-aligned",              [](Elf& elf) { elf.segments[1].p_vaddr = 0x4800; }                           },
        {"first page",                [](Elf& elf) { elf.segments[0].p_vaddr = 0; }                                },
        {"ascend",                    [](Elf& elf) { std::swap(elf.segments[0].p_vaddr, elf.segments[1].p_vaddr); }},
        {"ascend",                    [](Elf& elf) { elf.segments[1].p_vaddr = 0x3000; }                           },
        {"ascend",                    [](Elf& elf) { elf.segments[1].p_memsz = 7 * page_size; }                    },
        {"within 2 MiB",              [](Elf& elf) { elf.segments[2].p_vaddr = 0x1FF000; }                         },
        {"within 2 MiB",              [](Elf& elf) { elf.segments[2].p_vaddr = ~u64{0xFFF}; }                      },
        {"within 2 MiB",              [](Elf& elf) { elf.segments[2].p_memsz = ~u64{0}; }                          },
        {"not above the memory size", [](Elf& elf) { elf.segments[2].p_memsz = page_size; }                        },
        {"no relocations",            [](Elf& elf) { elf.add_section(SHT_RELA, 24, ".rela.dyn"); }                 },
        {"no relocations",            [](Elf& elf) { elf.add_section(SHT_REL, 16, ".rel.dyn"); }                   },
        {"no relocations",            [](Elf& elf) { elf.add_section(19, 8, ".relr.dyn"); }                        },
        {"an entry point",            [](Elf& elf) { elf.header.e_entry = 0; }                                     },
        {"an entry point",            [](Elf& elf) { elf.header.e_entry = 0x4000; }                                },
        {"an entry point",            [](Elf& elf) { elf.header.e_entry = 0x1000 + 3 * page_size; }                },
        {"an entry point",            [](Elf& elf) { elf.add_symbol("entry32", 0x4000); }                          },
        {"an entry point",            [](Elf& elf) { elf.add_symbol("entry_compat", 0); }                          },
        {"a symbol table within",
         [](Elf& elf) {
             elf.add_section(SHT_SYMTAB, 24, ".symtab");
             elf.sections.back().sh_offset = ~u64{0};
         }                                                                                                         },
        {"a symbol table within",
         [](Elf& elf) { elf.add_section(SHT_SYMTAB, ~u64{0}, ".symtab"); }                                         },
    };
    return all;
}

TEST(IgvmStubImage, RefusesABrokenContract) {
    for (const Case& test : cases()) {
        SCOPED_TRACE(test.expected);
        Elf elf = good_elf();
        test.damage(elf);
        const Bytes file = elf.finish();
        const auto image = read_stub_image(file);
        ASSERT_FALSE(image);
        EXPECT_NE(image.error().expected.find(test.expected), std::string_view::npos)
            << image.error().expected;
        EXPECT_LT(image.error().offset, file.size());
    }
}

TEST(IgvmStubImage, NamesTheRelocations) {
    Elf elf = good_elf();
    elf.add_section(SHT_RELA, 24, ".rela.dyn");
    const Bytes file = elf.finish();
    const auto image = read_stub_image(file);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().section, ".rela.dyn");
    EXPECT_EQ(image.error().found, 24u);
}

/// Offsets and counts that the Elf above always gets right.
TEST(IgvmStubImage, RefusesTablesOutsideTheFile) {
    const Bytes good    = good_elf().finish();
    const auto expected = [&](u64 field, auto value) {
        Bytes file = good;
        store(file, field, value);
        const auto image = read_stub_image(file);
        return image ? std::string("nothing") : std::string(image.error().expected);
    };
    const std::string program = "program headers, fewer than 65535, within the file";
    EXPECT_EQ(expected(offsetof(Elf64_Ehdr, e_phoff), ~u64{0}), program);
    EXPECT_EQ(expected(offsetof(Elf64_Ehdr, e_phnum), u16{0}), program);
    EXPECT_EQ(expected(offsetof(Elf64_Ehdr, e_phnum), u16{PN_XNUM}), program);
    const std::string section = "section headers within the file";
    EXPECT_EQ(expected(offsetof(Elf64_Ehdr, e_shoff), ~u64{0}), section);
    EXPECT_EQ(expected(offsetof(Elf64_Ehdr, e_shoff), u64{0}), section);
    EXPECT_EQ(expected(offsetof(Elf64_Ehdr, e_shnum), u16{0xFFFF}), section);
    EXPECT_EQ(expected(sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_offset), ~u64{0}),
              "a segment whose data is within the file");
}

TEST(IgvmStubImage, SurvivesDamage) {
    Elf small = good_elf();
    small.add_section(SHT_RELA, 24, ".rela.dyn");
    small.add_symbol("entry32", 0x1010);
    const Bytes good = small.finish();
    for (u64 length = 0; length < good.size(); length += length < 512 ? 1 : 61) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_FALSE(read_stub_image(cut)) << length;
    }
    small.sections.pop_back(); // else the relocations are what every damaged image is refused for
    const Bytes sound   = small.finish();
    const auto survives = [](const Bytes& damaged) {
        if (const auto image = read_stub_image(damaged)) {
            EXPECT_LE(image->size, 0x20'0000u);
        }
    };
    const u64 tail = sound.size() - 1024; // symbols, names and section headers
    for (u64 at = tail; at < sound.size(); ++at) {
        for (unsigned bit_number = 0; bit_number < 8; ++bit_number) {
            Bytes damaged = sound;
            damaged[at] ^= static_cast<u8>(1u << bit_number);
            survives(damaged);
        }
    }
    const u64 sections = load<Elf64_Ehdr>(good).e_shoff;
    for (u64 at = 0; at < good.size(); ++at) {
        if (at == sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr)) {
            at = sections; // contents in between are not looked at
        }
        for (unsigned bit_number = 0; bit_number < 8; ++bit_number) {
            Bytes damaged = good;
            damaged[at] ^= static_cast<u8>(1u << bit_number);
            survives(damaged);
        }
    }
}

} // namespace vestibule::igvm::test
