// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where each field of the GHCB page stands and which bit of VALID_BITMAP is its own (GHCB
// specification, section 2.1): written through ghcb::Call, seen as bytes.
#include "ghcb/page.h"
#include "tests/ghcb/mock.h"

namespace vestibule::test {

using ghcb::Field;

struct PageTest : GhcbTest {
    /// Puts one field and exits; the hypervisor's image is then in `seen`.
    void put_and_exit(Field field, u64 value) {
        on_vmgexit([](RawPage view) { view.answer(0, 0); });
        ghcb::Call<MockCpu> call{channel};
        call.put(field, value);
        const ghcb::Answer answer = call.exit(x86::ExitCode{0x72}, 0, 0, ghcb::registers::none);
        EXPECT_TRUE(answer.outcome.is_done());
    }
};

TEST_F(PageTest, EachInputAtItsOffsetWithItsBit) {
    struct Row {
        Field field;
        unsigned offset;
        unsigned bit;
    };

    constexpr Row rows[] = {
        {Field::xss,        0x140, 40 },
        {Field::rax,        0x1F8, 63 },
        {Field::rcx,        0x308, 97 },
        {Field::rdx,        0x310, 98 },
        {Field::rbx,        0x318, 99 },
        {Field::sw_scratch, 0x3A8, 117},
        {Field::xcr0,       0x3E8, 125},
    };
    for (const Row& row : rows) {
        put_and_exit(row.field, 0x8182'8384'8586'8788);
        Image wanted = call_image(0x72, 0, 0);
        const RawPage view{wanted.data()};
        view.set(row.offset, 0x8182'8384'8586'8788);
        u8& byte = wanted[0x3F0 + row.bit / 8];
        byte     = static_cast<u8>(byte | 1u << (row.bit % 8));
        EXPECT_TRUE(same_page(seen, wanted)) << "field " << std::hex << row.offset;
        page = {};
    }
}

TEST_F(PageTest, WorkedExamples) {
    put_and_exit(Field::rax, 1);
    EXPECT_EQ(seen[0x3F7], 1u << 7);
    EXPECT_EQ(seen[0x3FE] & (1u << 2), 1u << 2); // SW_EXITCODE
    const ghcb::FieldSet cpl = ghcb::FieldSet::of(Field::cpl);
    EXPECT_EQ(cpl.low, u64{1} << (3 * 8 + 1)); // byte 0x3F3, bit 1
    EXPECT_EQ(cpl.high, 0U);
}

TEST_F(PageTest, CplIsOneByte) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    std::memset(raw.bytes, 0xFF, 0x390);
    ghcb::Call<MockCpu> call{channel};
    call.put(Field::cpl, 3);
    EXPECT_TRUE(call.exit(x86::ExitCode{0x81}, 0, 0, ghcb::registers::none).outcome.is_done());
    EXPECT_EQ(seen[0x0CA], 0xFF);
    EXPECT_EQ(seen[0x0CB], 3);
    EXPECT_EQ(seen[0x0CC], 0xFF);
    EXPECT_EQ(seen[0x3F3], 1u << 1);
}

TEST_F(PageTest, TheThreeWordsOfEveryCall) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    ghcb::Call<MockCpu> call{channel};
    EXPECT_TRUE(call.exit(x86::ExitCode{0x8000'0005}, 0x1122'3344'5566'7788, 0x99AA'BBCC'DDEE'FF00,
                          ghcb::registers::none)
                    .outcome.is_done());
    const RawPage view{seen.data()};
    EXPECT_EQ(view.get(0x390), 0x8000'0005U);
    EXPECT_EQ(view.get(0x398), 0x1122'3344'5566'7788U);
    EXPECT_EQ(view.get(0x3A0), 0x99AA'BBCC'DDEE'FF00U);
    EXPECT_EQ(view.get(0x3F0), 0U);
    EXPECT_EQ(view.get(0x3F8), u64{0b11100} << 48); // bits 114, 115, 116
}

TEST_F(PageTest, RegistersThatNoEventUsesYet) {
    struct Row {
        u64 ghcb::Page::* member;
        unsigned offset;
    };

    constexpr Row rows[] = {
        {&ghcb::Page::xss,           0x140},
        {&ghcb::Page::dr7,           0x160},
        {&ghcb::Page::rip,           0x178},
        {&ghcb::Page::rsp,           0x1D8},
        {&ghcb::Page::rbp,           0x328},
        {&ghcb::Page::rsi,           0x330},
        {&ghcb::Page::rdi,           0x338},
        {&ghcb::Page::r8,            0x340},
        {&ghcb::Page::r9,            0x348},
        {&ghcb::Page::r10,           0x350},
        {&ghcb::Page::r11,           0x358},
        {&ghcb::Page::r12,           0x360},
        {&ghcb::Page::r13,           0x368},
        {&ghcb::Page::r14,           0x370},
        {&ghcb::Page::r15,           0x378},
        {&ghcb::Page::x87_state_gpa, 0x400},
    };
    for (const Row& row : rows) {
        page.*row.member = 0x8182'8384'8586'8788;
        EXPECT_EQ(raw.get(row.offset), 0x8182'8384'8586'8788U) << std::hex << row.offset;
    }
}

TEST_F(PageTest, TheRestOfThePage) {
    EXPECT_EQ(sizeof page, 4096U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&page) % 4096, 0U);
    page.cpl               = 3;
    page.shared_buffer[0]  = 0xAB;
    page.protocol_version  = 0x0201;
    page.ghcb_usage        = 0x0807'0605;
    const auto* first_byte = &page.shared_buffer[0];
    EXPECT_EQ(raw.bytes[0x0CB], 3);
    EXPECT_EQ(raw.bytes[0x800], 0xAB);
    EXPECT_EQ(first_byte + sizeof page.shared_buffer, raw.bytes + 0xFF0);
    EXPECT_EQ(raw.bytes[0xFFA], 0x01);
    EXPECT_EQ(raw.bytes[0xFFB], 0x02);
    EXPECT_EQ(raw.bytes[0xFFC], 0x05);
    EXPECT_EQ(raw.bytes[0xFFF], 0x08);
}

} // namespace vestibule::test
