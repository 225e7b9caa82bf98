// SPDX-License-Identifier: BSD-2-Clause-Patent
// What build() makes of an image: the pages, who gets them, their order; and that the page of page
// tables maps the image to itself when a CPU walks it.
#include "tests/igvm/elf_fixture.h"

#include "boot/initial_tables.h"
#include "igvm/image/build.h"
#include "igvm/image/initial_state.h"
#include "igvm/vmm/check.h"

namespace vestibule::igvm::test {

using boot::Entry;

static BuiltFile must_build(const Bytes& elf, const BuildOptions& options) {
    const auto image = read_stub_image(elf);
    EXPECT_TRUE(image);
    auto file = build(*image, options);
    EXPECT_TRUE(file) << file.error();
    return *file;
}

/// Guest memory as a loader for one platform leaves it: the page at an address, zeros if the file
/// says so, nothing if it says nothing.
class Memory {
  public:
    Memory(const File& file, u32 mask) {
        for (const Header header : file.directives(mask)) {
            if (const auto page = header.as<PageData>()) {
                const auto data = file.data(*page);
                Bytes content(data.begin(), data.end());
                content.resize(page_size);
                EXPECT_TRUE(pages_.emplace(page->gpa, content).second) << "twice: " << page->gpa;
            }
        }
    }

    [[nodiscard]] const Bytes* page(u64 gpa) const {
        const auto found = pages_.find(gpa);
        return found == pages_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] u64 size() const { return pages_.size(); }

