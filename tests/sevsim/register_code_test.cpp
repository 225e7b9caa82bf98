// SPDX-License-Identifier: BSD-2-Clause-Patent
// Code that the monitor executes in the guest's place, held against this CPU: whatever it takes for
// an instruction on registers is executed here too, with every register and flag compared.
#include "sevsim/monitor/processor/register_code.h"
#include "x86/registers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace vestibule::test {

using sevsim::RegisterState;

extern "C" {
/// What 64-bit code without a stack makes of `state`: it is entered at state.rip, and comes back by
/// a jump to one of the other two; state.rip says afterwards whether it was the second.
void run_native_code(RegisterState& state);
extern const char native_code_end[];
extern const char native_code_jumped[];
}

asm(R"(
        .pushsection .bss
native_state: .skip 8
native_stack: .skip 8
native_entry: .skip 8
native_rdi:   .skip 8
        .popsection
        .globl  run_native_code, native_code_end, native_code_jumped
        .type   run_native_code, @function
run_native_code:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rdi, native_state(%rip)
        mov     %rsp, native_stack(%rip)
        mov     16*8(%rdi), %rax
        mov     %rax, native_entry(%rip)
        push    17*8(%rdi)
        popfq
        mov     0*8(%rdi), %rax
        mov     1*8(%rdi), %rcx
        mov     2*8(%rdi), %rdx
        mov     3*8(%rdi), %rbx
        mov     4*8(%rdi), %rsp
        mov     5*8(%rdi), %rbp
        mov     6*8(%rdi), %rsi
        mov     8*8(%rdi), %r8
        mov     9*8(%rdi), %r9
        mov     10*8(%rdi), %r10
        mov     11*8(%rdi), %r11
        mov     12*8(%rdi), %r12
        mov     13*8(%rdi), %r13
        mov     14*8(%rdi), %r14
        mov     15*8(%rdi), %r15
        mov     7*8(%rdi), %rdi
        jmp     *native_entry(%rip)
native_code_jumped:
        movq    $1, native_entry(%rip)
        jmp     1f
native_code_end:
        movq    $0, native_entry(%rip)
1:
        mov     %rdi, native_rdi(%rip)
        mov     native_state(%rip), %rdi
        mov     %rax, 0*8(%rdi)
        mov     %rcx, 1*8(%rdi)
        mov     %rdx, 2*8(%rdi)
        mov     %rbx, 3*8(%rdi)
        mov     %rsp, 4*8(%rdi)
        mov     %rbp, 5*8(%rdi)
        mov     %rsi, 6*8(%rdi)
        mov     %r8, 8*8(%rdi)
        mov     %r9, 9*8(%rdi)
        mov     %r10, 10*8(%rdi)
        mov     %r11, 11*8(%rdi)
        mov     %r12, 12*8(%rdi)
        mov     %r13, 13*8(%rdi)
        mov     %r14, 14*8(%rdi)
        mov     %r15, 15*8(%rdi)
        mov     native_rdi(%rip), %rax
        mov     %rax, 7*8(%rdi)
        mov     native_entry(%rip), %rax
        mov     %rax, 16*8(%rdi)
        mov     native_stack(%rip), %rsp
        pushfq
        pop     17*8(%rdi)
        cld
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
)");

/// Bytes behind opcode and ModRM, and how far a jump goes by them: of one byte, and of four.
struct Tail {
    i64 short_jump;
    i64 near_jump;
    u8 bytes[8];
};

static constexpr Tail tails[] = {
    {0x40,  0x240,  {0x40, 0x02, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78}},
    {-0x40, -0x140, {0xC0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}},
    {0x7F,  0x7F,   {0x7F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80}},
    {-0x80, -0x80,  {0x80, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00}},
};

