// SPDX-License-Identifier: BSD-2-Clause-Patent
// The short way of memory-mapped I/O against the long one (vc/quick_mmio.h, vc/mmio.h): every form
// of MOV between a register and memory, once where its page ends, which the short way does not
// touch, and once with room behind it. Frame, exception and transfers must be the same.
#include "tests/vc/memory_fixture.h"
#include "vc/registers.h"
#include <optional>

namespace vestibule::test {

struct Form {
    std::optional<u8> rex;
    u8 opcode;
    u8 modrm;
    std::optional<u8> sib;

    u8 mod() const { return modrm >> 6; }

    u8 rm() const { return modrm & 7; }

    u8 extension(u8 rex_bit) const { return (rex.value_or(0) & rex_bit) != 0 ? 8 : 0; }

    Bytes code() const {
        Bytes bytes;
        if (rex) {
            bytes.push_back(*rex);
        }
        bytes.insert(bytes.end(), {opcode, modrm});
        if (sib) {
            bytes.push_back(*sib);
        }
        const bool no_base = mod() == 0 && (sib ? (*sib & 7) == 5 : rm() == 5);
        if (mod() == 1) {
            bytes.push_back(0x90);
        } else if (mod() == 2 || no_base) {
            bytes.insert(bytes.end(), {0x78, 0x56, 0x34, 0x12});
        }
        return bytes;
    }

    u64 displacement() const {
        return mod() == 1 ? static_cast<u64>(i64{-0x70}) : mod() == 2 ? 0x1234'5678 : 0;
    }
};

/// What came of one #VC.
struct Result {
    ghcb::Outcome outcome;
    vc::Frame frame;
    std::vector<std::array<u64, 5>> calls; // exit code, information, scratch, buffer

    bool operator==(const Result& other) const {
        return outcome.kind == other.outcome.kind && outcome.vector == other.outcome.vector
               && outcome.error_code == other.outcome.error_code && frame == other.frame
               && calls == other.calls;
    }
};

struct QuickMmioTest : MemoryTest {
    static constexpr u64 answered = 0xF1E2'D3C4'B5A6'9788;
    static constexpr u8 opcodes[] = {0x88, 0x89, 0x8A, 0x8B};

    QuickMmioTest() {
        map_mmio(1);
        on_vmgexit([this](RawPage view) {
            calls.push_back({view.get(at::sw_exitcode), view.get(at::sw_exitinfo1),
                             view.get(at::sw_exitinfo2), view.get(at::sw_scratch),
                             view.get(0x800)});
            view.set(0x800, answered);
            view.answer(0, 0);
        });
    }

    /// Registers that lead to the page where the form has a base: near its start, or across its
    /// end.
    vc::Frame frame_for(const Form& form, u64 offset) {
        vc::Frame made = canary_frame();
        made.rflags    = 0x2;
        made.rbp       = 8; // what a handler that took "no index" for a register would add
        u64 target     = linear(page_size + offset) - form.displacement();
        u8 base        = form.rm();
        if (form.sib) {
            const auto index = static_cast<u8>((*form.sib >> 3 & 7) | form.extension(2));
            base             = *form.sib & 7;
            if (index != 4) {
                const u64 scale = u64{1} << (*form.sib >> 6);
                if (index == (base | form.extension(1))) {
                    target /= scale + 1;
                } else {
                    vc::whole_register(made, index) = 0xFFFF'FFFF'FFFF'FF10;
                    target -= 0xFFFF'FFFF'FFFF'FF10 * scale;
                }
            }
        }
        vc::whole_register(made, base | form.extension(1)) = target;
        return made;
    }

    Result run(const Form& form, const vc::Frame& start, u64 room) {
        calls.clear();
        page                        = {};
        frame                       = start;
        room_behind_code            = room;
        const ghcb::Outcome outcome = handle(0x400, form.code());
        frame.rip -= before.rip;
        return {.outcome = outcome, .frame = frame, .calls = calls};
    }

    /// The number of VMGEXITs.
    size_t compare(const Form& form, u64 offset) {
        const vc::Frame start = frame_for(form, offset);
        const Result slow     = run(form, start, 0);
        const Result quick    = run(form, start, 16);
        EXPECT_TRUE(slow == quick) << testing::PrintToString(form.code()) << " at " << offset;
        return quick.calls.size();
    }

