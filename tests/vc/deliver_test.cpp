// SPDX-License-Identifier: BSD-2-Clause-Patent
// Delivery of an exception to the interrupted code, against APM volume 2, section 8.9: which stack,
// what is on it, and with what state the handler starts. Offsets and encodings are the manual's,
// written out here.
#include "tests/ghcb/mock.h"
#include "tests/vc/fixture.h"
#include "vc/deliver.h"

namespace vestibule::test {

namespace {

constexpr u64 handler_address = 0xFFFF'8123'4567'89AB;
constexpr u16 code_selector   = 0x10;
constexpr u8 interrupt_gate   = 0x8E;
constexpr u8 trap_gate        = 0x8F;

} // namespace

class DeliverTest : public testing::Test {
  protected:
    DeliverTest() {
        MockCpu::reset();
        MockCpu::descriptors[code_selector] = 0x00AF'9B00'0000'FFFF;
        MockCpu::idt  = {.limit = sizeof idt - 1, .base = reinterpret_cast<u64>(idt)};
        MockCpu::task = {.limit = sizeof task - 1, .base = reinterpret_cast<u64>(task)};
        set_task_stack(4, reinterpret_cast<u64>(kernel_stack) + sizeof kernel_stack);
        set_task_stack(36 + 8 * 2, reinterpret_cast<u64>(ist3_stack) + sizeof ist3_stack - 8);
        frame.rsp = reinterpret_cast<u64>(own_stack) + sizeof own_stack - 24;
    }

    ~DeliverTest() override { MockCpu::reset(); }

    void set_task_stack(unsigned offset, u64 value) {
        std::memcpy(task + offset, &value, sizeof value);
    }

    void set_gate(unsigned vector, u8 type, u8 ist = 0, u16 selector = code_selector) {
        idt[vector][0] = (handler_address & 0xFFFF) | u64{selector} << 16 | u64{ist} << 32
                         | u64{type} << 40 | (handler_address >> 16 & 0xFFFF) << 48;
        idt[vector][1] = handler_address >> 32;
    }

    /// What the CPU pushes, from the new RSP up.
    void expect_pushed(u64 top, const vc::Frame& before, bool has_code, u32 code = 0) {
        std::vector<u64> wanted;
        if (has_code) {
            wanted.push_back(code);
        }
        wanted.insert(wanted.end(), {before.rip, before.cs, before.rflags, before.rsp, before.ss});
        EXPECT_EQ(frame.rsp, (top & ~u64{15}) - wanted.size() * 8);
        const auto* pushed = reinterpret_cast<const u64*>(frame.rsp);
        EXPECT_EQ(std::vector<u64>(pushed, pushed + wanted.size()), wanted);
    }

