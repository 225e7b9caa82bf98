// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC of IN and OUT (exit 0x7B): SW_EXITINFO1 bit by bit (GHCB specification, section 4.1.2), what
// OUT shows of RAX, and how much of RAX IN changes (conformance 1 and 2).
#include "tests/vc/fixture.h"

namespace vestibule::test {

static constexpr u64 exit_ioio = 0x7B;

/// SW_EXITINFO1: bit 0 IN; bits 4, 5, 6 for 8, 16, 32 bits; bits 8, 9 for addresses of 32, 64 bits;
/// [31:16] port.
static constexpr u64 info(bool in, unsigned bits, u64 port, unsigned address_bits = 64) {
    const u64 size = bits == 8 ? 0x10 : bits == 16 ? 0x20 : 0x40;
    return u64{in} | size | (address_bits == 32 ? 0x100 : 0x200) | port << 16;
}

struct IoioTest : VcTest {
    static constexpr u64 answered_rax = 0x0102'0304'0506'0708;

    IoioTest() {
        on_vmgexit([](RawPage view) { answer_like_kvm(view, answered_rax, 1, 2, 3); });
    }

    /// One instruction, everything it shows and everything it changes.
    void expect_io(const Bytes& code, bool in, unsigned bits, u64 port) {
        SCOPED_TRACE(testing::PrintToString(code));
        frame             = canary_frame();
        page              = {};
        MockCpu::vmgexits = 0;
        ASSERT_TRUE(handle(exit_ioio, code).is_done());
        EXPECT_EQ(MockCpu::vmgexits, 1U);
        const u64 mask = bits == 8 ? 0xFF : bits == 16 ? 0xFFFF : 0xFFFF'FFFF;
        std::vector<FieldValue> inputs;
        vc::Frame wanted = moved_on(code.size());
        if (in) {
            wanted.rax = bits == 32 ? 0x0506'0708 : (before.rax & ~mask) | (answered_rax & mask);
        } else {
            inputs = {
                {at::rax, before.rax & mask}
            };
        }
        EXPECT_TRUE(
            same_page(seen, call_image(0x7B, info(in, bits, port, address_bits), 0, inputs)));
        EXPECT_TRUE(frame == wanted) << std::hex << frame.rax;
    }

    /// All eight opcodes behind `prefixes`; `full` is the operand size of the four that have one.
    void expect_all(const Bytes& prefixes, unsigned full) {
        const u64 dx    = canary_frame().rdx & 0xFFFF;
        const auto with = [&](std::initializer_list<u8> bytes) {
            Bytes code = prefixes;
            code.insert(code.end(), bytes);
            return code;
        };
        expect_io(with({0xE4, 0x60}), true, 8, 0x60);
        expect_io(with({0xE5, 0xFF}), true, full, 0xFF);
        expect_io(with({0xE6, 0x00}), false, 8, 0x00);
        expect_io(with({0xE7, 0x80}), false, full, 0x80);
        expect_io(with({0xEC}), true, 8, dx);
        expect_io(with({0xED}), true, full, dx);
        expect_io(with({0xEE}), false, 8, dx);
        expect_io(with({0xEF}), false, full, dx);
    }

    unsigned address_bits = 64;
};

TEST_F(IoioTest, WorkedByHand) {
    frame.rdx = 0xFFFF'FFFF'FFFF'03F8;
    frame.rax = 0x8182'8384'8586'8741;
    ASSERT_TRUE(handle(exit_ioio, {0xEE}).is_done()); // OUT DX, AL: 'A' to the serial port
    EXPECT_TRUE(same_page(seen, call_image(0x7B, 0x03F8'0210, 0,
                                           {
                                               {at::rax, 0x41}
    })));
    page = {};
    ASSERT_TRUE(handle(exit_ioio, {0x66, 0xE5, 0x70}).is_done()); // IN AX, 0x70
    EXPECT_TRUE(same_page(seen, call_image(0x7B, 0x0070'0221, 0)));
    EXPECT_EQ(frame.rax, 0x8182'8384'8586'0708U);
}

TEST_F(IoioTest, WithoutPrefix) { expect_all({}, 32); }

TEST_F(IoioTest, OperandSizePrefix) {
    expect_all({0x66}, 16);
    expect_all({0x66, 0x66}, 16);
}

TEST_F(IoioTest, EveryRexPrefixLeavesTheSize) {
    for (u8 rex = 0x40; rex <= 0x4F; ++rex) {
        expect_all({rex}, 32);
    }
}

TEST_F(IoioTest, RexWithoutWAfterTheOperandSizePrefix) {
    for (u8 rex = 0x40; rex <= 0x47; ++rex) {
        expect_all({0x66, rex}, 16);
    }
}

TEST_F(IoioTest, RexThatIsNotLastIsIgnored) {
    for (u8 rex = 0x40; rex <= 0x4F; ++rex) {
        expect_all({rex, 0x66}, 16);
    }
}

TEST_F(IoioTest, RexWithWBeatsTheOperandSizePrefix) {
    for (u8 rex = 0x48; rex <= 0x4F; ++rex) {
        expect_all({0x66, rex}, 32);
        expect_all({0x66, 0x2E, rex}, 32);
    }
}

TEST_F(IoioTest, AddressSizePrefix) {
    address_bits = 32;
    expect_all({0x67}, 32);
    expect_all({0x67, 0x66}, 16);
    expect_all({0x66, 0x67}, 16);
    expect_all({0x67, 0x48}, 32);
}

TEST_F(IoioTest, SegmentPrefixesChangeNothing) {
    for (const u8 segment : {u8{0x26}, u8{0x2E}, u8{0x36}, u8{0x3E}, u8{0x64}, u8{0x65}}) {
        expect_all({segment}, 32);
        expect_all({segment, 0x66}, 16);
        expect_all({0x66, segment}, 16);
    }
}

TEST_F(IoioTest, RepeatPrefixesRepeatNothing) {
    // Whether a REP that has no effect is reported in bit 3 is not said: everything else is
    // checked.
    for (const u8 repeat : {u8{0xF2}, u8{0xF3}}) {
        frame = canary_frame();
        ASSERT_TRUE(handle(exit_ioio, {repeat, 0xEE}).is_done());
        const RawPage view{seen.data()};
        EXPECT_EQ(view.get(at::sw_exitinfo1) & ~u64{8}, info(false, 8, before.rdx & 0xFFFF));
        EXPECT_TRUE(frame == moved_on(2)); // RCX among them
    }
    EXPECT_EQ(MockCpu::vmgexits, 2U);
}

TEST_F(IoioTest, InNeedsRaxMarked) {
    on_vmgexit([](RawPage view) {
        view.answer(0, 0,
                    {
                        {at::rbx, 1},
                        {at::rcx, 1},
                        {at::rdx, 1}
        });
    });
    EXPECT_TRUE(terminates(handle(exit_ioio, {0xEC}), ghcb::reason::ghcb_missing_output));
    EXPECT_TRUE(frame == before);
    EXPECT_TRUE(handle(exit_ioio, {0xEE}).is_done()); // OUT needs nothing back
}

TEST_F(IoioTest, LockIsRefused) {
    for (const u8 opcode : {u8{0xEC}, u8{0xED}, u8{0xEE}, u8{0xEF}}) {
        EXPECT_TRUE(
            terminates(handle(exit_ioio, {0xF0, opcode}), ghcb::reason::vc_opcode_mismatch));
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

} // namespace vestibule::test
