// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC of MOV from and to DR7, VMMCALL, MONITOR(X) and MWAIT(X): what is shown and what is kept
// (GHCB specification, table 5; vc-exceptions 5).
#include "tests/vc/memory_fixture.h"

namespace vestibule::test {

struct RegistersEventsTest : MemoryTest {
    RegistersEventsTest() {
        on_vmgexit([](RawPage view) {
            answer_like_kvm(view, 0x1111'1111'0A0A'0A0A, 0x2222'2222'0B0B'0B0B,
                            0x3333'3333'0C0C'0C0C, 0x4444'4444'0D0D'0D0D);
        });
        context.dr7 = 0x400;
        map(0);
    }
};

TEST_F(RegistersEventsTest, Dr7IsReadWithoutAsking) {
    context.dr7 = 0x0000'0000'DEAD'0755;
    ASSERT_TRUE(handle(0x27, {0x0F, 0x21, 0xF9}).is_done()); // MOV RCX, DR7
    vc::Frame wanted = moved_on(3);
    wanted.rcx       = 0xDEAD'0755;
    EXPECT_TRUE(frame == wanted);
    ASSERT_TRUE(handle(0x27, {0x41, 0x0F, 0x21, 0xFF}).is_done()); // R15
    EXPECT_EQ(frame.r15, 0xDEAD'0755U);
    ASSERT_TRUE(handle(0x27, {0x0F, 0x21, 0xFC}).is_done()); // RSP
    EXPECT_EQ(frame.rsp, 0xDEAD'0755U);
    EXPECT_TRUE(MockCpu::steps.empty());
    EXPECT_TRUE(same_page(std::bit_cast<Image>(page), Image{}));
}

TEST_F(RegistersEventsTest, Dr7IsWrittenAsTheHardwareWould) {
    struct Row {
        u64 written;
        u64 kept;
    };

    for (const Row row : {
             Row{0,           0x400      },
             Row{0xFFFF'FFFF, 0xFFFF'27FF},
             Row{0x0000'0755, 0x0000'0755},
             Row{0x0000'D800, 0x0000'0400}
    }) {
        frame.rcx = row.written;
        page      = {};
        ASSERT_TRUE(handle(0x37, {0x0F, 0x23, 0xF9}).is_done());
        EXPECT_TRUE(frame == moved_on(3));
        EXPECT_EQ(context.dr7, row.kept);
        EXPECT_TRUE(same_page(seen, call_image(0x37, 0, 0,
                                               {
                                                   {at::rax, row.kept}
        })));
        ASSERT_TRUE(handle(0x27, {0x0F, 0x21, 0xF8}).is_done());
        EXPECT_EQ(frame.rax, row.kept);
    }
}

TEST_F(RegistersEventsTest, Dr7KeepsItsValueWhenTheWriteIsRefused) {
    frame.rcx = 0x1'0000'0000;
    EXPECT_TRUE(raises(handle(0x37, {0x0F, 0x23, 0xF9}), 13, 0));
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); });
    frame.rcx = 0x755;
    EXPECT_TRUE(raises(handle(0x37, {0x0F, 0x23, 0xF9}), 13, 0));
    EXPECT_TRUE(frame == before);
    EXPECT_EQ(context.dr7, 0x400U);
}

TEST_F(RegistersEventsTest, Dr7OfCode32IsHalfARegister) {
    enter_segmented_code(true);
    frame.rcx = 0xFFFF'FFFF'0000'0755;
    ASSERT_TRUE(handle_at(0x37, {0x0F, 0x23, 0xF9}).is_done());
    EXPECT_EQ(context.dr7, 0x755U);
}

TEST_F(RegistersEventsTest, VmmcallShowsRaxAndCpl) {
    ASSERT_TRUE(handle(0x81, {0x0F, 0x01, 0xD9}).is_done());
    Image wanted = call_image(0x81, 0, 0,
                              {
                                  {at::rax, before.rax}
    });
    RawPage{wanted.data()}.mark_valid(at::cpl); // CPL 0
    EXPECT_TRUE(same_page(seen, wanted));
    vc::Frame after = moved_on(3);
    after.rax       = 0x1111'1111'0A0A'0A0A;
    EXPECT_TRUE(frame == after);
}

TEST_F(RegistersEventsTest, VmmcallShowsWhatTheContextNames) {
    // KVM's: RCX, RDX, RBX, RSI; then all that there are.
    for (const u16 mask : {u16{0x4E}, u16{0xFFEF}}) {
        context.vmmcall_registers = {mask};
        frame                     = canary_frame();
        page                      = {};
        ASSERT_TRUE(handle(0x81, {0x0F, 0x01, 0xD9}).is_done());
        const u64 values[16]        = {before.rax, before.rcx, before.rdx, before.rbx,
                                       0,          before.rbp, before.rsi, before.rdi,
                                       before.r8,  before.r9,  before.r10, before.r11,
                                       before.r12, before.r13, before.r14, before.r15};
        std::vector<FieldValue> all = {
            {at::rax, before.rax}
        };
        for (unsigned n = 1; n < 16; ++n) {
            if ((mask >> n & 1) != 0) {
                all.push_back({0x300 + 8 * n, values[n]});
            }
        }
        Image wanted = call_image(0x81, 0, 0, all);
        RawPage{wanted.data()}.mark_valid(at::cpl);
        EXPECT_TRUE(same_page(seen, wanted));
        vc::Frame after = moved_on(3);
        after.rax       = 0x1111'1111'0A0A'0A0A;
        EXPECT_TRUE(frame == after);
    }
}

