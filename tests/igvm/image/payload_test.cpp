// SPDX-License-Identifier: BSD-2-Clause-Patent
// What is made of a payload's file: where its bytes go, what is left for the hand-over to zero,
// where it is entered; and each way in which a file can be wrong, named.
#include "tests/igvm/payload_fixture.h"

#include "kernel/zero_page.h"

#include <functional>

namespace vestibule::igvm::test {

using Ranges = std::vector<std::pair<u64, u64>>;

static Payload must_read(const Bytes& file, std::optional<u64> address = {}) {
    auto payload = read_payload(file, address);
    EXPECT_TRUE(payload) << payload.error().expected << " " << payload.error().found;
    return payload.value_or(Payload{});
}

static std::string refusal(const Bytes& file, std::optional<u64> address = {}) {
    const auto payload = read_payload(file, address);
    return payload ? "" : std::string(payload.error().expected);
}

static Ranges cleared(const Payload& payload) {
    Ranges ranges;
    for (const boot::MemoryRange& range : payload.cleared) {
        ranges.emplace_back(range.base, range.size);
    }
    return ranges;
}

static u8 byte_at(const Payload& payload, u64 gpa) {
    for (const Block& block : payload.blocks) {
        if (gpa >= block.gpa && gpa - block.gpa < block.content.size()) {
            return block.content.bytes()[gpa - block.gpa];
        }
    }
    ADD_FAILURE() << "no data at " << gpa;
    return 0;
}

TEST(IgvmPayload, SegmentsShareAPage) {
    const Payload payload = must_read(executable().finish());
    EXPECT_EQ(payload.format, PayloadFormat::elf64);
    EXPECT_EQ(payload.protocol, PayloadProtocol::boot_info);
    EXPECT_EQ(payload.entry, 0x100'0010u);
    EXPECT_EQ(payload.base, 0x100'0000u);
    EXPECT_EQ(payload.size, 0x6000u);
    ASSERT_EQ(payload.blocks.size(), 1u);
    EXPECT_EQ(payload.blocks[0].content.size(), 0x2100u);
    EXPECT_EQ(byte_at(payload, 0x100'17FF), 0xC0);
    EXPECT_EQ(byte_at(payload, 0x100'1800), 0);
    EXPECT_EQ(byte_at(payload, 0x100'1900), 0xDA);
    EXPECT_EQ(byte_at(payload, 0x100'20FF), 0xDA);
    EXPECT_EQ(cleared(payload), (Ranges{
                                    {0x100'3000, 0x3000}
    }))
        << "the page with data is zero behind it as it is";
}

TEST(IgvmPayload, MemoryBetweenSegments) {
    Elf elf            = empty_executable();
    elf.header.e_entry = 0x40'0000;
    // Out of order; one ends with memory on the page where the next one's data begins.
    add_at(elf, PF_R | PF_W, 0x80'0000, {}, 0x2000);
    add_at(elf, PF_R | PF_X, 0x40'0000, Bytes(0x1000, 1), 0x3800);
    add_at(elf, PF_R | PF_W, 0x40'3900, Bytes(0x10, 2), 0x10);
    const Payload payload = must_read(elf.finish());
    EXPECT_EQ(payload.base, 0x40'0000u);
    EXPECT_EQ(payload.size, 0x40'2000u);
    ASSERT_EQ(payload.blocks.size(), 2u);
    EXPECT_EQ(payload.blocks[1].gpa, 0x40'3000u);
    EXPECT_EQ(byte_at(payload, 0x40'38FF), 0);
    EXPECT_EQ(byte_at(payload, 0x40'3900), 2);
    EXPECT_EQ(cleared(payload), (Ranges{
                                    {0x40'1000, 0x2000},
                                    {0x80'0000, 0x2000}
    }));
}

TEST(IgvmPayload, GoesToPhysicalAddresses) {
    Elf elf                 = executable();
    constexpr u64 up        = 0xFFFF'FFFF'8000'0000;
    elf.segments[0].p_vaddr = up;
    elf.segments[1].p_vaddr = up + 0x1900;
    elf.header.e_entry      = up + 0x20;
    EXPECT_EQ(must_read(elf.finish()).entry, 0x100'0020u) << "a virtual entry point";
    elf.header.e_entry = 0x100'0030;
    EXPECT_EQ(must_read(elf.finish()).entry, 0x100'0030u) << "a physical one";
}

TEST(IgvmPayload, RelocatesWhatIsPositionIndependent) {
    const Bytes file = position_independent().finish();
    for (const u64 base : {default_payload_address, u64{0x40'0000}}) {
        const Payload payload = must_read(file, base);
        EXPECT_EQ(payload.entry, base + 0x10);
        const Block& data = payload.blocks.back();
        const u64 at      = base + 0x1000 - data.gpa;
        EXPECT_EQ(load<u64>(data.content.bytes(), at), base + 0x5000) << "an addend of its own";
        EXPECT_EQ(load<u64>(data.content.bytes(), at + 8), 0x2222u);
        EXPECT_EQ(load<u64>(data.content.bytes(), at + 16), base + 0x3000) << "the addend in place";
        EXPECT_EQ(load<u64>(data.content.bytes(), at + 24), 0x4444u);
    }
    EXPECT_EQ(must_read(file).base, default_payload_address);
    EXPECT_TRUE(takes_address(file));
    EXPECT_FALSE(takes_address(executable().finish()));
}

TEST(IgvmPayload, BitmapsOfRelocations) {
    Elf elf = position_independent();
    // The single DT_RELR entry is an address; a bitmap takes the words behind it. Make the entry of
    // DT_RELA harmless and its room a table of two.
    Bytes& data    = elf.contents[1];
    const u64 rela = 4 * sizeof(u64);
    store(data, rela + 16, u64{0x1000});    // the address: word 0
    store(data, rela + 24, u64{1 | 2 | 8}); // words 1 and 3
    Bytes& dynamic = elf.contents[2];
    store(dynamic, 1 * 16 + 8, u64{0}); // DT_RELASZ
    store(dynamic, 3 * 16 + 8, u64{0x1000 + rela + 16});
    store(dynamic, 4 * 16 + 8, u64{16});
    const Payload payload = must_read(elf.finish(), 0x40'0000);
    const Block& block    = payload.blocks.back();
    const u64 at          = 0x40'1000 - block.gpa;
    EXPECT_EQ(load<u64>(block.content.bytes(), at), 0x40'1111u);
    EXPECT_EQ(load<u64>(block.content.bytes(), at + 8), 0x40'2222u);
    EXPECT_EQ(load<u64>(block.content.bytes(), at + 16), 0x3000u);
    EXPECT_EQ(load<u64>(block.content.bytes(), at + 24), 0x40'4444u);
}

/// A bitmap stands for 63 words, whether or not it has any: the next goes on behind them.
TEST(IgvmPayload, BitmapsFollowEachOther) {
    Elf elf = position_independent();
    elf.contents[0].resize(0x1000, 0xC0);
    elf.segments[0].p_filesz = elf.segments[0].p_memsz = 0x1000;
    Bytes& data                                        = elf.contents[1];
    const u64 rela                                     = 4 * sizeof(u64);
    store(data, rela, u64{0x1008 - 64 * sizeof(u64)}); // in the segment before
    store(data, rela + 8, u64{1});
    store(data, rela + 16, u64{1 | 2}); // word 1
    Bytes& dynamic = elf.contents[2];
    store(dynamic, 1 * 16 + 8, u64{0}); // DT_RELASZ
    store(dynamic, 3 * 16 + 8, u64{0x1000 + rela});
    store(dynamic, 4 * 16 + 8, u64{24});
    const Payload payload = must_read(elf.finish(), 0x40'0000);
    const Block& block    = payload.blocks.back();
    const u64 at          = 0x40'1000 - block.gpa;
    EXPECT_EQ(load<u64>(block.content.bytes(), at), 0x1111u);
    EXPECT_EQ(load<u64>(block.content.bytes(), at + 8), 0x40'2222u);
    EXPECT_EQ(load<u64>(block.content.bytes(), at + 16), 0x3000u);
}

TEST(IgvmPayload, FlatBinary) {
    const Bytes file(0x1801, 0x90);
    const Payload payload = must_read(file, 0x10'0000);
    EXPECT_EQ(payload.format, PayloadFormat::flat);
    EXPECT_EQ(payload.entry, 0x10'0000u);
    EXPECT_EQ(payload.size, 0x2000u);
    EXPECT_EQ(byte_at(payload, 0x10'1800), 0x90);
    EXPECT_EQ(refusal(file), "an ELF64, a bzImage, a UKI, or an address for a flat binary");
    const std::string address = "a page-aligned address at which the payload ends below 4 GiB";
    EXPECT_EQ(refusal(file, 0x10'0001), address);
    EXPECT_EQ(refusal(file, 0xFFFF'F000), address);
    EXPECT_EQ(refusal(file, ~u64{0} << 12), address);
    EXPECT_EQ(must_read(file, 0xFFFF'E000).size, 0x2000u);
    EXPECT_EQ(refusal({}, 0x10'0000), "a payload that is not empty");
}

TEST(IgvmPayload, BzImageIsCarriedWhole) {
    const Bytes file      = bzimage();
    const Payload payload = must_read(file);
    EXPECT_EQ(payload.format, PayloadFormat::bzimage);
    EXPECT_EQ(payload.protocol, PayloadProtocol::linux64);
    EXPECT_EQ(payload.entry, 0x100'0200u);
    EXPECT_EQ(payload.base, 0xFF'F000u) << "real-mode code below the kernel";
    EXPECT_EQ(payload.size, 0x1'1000u) << "init_size";
    ASSERT_EQ(payload.blocks.size(), 1u);
    const auto bytes = payload.blocks[0].content.bytes();
    ASSERT_EQ(bytes.size(), 0xC00 + file.size());
    EXPECT_TRUE(std::ranges::equal(bytes.subspan(0xC00), file));
    EXPECT_EQ(byte_at(payload, 0x100'0000), 0x4B);
    EXPECT_TRUE(payload.cleared.empty());
    ASSERT_TRUE(payload.linux);
    EXPECT_EQ(payload.linux->header_size, 0x202u + 0x66 - 0x1F1);
    EXPECT_EQ(payload.linux->initrd_limit, 0x7FFF'FFFFu);
    EXPECT_EQ(payload.linux->command_line_limit, 255u);

    Bytes four = bzimage();
    store(four, 0x1F1, u8{0});
    four.resize(0x2000, 0x4B);
    EXPECT_EQ(must_read(four).blocks[0].content.size(), 0x600 + four.size())
        << "0 sectors stand for 4";
}

struct Break {
    const char* expected;
    std::function<void(Elf&)> how;
};

TEST(IgvmPayload, ElfByTheLinuxProtocol) {
    const Bytes file   = executable().finish();
    const auto payload = read_payload(file, {}, PayloadProtocol::linux64);
    ASSERT_TRUE(payload) << describe(payload.error());
    EXPECT_EQ(payload->protocol, PayloadProtocol::linux64);
    EXPECT_EQ(payload->entry, 0x100'0010u);
    ASSERT_TRUE(payload->linux);
    kernel::LinuxTold told{};
    told.command_line = 0x1000;
    told.initrd       = 0x20'0000;
    told.initrd_size  = 0x3000;
    kernel::ZeroPage page;
    kernel::make_zero_page(*payload->linux, 0x5000, told, page);
    // Documentation/arch/x86/boot.rst: what a loader must have there, by its own numbers.
    const auto at = [&](u64 offset, unsigned size) {
        u64 value = 0;
        std::memcpy(&value, &page[offset], size);
        return value;
    };
    EXPECT_EQ(at(0x1FE, 2), 0xAA55u);
    EXPECT_EQ(at(0x202, 4), 0x5372'6448u);
    EXPECT_EQ(at(0x206, 2), 0x20Cu);
    EXPECT_EQ(at(0x210, 1), 0xFFu);
    EXPECT_EQ(at(0x218, 4), 0x20'0000u);
    EXPECT_EQ(at(0x21C, 4), 0x3000u);
    EXPECT_EQ(at(0x228, 4), 0x1000u);
    EXPECT_EQ(at(0x238, 4), 2047u);
    // Without being told it is one for boot info.
    EXPECT_EQ(read_payload(file, {})->protocol, PayloadProtocol::boot_info);
}

TEST(IgvmPayload, ProtocolsThatAFormDoesNotHave) {
    const auto expected = [](const Bytes& file, PayloadProtocol protocol) {
        const auto payload = read_payload(file, u64{0x40'0000}, protocol);
        return payload ? std::string{} : std::string(payload.error().expected);
    };
    EXPECT_EQ(expected(bzimage(), PayloadProtocol::boot_info),
              "a payload that takes boot info: an ELF64 or a flat binary");
    EXPECT_EQ(expected(Bytes(64, 0x90), PayloadProtocol::linux64),
              "a Linux kernel: a bzImage, a UKI, or an ELF64 (vmlinux)");
    EXPECT_EQ(expected({}, PayloadProtocol::linux64),
              "a Linux kernel: a bzImage, a UKI, or an ELF64 (vmlinux)");
    EXPECT_EQ(expected(bzimage(), PayloadProtocol::linux64), "");
    EXPECT_EQ(expected(Bytes(64, 0x90), PayloadProtocol::boot_info), "");
    EXPECT_EQ(expected(executable().finish(), PayloadProtocol::pvh),
              "a PVH kernel: an ELF64 with a PVH note");
}

/// One with a note is entered as that says, unless it is told otherwise.
TEST(IgvmPayload, PvhNote) {
    const Bytes file = pvh_executable().finish();
    for (const auto protocol : {PayloadProtocol::automatic, PayloadProtocol::pvh}) {
        const auto payload = read_payload(file, {}, protocol);
        ASSERT_TRUE(payload) << describe(payload.error());
        EXPECT_EQ(payload->protocol, PayloadProtocol::pvh);
        EXPECT_EQ(payload->entry, 0x100'0040u);
        EXPECT_FALSE(payload->linux);
    }
    EXPECT_EQ(read_payload(file, {}, PayloadProtocol::boot_info)->entry, 0x100'0010u);
    Elf damaged = pvh_executable(0x1);
    EXPECT_EQ(refusal(damaged.finish()),
              "a PVH note whose entry point is in the file's part of an executable segment");
    EXPECT_TRUE(read_payload(damaged.finish(), {}, PayloadProtocol::linux64))
        << "nobody asks for the note";
}

TEST(IgvmPayload, UnifiedKernelImage) {
    const Bytes file   = unified_kernel_image();
    const auto payload = read_payload(file, {});
    ASSERT_TRUE(payload) << describe(payload.error());
    EXPECT_EQ(payload->format, PayloadFormat::uki);
    EXPECT_EQ(payload->protocol, PayloadProtocol::linux64);
    EXPECT_EQ(payload->entry, 0x100'0200u);
    EXPECT_EQ(payload->command_line, "quiet");
    EXPECT_EQ(payload->initrd.size(), 5u);
    EXPECT_EQ(payload->blocks[0].content.size(), 0xC00 + bzimage().size());
    Bytes damaged = file;
    store(damaged, 0x400 + 0x236, u16{0});
    const auto refused = read_payload(damaged, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().expected, "a 64-bit entry point (XLF_KERNEL_64)");
    EXPECT_EQ(refused.error().offset, 0x400u + 0x236) << "in the whole file";
    damaged = file;
    store(damaged, 0x400 + 0x202, u32{0});
    EXPECT_EQ(refusal(damaged), "a bzImage");
    EXPECT_FALSE(takes_address(file));
}

TEST(IgvmPayload, BrokenExecutables) {
    const Break breaks[] = {
        {"an image for x86-64",                                        [](Elf& elf) { elf.header.e_machine = EM_386; }            },
        {"a 64-bit ELF",                                               [](Elf& elf) { elf.header.e_ident[EI_CLASS] = ELFCLASS32; }},
        {"a file size not above the memory size",
         [](Elf& elf) { elf.segments[0].p_memsz = 0x17FF; }                                                                       },
        {"a segment whose data is within the file",
         [](Elf& elf) { elf.segments[1].p_filesz = elf.segments[1].p_memsz = 0x10'0000; }                                         },
        {"a segment that ends below 4 GiB",
         [](Elf& elf) { elf.segments[1].p_paddr = 0xFFFF'D000; }                                                                  },
        {"a segment that ends below 4 GiB",                            [](Elf& elf) { elf.segments[1].p_paddr = ~u64{0}; }        },
        {"a segment that ends below 4 GiB",                            [](Elf& elf) { elf.segments[1].p_memsz = ~u64{0}; }        },
        {"segments that do not overlap",                               [](Elf& elf) { elf.segments[1].p_paddr = 0x100'17FF; }     },
        {"an entry point in the file's part of an executable segment",
         [](Elf& elf) { elf.header.e_entry = 0x100'1900; }                                                                        },
        {"an entry point in the file's part of an executable segment",
         [](Elf& elf) { elf.header.e_entry = 0; }                                                                                 },
        {"a segment to load",
         [](Elf& elf) { elf.segments[0].p_type = elf.segments[1].p_type = PT_NOTE; }                                              },
        {"at most 16 separate stretches of memory without data",
         [](Elf& elf) {
             for (u64 i = 0; i < 17; ++i) {
                 add_at(elf, PF_R | PF_W, 0x200'0000 + i * 0x2000, {}, 0x1000);
             }
         }                                                                                                                        },
    };
    for (const Break& test : breaks) {
        Elf elf = executable();
        test.how(elf);
        EXPECT_EQ(refusal(elf.finish()), test.expected);
    }
    Bytes cut = executable().finish();
    cut.resize(100);
    EXPECT_EQ(refusal(cut), "program headers, fewer than 65535, within the file");
    cut.resize(20);
    EXPECT_EQ(refusal(cut), "a whole ELF64 header");
}

TEST(IgvmPayload, BrokenRelocations) {
    // The dynamic section's entries are 16 bytes, in the order of position_independent().
    const auto value = [](Elf& elf, u64 entry, u64 number) {
        store(elf.contents[2], entry * 16 + 8, number);
    };
    const auto tag = [](Elf& elf, u64 entry, u64 number) {
        store(elf.contents[2], entry * 16, number);
    };
    const Break breaks[] = {
        {"relocations of 24 bytes",                                      [&](Elf& elf) { value(elf, 2, 16); }                   },
        {"a table of relocations in the payload's data",                 [&](Elf& elf) { value(elf, 0, 0x9000); }               },
        {"a table of relocations in the payload's data",                 [&](Elf& elf) { value(elf, 1, ~u64{0}); }              },
        {"a table of relocations in the payload's data",                 [&](Elf& elf) { value(elf, 4, 0x999); }                },
        {"a payload that needs no library",                              [&](Elf& elf) { tag(elf, 5, DT_NEEDED); }              },
        {"no relocations but relative ones with addends",
         [&](Elf& elf) { tag(elf, 5, DT_PLTRELSZ); }                                                                            },
        {"no relocations but relative ones with addends",                [&](Elf& elf) { tag(elf, 5, DT_RELSZ); }               },
        {"R_X86_64_RELATIVE, the only relocation that needs no symbols",
         [&](Elf& elf) { store(elf.contents[1], 4 * sizeof(u64) + 8, u64{R_X86_64_64}); }                                       },
        {"relocations of the payload's own data",
         [&](Elf& elf) { store(elf.contents[1], 4 * sizeof(u64), u64{0x7000}); }                                                },
        {"relocations of the payload's own data",
         [&](Elf& elf) { store(elf.contents[1], 4 * sizeof(u64), ~u64{0}); }                                                    },
        {"relocations of the payload's own data",                        // between the segments
         [&](Elf& elf) { store(elf.contents[1], 4 * sizeof(u64), u64{0xE00}); }},
        {"relocations of the payload's own data",                        // memory that the measured pages do not have
         [&](Elf& elf) {
             elf.segments[1].p_memsz = 0x2000;
             store(elf.contents[1], 4 * sizeof(u64), u64{0x2000});
         }                                                                     },
    };
    for (const Break& test : breaks) {
        Elf elf = position_independent();
        test.how(elf);
        EXPECT_EQ(refusal(elf.finish()), test.expected);
    }
    EXPECT_EQ(refusal(position_independent().finish(), 0x123),
              "a page-aligned address below 4 GiB");
    EXPECT_EQ(refusal(position_independent().finish(), u64{1} << 32),
              "a page-aligned address below 4 GiB");
}

struct BzBreak {
    const char* expected;
    std::function<void(Bytes&)> how;
};

TEST(IgvmPayload, BrokenBzImages) {
    const char* preferred =
        "a page-aligned preferred address with room below for the real-mode code";
    const char* room = "room for the kernel (init_size) that holds its file and ends below 4 GiB";
    const char* header =
        "a setup header that ends behind init_size and in the zero page's room for it";
    const BzBreak breaks[] = {
        {"boot protocol 2.12 or later",                               [](Bytes& file) { store(file, 0x206, u16{0x020B}); }    },
        {"a kernel that is loaded high",                              [](Bytes& file) { store(file, 0x211, u8{0}); }          },
        {"a 64-bit entry point (XLF_KERNEL_64)",
         [](Bytes& file) { store(file, 0x236, u16{0xFFFE}); }                                                                 },
        {header,                                                      [](Bytes& file) { store(file, 0x201, u8{0x61}); }       },
        {header,                                                      [](Bytes& file) { store(file, 0x201, u8{0x8F}); }       },
        {"a protected-mode kernel behind the real-mode code",
         [](Bytes& file) { store(file, 0x1F1, u8{7}); }                                                                       },
        {preferred,                                                   [](Bytes& file) { store(file, 0x258, u64{0x100'0010}); }},
        {preferred,                                                   [](Bytes& file) { store(file, 0x258, u64{0x10'0000}); } },
        {preferred,                                                   [](Bytes& file) { store(file, 0x258, u64{1} << 32); }   },
        {room,                                                        [](Bytes& file) { store(file, 0x260, u32{0xBFF}); }     },
        {"an alignment that is a power of two, from a page to 1 GiB",
         [](Bytes& file) {
             store(file, 0x234, u8{1});
             store(file, 0x230, u32{0x30'0000});
         }                                                                                                                    },
        {room,
         [](Bytes& file) {
             store(file, 0x258, u64{0xFFFF'0000});
             store(file, 0x260, u32{0x1'0001});
         }                                                                                                                    },
    };
    for (const BzBreak& test : breaks) {
        Bytes file = bzimage();
        test.how(file);
        EXPECT_EQ(refusal(file), test.expected);
    }
}

/// Whatever a file says, it is laid out within 4 GiB or refused with a reason.
TEST(IgvmPayload, SurvivesDamage) {
    u64 state         = 0x9E37'79B9'7F4A'7C15;
    const auto random = [&state](u64 below) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % below;
    };
    unsigned accepted = 0;
    for (const Bytes& good : {executable().finish(), position_independent().finish(), bzimage(),
                              pvh_executable().finish(), unified_kernel_image()}) {
        for (unsigned round = 0; round < 4000; ++round) {
            Bytes file = good;
            for (u64 n = 1 + random(3); n != 0; --n) {
                const u64 at = random(std::min<u64>(file.size(), 0x300));
                file[at] =
                    static_cast<u8>(random(2) == 0 ? random(256) : file[at] ^ 1u << random(8));
            }
            if (random(8) == 0) {
                file.resize(random(file.size()));
            }
            const auto payload = read_payload(file, u64{0x40'0000});
            if (!payload) {
                EXPECT_FALSE(payload.error().expected.empty());
                continue;
            }
            ++accepted;
            EXPECT_LE(payload->size, payload_limit - payload->base);
            for (const Block& block : payload->blocks) {
                EXPECT_GE(block.gpa, payload->base);
                EXPECT_LE(block.gpa + block.content.size(), payload->base + payload->size);
            }
        }
    }
    EXPECT_GT(accepted, 100u);
}

} // namespace vestibule::igvm::test
