// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC of INS and OUTS: what an exit shows, which registers move and how (conformance 7 to 11),
// batches of 2032 bytes, and memory operands refused as the architecture would (vc-exceptions 5).
#include "tests/vc/memory_fixture.h"

namespace vestibule::test {

static constexpr u64 exit_ioio = 0x7B;
static constexpr u64 buffer_at = 0x800;

/// SW_EXITINFO1: bit 2 string, bit 3 REP, [9:7] address size, [12:10] segment.
static constexpr u64 info(bool in, unsigned size, bool rep, unsigned address_bits, unsigned segment,
                          u64 port = 0x3F8) {
    const u64 address = address_bits == 16 ? 0x80 : address_bits == 32 ? 0x100 : 0x200;
    return u64{in} | 4 | (rep ? 8 : 0) | size << 4 | address | u64{segment} << 10 | port << 16;
}

struct StringIoTest : MemoryTest {
    StringIoTest() {
        map(0);
        map(1);
        for (unsigned n = 0; n < 2 * page_size; ++n) {
            data[n] = static_cast<u8>(n * 7 + 3);
        }
        frame.rdx = 0xFFFF'FFFF'FFFF'03F8;
        frame.rflags &= ~u64{0x400}; // DF
        on_vmgexit([this](RawPage view) {
            sent.insert(sent.end(), view.bytes + buffer_at,
                        view.bytes + buffer_at
                            + (view.get(at::sw_exitinfo1) >> 4 & 7) * view.get(at::sw_exitinfo2));
            for (unsigned n = 0; n < 2032; ++n) {
                view.bytes[buffer_at + n] = static_cast<u8>(0x40 + n);
            }
            // Counts and addresses are the guest's own: these are lies.
            view.set(at::sw_scratch, ~u64{0});
            view.answer(0, 0x7FFF'FFFF);
        });
    }

    /// One #VC: the page must show this and nothing else.
    void expect_exit(const Bytes& code, u64 wanted_info, u64 count, const Bytes& bytes) {
        page              = {};
        MockCpu::vmgexits = 0;
        outcome           = handle_at(exit_ioio, code);
        EXPECT_EQ(MockCpu::vmgexits, 1U);
        Image wanted = call_image(0x7B, wanted_info, count,
                                  {
                                      {at::sw_scratch, gpa + buffer_at}
        });
        std::copy(bytes.begin(), bytes.end(), wanted.begin() + buffer_at);
        EXPECT_TRUE(same_page(seen, wanted));
        EXPECT_FALSE(channel_in_use());
    }

    bool channel_in_use() const { return context.ghcb.holders != 0; }

    void raises_page_fault(const Bytes& code, u32 error_code, u64 address) {
        MockCpu::vmgexits  = 0;
        MockCpu::cr2_value = 0;
        EXPECT_TRUE(raises(handle_at(exit_ioio, code), 14, error_code));
        EXPECT_EQ(MockCpu::cr2_value, address);
        EXPECT_EQ(MockCpu::vmgexits, 0U);
        EXPECT_TRUE(frame == before);
        EXPECT_FALSE(channel_in_use());
    }

    Bytes at_data(u64 offset, u64 count) const { return {data + offset, data + offset + count}; }

    Bytes sent;
    ghcb::Outcome outcome = ghcb::Outcome::done();
};

TEST_F(StringIoTest, Conformance8WithoutRepExactlyOneElement) {
    for (const u64 rcx : {u64{0}, u64{1}, ~u64{0}}) {
        frame.rcx = rcx;
        frame.rsi = linear(0x10);
        expect_exit({0x6E}, info(false, 1, false, 64, 3), 1, at_data(0x10, 1));
        ASSERT_TRUE(outcome.is_done());
        vc::Frame wanted = moved_on(1);
        wanted.rsi += 1;
        EXPECT_TRUE(frame == wanted);
    }
}

TEST_F(StringIoTest, Conformance7CountOfZeroDoesNothing) {
    for (const Bytes& code : {
             Bytes{0xF3, 0x6C},
             Bytes{0xF2, 0x6F},
             Bytes{0xF3, 0x66, 0x6F}
    }) {
        frame.rcx = 0;
        frame.rsi = frame.rdi = 0xDEAD'BEEF'0000'0000; // not even looked at
        ASSERT_TRUE(handle(exit_ioio, code).is_done());
        EXPECT_TRUE(frame == moved_on(code.size()));
    }
    frame.rcx = 0xFFFF'FFFF'0000'0000; // zero in ECX
    ASSERT_TRUE(handle(exit_ioio, {0xF3, 0x67, 0x6E}).is_done());
    EXPECT_TRUE(frame == moved_on(3));
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(StringIoTest, EachSize) {
    struct Row {
        Bytes out;
        Bytes in;
        unsigned size;
    };

    const Row rows[] = {
        {{0xF3, 0x6E},       {0xF3, 0x6C},       1},
        {{0xF3, 0x66, 0x6F}, {0xF3, 0x66, 0x6D}, 2},
        {{0xF3, 0x6F},       {0xF3, 0x6D},       4},
        {{0xF3, 0x48, 0x6F}, {0xF3, 0x48, 0x6D}, 4},
    };
    for (const Row& row : rows) {
        frame.rcx = 5;
        frame.rsi = linear(0x21);
        expect_exit(row.out, info(false, row.size, true, 64, 3), 5, at_data(0x21, 5UL * row.size));
        ASSERT_TRUE(outcome.is_done());
        vc::Frame wanted = moved_on(row.out.size());
        wanted.rcx       = 0;
        wanted.rsi += 5UL * row.size;
        EXPECT_TRUE(frame == wanted);

        const Bytes tail = at_data(0x300 + 5UL * row.size, 8);
        frame.rcx        = 5;
        frame.rdi        = linear(0x300);
        expect_exit(row.in, info(true, row.size, true, 64, 0), 5, {});
        ASSERT_TRUE(outcome.is_done());
        for (unsigned n = 0; n < 5 * row.size; ++n) {
            EXPECT_EQ(data[0x300 + n], 0x40 + n);
        }
        EXPECT_EQ(at_data(0x300 + 5UL * row.size, 8), tail);
        wanted     = moved_on(row.in.size());
        wanted.rcx = 0;
        wanted.rdi += 5UL * row.size;
        EXPECT_TRUE(frame == wanted);
    }
}

TEST_F(StringIoTest, Conformance9DirectionFlagWalksBackwards) {
    frame.rflags |= 0x400;
    frame.rcx = 3;
    frame.rsi = linear(0x108);
    Bytes wanted_bytes;
    for (const u64 offset : {0x108UL, 0x106UL, 0x104UL}) {
        wanted_bytes.push_back(data[offset]);
        wanted_bytes.push_back(data[offset + 1]);
    }
    expect_exit({0xF3, 0x66, 0x6F}, info(false, 2, true, 64, 3), 3, wanted_bytes);
    EXPECT_EQ(frame.rsi, linear(0x102));
    frame.rcx = 3;
    frame.rdi = linear(0x208);
    expect_exit({0xF3, 0x66, 0x6D}, info(true, 2, true, 64, 0), 3, {});
    EXPECT_EQ(frame.rdi, linear(0x202));
    EXPECT_EQ(at_data(0x204, 6), (Bytes{0x44, 0x45, 0x42, 0x43, 0x40, 0x41}));
}

TEST_F(StringIoTest, Conformance10OverridesAreForOutsOnly) {
    MockCpu::msrs[x86::Msr::fs_base] = 0x1000;
    MockCpu::msrs[x86::Msr::gs_base] = 0xFFFF'FFFF'FFFF'F000; // - 0x1000
    frame.rsi                        = linear(0x40) - 0x1000;
    expect_exit({0x64, 0x6E}, info(false, 1, false, 64, 4), 1, at_data(0x40, 1));
    frame.rsi = linear(0x40) + 0x1000;
    expect_exit({0x65, 0x6E}, info(false, 1, false, 64, 5), 1, at_data(0x40, 1));
    frame.rdi = linear(0x40);
    expect_exit({0x64, 0x6C}, info(true, 1, false, 64, 0), 1, {});
    EXPECT_EQ(data[0x40], 0x40);
    frame.rsi = linear(0x50); // the other four do not count in 64-bit code
    expect_exit({0x2E, 0x6E}, info(false, 1, false, 64, 3), 1, at_data(0x50, 1));
}

TEST_F(StringIoTest, Conformance11AddressSizePrefix) {
    frame.rcx = 0xAAAA'AAAA'0000'0002;
    frame.rsi = 0xBBBB'BBBB'0000'0000 | linear(0x60);
    expect_exit({0xF3, 0x67, 0x6E}, info(false, 1, true, 32, 3), 2, at_data(0x60, 2));
    EXPECT_EQ(frame.rcx, 0U);
    EXPECT_EQ(frame.rsi, linear(0x62)); // zero-extended
    frame.rdi = 0xBBBB'BBBB'0000'0000 | linear(0x60);
    frame.rcx = 7;
    expect_exit({0x67, 0x6C}, info(true, 1, false, 32, 0), 1, {});
    EXPECT_EQ(frame.rcx, 7U);
    EXPECT_EQ(frame.rdi, linear(0x61));
}

TEST_F(StringIoTest, BatchesOf2032Bytes) {
    frame.rcx         = 1100; // doublewords: 2032 bytes are 508
    frame.rsi         = linear(4);
    MockCpu::vmgexits = 0;
    unsigned rounds   = 0;
    do {
        ++rounds;
        outcome = handle(exit_ioio, {0xF3, 0x6F});
        if (again(outcome)) {
            EXPECT_EQ(frame.rip, before.rip);
            EXPECT_EQ(frame.rflags, before.rflags);
            EXPECT_EQ(frame.rcx, before.rcx - 508);
            EXPECT_EQ(frame.rsi, before.rsi + 2032);
        }
    } while (again(outcome) && rounds < 10);
    ASSERT_TRUE(outcome.is_done());
    EXPECT_EQ(rounds, 3U);
    EXPECT_EQ(MockCpu::vmgexits, 3U);
    EXPECT_EQ(frame.rcx, 0U);
    EXPECT_EQ(frame.rsi, linear(4 + 4400));
    EXPECT_TRUE(sent == at_data(4, 4400));
}

TEST_F(StringIoTest, HugeCounts) {
    frame.rcx = ~u64{0};
    frame.rsi = linear(0);
    EXPECT_TRUE(again(handle(exit_ioio, {0xF3, 0x6E})));
    EXPECT_EQ(frame.rcx, ~u64{0} - 2032);
    EXPECT_TRUE(sent == at_data(0, 2032));
}

TEST_F(StringIoTest, InsToMemoryThatMayNotBeWritten) {
    map(2, entry_bit::present | entry_bit::c_bit);
    frame.rdi = linear(2 * page_size + 8);
    raises_page_fault({0x6C}, 0b0011, linear(2 * page_size + 8));
    frame.rdi = linear(3 * page_size + 8); // not there
    raises_page_fault({0x6D}, 0b0010, linear(3 * page_size + 8));
    MockCpu::cr0_value = 0; // CR0.WP clear: the supervisor may write
    frame.rdi          = linear(2 * page_size + 8);
    EXPECT_TRUE(handle(exit_ioio, {0x6C}).is_done());
}

TEST_F(StringIoTest, OutsFromMemoryThatIsNotThere) {
    frame.rsi = linear(3 * page_size);
    raises_page_fault({0x6E}, 0, linear(3 * page_size));
    frame.rcx = 4;
    raises_page_fault({0xF3, 0x6F}, 0, linear(3 * page_size));
}

TEST_F(StringIoTest, AFaultInTheMiddleLeavesTheRegistersThere) {
    for (const bool in : {false, true}) {
        u64& pointer = in ? frame.rdi : frame.rsi;
        frame.rcx    = 5;
        pointer      = linear(2 * page_size - 8); // page 2 is not mapped
        const Bytes code{0xF3, static_cast<u8>(in ? 0x6D : 0x6F)};
        expect_exit(code, info(in, 4, true, 64, in ? 0 : 3), 2,
                    in ? Bytes{} : at_data(2 * page_size - 8, 8));
        EXPECT_TRUE(again(outcome));
        EXPECT_EQ(frame.rip, before.rip);
        EXPECT_EQ(frame.rcx, 3U);
        EXPECT_EQ(pointer, linear(2 * page_size));
        raises_page_fault(code, in ? 2 : 0, linear(2 * page_size));
    }
}

TEST_F(StringIoTest, AnElementAcrossTheEndOfAPageFaultsOnTheSecond) {
    frame.rsi = linear(2 * page_size - 1);
    raises_page_fault({0x6F}, 0, linear(2 * page_size));
    frame.rdi = linear(2 * page_size - 3);
    raises_page_fault({0x6D}, 2, linear(2 * page_size));
    frame.rsi = linear(page_size - 1); // pages 0 and 1 are there
    expect_exit({0x6F}, info(false, 4, false, 64, 3), 1, at_data(page_size - 1, 4));
}

TEST_F(StringIoTest, NonCanonicalAddresses) {
    for (const u64 address :
         {u64{0x8000'0000'0000}, u64{0xFFFF'7FFF'FFFF'FFFF}, u64{1} << 63, u64{0x7FFF'FFFF'FFFD}}) {
        frame.rsi = frame.rdi = address;
        EXPECT_TRUE(raises(handle(exit_ioio, {0x6F}), 13, 0)) << std::hex << address;
        EXPECT_TRUE(raises(handle(exit_ioio, {0x6D}), 13, 0)) << std::hex << address;
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(StringIoTest, UserModeWithTheProgramsConsent) {
    context.user_may = [](const vc::Request&) { return true; };
    frame.cs         = user_code64;
    frame.rflags |= 0x3000; // IOPL
    frame.rdi = linear(8);
    raises_page_fault({0x6C}, 0b0111, linear(8)); // a supervisor page
    frame.rsi = linear(8);
    raises_page_fault({0x6E}, 0b0101, linear(8));
    map(0, kernel_data | entry_bit::user);
    EXPECT_TRUE(handle(exit_ioio, {0x6C}).is_done());
    map(1, entry_bit::present | entry_bit::c_bit | entry_bit::user);
    frame.rdi          = linear(page_size);
    MockCpu::cr0_value = 0; // WP is the supervisor's
    raises_page_fault({0x6C}, 0b0111, linear(page_size));
}

TEST_F(StringIoTest, OfAProcessOnlyPrivateMemory) {
    context.user_may = [](const vc::Request&) { return true; };
    frame.cs         = user_code64;
    frame.rflags |= 0x3000;
    constexpr u64 shared = entry_bit::present | entry_bit::writable | entry_bit::user;
    map(0, kernel_data | entry_bit::user);
    map(1, shared);
    frame.rsi = frame.rdi = linear(page_size - 2); // the second half in a device's memory
    EXPECT_TRUE(raises(handle(exit_ioio, {0x6F}), 13, 0));
    EXPECT_TRUE(raises(handle(exit_ioio, {0x6D}), 13, 0));
    frame.rsi = frame.rdi = linear(page_size);
    EXPECT_TRUE(raises(handle(exit_ioio, {0x6E}), 13, 0));
    EXPECT_TRUE(raises(handle(exit_ioio, {0x6C}), 13, 0));
    EXPECT_TRUE(frame == before);
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

// Another CPU takes the page away between the look at the page tables and the access.
TEST_F(StringIoTest, MemoryThatGoesAway) {
    map(0, kernel_data);
    MockCpu::gone_address = linear(8);
    frame.rsi = frame.rdi = linear(8);
    raises_page_fault({0x6E}, 0, linear(8));
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    MockCpu::cr2_value = 0;
    EXPECT_TRUE(raises(handle(exit_ioio, {0x6C}), 14, 2)); // the port was read by then
    EXPECT_EQ(MockCpu::cr2_value, linear(8));
    EXPECT_TRUE(frame == before);
    frame.rsi = frame.rdi = linear(6);
    frame.rcx             = 4;
    EXPECT_TRUE(again(handle(exit_ioio, {0xF3, 0x6E})));
    EXPECT_EQ(frame.rsi, linear(8));
    EXPECT_EQ(frame.rcx, 2U);
}

TEST_F(StringIoTest, Smap) {
    map(0, kernel_data | entry_bit::user);
    frame.rsi          = linear(8);
    frame.rflags       = 0x202;
    MockCpu::cr4_value = cr4_smap;
    raises_page_fault({0x6E}, 0b0001, linear(8));
    MockCpu::steps.clear();
    frame.rflags = 0x4'0202; // AC
    EXPECT_TRUE(handle(exit_ioio, {0x6E}).is_done());
    EXPECT_EQ(MockCpu::steps.front(), Step{"stac"});
    EXPECT_EQ(MockCpu::steps.back(), Step{"clac"});
}

TEST_F(StringIoTest, RefusalsByTheHypervisorMoveNothing) {
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); });
    frame.rcx = 5;
    frame.rsi = linear(0);
    EXPECT_TRUE(raises(handle(exit_ioio, {0xF3, 0x6F}), 13, 0));
    EXPECT_TRUE(frame == before);
    on_vmgexit([](RawPage view) { view.answer(2, 3); });
    frame.rdi           = linear(0);
    const Bytes earlier = at_data(0, 64);
    EXPECT_TRUE(terminates(handle(exit_ioio, {0xF3, 0x6D}), {2, 0x23}));
    EXPECT_TRUE(frame == before);
    EXPECT_EQ(at_data(0, 64), earlier);
}

TEST_F(StringIoTest, Code32) {
    enter_segmented_code(true);
    frame.rcx = 0xAAAA'AAAA'0000'0002;
    frame.rsi = 0xBBBB'BBBB'0000'0000 | linear(0x70);
    expect_exit({0xF3, 0x6F}, info(false, 4, true, 32, 3), 2, at_data(0x70, 8));
    ASSERT_TRUE(outcome.is_done());
    EXPECT_EQ(frame.rsi & 0xFFFF'FFFF, linear(0x78));
    EXPECT_EQ(frame.rcx & 0xFFFF'FFFF, 0U);
    // ES with a base of its own.
    MockCpu::descriptors[0x50] =
        0x00C0'9200'0000'0000 | linear(0) << 16 | (linear(0) >> 24) << 56; // limit 0xFFF
    MockCpu::selectors[0] = 0x50;
    frame.rdi             = 0x80;
    expect_exit({0x6C}, info(true, 1, false, 32, 0), 1, {});
    EXPECT_EQ(data[0x80], 0x40);
    frame.rdi = 0xFFE; // its last bytes
    expect_exit({0x66, 0x6D}, info(true, 2, false, 32, 0), 1, {});
    frame.rdi = 0xFFF;
    EXPECT_TRUE(raises(handle_at(exit_ioio, {0x66, 0x6D}), 13, 0));
    frame.rdi = 0xFFFF'FFFF;
    EXPECT_TRUE(raises(handle_at(exit_ioio, {0x6C}), 13, 0));
}

TEST_F(StringIoTest, Code16) {
    enter_segmented_code(false);
    MockCpu::descriptors[0x50] = 0x0000'9300'0000'FFFF | linear(0) << 16 | (linear(0) >> 24) << 56;
    MockCpu::selectors[3]      = 0x50;
    frame.rcx                  = 0x1111'1111'1111'0003;
    frame.rsi                  = 0x2222'2222'2222'0ABC;
    expect_exit({0xF3, 0x6F}, info(false, 2, true, 16, 3), 3, at_data(0xABC, 6));
    EXPECT_EQ(frame.rcx, 0x1111'1111'1111'0000U); // the rest stays
    EXPECT_EQ(frame.rsi, 0x2222'2222'2222'0AC2U);
    frame.rsi = 0x0; // backwards over zero: SI wraps
    frame.rflags |= 0x400;
    expect_exit({0x6E}, info(false, 1, false, 16, 3), 1, at_data(0, 1));
    EXPECT_EQ(frame.rsi, 0xFFFFU);
}

TEST_F(StringIoTest, SegmentsThatRefuse) {
    struct Row {
        const char* name;
        u64 descriptor; // 0: none
        u8 write_fault; // 0: served
        u8 read_fault;
    };

    const u64 base   = linear(0) << 16 | (linear(0) >> 24) << 56;
    const Row rows[] = {
        {"null",                0,                            13, 13},
        {"not present",         0x00C0'1300'0000'0000 | base, 13, 13},
        {"read-only",           0x00C0'9100'0000'0000 | base, 13, 0 },
        {"writable",            0x00C0'9300'0000'0000 | base, 0,  0 },
        {"execute-only",        0x00C0'9900'0000'0000 | base, 13, 13},
        {"code, readable",      0x00C0'9B00'0000'0000 | base, 13, 0 },
        {"system",              0x00C0'8200'0000'0000 | base, 13, 13},
        {"limit below",         0x0040'9300'0000'001F | base, 13, 13},
        {"limit at the last",   0x0040'9300'0000'0020 | base, 0,  0 },
        {"expand-down",         0x0040'9700'0000'001F | base, 0,  0 },
        {"expand-down, inside", 0x0040'9700'0000'0020 | base, 13, 13},
        {"expand-down, page",   0x00C0'9700'0000'0000 | base, 13, 13},
    };
    enter_segmented_code(true);
    for (const Row& row : rows) {
        MockCpu::descriptors.erase(0x50);
        if (row.descriptor != 0) {
            MockCpu::descriptors[0x50] = row.descriptor;
        }
        MockCpu::selectors = {0x50, 0, 0, 0x50, 0x50, 0x50};
        frame.rsi = frame.rdi     = 0x20;
        const ghcb::Outcome write = handle_at(exit_ioio, {0x6C});
        frame.rsi = frame.rdi    = 0x20;
        const ghcb::Outcome read = handle_at(exit_ioio, {0x6E});
        EXPECT_TRUE(row.write_fault == 0 ? write.is_done() : raises(write, row.write_fault, 0))
            << row.name;
        EXPECT_TRUE(row.read_fault == 0 ? read.is_done() : raises(read, row.read_fault, 0))
            << row.name;
        frame.ss                  = 0x50;
        frame.rsi                 = 0x20;
        const ghcb::Outcome stack = handle_at(exit_ioio, {0x36, 0x6E});
        EXPECT_TRUE(row.read_fault == 0 ? stack.is_done() : raises(stack, 12, 0)) << row.name;
    }
}

} // namespace vestibule::test