    alignas(16) u64 idt[32][2]{};
    u8 task[104]{};
    alignas(16) u64 own_stack[64]{};
    alignas(16) u64 kernel_stack[64]{};
    alignas(16) u64 ist3_stack[64]{};
    vc::Frame frame = canary_frame();
};

TEST_F(DeliverTest, OnTheInterruptedStackOfKernelCode) {
    set_gate(13, interrupt_gate);
    frame.rflags           = 0x0005'4BD7; // AC, RF, NT, IF, TF and the status flags
    const vc::Frame before = frame;
    ASSERT_TRUE(vc::deliver<MockCpu>(frame, 13, 0x1234).is_done());
    expect_pushed(before.rsp, before, true, 0x1234);
    EXPECT_EQ(frame.rip, handler_address);
    EXPECT_EQ(frame.cs, code_selector);
    EXPECT_EQ(frame.ss, before.ss);
    EXPECT_EQ(frame.rflags, 0x0004'08D7U); // without TF, IF, NT and RF
    EXPECT_EQ(frame.rax, before.rax);
    EXPECT_EQ(frame.r15, before.r15);
}

TEST_F(DeliverTest, ATrapGateLeavesIf) {
    set_gate(6, trap_gate);
    frame.rflags           = 0x202;
    const vc::Frame before = frame;
    ASSERT_TRUE(vc::deliver<MockCpu>(frame, 6, 0).is_done());
    expect_pushed(before.rsp, before, false);
    EXPECT_EQ(frame.rflags, 0x202U);
}

TEST_F(DeliverTest, WhichVectorsHaveAnErrorCode) {
    for (const unsigned vector : {1U, 6U, 8U, 12U, 13U, 14U, 17U}) {
        frame     = canary_frame();
        frame.rsp = reinterpret_cast<u64>(own_stack) + sizeof own_stack;
        set_gate(vector, interrupt_gate);
        const vc::Frame before = frame;
        ASSERT_TRUE(vc::deliver<MockCpu>(frame, static_cast<u8>(vector), 7).is_done());
        expect_pushed(before.rsp, before, vector != 1 && vector != 6, 7);
    }
}

TEST_F(DeliverTest, FromUserModeOnTheStackOfTheTask) {
    set_gate(14, interrupt_gate);
    frame.cs               = 0x33;
    frame.ss               = 0x2B;
    frame.rsp              = 0x7000; // not to be touched
    const vc::Frame before = frame;
    ASSERT_TRUE(vc::deliver<MockCpu>(frame, 14, 6).is_done());
    expect_pushed(reinterpret_cast<u64>(kernel_stack) + sizeof kernel_stack, before, true, 6);
    EXPECT_EQ(frame.ss, 0U) << "a change of CPL leaves the null selector";
}

TEST_F(DeliverTest, OnTheStackThatTheGateNames) {
    set_gate(13, interrupt_gate, 3);
    for (const u64 cs : {u64{0x10}, u64{0x33}}) {
        frame                  = canary_frame();
        frame.cs               = cs;
        const vc::Frame before = frame;
        ASSERT_TRUE(vc::deliver<MockCpu>(frame, 13, 0).is_done());
        expect_pushed(reinterpret_cast<u64>(ist3_stack) + sizeof ist3_stack - 8, before, true);
    }
}

TEST_F(DeliverTest, WhatCannotBeDeliveredEndsTheGuest) {
    const vc::Frame before = frame;
    const auto refused     = [&](u8 vector) {
        const bool ended = terminates(vc::deliver<MockCpu>(frame, vector, 0), {2, 0x36});
        return ended && frame == before;
    };
    EXPECT_TRUE(refused(13)) << "an empty gate";
    for (const unsigned type : {0x0EU, 0x85U, 0x8CU, 0x80U, 0x9EU, 0x86U}) {
        set_gate(13, static_cast<u8>(type));
        EXPECT_TRUE(refused(13)) << Hex{type};
    }
    set_gate(13, interrupt_gate, 0, 0x13);
    EXPECT_TRUE(refused(13)) << "a selector with RPL 3";
    set_gate(13, interrupt_gate, 0, 0x50);
    EXPECT_TRUE(refused(13)) << "no such descriptor";
    for (const auto descriptor : {0x00CF'9B00'0000'FFFF, 0x00AF'9300'0000'FFFF,
                                  0x00AF'FB00'0000'FFFF, 0x00AF'1B00'0000'FFFF}) {
        MockCpu::descriptors[0x58] = static_cast<u64>(descriptor);
        set_gate(13, interrupt_gate, 0, 0x58);
        EXPECT_TRUE(refused(13)) << Hex{static_cast<u64>(descriptor)};
    }
    set_gate(13, interrupt_gate, 1);
    MockCpu::task = {};
    EXPECT_TRUE(refused(13)) << "no TSS";
    MockCpu::task = {.limit = sizeof task - 2, .base = reinterpret_cast<u64>(task)};
    EXPECT_TRUE(refused(13)) << "a short TSS";
    MockCpu::idt.limit = 13 * 16 + 14;
    set_gate(13, interrupt_gate);
    EXPECT_TRUE(refused(13)) << "a gate that ends behind the IDT's limit";
}

TEST_F(DeliverTest, TheFrameIsNotOverwritten) {
    // The gate names the very stack on which #VC came.
    for (const i64 off : {i64{0}, i64{16}, i64{128}}) {
        set_task_stack(36, static_cast<u64>(reinterpret_cast<i64>(&frame + 1) - off));
        set_gate(13, interrupt_gate, 1);
        const vc::Frame before = frame;
        EXPECT_TRUE(terminates(vc::deliver<MockCpu>(frame, 13, 0), {2, 0x36}));
        EXPECT_TRUE(frame == before);
    }
}

} // namespace vestibule::test