class RegisterCode : public ::testing::Test {
  protected:
    void SetUp() override {
        void* taken = mmap(nullptr, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(taken, MAP_FAILED);
        memory = static_cast<u8*>(taken);
        start  = memory + size / 2;
    }

    void TearDown() override { munmap(memory, size); }

    /// Values at which flags change, and any.
    RegisterState some_state() {
        static constexpr u64 edges[] = {
            0, 1, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF, 0x7FFF'FFFF'FFFF'FFFF, bit(63), ~u64{0}};
        RegisterState state{};
        for (u64& value : state.general) {
            value = random() % 2 == 0 ? edges[random() % std::size(edges)] : random();
        }
        state.rip = reinterpret_cast<u64>(start);
        state.rflags =
            x86::rflags::reserved_one | x86::rflags::interrupt | (random() & x86::rflags::status);
        return state;
    }

    static void put_jump(u8* at, const char* to) {
        constexpr u8 indirect[] = {0xFF, 0x25, 0, 0, 0, 0}; // by the address behind it
        memcpy(at, indirect, sizeof indirect);
        const auto target = reinterpret_cast<u64>(to);
        memcpy(at + sizeof indirect, &target, sizeof target);
    }

    /// The CPU's and ours, of one state.
    void compare(std::span<const u8> code, i64 distance) {
        const RegisterState before = some_state();
        const u64 next             = before.rip + code.size();
        RegisterState ours         = before;
        RegisterState native       = before;
        ASSERT_TRUE(sevsim::execute_on_registers(ours, code));
        memset(memory, 0xCC, size);
        memcpy(start, code.data(), code.size());
        put_jump(start + code.size(), native_code_end);
        if (distance != 0) {
            put_jump(start + static_cast<i64>(code.size()) + distance, native_code_jumped);
        }
        run_native_code(native);
        native.rip = native.rip != 0 ? next + static_cast<u64>(distance) : next;
        EXPECT_EQ(memcmp(&ours, &native, sizeof ours), 0) << describe(code, before, ours, native);
    }

    static std::string describe(std::span<const u8> code, const RegisterState& before,
                                const RegisterState& ours, const RegisterState& native) {
        std::ostringstream text;
        text << std::hex << "code";
        for (const u8 byte : code) {
            text << ' ' << unsigned{byte};
        }
        for (unsigned n = 0; n < std::size(ours.general); ++n) {
            if (ours.general[n] != native.general[n]) {
                text << "; register " << n << " from " << before.general[n] << ": "
                     << ours.general[n] << ", the CPU has " << native.general[n];
            }
        }
        text << "; flags from " << before.rflags << ": " << ours.rflags << ", the CPU has "
             << native.rflags << "; RIP " << ours.rip << ", the CPU's " << native.rip;
        return text.str();
    }

    /// Compares an opcode with each of the tails where it is served with as many of their bytes as
    /// it needs, which is then how long it is, and once where it needs none; how many were.
    unsigned compare_served(std::vector<u8> code, i64 Tail::* distance) {
        if (is_served(std::span{code}.first(code.size() - 1))) {
            return 0; // NOP, whose last byte is no more than what follows
        }
        const size_t head = code.size();
        size_t tail_size  = 0;
        while (!is_served(code)) {
            if (tail_size == sizeof tails[0].bytes) {
                return 0;
            }
            code.push_back(tails[0].bytes[tail_size++]);
        }
        for (const Tail& tail : tails) {
            std::copy_n(tail.bytes, tail_size, code.begin() + static_cast<i64>(head));
            compare(code, distance != nullptr ? tail.*distance : 0);
            if (tail_size == 0) {
                return 1;
            }
        }
        return std::size(tails);
    }

    static bool is_served(std::span<const u8> code) {
        RegisterState any{};
        return sevsim::execute_on_registers(any, code);
    }

    static constexpr size_t size = 0x400;
    u8* memory                   = nullptr;
    u8* start                    = nullptr; // with room for a jump either way
    std::mt19937_64 random{1};
};

/// None, and each that has a meaning here: REX.W, R, X and B, which choose size and registers.
static constexpr u8 rex_prefixes[] = {0, 0x41, 0x44, 0x48, 0x4F};

static bool is_jump(u8 opcode) {
    return (opcode & 0xF0) == 0x70 || opcode == 0xEB || opcode == 0xE9;
}

TEST_F(RegisterCode, WhatIsServedIsDoneAsTheCpuDoesIt) {
    unsigned served = 0;
    for (const u8 rex : rex_prefixes) {
        std::vector<u8> prefix;
        if (rex != 0) {
            prefix.push_back(rex);
        }
        const auto with = [&prefix](std::initializer_list<unsigned> bytes) {
            std::vector<u8> code = prefix;
            code.insert(code.end(), bytes.begin(), bytes.end());
            return code;
        };
        for (unsigned opcode = 0; opcode < 0x100; ++opcode) {
            if ((opcode & 0xF0) == 0x40) {
                continue; // REX, of which a second one would be the opcode's
            }
            if (is_jump(static_cast<u8>(opcode))) {
                served += compare_served(with({opcode}),
                                         opcode == 0xE9 ? &Tail::near_jump : &Tail::short_jump);
                continue;
            }
            // A byte of 0x0F's map, or ModRM, or an immediate's first.
            for (unsigned second = 0; second < 0x100; ++second) {
                served += compare_served(with({opcode, second}),
                                         opcode == 0x0F ? &Tail::near_jump : nullptr);
            }
        }
        served += compare_served(with({0x90}), nullptr);
    }
    EXPECT_GT(served, 10'000u);
}

/// What leads Linux 6.1 and 6.12 from one PVALIDATE to the next, and a relative of each.
TEST_F(RegisterCode, ServesWhatStandsInLoops) {
    const std::vector<std::vector<u8>> all = {
        {0x48, 0x89, 0xF0}, // mov %rsi, %rax
        {0x41, 0x89, 0xC0}, // mov %eax, %r8d
        {0x4C, 0x8B, 0xC0}, // mov %rax, %r8
        {0x73, 0xE4}, // jae
        {0x0F, 0x82, 0xFE, 0x00, 0x00, 0x00}, // jb
        {0x85, 0xC0}, // test %eax, %eax
        {0xA9, 0x01, 0x00, 0x00, 0x00}, // test $1, %eax
        {0x48, 0x81, 0xC6, 0x00, 0x10, 0x00, 0x00}, // add $0x1000, %rsi
        {0x49, 0x83, 0xC1, 0x01}, // add $1, %r9
        {0x48, 0x05, 0x00, 0x10, 0x00, 0x00}, // add $0x1000, %rax
        {0x48, 0x39, 0xFE}, // cmp %rdi, %rsi
        {0x4C, 0x3B, 0xD6}, // cmp %rsi, %r10
        {0x31, 0xC9}, // xor %ecx, %ecx
        {0xFF, 0xC9}, // dec %ecx
        {0x48, 0xFF, 0xC0}, // inc %rax
        {0xBA, 0x01, 0x00, 0x00, 0x00}, // mov $1, %edx
        {0x48, 0xC7, 0xC0, 0x00, 0x00, 0x00, 0x80}, // mov $-0x80000000, %rax
        {0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8}, // movabs
        {0xEB, 0x10}, // jmp
        {0xE9, 0x00, 0x01, 0x00, 0x00}, // jmp
        {0x90}, // nop
    };
    for (const std::vector<u8>& code : all) {
        EXPECT_TRUE(is_served(code)) << "opcode " << unsigned{code[0]};
        for (size_t length = 0; length < code.size(); ++length) {
            EXPECT_FALSE(is_served(std::span{code}.first(length)));
        }
    }
}

TEST_F(RegisterCode, LeavesAloneWhatMayFaultOrBeSeen) {
    const std::vector<std::vector<u8>> all = {
        {0x48, 0x8B, 0x06}, // mov (%rsi), %rax
        {0x01, 0x06}, // add %eax, (%rsi)
        {0x66, 0x01, 0xF0}, // add %si, %ax
        {0xF0, 0x01, 0xF0}, // with LOCK: #UD
        {0xF3, 0x90}, // pause
        {0x49, 0x90}, // xchg %rax, %r8
        {0xF2, 0x0F, 0x01, 0xFF}, // pvalidate
        {0x0F, 0xA2}, // cpuid
        {0xC3}, // ret
        {0xE8, 0x00, 0x00, 0x00, 0x00}, // call
        {0x50}, // push %rax
        {0xFF, 0xE0}, // jmp *%rax
        {0xFB}, // sti
        {0xF4}, // hlt
        {0x8E, 0xD8}, // mov %eax, %ds
        {0xC7, 0xF8, 0, 0, 0, 0}, // xbegin
    };
    for (const std::vector<u8>& code : all) {
        EXPECT_FALSE(is_served(code)) << "opcode " << unsigned{code[0]};
    }
}

} // namespace vestibule::test
