// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC of memory-mapped I/O (exit 0x400): what the hypervisor is asked, which bytes and registers
// change (conformance 4 and 5), and that nothing private is ever asked for.
#include "tests/vc/memory_fixture.h"

namespace vestibule::test {

namespace reason = ghcb::reason;

static constexpr u64 exit_npf   = 0x400;
static constexpr u64 mmio_read  = 0x8000'0001;
static constexpr u64 mmio_write = 0x8000'0002;
static constexpr u64 buffer_at  = 0x800;

/// One request of the guest, as a device sees it.
struct Transfer {
    bool write;
    u64 gpa;
    u64 size;
    u64 value; // written, or answered

    bool operator==(const Transfer&) const = default;

    friend std::ostream& operator<<(std::ostream& out, const Transfer& transfer) {
        return out << (transfer.write ? "write " : "read ") << std::hex << transfer.gpa << " "
                   << transfer.size << " " << transfer.value;
    }
};

struct MmioTest : MemoryTest {
    static constexpr u64 answered = 0xF1E2'D3C4'B5A6'9788;
    static constexpr u64 offset   = 0x40;

    MmioTest() {
        map_mmio(0);
        map(1);
        frame.rflags &= ~u64{0x400}; // DF
        frame.rdi = frame.rsi = linear(offset);
        on_vmgexit([this](RawPage view) {
            const u64 code = view.get(at::sw_exitcode);
            const u64 size = view.get(at::sw_exitinfo2);
            Image wanted   = call_image(code, view.get(at::sw_exitinfo1), size,
                                        {
                                          {at::sw_scratch, gpa + buffer_at}
            });
            std::memcpy(wanted.data() + buffer_at, seen.data() + buffer_at, 8);
            EXPECT_TRUE(same_page(seen, wanted));
            Transfer transfer{.write = code == mmio_write,
                              .gpa   = view.get(at::sw_exitinfo1),
                              .size  = size,
                              .value = 0};
            if (transfer.write) {
                std::memcpy(&transfer.value, seen.data() + buffer_at, size);
            } else {
                EXPECT_EQ(code, mmio_read);
                std::memcpy(&transfer.value, &device, size);
                std::memcpy(view.bytes + buffer_at, &device, 8);
            }
            transfers.push_back(transfer);
            view.set(at::sw_exitinfo2, 1); // sizes are the guest's own
            view.answer(0, 0);
        });
    }

    void run(const Bytes& code) {
        SCOPED_TRACE(testing::PrintToString(code));
        transfers.clear();
        page = {};
        ASSERT_TRUE(handle_at(exit_npf, code).is_done());
        EXPECT_EQ(context.ghcb.holders, 0);
    }

    Transfer read(u64 size, u64 at = offset) const {
        return {.write = false,
                .gpa   = data_gpa + at,
                .size  = size,
                .value = device & (~u64{0} >> (64 - 8 * size))};
    }

    static Transfer write(u64 size, u64 value, u64 at = offset) {
        return {.write = true,
                .gpa   = data_gpa + at,
                .size  = size,
                .value = value & (~u64{0} >> (64 - 8 * size))};
    }

    void expect(const std::vector<Transfer>& wanted) { EXPECT_EQ(transfers, wanted); }