  private:
    std::map<u64, Bytes> pages_;
};

struct Mapping {
    u64 physical;
    bool is_private;
    bool writable;
    bool dirty;
};

/// Address bits that have to be zero in a leaf: its size, but for the PAT bit 12 of a large one.
static u64 reserved_bits(unsigned level) {
    return level == 1 ? 0 : (u64{1} << (12 + 9 * (level - 1))) - (u64{1} << 13);
}

/// A long-mode walk (APM volume 2, section 5.3) in which the tables are private memory, so that
/// their entries are read whatever the C-bit of the entry that leads there.
static std::optional<Mapping> walk(const Memory& memory, u64 cr3, u64 c_bit, u64 linear) {
    using x86::PageTableEntry;
    u64 table     = cr3;
    bool writable = true;
    for (unsigned level = 4; level >= 1; --level) {
        const Bytes* page = memory.page(table & ~(page_size - 1));
        if (page == nullptr) {
            return std::nullopt;
        }
        const auto entry =
            load<PageTableEntry>(*page, x86::table_index(linear, level) * sizeof(PageTableEntry));
        if (!entry.is_present()) {
            return std::nullopt;
        }
        EXPECT_NE(entry.value & PageTableEntry::accessed, 0u) << "the walk would write";
        EXPECT_EQ(entry.value & (PageTableEntry::user | PageTableEntry::no_execute), 0u);
        writable        = writable && (entry.value & PageTableEntry::writable) != 0;
        const bool leaf = level == 1 || (level < 4 && entry.is_large());
        if (leaf) {
            const u64 offset = linear & ((u64{1} << (12 + 9 * (level - 1))) - 1);
            if ((entry.address(c_bit) & reserved_bits(level)) != 0) {
                return std::nullopt; // reserved bits: a page fault
            }
            return Mapping{.physical   = entry.address(c_bit) + offset,
                           .is_private = (entry.value & c_bit) != 0,
                           .writable   = writable,
                           .dirty      = (entry.value & PageTableEntry::dirty) != 0};
        }
        EXPECT_FALSE(entry.is_large());
        EXPECT_EQ(entry.value & c_bit, c_bit);
        table = entry.address(c_bit);
    }
    return std::nullopt;
}

struct Place {
    u64 base;
    unsigned c_bit;
};

class IgvmBuildPlace : public testing::TestWithParam<Place> {};

INSTANTIATE_TEST_SUITE_P(Place, IgvmBuildPlace,
                         testing::Values(Place{.base = 0x20'0000, .c_bit = 51},
                                         Place{.base = 0x20'0000, .c_bit = 47},
                                         Place{.base = 0x3FE0'0000, .c_bit = 51},
                                         Place{.base = 0x4040'0000, .c_bit = 51},
                                         Place{.base = 0x8020'0000, .c_bit = 32},
                                         Place{.base = 0xFFE0'0000, .c_bit = 47}));

TEST_P(IgvmBuildPlace, TablesMapTheImageToItself) {
    const auto [base, c_bit] = GetParam();
    const BuiltFile built    = must_build(
        good_elf().finish(), {
                                    .platforms = {PlatformType::native, PlatformType::sev_es},
                                    .c_bit     = c_bit,
                                    .base      = base
    });
    const auto file = parse(built.bytes);
    ASSERT_TRUE(file);
    for (const PlatformType platform : {PlatformType::native, PlatformType::sev_es}) {
        const bool encrypted = platform == PlatformType::sev_es;
        const u64 mask       = encrypted ? bit(c_bit) : 0;
        const Memory memory(*file, file->mask_of(platform));
        for (u64 at = base; at < base + 0x20'0000; at += 0x1000) {
            const auto mapping = walk(memory, base, mask, at + 8);
            if (!mapping) {
                FAIL() << at;
            }
            EXPECT_EQ(mapping->physical, at + 8);
            EXPECT_EQ(mapping->is_private, encrypted);
            EXPECT_TRUE(mapping->writable);
            EXPECT_TRUE(mapping->dirty) << "a store would write the table";
        }
        // Where one entry serves at several levels, other addresses are mapped too, but none of
        // them leads out of the image's 2 MiB.
        for (u64 at = 0; at < u64{1} << 32; at += 0x10'0000) {
            if (const auto mapping = walk(memory, base, mask, at)) {
                EXPECT_EQ(mapping->physical & ~u64{0x1F'FFFF}, base) << at;
            }
        }
    }
}

TEST(IgvmBuild, LoadableBases) {
    EXPECT_TRUE(boot::is_loadable_base(0x20'0000));
    EXPECT_TRUE(boot::is_loadable_base(0xFFE0'0000));
    EXPECT_FALSE(boot::is_loadable_base(0)) << "below 2 MiB";
    EXPECT_FALSE(boot::is_loadable_base(0x20'1000)) << "not aligned";
    EXPECT_FALSE(boot::is_loadable_base(0x4000'0000)) << "directory index 0";
    EXPECT_FALSE(boot::is_loadable_base(0x4020'0000)) << "directory index equal to the GiB's";
    EXPECT_FALSE(boot::is_loadable_base(0xC060'0000)) << "directory index equal to the GiB's";
    EXPECT_FALSE(boot::is_loadable_base(u64{1} << 32)) << "not below 4 GiB";
    EXPECT_FALSE(boot::is_loadable_base((u64{1} << 32) + 0x40'0000)) << "not below 4 GiB";
}

TEST(IgvmBuild, WrongOptions) {
    const auto text = [](const BuildOptions& options) {
        return wrong_option(options).value_or("");
    };
    EXPECT_EQ(text({}), "");
    EXPECT_NE(text({.platforms = {}}), "");
    EXPECT_NE(text({.platforms = {PlatformType::sev}}), "");
    EXPECT_NE(text({.platforms = {PlatformType::tdx}}), "");
    EXPECT_EQ(text({.platforms = {PlatformType::sev_snp}}), "");
    EXPECT_NE(text({
                  .platforms = {PlatformType::native, PlatformType::native}
    }),
              "");
    EXPECT_NE(text({.c_bit = 31}), "");
    EXPECT_EQ(text({.c_bit = 32}), "");
    EXPECT_NE(text({.c_bit = 52}), "");
    EXPECT_NE(text({.base = 0x4000'0000}), "");
    EXPECT_NE(text({.vcpus = 0}), "");
    EXPECT_EQ(text({.vcpus = 4096}), "");
    EXPECT_NE(text({.vcpus = 4097}), "");
    EXPECT_NE(text({.snp_policy = 0x1'0000}), "") << "bit 17 must be one";
    EXPECT_NE(text({.memory = 0x10'0000}), "");
    EXPECT_NE(text({.memory = 0x1000'0001}), "");
    EXPECT_EQ(text({.memory = (u64{1} << 32) + page_size}), "");
    EXPECT_EQ(text({.memory = u64{1} << 40}), "");
    EXPECT_NE(text({.memory = (u64{1} << 40) + page_size}), "");
    EXPECT_NE(text({.memory = ~u64{0} << 12}), "");
}

TEST(IgvmBuild, MemoryBelowTheDevices) {
    constexpr u64 gib = u64{1} << 30;
    const auto wrong  = [](u64 memory, std::optional<u64> below) {
        return wrong_option({.memory = memory, .memory_below_4g = below}).value_or("");
    };
    EXPECT_EQ(wrong(8 * gib, 2 * gib), "");
    EXPECT_EQ(wrong(8 * gib, 0xFEC0'0000), "");
    EXPECT_EQ(wrong(8 * gib, 0x10'1000), "");
    EXPECT_EQ(wrong(2 * gib, 2 * gib), "");
    for (const auto& [memory, below] : {
             std::pair{8 * gib, u64{0xFEC0'1000}},
             {8 * gib, 4 * gib         },
             {8 * gib, 8 * gib         },
             {8 * gib, 0x10'0000       },
             {8 * gib, 0               },
             {8 * gib, 2 * gib + 1     },
             {2 * gib, 2 * gib + 0x1000},
             {2 * gib, ~u64{0} << 12   }
    }) {
        EXPECT_NE(wrong(memory, below).find("memory below 4 GiB: found"), std::string::npos)
            << memory << " " << below;
    }
}

/// Where a PC has it, with the hole that it has below 1 MiB.
TEST(IgvmBuild, WhereRamIs) {
    using Ranges      = std::vector<std::pair<u64, u64>>;
    constexpr u64 gib = u64{1} << 30;
    constexpr u64 mib = u64{1} << 20;
    const auto ram    = [](u64 memory, std::optional<u64> below = {}) {
        Ranges ranges;
        for (const boot::MemoryRange& range :
             BuildOptions{.memory = memory, .memory_below_4g = below}.ram()) {
            ranges.emplace_back(range.base, range.base + range.size);
        }
        return ranges;
    };
    constexpr std::pair<u64, u64> low{0, 640 * 1024};
    for (const u64 memory : {256 * mib, 3 * gib, 3584 * mib - page_size}) {
        EXPECT_EQ(ram(memory), (Ranges{
                                   low, {mib, memory}
        }));
    }
    EXPECT_EQ(ram(3584 * mib), (Ranges{
                                   low, {mib,     3 * gib            },
                                    {4 * gib, 4 * gib + 512 * mib}
    }));
    EXPECT_EQ(ram(1024 * gib), (Ranges{
                                   low, {mib,     3 * gib   },
                                    {4 * gib, 1025 * gib}
    }));
    EXPECT_EQ(ram(8 * gib, 2 * gib), (Ranges{
                                         low, {mib,     2 * gib },
                                          {4 * gib, 10 * gib}
    }));
    EXPECT_EQ(ram(3584 * mib, 3584 * mib), (Ranges{
                                               low, {mib, 3584 * mib}
    }));
}

TEST(IgvmBuild, MemoryIsTheImage) {
    const Bytes elf       = good_elf().finish();
    const BuiltFile built = must_build(elf, {});
    const auto file       = parse(built.bytes);
    ASSERT_TRUE(file);
    const Memory memory(*file, file->mask_of(PlatformType::sev_es));
    EXPECT_EQ(memory.size(), 1u + 3 + 2 + 2);

    const auto expect = [&](u64 gpa, u8 first, u8 last) {
        const Bytes* page = memory.page(gpa);
        ASSERT_NE(page, nullptr) << gpa;
        EXPECT_EQ(page->front(), first) << gpa;
        EXPECT_EQ(page->back(), last) << gpa;
    };
    expect(0x20'1000, 0xF4, 0xF4);
    expect(0x20'2000, 0xF4, 0xF4);
    expect(0x20'3000, 0, 0);
    expect(0x20'4000, 0xDA, 0xDA);
    expect(0x20'5000, 0xDA, 0); // half of it is the file's
    expect(0x20'A000, 0x9A, 0x9A);
    expect(0x20'B000, 0x9A, 0x9A);
    EXPECT_EQ(memory.page(0x20'6000), nullptr) << "memory for the stub to clear";
    EXPECT_EQ(memory.page(0x20'9000), nullptr) << "between segments";

    // The zero page has no data, and equal pages share theirs: code, two of data, payload; two page
    // tables, two VP contexts.
    const auto& header = file->fixed_header().common;
    EXPECT_EQ(built.bytes.size(),
              header.variable_header_offset + header.variable_header_size + 8 * page_size);
}

TEST(IgvmBuild, OrderOfHeaders) {
    const BuiltFile built = must_build(good_elf().finish(), {});
    const auto file       = parse(built.bytes);
    ASSERT_TRUE(file);
    enum class Stage : u8 { memory, pages, contexts };
    Stage stage  = Stage::memory;
    u64 last_gpa = 0;
    for (const Header header : file->directives()) {
        const Stage now = header.type == HeaderType::required_memory ? Stage::memory
                          : header.type == HeaderType::page_data     ? Stage::pages
                                                                     : Stage::contexts;
        EXPECT_GE(now, stage);
        stage = now;
        if (const auto memory = header.as<RequiredMemory>()) {
            EXPECT_EQ(memory->gpa, 0x20'0000u);
            EXPECT_EQ(memory->number_of_bytes, 0xC000u);
            EXPECT_EQ(memory->compatibility_mask, 3u);
        }
        if (const auto page = header.as<PageData>()) {
            EXPECT_GE(page->gpa, last_gpa);
            last_gpa = page->gpa;
        }
    }
    EXPECT_EQ(stage, Stage::contexts);
}

TEST(IgvmBuild, CountsPages) {
    const BuiltFile built = must_build(good_elf().finish(), {});
    ASSERT_EQ(built.pages.size(), 2u);
    for (const PageCount& count : built.pages) {
        EXPECT_EQ(count.page_tables, 1u);
        EXPECT_EQ(count.stub, 5u);
        EXPECT_EQ(count.payload, 2u);
        EXPECT_EQ(count.vmsa, count.platform == PlatformType::sev_es ? 1u : 0u);
    }
}

/// Good, and entered in every mode.
static Bytes elf_of_all_entries() {
    Elf elf = good_elf();
    elf.add_symbol("entry_compat", 0x1020);
    elf.add_symbol("entry32", 0x2030);
    return elf.finish();
}

struct ModeCase {
    Entry entry;
    u64 rip;
    u64 rbx;
    u16 code_selector;
    u16 code_attributes; // as in a VMSA
    u64 cr0, cr3, cr4;
    u64 efer; // without SVME
    u64 native_code_attributes;
};

constexpr ModeCase mode_cases[] = {
    {Entry::legacy32, 0x40'2030, 0x40'0000, 0x18, 0xC9B, 0x31,        0,         0x40, 0,     0xC09B},
    {Entry::compat,   0x40'1020, 0x40'0000, 0x18, 0xC9B, 0x8001'0031, 0x40'0000, 0x60, 0xD00, 0xC09B},
    {Entry::long64,   0x40'1010, 0,         8,    0xA9B, 0x8001'0031, 0x40'0000, 0x60, 0xD00, 0xA09B},
};

class IgvmBuildMode : public testing::TestWithParam<ModeCase> {};

INSTANTIATE_TEST_SUITE_P(Mode, IgvmBuildMode, testing::ValuesIn(mode_cases));

TEST_P(IgvmBuildMode, VpContexts) {
    const ModeCase& mode = GetParam();
    const BuiltFile built =
        must_build(elf_of_all_entries(), {.base = 0x40'0000, .entry = mode.entry});
    const auto file = parse(built.bytes);
    ASSERT_TRUE(file);
    unsigned contexts = 0;
    for (const Header header : file->directives()) {
        const auto context = header.as<VpContext>();
        if (!context) {
            continue;
        }
        ++contexts;
        EXPECT_EQ(context->vp_index, 0u);
        const auto page = file->data(context->file_offset, page_size);
        if (context->compatibility_mask == file->mask_of(PlatformType::native)) {
            NativeVpContext expected = native_context();
            expected.rip             = mode.rip;
            expected.rbx             = mode.rbx;
            expected.rsi             = 0; // boot::Platform::native
            expected.code.selector   = mode.code_selector;
            expected.code.attributes = static_cast<u16>(mode.native_code_attributes);
            expected.cr0             = mode.cr0;
            expected.cr3             = mode.cr3;
            expected.cr4             = mode.cr4;
            expected.efer            = mode.efer;
            EXPECT_TRUE(std::ranges::equal(page, page_with(expected)));
        } else {
            EXPECT_EQ(context->gpa, x86::vmsa_gpa);
            x86::Vmsa expected     = vmsa(0);
            expected.rip           = mode.rip;
            expected.rbx           = mode.rbx;
            expected.rsi           = mode.rbx != 0 ? 1 : 0; // boot::Platform::sev_es
            expected.cs.selector   = mode.code_selector;
            expected.cs.attributes = mode.code_attributes;
            expected.cr0           = mode.cr0;
            expected.cr3           = mode.cr3;
            expected.cr4           = mode.cr4;
            expected.efer          = mode.efer | 0x1000;
            EXPECT_TRUE(std::ranges::equal(page, bytes_of(expected)));
        }
    }
    EXPECT_EQ(contexts, 2u);
}

TEST_P(IgvmBuildMode, TablesWherePagingIsOn) {
    const ModeCase& mode  = GetParam();
    const BuiltFile built = must_build(elf_of_all_entries(), {.entry = mode.entry});
    const auto file       = parse(built.bytes);
    ASSERT_TRUE(file);
    const bool paging = mode.entry != Entry::legacy32;
    for (const PageCount& count : built.pages) {
        EXPECT_EQ(count.page_tables, paging ? 1u : 0u);
        EXPECT_EQ(count.stub, 5u);
    }
    for (const PlatformType platform : {PlatformType::native, PlatformType::sev_es}) {
        const Memory memory(*file, file->mask_of(platform));
        EXPECT_EQ(memory.page(0x20'0000) != nullptr, paging);
        EXPECT_EQ(memory.size(), (paging ? 1u : 0u) + 3 + 2 + 2);
    }
    for (const Header header : file->directives()) {
        if (const auto required = header.as<RequiredMemory>()) {
            EXPECT_EQ(required->gpa, 0x20'0000u) << "the tables' page is needed all the same";
        }
    }
}

TEST_P(IgvmBuildMode, LoadsInQemu) {
    const BuiltFile built = must_build(elf_of_all_entries(), {.entry = GetParam().entry});
    const auto file       = parse(built.bytes);
    ASSERT_TRUE(file);
    for (const Finding& finding : check_for(*file, profile_of(Vmm::qemu)).findings) {
        ADD_FAILURE() << row_of(finding.rule).id << " at " << finding.offset;
    }
}

TEST(IgvmBuild, EveryPlatformAloneLoadsInQemu) {
    const Bytes elf = good_elf().finish();
    for (const std::vector<PlatformType>& platforms : {
             std::vector{PlatformType::native},
             std::vector{PlatformType::sev_es},
             std::vector{PlatformType::sev_es, PlatformType::native}
    }) {
        const BuiltFile built = must_build(elf, {.platforms = platforms});
        EXPECT_EQ(built.bytes, must_build(elf, {.platforms = platforms}).bytes);
        const auto file = parse(built.bytes);
        ASSERT_TRUE(file);
        for (const Finding& finding : check_for(*file, profile_of(Vmm::qemu)).findings) {
            ADD_FAILURE() << row_of(finding.rule).id << " at " << finding.offset;
        }
        // QEMU as it comes makes SEV-ES guests without their FPU; that is all that it changes.
        for (const Finding& finding : check_for(*file, profile_of(Vmm::qemu_11_1)).findings) {
            EXPECT_TRUE(finding.field == "mxcsr" || finding.field == "x87_fcw") << finding.field;
        }
    }
}

} // namespace vestibule::igvm::test