TEST_F(RegistersEventsTest, VmmcallOfUserModeIsForTheProgramToAllow) {
    frame.cs = user_code64;
    EXPECT_TRUE(raises(handle(0x81, {0x0F, 0x01, 0xD9}), 6, 0));
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    context.user_may = [](const vc::Request&) { return true; };
    ASSERT_TRUE(handle(0x81, {0x0F, 0x01, 0xD9}).is_done());
    EXPECT_EQ(seen[at::cpl], 3);
    EXPECT_EQ(seen[at::cpl + 1], 0);
}

TEST_F(RegistersEventsTest, VmmcallOfCode32ShowsHalves) {
    enter_segmented_code(true);
    context.vmmcall_registers = {1 << 3};
    ASSERT_TRUE(handle_at(0x81, {0x0F, 0x01, 0xD9}).is_done());
    Image wanted =
        call_image(0x81, 0, 0,
                   {
                       {at::rax, before.rax & 0xFFFF'FFFF},
                       {at::rbx, before.rbx & 0xFFFF'FFFF}
    });
    RawPage{wanted.data()}.mark_valid(at::cpl);
    EXPECT_TRUE(same_page(seen, wanted));
    EXPECT_EQ(frame.rax & 0xFFFF'FFFF, 0x0A0A'0A0AU);
}

TEST_F(RegistersEventsTest, VmgexitIsNoVmmcall) {
    for (const u8 prefix : {u8{0xF2}, u8{0xF3}}) {
        EXPECT_TRUE(
            terminates(handle(0x81, {prefix, 0x0F, 0x01, 0xD9}), ghcb::reason::vc_opcode_mismatch));
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(RegistersEventsTest, MonitorAndMwaitTellNobody) {
    for (const u8 byte : {u8{0xC8}, u8{0xFA}, u8{0xC9}, u8{0xFB}}) { // MONITOR(X), MWAIT(X)
        const u64 exit_code = byte == 0xC8 || byte == 0xFA ? 0x8A : 0x8B;
        frame.rax           = linear(0x123);
        frame.rcx           = 0xFFFF'FFFF'0000'0000; // ECX counts
        ASSERT_TRUE(handle(exit_code, {0x0F, 0x01, byte}).is_done());
        EXPECT_TRUE(frame == moved_on(3));
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    EXPECT_TRUE(same_page(std::bit_cast<Image>(page), Image{}));
}

TEST_F(RegistersEventsTest, MonitorLooksAtItsAddress) {
    frame.rcx = 0;
    frame.rax = linear(page_size); // not mapped
    for (const u8 byte : {u8{0xC8}, u8{0xFA}}) {
        EXPECT_TRUE(raises(handle(0x8A, {0x0F, 0x01, byte}), 14, 0));
        EXPECT_EQ(MockCpu::cr2_value, linear(page_size));
        EXPECT_TRUE(frame == before);
    }
    frame.rax = 0x8000'0000'0000;
    EXPECT_TRUE(raises(handle(0x8A, {0x0F, 0x01, 0xC8}), 13, 0));
    MockCpu::msrs[x86::Msr::fs_base] = linear(0) - 8;
    frame.rax                        = 8;
    EXPECT_TRUE(handle(0x8A, {0x64, 0x0F, 0x01, 0xC8}).is_done());
    frame.rax = 0xFFFF'FFFF'0000'0000 | linear(8);
    EXPECT_TRUE(handle(0x8A, {0x67, 0x0F, 0x01, 0xC8}).is_done());
}

TEST_F(RegistersEventsTest, ExtensionsOfMonitorAndMwait) {
    frame.rax = linear(0);
    for (u64 rcx = 0; rcx < 5; ++rcx) {
        frame.rcx = rcx;
        EXPECT_EQ(handle(0x8A, {0x0F, 0x01, 0xC8}).is_done(), rcx == 0);
        EXPECT_EQ(handle(0x8A, {0x0F, 0x01, 0xFA}).is_done(), rcx == 0);
        EXPECT_EQ(handle(0x8B, {0x0F, 0x01, 0xC9}).is_done(), rcx < 2);
        EXPECT_EQ(handle(0x8B, {0x0F, 0x01, 0xFB}).is_done(), rcx < 4);
    }
    EXPECT_TRUE(raises(handle(0x8B, {0x0F, 0x01, 0xC9}), 13, 0));
    EXPECT_TRUE(raises(handle(0x8A, {0x0F, 0x01, 0xC8}), 13, 0));
}

TEST_F(RegistersEventsTest, MonitorAndMwaitOfUserMode) {
    map(0, kernel_data | entry_bit::user);
    frame.cs  = user_code64;
    frame.rax = linear(0);
    frame.rcx = 0;
    EXPECT_TRUE(raises(handle(0x8A, {0x0F, 0x01, 0xC8}), 6, 0));
    EXPECT_TRUE(raises(handle(0x8B, {0x0F, 0x01, 0xC9}), 6, 0));
    EXPECT_TRUE(handle(0x8A, {0x0F, 0x01, 0xFA}).is_done());
    EXPECT_TRUE(handle(0x8B, {0x0F, 0x01, 0xFB}).is_done());
}

} // namespace vestibule::test