    u64 device = answered;
    std::vector<Transfer> transfers;
};

TEST_F(MmioTest, ReadsIntoRegisters) {
    struct Row {
        Bytes code; // from [RDI] to RCX
        u64 size;
        u64 wanted; // RCX, of 0x898A'8B8C'8D8E'8F90
    };

    const Row rows[] = {
        {{0x8A, 0x0F},             1, 0x898A'8B8C'8D8E'8F88}, // MOV CL
        {{0x66, 0x8B, 0x0F},       2, 0x898A'8B8C'8D8E'9788}, // MOV CX
        {{0x8B, 0x0F},             4, 0x0000'0000'B5A6'9788}, // MOV ECX
        {{0x48, 0x8B, 0x0F},       8, 0xF1E2'D3C4'B5A6'9788}, // MOV RCX
        {{0x66, 0x0F, 0xB6, 0x0F}, 1, 0x898A'8B8C'8D8E'0088}, // MOVZX CX
        {{0x0F, 0xB6, 0x0F},       1, 0x0000'0000'0000'0088}, // MOVZX ECX (conformance 4)
        {{0x48, 0x0F, 0xB6, 0x0F}, 1, 0x0000'0000'0000'0088},
        {{0x0F, 0xB7, 0x0F},       2, 0x0000'0000'0000'9788},
        {{0x66, 0x0F, 0xBE, 0x0F}, 1, 0x898A'8B8C'8D8E'FF88}, // MOVSX CX
        {{0x0F, 0xBE, 0x0F},       1, 0x0000'0000'FFFF'FF88}, // MOVSX ECX (conformance 4)
        {{0x48, 0x0F, 0xBE, 0x0F}, 1, 0xFFFF'FFFF'FFFF'FF88},
        {{0x0F, 0xBF, 0x0F},       2, 0x0000'0000'FFFF'9788},
        {{0x48, 0x63, 0x0F},       4, 0xFFFF'FFFF'B5A6'9788}, // MOVSXD RCX
    };
    for (const Row& row : rows) {
        frame.rcx = 0x898A'8B8C'8D8E'8F90;
        run(row.code);
        expect({read(row.size)});
        vc::Frame wanted = moved_on(row.code.size());
        wanted.rcx       = row.wanted;
        EXPECT_TRUE(frame == wanted) << std::hex << frame.rcx;
    }
}

TEST_F(MmioTest, WritesFromRegistersAndImmediates) {
    frame.rcx = 0x898A'8B8C'8D8E'8F90;

    struct Row {
        Bytes code;
        u64 size;
        u64 value;
    };

    const Row rows[] = {
        {{0x88, 0x0F},                               1, 0x90                 },
        {{0x66, 0x89, 0x0F},                         2, 0x8F90               },
        {{0x89, 0x0F},                               4, 0x8D8E'8F90          },
        {{0x48, 0x89, 0x0F},                         8, 0x898A'8B8C'8D8E'8F90},
        {{0xC6, 0x07, 0x5A},                         1, 0x5A                 },
        {{0x66, 0xC7, 0x07, 0x34, 0x92},             2, 0x9234               },
        {{0xC7, 0x07, 0x78, 0x56, 0x34, 0x92},       4, 0x9234'5678          },
        {{0x48, 0xC7, 0x07, 0x78, 0x56, 0x34, 0x92}, 8, 0xFFFF'FFFF'9234'5678},
    };
    for (const Row& row : rows) {
        run(row.code);
        expect({write(row.size, row.value)});
        EXPECT_TRUE(frame == moved_on(row.code.size()));
    }
}

TEST_F(MmioTest, Conformance5HighBytes) {
    const vc::Frame canary = canary_frame();
    const u64 low[4]       = {canary.rax, canary.rcx, canary.rdx, canary.rbx};
    for (u8 n = 0; n < 4; ++n) {
        const u8 modrm = static_cast<u8>(0x07 | (n + 4) << 3); // AH, CH, DH, BH
        run({0x88, modrm});
        expect({write(1, low[n] >> 8)});
        EXPECT_TRUE(frame == moved_on(2));
    }
    const u64 other[4] = {frame.rsp, frame.rbp, frame.rsi, frame.rdi};
    for (u8 n = 0; n < 4; ++n) {
        run({0x40, 0x88, static_cast<u8>(0x07 | (n + 4) << 3)}); // SPL, BPL, SIL, DIL
        expect({write(1, other[n])});
    }
    run({0x8A, 0x27}); // MOV AH, [RDI]
    vc::Frame wanted = moved_on(2);
    wanted.rax       = (before.rax & ~u64{0xFF00}) | 0x8800;
    EXPECT_TRUE(frame == wanted);
    run({0x40, 0x8A, 0x27}); // MOV SPL, [RDI]
    wanted     = moved_on(3);
    wanted.rsp = (before.rsp & ~u64{0xFF}) | 0x88;
    EXPECT_TRUE(frame == wanted);
}

TEST_F(MmioTest, EveryAddressForm) {
    frame.rbx = linear(0x10);
    frame.r9  = 0x8;
    run({0x42, 0x8B, 0x4C, 0xCB, 0xF8}); // [RBX + R9*8 - 8]
    expect({read(4, 0x48)});
    frame.rsp = linear(0x100);
    run({0x8B, 0x4C, 0x24, 0x04}); // [RSP + 4]
    expect({read(4, 0x104)});
    const u64 low = linear(0x20);
    run({0x8B, 0x0C, 0x25, static_cast<u8>(low), static_cast<u8>(low >> 8),
         static_cast<u8>(low >> 16), static_cast<u8>(low >> 24)}); // [disp32]
    expect({read(4, 0x20)});
    run({0xA1, static_cast<u8>(low), static_cast<u8>(low >> 8), static_cast<u8>(low >> 16),
         static_cast<u8>(low >> 24), 0, 0, 0, 0}); // MOV EAX, moffs
    expect({read(4, 0x20)});
    EXPECT_EQ(frame.rax, 0xB5A6'9788U);
    frame.rdi = 0x5555'5555'0000'0000 | linear(0x30);
    run({0x67, 0x8B, 0x0F}); // [EDI]
    expect({read(4, 0x30)});
    MockCpu::msrs[x86::Msr::gs_base] = linear(0x200);
    frame.rdi                        = 0x18;
    run({0x65, 0x8B, 0x0F}); // GS:[RDI]
    expect({read(4, 0x218)});
}

TEST_F(MmioTest, RipRelative) {
    low_code = true; // within reach of the data
    for (const u8 immediate : {u8{0}, u8{1}}) {
        // MOV ECX, [RIP + d]; MOV byte [RIP + d], imm8: relative to the end of the instruction
        Bytes code =
            immediate == 0 ? Bytes{0x8B, 0x0D, 0, 0, 0, 0} : Bytes{0xC6, 0x05, 0, 0, 0, 0, 9};
        frame.cs           = kernel_code64;
        const u64 next     = place_low(code) + code.size();
        const u32 distance = static_cast<u32>(linear(0x60) - next);
        std::memcpy(&code[2], &distance, 4);
        run(code);
        if (immediate == 0) {
            expect({read(4, 0x60)});
        } else {
            expect({write(1, 9, 0x60)});
        }
    }
}

TEST_F(MmioTest, ReadModifyWrite) {
    device    = 0x0000'0000'8000'0001;
    frame.rcx = 0x8000'0001;
    run({0x01, 0x0F}); // ADD [RDI], ECX
    expect({read(4), write(4, 2)});
    EXPECT_EQ(frame.rflags & 0x8D5, 0x801U); // OF, CF
    run({0x09, 0x0F});                       // OR
    expect({read(4), write(4, 0x8000'0001)});
    EXPECT_EQ(frame.rflags & 0x8D5, 0x080U); // SF
    run({0xF0, 0x80, 0x27, 0x0F});           // LOCK AND byte [RDI], 0x0F
    expect({read(1), write(1, 1)});
    run({0xF7, 0x1F}); // NEG dword [RDI]
    expect({read(4), write(4, 0x7FFF'FFFF)});
    EXPECT_EQ(frame.rflags & 0x8D5, 0x015U); // CF, PF, AF
    run({0x48, 0xFF, 0x07});                 // INC qword [RDI]: CF stays
    expect({read(8), write(8, 0x8000'0002)});
    EXPECT_EQ(frame.rflags & 1, 1U);
    run({0xF6, 0x17}); // NOT byte: no flag changes
    expect({read(1), write(1, 0xFE)});
    EXPECT_EQ(frame.rflags, moved_on(2).rflags);
    run({0x83, 0x2F, 0xFF}); // SUB dword [RDI], -1
    expect({read(4), write(4, 0x8000'0002)});
    frame.rflags |= 1;
    run({0x66, 0x83, 0x17, 0x01}); // ADC word [RDI], 1
    expect({read(2), write(2, 3)});
}

TEST_F(MmioTest, ReadOnlyForms) {
    device    = 5;
    frame.rcx = 7;
    run({0x39, 0x0F}); // CMP [RDI], ECX: 5 - 7
    expect({read(4)});
    EXPECT_EQ(frame.rflags & 0x8D5, 0x091U); // SF, AF, CF
    run({0x3B, 0x0F});                       // CMP ECX, [RDI]: 7 - 5
    expect({read(4)});
    EXPECT_EQ(frame.rflags & 0x8D5, 0x000U);
    run({0xF7, 0x07, 0x02, 0, 0, 0}); // TEST dword [RDI], 2
    expect({read(4)});
    EXPECT_EQ(frame.rflags & 0x8D5, 0x044U); // ZF, PF
    run({0x03, 0x0F});                       // ADD ECX, [RDI]
    expect({read(4)});
    EXPECT_EQ(frame.rcx, 12U);
    map(0, entry_bit::present); // a page that may only be read serves them
    run({0x39, 0x0F});
    run({0x0F, 0xA3, 0x0F}); // BT [RDI], ECX
}

TEST_F(MmioTest, Xchg) {
    device    = 0x1122'3344'5566'7788;
    frame.rcx = 0x8182'8384'8586'8788;
    run({0x87, 0x0F});
    expect({read(4), write(4, 0x8586'8788)});
    EXPECT_EQ(frame.rcx, 0x5566'7788U);
    run({0x86, 0x2F}); // XCHG [RDI], CH
    expect({read(1), write(1, 0x77)});
    EXPECT_EQ(frame.rcx, 0x5566'8888U);
}

TEST_F(MmioTest, BitStrings) {
    device    = 0;
    frame.rdi = linear(0x80);
    frame.rcx = 35;
    run({0x0F, 0xAB, 0x0F}); // BTS [RDI], ECX: bit 3 of the next doubleword
    expect({read(4, 0x84), write(4, 8, 0x84)});
    EXPECT_EQ(frame.rflags & 1, 0U);
    frame.rcx = 0xFFFF'FFFF; // bit -1
    run({0x0F, 0xAB, 0x0F});
    expect({read(4, 0x7C), write(4, 0x8000'0000, 0x7C)});
    frame.rcx = ~u64{0} - 64; // bit -65 of quadwords
    run({0x48, 0x0F, 0xBB, 0x0F});
    expect({read(8, 0x70), write(8, u64{1} << 63, 0x70)});
    frame.rcx = 0xFFEF; // bit -17 of words
    run({0x66, 0x0F, 0xB3, 0x0F});
    expect({read(2, 0x7C), write(2, 0, 0x7C)});
    device = 0xFFFF'FFFF;
    run({0x0F, 0xBA, 0x37, 0x25}); // BTR dword [RDI], 37: an immediate stays inside
    expect({read(4, 0x80), write(4, 0xFFFF'FFDF, 0x80)});
    EXPECT_EQ(frame.rflags & 1, 1U);
}

TEST_F(MmioTest, Stos) {
    frame.rax = 0x8182'8384'8586'8788;
    frame.rcx = 3;
    frame.rdi = linear(0x80);
    run({0xAB});
    expect({write(4, 0x8586'8788, 0x80)});
    EXPECT_EQ(frame.rdi, linear(0x84));
    EXPECT_EQ(frame.rcx, 3U);
    transfers.clear();
    frame.rflags |= 0x400;
    for (unsigned left = 3; left != 0; --left) {
        const ghcb::Outcome outcome = handle(exit_npf, {0xF3, 0x66, 0xAB});
        EXPECT_EQ(frame.rcx, left - 1);
        EXPECT_TRUE(left == 1 ? outcome.is_done() : again(outcome));
        EXPECT_EQ(frame.rip, before.rip + (left == 1 ? 3 : 0));
    }
    expect({write(2, 0x8788, 0x84), write(2, 0x8788, 0x82), write(2, 0x8788, 0x80)});
    EXPECT_EQ(frame.rdi, linear(0x7E));
    run({0xF3, 0xAA}); // a count of zero
    expect({});
}

TEST_F(MmioTest, Movs) {
    u64 secret = 0x0102'0304'0506'0708;
    std::memcpy(data + page_size + 0x10, &secret, 8);
    frame.rsi = linear(page_size + 0x10);
    frame.rdi = linear(0x20);
    run({0x48, 0xA5}); // memory to device
    expect({write(8, secret, 0x20)});
    EXPECT_EQ(frame.rsi, linear(page_size + 0x18));
    EXPECT_EQ(frame.rdi, linear(0x28));
    frame.rsi = linear(0x20);
    frame.rdi = linear(page_size + 0x10);
    run({0xA4}); // device to memory
    expect({read(1, 0x20)});
    std::memcpy(&secret, data + page_size + 0x10, 8);
    EXPECT_EQ(secret, 0x0102'0304'0506'0788U);
    frame.rsi = linear(0x20);
    frame.rdi = linear(0x30);
    frame.rcx = 1;
    run({0xF3, 0xA5}); // device to device
    expect({read(4, 0x20), write(4, device, 0x30)});
    EXPECT_EQ(frame.rcx, 0U);
    frame.rsi = frame.rdi = linear(page_size); // memory to memory raises nothing
    EXPECT_TRUE(terminates(handle(exit_npf, {0xA4}), reason::vc_mmio_private));
}

TEST_F(MmioTest, PrivatePagesAreNeverAskedFor) {
    frame.rdi = frame.rsi = linear(page_size + 8);
    std::memset(data + page_size, 0x5A, 64);
    for (const Bytes& code : {
             Bytes{0x8B, 0x0F},
             Bytes{0x89, 0x0F},
             Bytes{0xC7, 0x07, 1, 2, 3, 4},
             Bytes{0x0F, 0xB6, 0x0F},
             Bytes{0x01, 0x0F},
             Bytes{0x87, 0x0F},
             Bytes{0xAB},
             Bytes{0xA5},
             Bytes{0xF7, 0x1F},
             Bytes{0x0F, 0xBA, 0x37, 0x05}
    }) {
        EXPECT_TRUE(terminates(handle(exit_npf, code), reason::vc_mmio_private));
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    EXPECT_TRUE(same_page(std::bit_cast<Image>(page), Image{}));
    EXPECT_EQ(data[page_size + 8], 0x5A);
}

/// A nested page fault at the MOVs of a call itself, forged or not (WeSee).
TEST_F(MmioTest, TheGhcbPageIsNoDevice) {
    channel.gpa = gpa_of_page(0);
    for (const u64 at : {u64{0}, page_size - 4}) {
        frame.rdi = frame.rsi = linear(at);
        for (const Bytes& code : {
                 Bytes{0x8B, 0x0F},
                 Bytes{0x89, 0x0F},
                 Bytes{0xC7, 0x07, 1, 2, 3, 4},
                 Bytes{0xAA}
        }) {
            before = frame;
            EXPECT_TRUE(terminates(handle(exit_npf, code), reason::vc_mmio_private));
            EXPECT_TRUE(frame == before);
            EXPECT_EQ(context.culprit, linear(at));
        }
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(MmioTest, AcrossTheEndOfAPageIsRefused) {
    map_mmio(1);
    for (const u64 at : {page_size - 1, page_size - 3}) {
        frame.rdi = frame.rsi = linear(at);
        for (const Bytes& code : {
                 Bytes{0x8B, 0x0F},
                 Bytes{0x89, 0x0F},
                 Bytes{0xAB},
                 Bytes{0xA5}
        }) {
            EXPECT_TRUE(terminates(handle(exit_npf, code), reason::vc_mmio_crosses_page));
            EXPECT_TRUE(frame == before);
        }
    }
    frame.rdi = linear(page_size - 4);
    run({0x8B, 0x0F});
    expect({read(4, page_size - 4)});
}

TEST_F(MmioTest, PageFaultsInsteadOfExits) {
    frame.rdi = linear(2 * page_size + 1);
    EXPECT_TRUE(raises(handle(exit_npf, {0x8B, 0x0F}), 14, 0));
    EXPECT_EQ(MockCpu::cr2_value, linear(2 * page_size + 1));
    EXPECT_TRUE(raises(handle(exit_npf, {0x89, 0x0F}), 14, 2));
    map(2, entry_bit::present);
    for (const Bytes& code : {
             Bytes{0x89, 0x0F},
             Bytes{0x01, 0x0F},
             Bytes{0x87, 0x0F},
             Bytes{0xAB}
    }) {
        EXPECT_TRUE(raises(handle(exit_npf, code), 14, 3));
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    frame.rdi = 0x8000'0000'0000;
    EXPECT_TRUE(raises(handle(exit_npf, {0x8B, 0x0F}), 13, 0));
    frame.rbp = 0x8000'0000'0000;
    EXPECT_TRUE(raises(handle(exit_npf, {0x8B, 0x4D, 0x00}), 12, 0)); // the stack's register
}

TEST_F(MmioTest, Conformance16UserModeIsRefused) {
    map(0, entry_bit::present | entry_bit::writable | entry_bit::user);
    context.user_may = [](const vc::Request&) { return true; };
    frame.cs         = user_code64;
    for (const Bytes& code : {
             Bytes{0x8B, 0x0F},
             Bytes{0x89, 0x0F},
             Bytes{0xAB}
    }) {
        EXPECT_TRUE(raises(handle(exit_npf, code), 13, 0));
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(MmioTest, RefusedAnswersChangeNothing) {
    for (const auto& [info1, info2] : std::vector<std::pair<u64, u64>>{
             {1, 0x8000'030D},
             {2, 5          },
             {3, 0          }
    }) {
        on_vmgexit([info1, info2](RawPage view) { view.answer(info1, info2); });
        for (const Bytes& code : {
                 Bytes{0x8B, 0x0F},
                 Bytes{0x89, 0x0F},
                 Bytes{0x01, 0x0F},
                 Bytes{0xF3, 0xAB},
                 Bytes{0xA5}
        }) {
            frame.rcx = 4;
            EXPECT_FALSE(handle(exit_npf, code).is_done());
            EXPECT_TRUE(frame == before);
        }
    }
}

TEST_F(MmioTest, Code32) {
    enter_segmented_code(true);
    MockCpu::descriptors[0x50] =
        0x00C0'9300'0000'0000 | linear(0) << 16 | (linear(0) >> 24) << 56; // limit 0xFFF
    MockCpu::selectors[3] = 0x50;
    frame.rdi             = 0xFFFF'FFFF'0000'0040;
    frame.rcx             = 0x1122'3344;
    run({0x89, 0x0F}); // MOV [EDI], ECX
    expect({write(4, 0x1122'3344)});
    run({0x67, 0x8B, 0x0D}); // MOV ECX, [DI]
    expect({read(4)});
    frame.rdi = 0xFFD;
    EXPECT_TRUE(raises(handle_at(exit_npf, {0x89, 0x0F}), 13, 0));
    frame.ss  = 0x50;
    frame.rbp = 0xFFD;
    EXPECT_TRUE(raises(handle_at(exit_npf, {0x89, 0x4D, 0x00}), 12, 0)); // [EBP]
    MockCpu::descriptors[0x50] &= ~(u64{1} << 41);                       // read-only
    frame.rdi = 0x40;
    EXPECT_TRUE(raises(handle_at(exit_npf, {0x89, 0x0F}), 13, 0));
    run({0x8B, 0x0F});
}

} // namespace vestibule::test
