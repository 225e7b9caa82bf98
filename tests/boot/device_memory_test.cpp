// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which of the 2 MiB from 3 to 4 GiB a payload finds shared (boot/hand_over/device_memory.h): none
// of which anyone has said that there is memory, on tables like the stub's.
#include "boot/hand_over/device_memory.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace vestibule::test {

using boot::BootInfo;
using boot::MemoryRange;

namespace {

constexpr u64 c_bit     = bit(47);
constexpr u64 gib       = u64{1} << 30;
constexpr u64 mib       = u64{1} << 20;
constexpr u64 first     = 3 * gib;
constexpr u64 large     = 2 * mib;
constexpr u64 page_bits = 0x3; // present, writable
constexpr u64 own_place = 37;  // of the stub's own 2 MiB, which have a table of their own

struct Cpu {
    static inline u64 root  = 0;
    static inline u64 loads = 0;

    static u64 cr3() { return root; }

    static void set_cr3(u64 value) {
        EXPECT_EQ(value, root);
        ++loads;
    }
};

struct EfiDescriptor {
    u32 type;
    u32 padding;
    u64 base;
    u64 linear;
    u64 pages;
    u64 attribute;
};

class DeviceMemoryTest : public testing::Test {
  protected:
    DeviceMemoryTest() {
        tables_[0].entry[0].value = address_of(tables_[1]) | page_bits | c_bit;
        tables_[1].entry[3].value = address_of(tables_[2]) | page_bits | c_bit;
        for (u64 n = 0; n < 512; ++n) {
            tables_[2].entry[n].value =
                (first + n * large) | page_bits | x86::PageTableEntry::large | c_bit;
        }
        tables_[2].entry[own_place].value = address_of(tables_[3]) | page_bits | c_bit;
        Cpu::root                         = address_of(tables_[0]) | c_bit;
        Cpu::loads                        = 0;
        info_.c_bit                       = c_bit;
    }

    /// The numbers of the 2 MiB that are private afterwards, but for the stub's.
    std::vector<u64> kept() {
        boot::share_device_memory<Cpu>(info_);
        EXPECT_EQ(Cpu::loads, 1U) << "what the TLB has is stale";
        EXPECT_EQ(tables_[2].entry[own_place].value, address_of(tables_[3]) | page_bits | c_bit);
        std::vector<u64> numbers;
        for (u64 n = 0; n < 512; ++n) {
            const u64 entry = tables_[2].entry[n].value;
            if (n != own_place && (entry & c_bit) != 0) {
                numbers.push_back(n);
            }
            if (n != own_place) {
                EXPECT_EQ(entry & ~c_bit,
                          (first + n * large) | page_bits | x86::PageTableEntry::large);
            }
        }
        return numbers;
    }

    template <class T>
    static u64 address_of(const T& object) {
        return reinterpret_cast<u64>(&object);
    }

    std::unique_ptr<x86::PageTable[]> tables_ = std::make_unique<x86::PageTable[]>(4);
    BootInfo info_{};
};

using Numbers = std::vector<u64>;

} // namespace

TEST_F(DeviceMemoryTest, AllOfItWhereNobodyKnowsOfMemory) { EXPECT_EQ(kept(), Numbers{}); }

TEST_F(DeviceMemoryTest, NotWhatIsRam) {
    const MemoryRange ram[] = {
        {0,                   0xA'0000             },
        {mib,                 first + 5 * mib - mib}, // to the middle of the third
        {first + 20 * mib,    1                    },
        {first + 33 * mib,    2 * mib              }, // of two, half each
        {4 * gib - page_size, gib                  },
    };
    info_.ram       = address_of(ram);
    info_.ram_count = 5;
    EXPECT_EQ(kept(), (Numbers{0, 1, 2, 10, 16, 17, 511}));
}

TEST_F(DeviceMemoryTest, NotWhereThePayloadAndItsInitrdAre) {
    info_.payload_base = first + 8 * mib;
    info_.payload_size = 2 * mib + 1;
    info_.initrd       = first + 40 * mib - 1;
    info_.initrd_size  = 1;
    EXPECT_EQ(kept(), (Numbers{4, 5, 19}));
}

TEST_F(DeviceMemoryTest, NotWhatEfiCallsAnythingButADevices) {
    const EfiDescriptor map[] = {
        {7,  0, first + 2 * mib,   0, 256, 0}, // conventional memory
        {0,  0, first + 100 * mib, 0, 1,   0}, // reserved
        {11, 0, first + 200 * mib, 0, 512, 0}, // memory-mapped I/O
        {12, 0, first + 300 * mib, 0, 512, 0}, // ports
    };
    info_.efi_memory_map      = address_of(map);
    info_.efi_memory_map_size = sizeof map;
    info_.efi_descriptor_size = sizeof(EfiDescriptor);
    EXPECT_EQ(kept(), (Numbers{1, 50}));
}

} // namespace vestibule::test
