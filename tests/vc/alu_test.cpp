// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the emulated instructions compute, held against this CPU: every operation, size and pair of
// edge values, with the carry both ways (APM volume 3, chapter 3).
#include "vc/alu.h"
#include <gtest/gtest.h>

namespace vestibule::test {

using vc::Mnemonic;

struct Native {
    u64 value;
    u64 flags;
};

static constexpr u64 status = 0x8D5; // CF, PF, AF, ZF, SF, OF

// Runs `instruction` on a register of each size with the given flags, beyond the red zone.
#define NATIVE(name, instruction)                                                                  \
    template <class Type>                                                                          \
    static Native name(u64 destination, u64 source, u64 flags) {                                   \
        Type value   = static_cast<Type>(destination);                                             \
        Type operand = static_cast<Type>(source);                                                  \
        asm volatile("lea -128(%%rsp), %%rsp\n push %[flags]\n popfq\n" instruction                \
                     "\n pushfq\n pop %[flags]\n lea 128(%%rsp), %%rsp"                            \
                     : [value] "+r"(value), [flags] "+r"(flags)                                    \
                     : [operand] "r"(operand)                                                      \
                     : "cc", "memory");                                                            \
        return {.value = value, .flags = flags};                                                   \
    }

NATIVE(native_add, "add %[operand], %[value]")
NATIVE(native_or, "or %[operand], %[value]")
NATIVE(native_adc, "adc %[operand], %[value]")
NATIVE(native_sbb, "sbb %[operand], %[value]")
NATIVE(native_and, "and %[operand], %[value]")
NATIVE(native_sub, "sub %[operand], %[value]")
NATIVE(native_xor, "xor %[operand], %[value]")
NATIVE(native_cmp, "cmp %[operand], %[value]")
NATIVE(native_test, "test %[operand], %[value]")
NATIVE(native_inc, "inc %[value]")
NATIVE(native_dec, "dec %[value]")
NATIVE(native_not, "not %[value]")
NATIVE(native_neg, "neg %[value]")
NATIVE(native_bt, "bt %[operand], %[value]")
NATIVE(native_bts, "bts %[operand], %[value]")
NATIVE(native_btr, "btr %[operand], %[value]")
NATIVE(native_btc, "btc %[operand], %[value]")

static std::vector<u64> edges(u64 mask) {
    std::vector<u64> all;
    for (const u64 value : {u64{0},
                            u64{1},
                            u64{2},
                            u64{7},
                            u64{8},
                            u64{0xF},
                            u64{0x10},
                            u64{0x5A},
                            u64{0x7F},
                            u64{0x80},
                            u64{0x81},
                            u64{0xFF},
                            u64{0x100},
                            u64{0x7FFF},
                            u64{0x8000},
                            u64{0xFFFF},
                            u64{0x1'0000},
                            u64{0x7FFF'FFFF},
                            u64{0x8000'0000},
                            u64{0xFFFF'FFFF},
                            u64{0x1'0000'0000},
                            u64{0x0123'4567'89AB'CDEF},
                            ~u64{0} >> 1,
                            (~u64{0} >> 1) + 1,
                            ~u64{0} - 1,
                            ~u64{0}}) {
        all.push_back(value & mask);
    }
    return all;
}

struct Row {
    const char* name;
    Mnemonic mnemonic;
    Native (*run)(u64, u64, u64);
    bool writes;
    u64 compared; // flags that the manual defines, and those that stay
    bool bit_number;
};

template <class Type>
static void compare(std::vector<Row> rows) {
    constexpr u64 mask = static_cast<Type>(~Type{0});
    for (const Row& row : rows) {
        for (const u64 destination : edges(mask)) {
            for (u64 source : edges(mask)) {
                source = row.bit_number ? source & (8 * sizeof(Type) - 1) : source;
                for (const u64 before : {u64{0x202}, u64{0x202} | status}) {
                    const Native native = row.run(destination, source, before);
                    const vc::AluResult own =
                        vc::compute(row.mnemonic, destination, source, sizeof(Type), before);
                    ASSERT_EQ(own.rflags & row.compared, native.flags & row.compared)
                        << row.name << sizeof(Type) << std::hex << " " << destination << ", "
                        << source;
                    ASSERT_EQ(own.rflags & ~status, before & ~status);
                    if (row.writes) {
                        ASSERT_EQ(own.value, native.value) << row.name << sizeof(Type) << std::hex
                                                           << " " << destination << ", " << source;
                    }
                }
            }
        }
    }
}

template <class Type>
static std::vector<Row> arithmetic() {
    constexpr u64 no_af = status & ~u64{0x10};
    return {
        {"ADD",  Mnemonic::add,  native_add<Type>,  true,  status, false},
        {"OR",   Mnemonic::or_,  native_or<Type>,   true,  no_af,  false},
        {"ADC",  Mnemonic::adc,  native_adc<Type>,  true,  status, false},
        {"SBB",  Mnemonic::sbb,  native_sbb<Type>,  true,  status, false},
        {"AND",  Mnemonic::and_, native_and<Type>,  true,  no_af,  false},
        {"SUB",  Mnemonic::sub,  native_sub<Type>,  true,  status, false},
        {"XOR",  Mnemonic::xor_, native_xor<Type>,  true,  no_af,  false},
        {"CMP",  Mnemonic::cmp,  native_cmp<Type>,  false, status, false},
        {"TEST", Mnemonic::test, native_test<Type>, false, no_af,  false},
        {"INC",  Mnemonic::inc,  native_inc<Type>,  true,  status, false},
        {"DEC",  Mnemonic::dec,  native_dec<Type>,  true,  status, false},
        {"NOT",  Mnemonic::not_, native_not<Type>,  true,  status, false},
        {"NEG",  Mnemonic::neg,  native_neg<Type>,  true,  status, false},
    };
}

template <class Type>
static std::vector<Row> bit_tests() {
    constexpr u64 cf_and_zf = 0x41; // the others are undefined
    return {
        {"BT",  Mnemonic::bt,  native_bt<Type>,  false, cf_and_zf, true},
        {"BTS", Mnemonic::bts, native_bts<Type>, true,  cf_and_zf, true},
        {"BTR", Mnemonic::btr, native_btr<Type>, true,  cf_and_zf, true},
        {"BTC", Mnemonic::btc, native_btc<Type>, true,  cf_and_zf, true},
    };
}

TEST(Alu, Arithmetic) {
    compare<u8>(arithmetic<u8>());
    compare<u16>(arithmetic<u16>());
    compare<u32>(arithmetic<u32>());
    compare<u64>(arithmetic<u64>());
}

TEST(Alu, BitTests) {
    compare<u16>(bit_tests<u16>());
    compare<u32>(bit_tests<u32>());
    compare<u64>(bit_tests<u64>());
}

TEST(Alu, MovesChangeNoFlag) {
    for (const Mnemonic mnemonic :
         {Mnemonic::mov, Mnemonic::movzx, Mnemonic::movsx, Mnemonic::stos, Mnemonic::xchg}) {
        const vc::AluResult result = vc::compute(mnemonic, 1, 2, 4, 0x8D7);
        EXPECT_EQ(result.value, 2U);
        EXPECT_EQ(result.rflags, 0x8D7U);
    }
}

} // namespace vestibule::test
