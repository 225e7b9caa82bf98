// SPDX-License-Identifier: BSD-2-Clause-Patent
// The page walk (APM volume 2, sections 5.3, 5.4 and 5.6): levels, large pages, rights of every
// level, reserved bits, the #PF error codes, and which memory is private.
#include "tests/vc/memory_fixture.h"

namespace vestibule::test {

using vc::Translation;

static constexpr u32 write_access = 2;
static constexpr u32 user_access  = 4;
static constexpr u64 all_rights   = kernel_data | entry_bit::user;

struct WalkTest : MemoryTest {
    static constexpr u64 address = 0x0000'1234'5678'9ABC;
    static constexpr u64 cr4_57  = 0x1000;

    Translation walk(u64 where, u32 access = 0, u64 rflags = 2) {
        return vc::walk<MockCpu>(context, where, access, rflags);
    }

    testing::AssertionResult faults(const Translation& translation, u32 error_code) {
        if (translation.faults && translation.error_code == error_code) {
            return testing::AssertionSuccess();
        }
        return testing::AssertionFailure()
               << "faults " << translation.faults << ", error code " << translation.error_code;
    }
};

TEST_F(WalkTest, FourLevels) {
    tables.entry(address, 1) = 0x0001'2345'6000 | all_rights;
    const Translation found  = walk(address);
    EXPECT_FALSE(found.faults);
    EXPECT_EQ(found.gpa, 0x0001'2345'6ABCU);
    EXPECT_TRUE(found.is_private);
    tables.entry(address, 1) = 0x0001'2345'6000 | (all_rights & ~entry_bit::c_bit);
    EXPECT_EQ(walk(address).gpa, 0x0001'2345'6ABCU);
    EXPECT_FALSE(walk(address).is_private);
}

TEST_F(WalkTest, FiveLevels) {
    tables.levels         = 5;
    MockCpu::cr4_value    = cr4_57;
    const u64 high        = 0x00AB'0000'0000'0000 | address;
    tables.entry(high, 1) = 0x0001'2345'6000 | all_rights;
    EXPECT_EQ(walk(high).gpa, 0x0001'2345'6ABCU);
    EXPECT_TRUE(faults(walk(address), 0)); // another entry of the fifth level
}

TEST_F(WalkTest, Cr3WithFlagsAndCBit) {
    tables.entry(address, 1) = 0x0001'2345'6000 | all_rights;
    MockCpu::cr3_value       = tables.root | entry_bit::c_bit | 0x018 | u64{1} << 63;
    EXPECT_EQ(walk(address).gpa, 0x0001'2345'6ABCU);
    MockCpu::cr3_value = tables.root | 0xFFF; // a PCID
    EXPECT_EQ(walk(address).gpa, 0x0001'2345'6ABCU);
}

TEST_F(WalkTest, ProtectionKeys) {
    constexpr u64 cr4_pke      = u64{1} << 22;
    constexpr u32 fetch_access = 16;
    constexpr u64 supervisor   = kernel_data;
    for (unsigned key = 0; key < 16; ++key) {
        const u64 in_entry = u64{key} << 59;
        for (const u32 rights : {0U, 1U, 2U, 3U}) {
            MockCpu::pkru_value      = rights << (2 * key);
            MockCpu::cr4_value       = cr4_pke;
            tables.entry(address, 1) = 0x0001'2345'6000 | all_rights | in_entry;
            const auto holds         = [&](u32 access, bool denied, u64 rflags = 2) {
                const Translation found = walk(address, access, rflags);
                EXPECT_EQ(found.faults, denied) << key << " " << rights << " " << access;
                EXPECT_EQ(found.error_code, denied ? access | 0x21 : 0U);
                EXPECT_TRUE(denied || found.gpa == 0x0001'2345'6ABC);
            };
            const bool no_access = (rights & 1) != 0;
            const bool no_write  = rights != 0;
            MockCpu::cr0_value   = cr0_wp;
            holds(user_access, no_access);
            holds(user_access | write_access, no_write);
            holds(0, no_access); // the kernel's accesses to a user page too
            holds(write_access, no_write);
            holds(fetch_access | user_access, false);
            MockCpu::cr0_value = 0;
            holds(user_access | write_access, no_write);
            holds(write_access, no_access);
            MockCpu::cr4_value = 0;
            holds(user_access | write_access, false);
            MockCpu::cr4_value       = cr4_pke;
            tables.entry(address, 1) = 0x0001'2345'6000 | supervisor | in_entry;
            holds(write_access, false);
        }
    }
}

TEST_F(WalkTest, ATableThatGoesAway) {
    tables.entry(address, 1) = 0x0001'2345'6000 | all_rights;
    MockCpu::gone_address    = reinterpret_cast<u64>(&tables.entry(address, 2));
    EXPECT_TRUE(faults(walk(address), 0));
    EXPECT_TRUE(faults(walk(address, write_access | user_access), 0b110));
}

TEST_F(WalkTest, LargePages) {
    tables.entry(address, 2) = 0x0001'2340'0000 | all_rights | entry_bit::large;
    EXPECT_EQ(walk(address).gpa, 0x0001'2340'0000U | (address & 0x1F'FFFF));
    EXPECT_TRUE(walk(address).is_private);
    tables.entry(address, 2) |= 0x1000; // PAT
    EXPECT_EQ(walk(address).gpa, 0x0001'2340'0000U | (address & 0x1F'FFFF));
    tables.entry(address, 3) =
        0x0001'4000'0000 | (all_rights & ~entry_bit::c_bit) | entry_bit::large;
    EXPECT_EQ(walk(address).gpa, 0x0001'4000'0000U | (address & 0x3FFF'FFFF));
    EXPECT_FALSE(walk(address).is_private);
}

TEST_F(WalkTest, ReservedBits) {
    tables.entry(address, 1) = 0x0001'2345'6000 | all_rights;
    context.page_addresses   = vc::page_addresses(46, entry_bit::c_bit);
    EXPECT_FALSE(walk(address).faults);
    for (unsigned level = 1; level <= 4; ++level) {
        for (unsigned bit = 46; bit < 51; ++bit) {
            tables.entry(address, level) ^= u64{1} << bit;
            EXPECT_TRUE(faults(walk(address), 0b1001)) << level << " " << bit;
            EXPECT_TRUE(faults(walk(address, write_access | user_access), 0b1111));
            tables.entry(address, level) ^= u64{1} << bit;
        }
    }
    tables.entry(address, 4) |= entry_bit::large;
    EXPECT_TRUE(faults(walk(address), 0b1001));
}

TEST_F(WalkTest, LargePagesThatAreNotAligned) {
    for (const unsigned level : {2U, 3U}) {
        for (unsigned bit = 13; bit < 12 + 9 * (level - 1); ++bit) {
            tables.entry(address, level) = u64{1} << bit | all_rights | entry_bit::large;
            EXPECT_TRUE(faults(walk(address), 0b1001)) << level << " " << bit;
        }
    }
}

TEST_F(WalkTest, NotPresentAtEachLevel) {
    for (unsigned level = 4; level >= 1; --level) {
        tables.entry(address, 1) = 0x0001'2345'6000 | all_rights;
        u64& entry               = tables.entry(address, level);
        const u64 whole          = entry;
        entry                    = whole & ~entry_bit::present;
        EXPECT_TRUE(faults(walk(address), 0));
        EXPECT_TRUE(faults(walk(address, write_access), 2));
        EXPECT_TRUE(faults(walk(address, user_access), 4));
        EXPECT_TRUE(faults(walk(address, write_access | user_access), 6));
        entry = ~entry_bit::present; // nothing else of it counts
        EXPECT_TRUE(faults(walk(address), 0));
        entry = whole;
    }
}

TEST_F(WalkTest, RightsOfEveryLevel) {
    for (unsigned level = 4; level >= 1; --level) {
        for (const u64 missing : {u64{0}, entry_bit::writable, entry_bit::user,
                                  entry_bit::writable | entry_bit::user}) {
            tables.entry(address, 1) = 0x0001'2345'6000 | all_rights;
            u64& entry               = tables.entry(address, level);
            const u64 whole          = entry;
            entry &= ~missing;
            const bool writable = (missing & entry_bit::writable) == 0;
            const bool user     = (missing & entry_bit::user) == 0;
            for (const u64 cr0 : {u64{0}, cr0_wp}) {
                MockCpu::cr0_value = cr0;
                EXPECT_FALSE(walk(address).faults);
                EXPECT_EQ(walk(address, write_access).faults, !writable && cr0 != 0);
                EXPECT_EQ(walk(address, user_access).faults, !user);
                EXPECT_EQ(walk(address, user_access | write_access).faults, !user || !writable);
            }
            if (!writable) {
                EXPECT_TRUE(faults(walk(address, write_access), 3));
                EXPECT_TRUE(faults(walk(address, write_access | user_access), 7));
            }
            if (!user) {
                EXPECT_TRUE(faults(walk(address, user_access), 5));
            }
            MockCpu::cr4_value = cr4_smap;
            EXPECT_EQ(walk(address).faults, user);
            EXPECT_FALSE(walk(address, 0, 0x4'0002).faults);
            EXPECT_EQ(walk(address, user_access).faults, !user);
            MockCpu::cr4_value = 0;
            entry              = whole;
        }
    }
}

} // namespace vestibule::test