    size_t compare_every_form(u64 offset) {
        size_t exits = 0;
        for (unsigned rex = 0x3F; rex < 0x50; ++rex) { // 3F: none
            for (const u8 opcode : opcodes) {
                for (unsigned modrm = 0; modrm < 0xC0; ++modrm) {
                    Form form{
                        .rex = {}, .opcode = opcode, .modrm = static_cast<u8>(modrm), .sib = {}};
                    if (rex >= 0x40) {
                        form.rex = static_cast<u8>(rex);
                    }
                    if (form.rm() != 4) {
                        exits += compare(form, offset);
                        continue;
                    }
                    for (unsigned sib = 0; sib < 0x100; ++sib) {
                        form.sib = static_cast<u8>(sib);
                        exits += compare(form, offset);
                    }
                }
            }
        }
        return exits;
    }

    std::vector<std::array<u64, 5>> calls;
};

TEST_F(QuickMmioTest, EveryForm) { EXPECT_GT(compare_every_form(0x40), 400'000U); }

// Of 8 bytes, some are on the next page, which is not mapped.
TEST_F(QuickMmioTest, AcrossThePageEnd) {
    Form form{.rex = 0x48, .opcode = 0x8B, .modrm = 0x0F, .sib = {}};
    for (u64 offset = page_size - 9; offset < page_size; ++offset) {
        for (const u8 opcode : opcodes) {
            form.opcode = opcode;
            EXPECT_EQ(compare(form, offset), offset + ((opcode & 1) != 0 ? 8 : 1) <= page_size);
        }
    }
}

TEST_F(QuickMmioTest, PagesThatAreNoMmio) {
    const Form read{.rex = {}, .opcode = 0x8B, .modrm = 0x0F, .sib = {}};
    const Form write{.rex = {}, .opcode = 0x89, .modrm = 0x0F, .sib = {}};
    map(1); // private
    EXPECT_EQ(compare(read, 0), 0U);
    EXPECT_EQ(compare(write, 0), 0U);
    map(1, 0);
    EXPECT_EQ(compare(read, 0), 0U);
    map(1, entry_bit::present); // read-only
    EXPECT_EQ(compare(read, 0), 1U);
    EXPECT_EQ(compare(write, 0), 0U);
}

TEST_F(QuickMmioTest, AddressesThatAreNotCanonical) {
    const Form form{.rex = {}, .opcode = 0x8B, .modrm = 0x0F, .sib = {}};
    for (const u64 bits : {u64{1} << 47, u64{1} << 48, u64{1} << 63, u64{0xFFFF} << 48}) {
        vc::Frame start = frame_for(form, 0);
        start.rdi ^= bits;
        const Result quick = run(form, start, 16);
        EXPECT_TRUE(quick == run(form, start, 0));
        EXPECT_EQ(quick.outcome.kind, ghcb::Outcome::Kind::raise);
        EXPECT_TRUE(quick.calls.empty());
    }
}

/// An address that is canonical for 57 bits only.
TEST_F(QuickMmioTest, FiveLevels) {
    MockCpu::cr4_value = 0x1000;
    tables.levels      = 5;
    tables.root        = tables.allocate();
    MockCpu::cr3_value = tables.root;
    const Form form{.rex = {}, .opcode = 0x8B, .modrm = 0x0F, .sib = {}};
    const u64 high        = linear(page_size) | u64{1} << 50;
    tables.entry(high, 1) = gpa_of_page(3) | entry_bit::present;
    map_mmio(1);
    EXPECT_EQ(compare(form, 0), 1U);
    vc::Frame start    = frame_for(form, 0);
    start.rdi          = high;
    const Result quick = run(form, start, 16);
    EXPECT_TRUE(quick == run(form, start, 0));
    ASSERT_EQ(quick.calls.size(), 1U);
    EXPECT_EQ(quick.calls[0][1], gpa_of_page(3));
}

TEST_F(QuickMmioTest, RefusedAnswersChangeNothing) {
    const Form form{.rex = {}, .opcode = 0x8B, .modrm = 0x0F, .sib = {}};
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); }); // #GP
    const vc::Frame start = frame_for(form, 0);
    const Result quick    = run(form, start, 16);
    EXPECT_TRUE(quick == run(form, start, 0));
    EXPECT_EQ(quick.outcome.kind, ghcb::Outcome::Kind::raise);
    EXPECT_EQ(quick.frame.rcx, start.rcx);
    EXPECT_EQ(quick.frame.rip, 0U);
    EXPECT_EQ(context.ghcb.holders, 0);
}

} // namespace vestibule::test
